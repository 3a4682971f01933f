"""Scenes with a made-up study whose numbers are known, on grids of any kind; no network runs."""

from dataclasses import dataclass, replace

import numpy as np
import slicer
import vtk
from scipy.spatial.transform import Rotation
from vtk.util.numpy_support import numpy_to_vtk

from ONFHAssistLib.core.findings import Figure, Finding, FindingMask, SliceProbability, Strip
from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.gradings.steinberg import STEINBERG
from ONFHAssistLib.core.grid import as_point
from ONFHAssistLib.core.masks import Calibration, HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume

RADIUS_MM = 24.0
CENTRES = {"right": np.array([88.0, 12.0, -24.0]), "left": np.array([-86.0, 9.0, -21.0])}
HALF_ANGLE_DEG = {"right": 60.0, "left": 30.0}
"""The lesion is the cone of this half-angle about superior, with its tip in the centre: (1 - cos) / 2 of the head."""

CORONAL = np.array([[-1.0, 0, 0], [0, 0, -1], [0, -1, 0]])
AXIAL = np.array([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]])
"""Columns are the i, j, k axes in RAS."""


@dataclass(frozen=True)
class Grid:
    """A grid: spacing in mm along (i, j, k), turned by degrees about x, y, z."""

    axes: np.ndarray
    spacing_mm: tuple[float, float, float]
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    flip: tuple[int, ...] = ()

    def volume(self) -> Volume:
        turned = Rotation.from_euler("xyz", self.turn_deg, degrees=True).as_matrix() @ self.axes
        turned[:, list(self.flip)] *= -1
        extent = np.abs(self.axes).T @ np.array([270.0, 90.0, 90.0])
        size = np.ceil(extent / self.spacing_mm).astype(int)
        matrix = np.eye(4)
        matrix[:3, :3] = turned * np.array(self.spacing_mm)
        matrix[:3, 3] = np.array([0.0, 10.0, -22.0]) - matrix[:3, :3] @ ((size - 1) / 2)
        return Volume(np.zeros(tuple(size[::-1]), np.int16), matrix)


GRIDS = {
    "coronal": Grid(CORONAL, (2.0, 2.0, 5.0)),
    "axial left-handed": Grid(AXIAL, (2.0, 2.0, 3.0), flip=(2,)),
    "oblique": Grid(CORONAL, (1.8, 2.1, 4.4), turn_deg=(6.0, -9.0, 4.0)),
    "oblique left-handed": Grid(AXIAL, (2.0, 1.7, 3.3), turn_deg=(12.0, 5.0, -8.0), flip=(0,)),
}


def ratio(side: str) -> float:
    """The true volume ratio of a hip of the made-up study."""
    return (1 - np.cos(np.deg2rad(HALF_ANGLE_DEG[side]))) / 2


def made_up(grid: Grid = GRIDS["coronal"], sides=("right", "left"), missed=(), calibrated: bool = False) -> StudyResult:
    """Two ball-shaped heads with a cone of necrosis each; ``missed`` hips were not found."""
    volume = grid.volume()
    at = volume.grid_ras()
    array = np.random.default_rng(1).normal(60, 8, volume.array.shape)
    masks, hips = [], []
    for side in sides:
        offset = at - CENTRES[side]
        distance = np.linalg.norm(offset, axis=-1)
        head = distance <= RADIUS_MM
        array[head] += 140
        if side in missed:
            hips.append(HipResult(side, "not graded", "no femoral head was found"))
            continue
        above = offset[..., 2] - np.cos(np.deg2rad(HALF_ANGLE_DEG[side])) * distance
        necrosis = head & (above >= 0)
        array[necrosis] -= 100
        probability = volume.like((head / (1 + np.exp(-np.clip(above, -9, 9)))).astype(np.float32))
        out = np.array([1.0 if side == "right" else -1.0, 0, 0])
        edge = CENTRES[side] + 27.0 * (np.sin(0.7) * out + [0, 0, np.cos(0.7)])
        drop = CENTRES[side] - 30.0 * (0.8 * out + [0, 0, 0.6])
        points = (tuple(float(x) for x in point) for point in (edge, drop))
        sphere = Sphere(tuple(float(x) for x in CENTRES[side]), RADIUS_MM)
        calibration = Calibration(0.7, 0.3, ("T1",)) if calibrated else None
        masks.append(
            HipMasks.of(
                side, volume.like(head), volume.like(necrosis), sphere,
                Landmarks(*points, 0.9, 0.8), probability, calibration,
            )
        )  # fmt: skip
        hips.append(grade(masks[-1]))
    source = {
        "kind": "Slicer", "modality": "MR", "sequence": "T1", "sequence_from": "image", "fat_suppressed": False,
        "contrast_agent": None, "plane": "coronal", "obliquity_deg": 0.0, "spacing_mm": list(volume.spacing_mm),
        "shape": list(volume.array.shape), "body_part": "",
    }  # fmt: skip
    image = volume.like(array.astype(np.int16))
    models = ({"name": "necrosis", "version": "0.2.0", "sha256": 64 * "0", "engine": "none", "device": "CPU"},)
    return StudyResult(
        image, source, tuple(hips), tuple(masks), models=models, patient={"id": "HOSP-4711", "study_date": "20260131"}
    )


