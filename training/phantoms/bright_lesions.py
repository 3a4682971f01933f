"""A painter of lesions that the shipped networks have not learned: brighter than marrow on T1, and without a band.

Blood (Mitchell B) is bright on T1. Both painters of the shipped networks' lesions enclose it in a dark band, without
which they paint nothing that is as bright as marrow or brighter. ``training.benchmarks.loop`` teaches this kind to a
network with a few corrected cases.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.volume import Volume

SIGNAL = (1.2, 1.4)
"""Of the lesion, as a part of the marrow's own."""
EDGE_MM = 2.5
"""This far below the surface of the head nothing is painted: cortex and cartilage stay as they are."""


@dataclass(frozen=True)
class BrightLesion:
    """A painted image: float32 (k, j, i), and its truth (bool), the lesion."""

    image: np.ndarray
    necrosis: np.ndarray


def paint_bright(
    image: Volume, head: np.ndarray, sphere: Sphere, side: Side, ratio: float, rng: np.random.Generator
) -> BrightLesion:
    """Paint one lesion into a head without visible osteonecrosis on T1.

    Args:
        image: any orientation and spacing.
        head: bool, shape of the image's array.
        sphere: of that head.
        side: which hip; a left one gets the mirror image of what a right one gets.
        ratio: necrosis / head by volume, reached but for a voxel layer.
        rng: source of all that is random.

    Raises:
        InputError: the head is empty, or the ratio is not between 0 and 0.6.
    """
    if head.shape != image.shape or not head.any() or not 0 < ratio <= 0.6:
        raise InputError(
            "A lesion is painted into a head on the image's grid, over more than 0 and at most 60 % of it."
        )
    box = tuple(slice(max(axis.start - 1, 0), axis.stop + 1) for axis in ndimage.find_objects(head.astype(np.uint8))[0])
    inside = head[box]
    lateral = 1.0 if side == "right" else -1.0
    k, j, i = np.mgrid[box]
    points = image.ras(np.stack([i, j, k], axis=-1).astype(float)) - np.array(sphere.centre_ras_mm)
    points *= np.array([lateral, 1.0, 1.0]) / sphere.radius_mm

    axis = np.array([rng.normal(0.1, 0.2), rng.uniform(-0.1, 0.6), 1.0])
    axis /= np.linalg.norm(axis)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    offset = (points - axis * rng.uniform(0.6, 0.9)) @ turn / rng.uniform(0.75, 1.3, 3)
    distance = np.linalg.norm(offset, axis=-1) * sphere.radius_mm
    for _ in range(4):
        way = rng.standard_normal(3)
        distance += rng.uniform(0.2, 0.6) * np.sin(
            points @ way / np.linalg.norm(way) * rng.uniform(3, 9) + rng.uniform(0, 6)
        )
    size = float(np.sort(distance[inside])[max(round(ratio * inside.sum()) - 1, 0)])
    depth = size - distance  # mm inside the outer margin
    necrosis = inside & (depth >= 0)

    spacing = np.array(image.spacing_mm[::-1])
    below = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    ramp = float(spacing.min())
    cover = np.clip(depth / ramp + 0.5, 0, 1) * np.clip((below - EDGE_MM) / ramp + 0.5, 0, 1)
    texture = ndimage.gaussian_filter(rng.normal(size=inside.shape), 2.0 / spacing)
    texture /= texture.std() + 1e-9
    signal = rng.uniform(*SIGNAL) + 0.03 * texture
    painted = image.array.astype(np.float32)
    painted[box] *= np.where(inside, 1 + cover * (signal - 1), 1).astype(np.float32)
    truth = np.zeros(head.shape, bool)
    truth[box] = necrosis
    return BrightLesion(painted, truth)
