"""The hips that the slices are taken of: procedural ones, and real ones on the same fine grid."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from training.phantoms.ct_bone import FineHip, fine_points
from training.real.marks import MarkedHead, marked_heads, read_image

TRAINING_IMAGES = (
    "ct_hips/c1_right_ct.nii.gz",
    "ct_hips/c1_left_ct.nii.gz",
    "ct_t1_extremities/e029_ct.nii.gz",
    "ct_t1_extremities/e015_ct.nii.gz",
)
"""Real heads of three patients that the networks learn from. The others, of four patients, measure only."""
TEST_IMAGES = (
    "ct/pelvis_ct.nii.gz",
    "ct_mr_pair/hip_ct.nii.gz",
    "ct_hips/e020_left_ct.nii.gz",
    "ct_t1_extremities/e031_ct.nii.gz",
)
METAL = ("ct/pelvis_ct.nii.gz", "left")
"""A nail in this head: it is refused, not graded."""
BONE_HU = 90.0
"""Smoothed voxels of a real head above this are bone with its marrow; the joint and fat are below."""
OUTSIDE_HU = -1000.0


@dataclass(frozen=True)
class RealHead:
    """A real head without visible osteonecrosis, and its number: one for each head, so each belongs to one part."""

    mark: MarkedHead
    number: int


def real_heads(images: tuple[str, ...]) -> list[RealHead]:
    """Return the heads of these images, but for the one with metal."""
    return [
        RealHead(mark, n)
        for n, mark in enumerate(marked_heads())
        if mark.image in images and (mark.image, mark.side) != METAL
    ]


def real_hip(mark: MarkedHead, rng: np.random.Generator | None = None) -> FineHip:
    """Put a real head on the fine grid, with its noise.

    Args:
        mark: its sphere and image.
        rng: turns and scales it a little, as another patient would lie; None: as it is.

    Returns:
        The hip; its head is what the sphere holds of bone. Beyond the image the HU are those of air.
    """
    volume = read_image(mark.image)
    turn, scale = np.eye(3), 1.0
    if rng is not None:
        turn = Rotation.from_euler("xyz", rng.normal(0, 6, 3), degrees=True).as_matrix()
        scale = rng.uniform(0.92, 1.08)
    points = fine_points(mark.sphere.radius_mm * scale, turn)
    lateral = np.array([1.0 if mark.side == "right" else -1.0, 1.0, 1.0])
    ijk = volume.ijk(points / scale * lateral + np.array(mark.sphere.centre_ras_mm))
    at = np.moveaxis(ijk[..., ::-1], -1, 0)
    image = ndimage.map_coordinates(volume.array.astype(np.float32), at, order=1, cval=OUTSIDE_HU)
    inside = ndimage.map_coordinates(np.ones(volume.shape, np.float32), at, order=1, cval=0.0) > 0.99
    radius = mark.sphere.radius_mm * scale
    distance = np.linalg.norm(points, axis=-1)
    bone = ndimage.binary_closing(ndimage.gaussian_filter(image, 1.0) > BONE_HU, iterations=2) & inside
    head = (distance < radius * 1.02) & ndimage.binary_fill_holes(bone) & inside
    neck = (points @ np.array([0.72, -0.15, -0.68], np.float32) > 0.8 * distance) & (distance < 1.5 * radius)
    pelvis = bone & (distance > radius + 2) & (points[..., 2] > 0)
    return FineHip(image, points.astype(np.float32), head, head | (neck & bone), pelvis, radius)