def strip_of(masks):
    """A strip with a slice of its own at each slice of the image, whose probability tells where that lies."""
    grid, centre = masks.grid, np.array(CENTRES[masks.side])
    first = int(np.rint(grid.ijk(centre)[2])) - 2
    normal = grid.axes_ras[:, 2]
    places = [centre + ((grid.ras(np.array([0, 0, k])) - centre) @ normal) * normal for k in range(first, first + 5)]
    slices = tuple(SliceProbability(first + n, as_point(place), 0.2 * n) for n, place in enumerate(places))
    return Strip("necrosis", 0.5, as_point(normal), slices)


def with_findings(result):
    """The same study with what another system makes of each hip (necrosis: the upper part of the head), and of all."""
    findings = []
    for masks in (hip.whole() for hip in result.masks):
        above = masks.head.grid_ras()[..., 2] > CENTRES[masks.side][2] + 8
        own = replace(masks, necrosis=masks.head.like(masks.head.array & above), probability=None)
        measured = measure_hip(own)
        findings.append(
            Finding(
                "toy", "A toy", masks.side,
                grades={"steinberg": STEINBERG.grade(measured)},
                figures=(Figure("contrast", 0.4, "Contrast", "fraction"),),
                slices=measured.slices,
                strip=strip_of(masks),
                masks=tuple(
                    FindingMask(f"{masks.side}_{name}_toy", name, label, "#009e73", "a~b", volume)
                    for name, label, volume in (("head", 101, own.head), ("necrosis", 102, own.necrosis))
                ),
                attention=own.necrosis.like(own.necrosis.array * np.float32(0.5)),
            )
        )  # fmt: skip
    findings.append(Finding("toy", "A toy", "patient", probabilities={"collapse": 0.25}))
    return replace(result, findings=tuple(findings))


def add_volume(scene, volume: Volume, class_name: str = "vtkMRMLScalarVolumeNode", name: str = "Image"):
    """Put an image into a scene."""
    node = scene.AddNewNodeByClass(class_name, name)
    image = vtk.vtkImageData()
    image.SetDimensions(*volume.array.shape[2::-1])
    components = volume.array.reshape(int(np.prod(volume.array.shape[:3])), -1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(components), deep=True))
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(to_vtk(volume.ijk_to_ras))
    return node


def to_vtk(matrix: np.ndarray):
    found = vtk.vtkMatrix4x4()
    found.DeepCopy(np.asarray(matrix, float).ravel().tolist())
    return found


def paint(review, side: str, what: str, where: np.ndarray, value: bool = True) -> None:
    """Paint or erase as the Segment Editor does: voxels of the input's grid (bool, k j i) into a segment."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*where.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(where.astype(np.uint8).ravel(), deep=True))
    matrix = vtk.vtkMatrix4x4()
    review.volume_node.GetIJKToRASMatrix(matrix)
    image.SetImageToWorldMatrix(matrix)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if value:
        mode = logic.MODE_MERGE_MASK
    else:
        image.GetPointData().SetScalars(numpy_to_vtk((~where).astype(np.uint8).ravel(), deep=True))
        mode = logic.MODE_MERGE_MIN
    node = review.segmentation_node
    assert logic.SetBinaryLabelmapToSegment(image, node, review.segment_id(side, what), mode)


def empty_scene(folder):
    """A scene as Slicer has it: markups are kept in files, and what is read has a cache."""
    found = slicer.vtkMRMLScene()
    markups, cache, manager = slicer.vtkSlicerMarkupsLogic(), slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    markups.SetMRMLScene(found)
    cache.SetRemoteCacheDirectory(str(folder))
    manager.SetCacheManager(cache)
    found.SetCacheManager(cache)
    found.SetDataIOManager(manager)
    found.alive = (markups, cache, manager)  # as long as the scene
    return found
