"""A small made-up image with two heads, and what a reader makes of one of them."""

import threading
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case.reviewed import ReviewedCase

CENTRES = {"right": (90.0, 10.0, 5.0), "left": (-90.0, 10.0, 5.0)}
RADIUS_MM = 24.0
AXES = {
    "coronal": np.array([[-1.0, 0, 0], [0, 0, -1], [0, -1, 0]]),
    "axial": np.array([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]]),
    "sagittal": np.array([[0, 0, -1.0], [-1, 0, 0], [0, -1, 0]]),
}
"""Columns are the i, j, k axes in RAS."""
EXTENT_MM = {"coronal": (280, 140, 100), "axial": (280, 140, 100), "sagittal": (100, 140, 240)}
SOURCE = {"kind": "DICOM", "modality": "MR", "sequence": "T1", "plane": "coronal", "body_part": "HIP"}
MODEL = {"name": "necrosis", "version": "0.2.0", "sha256": 64 * "a", "engine": "OpenVINO", "device": "CPU"}


@dataclass(frozen=True)
class Hip:
    """What a hip looks like; ``lesion_mm`` is the height of its cap of necrosis, ``seed`` that of the image's noise."""

    side: str = "right"
    plane: str = "coronal"
    lesion_mm: float = 16.0
    seed: int = 0
    turn_deg: float = 0.0
    spacing_mm: tuple[float, float, float] = (4.0, 4.0, 5.0)

    def image(self) -> Volume:
        axes = AXES[self.plane]
        turned = Rotation.from_euler("xyz", [self.turn_deg, 0, self.turn_deg], degrees=True).as_matrix() @ axes
        size = np.ceil(np.array(EXTENT_MM[self.plane]) / self.spacing_mm).astype(int)
        matrix = np.eye(4)
        matrix[:3, :3] = turned * np.array(self.spacing_mm)
        matrix[:3, 3] = np.array([0, 10, 5]) - matrix[:3, :3] @ ((size - 1) / 2)
        noise = np.random.default_rng(self.seed).integers(0, 900, tuple(size[::-1]))
        return Volume(noise.astype(np.int16), matrix)

    def masks(self, image: Volume, lesion_mm: float | None = None) -> HipMasks:
        offset = image.grid_ras() - np.array(CENTRES[self.side])
        head = np.linalg.norm(offset, axis=-1) <= RADIUS_MM
        height = self.lesion_mm if lesion_mm is None else lesion_mm
        necrosis = head & (offset[..., 2] > RADIUS_MM - height)
        return HipMasks.of(self.side, image.like(head), image.like(necrosis), Sphere(CENTRES[self.side], RADIUS_MM))

    def case(self, patient: str = "HOSP-4711", reviewer: str = "reader1", status: str = "approved", **more):
        """A case whose automatic masks had a smaller lesion."""
        image = self.image()
        masks, automatic = self.masks(image), self.masks(image, self.lesion_mm / 2)
        given = {
            "automatic": automatic,
            "automatic_result": grade(automatic),
            "source": SOURCE | {"plane": self.plane},
            "models": (MODEL,),
        }
        return ReviewedCase(patient, image, masks, grade(masks), reviewer, status, **(given | more))


def every_byte(folder) -> dict[str, bytes]:
    """Path and content of each file, the lock left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".lock")
    }


def run_together(*jobs) -> list:
    """Run functions in threads at once; return what they raised."""
    errors: list = []

    def run(job):
        try:
            job()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
