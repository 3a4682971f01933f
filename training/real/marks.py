"""Real volumes whose femoral heads were marked by eye (``heads.json``), as labelled hips.

A mark is a sphere, and points that lie safely in the hip bone, in the rest of the femur, or in what lies beside them.
The label map holds what follows from these alone: the head inside the sphere, small balls about the points, and on CT
soft tissue by its Hounsfield units; everything else is unknown (IGNORE).
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import canonical_hip
from ONFHAssistLib.imaging.segment import CROP_MM
from training.real.data import read_volume, require_data_folder, to_volume
from training.real.labelled import IGNORE, LabelledHip

HEADS_FILE = Path(__file__).with_name("heads.json")
SURE_MM = 1.0
"""How far inside the sphere a voxel surely belongs to the head: the marks are about so exact."""
BALL_MM = 3.0
"""Radius of what is labelled about a marked point."""
SOFT_TISSUE_HU = 90.0
"""On CT, smoothed voxels below this are not bone; marrow of the shaft is, but lies outside of what is looked at."""
NEAR_MM = 30.0
"""Soft tissue is labelled by its Hounsfield units up to so far outside the sphere, and not in the femur's marrow."""


@dataclass(frozen=True)
class MarkedHead:
    """A femoral head that was marked by eye.

    Attributes:
        image: path below the data folder; a folder is a DICOM series.
        side: which hip.
        sphere: its articular sphere, RAS in mm.
        whole: whether the whole sphere lies in the image.
        hip_bone, femur, other: points (RAS, mm) safely inside these.
    """

    image: str
    side: Side
    sphere: Sphere
    whole: bool
    hip_bone: tuple[Point, ...]
    femur: tuple[Point, ...]
    other: tuple[Point, ...]

    @property
    def modality(self) -> Literal["MR", "CT"]:
        """Modality, as the files' names tell it."""
        return "CT" if "ct.nii" in self.image else "MR"

    @property
    def contrast(self) -> str:
        """Contrast, as in ``render.CONTRASTS``."""
        return "ct" if self.modality == "CT" else "t2" if "t2" in self.image else "t1"


@cache
def marked_heads() -> tuple[MarkedHead, ...]:
    """Read the marks."""
    entries = json.loads(HEADS_FILE.read_text(encoding="utf-8"))["heads"]
    return tuple(
        MarkedHead(
            entry["image"],
            entry["side"],
            Sphere(tuple(entry["centre_ras_mm"]), entry["radius_mm"]),
            entry["view"] == "whole",
            *(tuple(map(tuple, entry.get(f"{name}_points", ()))) for name in ("hip_bone", "femur", "other")),
        )
        for entry in entries
    )


@cache
def images_without_head() -> tuple[str, ...]:
    """Return the images of the data folder that show no femoral head."""
    return tuple(json.loads(HEADS_FILE.read_text(encoding="utf-8"))["without_head"])


@cache
def read_image(image: str) -> Volume:
    """Read a marked image, a file or a DICOM series, by its path below the data folder."""
    path: Path = require_data_folder() / image
    if path.is_file():
        return read_volume(path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    return to_volume(reader.Execute())


def marked_hip(head: MarkedHead) -> LabelledHip:
    """Return a marked head as a hip in canonical pose, with the part of its labels that is sure."""
    centre = head.sphere.centre_ras_mm
    canonical = canonical_hip(read_image(head.image), head.side, centre, CROP_MM)
    grid = canonical.volume.grid_ras()
    label = np.full(grid.shape[:-1], IGNORE, np.uint8)
    distance = np.linalg.norm(grid - np.array(centre), axis=-1)
    if head.modality == "CT":
        smooth = ndimage.gaussian_filter(canonical.volume.array.astype(np.float32), 0.7)
        near = (distance > head.sphere.radius_mm + SURE_MM) & (distance < head.sphere.radius_mm + NEAR_MM)
        label[near & (smooth < SOFT_TISSUE_HU) & ~_enclosed(smooth)] = AnatomyLabel.BACKGROUND
    for points, value in (
        (head.other, AnatomyLabel.BACKGROUND),
        (head.hip_bone, AnatomyLabel.HIP_BONE),
        (head.femur, AnatomyLabel.FEMUR),
    ):
        for point in points:
            label[np.linalg.norm(grid - np.array(point), axis=-1) < BALL_MM] = value
    label[distance < head.sphere.radius_mm - SURE_MM] = AnatomyLabel.HEAD
    lateral = np.array([1 if head.side == "right" else -1, 1, 1])
    points_mm = ((grid - np.array(centre)) * lateral).astype(np.float32)
    return LabelledHip(canonical, head.modality, head.contrast, label, head.sphere.radius_mm, centre, points_mm)


def _enclosed(smooth: np.ndarray) -> np.ndarray:
    """Marrow that bone encloses in its slice, (slice, row, column): it is soft by its HU and belongs to a bone."""
    bone = smooth > 2 * SOFT_TISSUE_HU
    return np.stack([ndimage.binary_fill_holes(ndimage.binary_closing(s, iterations=2)) for s in bone])
