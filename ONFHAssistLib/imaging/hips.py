"""Finding the femoral heads in a whole image with the hip finder network."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.special import expit

from ONFHAssistLib.core.grid import Point, as_point
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import normalise

if TYPE_CHECKING:
    from ONFHAssistLib.models.engine import Engine

COARSE_MM = 5.0
"""Voxel size of the finder's grid."""
COARSE_MULTIPLE = 16
"""Sizes of the grid are multiples of this, as the bundle's metadata says."""
OUTSIDE = -1.0
"""Normalised intensity where there is no image, as dark as air."""
FOUND = 0.1
"""Peaks of the heat map above this are looked at by the anatomy network, which decides."""
BASE = 0.3
"""A peak is what rises above this part of its height; its centre of gravity is the place."""
CANDIDATES = 6
"""At the most so many peaks are looked at: each costs two runs of the anatomy network."""
APART_MM = 40.0
"""Peaks closer than this, less than the width of a head, are one."""


@dataclass(frozen=True)
class FoundHead:
    """What may be a femoral head: centre (RAS, mm) and the height of the heat map's peak (0 to 1)."""

    centre_ras_mm: Point
    confidence: float


def coarse_volume(volume: Volume, modality: str) -> Volume:
    """Resample an image to the finder's grid.

    The grid is aligned with RAS, so its arrays run inferior to superior, posterior to anterior and left to right. It
    covers the image and is padded with OUTSIDE to a multiple of 16 voxels, at least 32.

    Returns:
        a float32 Volume, normalised.
    """
    size = volume.size
    corners = volume.ras(np.array([[i, j, k] for i in (0, size[0]) for j in (0, size[1]) for k in (0, size[2])]) - 0.5)
    low, high = corners.min(0), corners.max(0)
    count = np.maximum(np.ceil((high - low) / COARSE_MM / COARSE_MULTIPLE).astype(int) * COARSE_MULTIPLE, 32)
    origin = (low + high) / 2 - (count - 1) / 2 * COARSE_MM
    matrix = np.diag([COARSE_MM, COARSE_MM, COARSE_MM, 1.0])
    matrix[:3, 3] = origin
    coarse = Volume(np.zeros(tuple(count[::-1]), np.float32), matrix)
    return coarse.like(sample_coarsely(volume, modality, coarse.grid_ras(), COARSE_MM, OUTSIDE))


def sample_coarsely(
    volume: Volume, modality: str, points_ras: np.ndarray, pixel_mm: float, outside: float
) -> np.ndarray:
    """Sample an image on a grid of larger voxels and normalise what is in it.

    Args:
        volume: the image.
        modality: "CT", or anything else for MR.
        points_ras: (..., 3), where the grid's voxels are, mm.
        pixel_mm: their size.
        outside: value where there is no image.

    Returns:
        float32 (...).
    """
    at = volume.ijk(points_ras)
    size = volume.size
    inside = np.all((at > -0.5) & (at < size - 0.5), axis=-1)
    # Averaging over a coarse voxel before sampling keeps thin dark cortex from aliasing.
    sigma = np.maximum(pixel_mm / np.array(volume.spacing_mm) - 1, 0) * 0.42
    reach = np.ceil(4 * sigma).astype(int) + 1  # as far as the filter looks, so that the cut does not show
    low = np.clip(np.floor(at.reshape(-1, 3).min(axis=0)).astype(int) - reach, 0, size - 1)
    high = np.clip(np.ceil(at.reshape(-1, 3).max(axis=0)).astype(int) + reach + 1, low + 1, size)
    near = volume.array[low[2] : high[2], low[1] : high[1], low[0] : high[0]].astype(np.float32)
    smooth = ndimage.gaussian_filter(near, sigma[::-1])
    values = ndimage.map_coordinates(smooth, np.moveaxis((at - low)[..., ::-1], -1, 0), order=1, mode="nearest")
    scaled = np.full(values.shape, outside, np.float32)
    if inside.any():
        scaled[inside] = normalise(values[inside], modality)
    return scaled


def find_heads(volume: Volume, modality: str, engine: "Engine") -> tuple[FoundHead, ...]:
    """Find the places that look like femoral heads, the most likely one first; not all of them need be heads.

    Args:
        volume: the whole image.
        modality: "CT", or anything else for MR.
        engine: the hip finder; one channel in, the logits of one heat map out.

    Returns:
        up to CANDIDATES peaks of the heat map above FOUND inside the image, at least APART_MM apart; each centre is
        the centre of gravity of its peak.
    """
    coarse = coarse_volume(volume, modality)
    heat = expit(engine(coarse.array[None, None])[0, 0])
    places = np.argwhere(heat > BASE * FOUND)  # the others are neither a peak nor part of one
    positions = coarse.ras(places[:, ::-1])
    at = volume.ijk(positions)
    # The grid is larger than the image; what the network sees in the padding is no place to look at.
    inside = np.all((at > -0.5) & (at < volume.size - 0.5), axis=-1)
    height = np.where(inside, heat[tuple(places.T)], 0)
    found: list[FoundHead] = []
    while len(found) < CANDIDATES and height.max(initial=0) > FOUND:
        top = int(height.argmax())
        near = (np.abs(places - places[top]) <= 2).all(axis=1)
        weight = np.clip(height[near] - BASE * height[top], 0, None)
        centre = np.average(positions[near], axis=0, weights=weight)
        found.append(FoundHead(as_point(centre), float(height[top])))
        apart = np.minimum(
            np.linalg.norm(positions - centre, axis=-1), np.linalg.norm(positions - positions[top], axis=-1)
        )
        height = np.where(apart < APART_MM, 0, height)
    return tuple(found)
