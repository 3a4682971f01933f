"""An image cut anew along the coronal plane of the body, about one place of it."""

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.grid import Grid, Point
from ONFHAssistLib.core.volume import Volume

FROM_THE_FRONT = np.array([[-1.0, 0, 0], [0, 0, -1], [0, -1, 0]])
"""Axes of the grid as columns (i, j, k): to the patient's left, downwards, backwards."""
MOST_POINTS = 6
"""At most so many points along an axis are averaged in a voxel."""


def tilt_deg(grid: Grid) -> float:
    """Return the largest angle between an axis of a grid and the axis of the body that it lies nearest to."""
    return float(np.degrees(np.arccos(np.clip(np.abs(grid.axes_ras).max(axis=0).min(), 0, 1))))


def coronal_grid(centre_ras_mm: Point, size_mm: tuple[float, float, float], pixel_mm: float, step_mm: float) -> Grid:
    """Return a grid of upright coronal slices whose middle is a place.

    Args:
        centre_ras_mm: the place.
        size_mm: extent along (slices, rows, columns); at least.
        pixel_mm: of the slices.
        step_mm: distance of the slices.

    Returns:
        slices run from front to back, rows downwards, columns to the patient's left.
    """
    spacing = np.array([pixel_mm, pixel_mm, step_mm])
    count = np.ceil(np.array(size_mm[::-1]) / spacing).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3] = FROM_THE_FRONT * spacing
    matrix[:3, 3] = np.array(centre_ras_mm) - matrix[:3, :3] @ ((count - 1) / 2)
    return Grid((int(count[2]), int(count[1]), int(count[0])), matrix)


def resampled(volume: Volume, grid: Grid, outside: float) -> Volume:
    """Sample an image on another grid, linearly; what is finer than a voxel of it is averaged, against aliasing.

    Args:
        volume: the image; only the part about the grid is touched.
        grid: any.
        outside: value where there is no image: farther than half a voxel beyond its outermost centres.

    Returns:
        float32 on ``grid``.
    """
    to_image = np.linalg.inv(volume.ijk_to_ras) @ grid.ijk_to_ras
    ends = np.array(np.meshgrid(*[(-0.5, length - 0.5) for length in grid.size])).reshape(3, -1).T
    reached = ends @ to_image[:3, :3].T + to_image[:3, 3]
    low = np.clip(np.floor(reached.min(axis=0)).astype(int) - 1, 0, volume.size - 1)
    high = np.clip(np.ceil(reached.max(axis=0)).astype(int) + 2, low + 1, volume.size)
    near = volume.array[low[2] : high[2], low[1] : high[1], low[0] : high[0]].astype(np.float32)
    found = np.empty(grid.shape, np.float32)
    rows, columns = np.indices(grid.shape[1:], dtype=np.float32)
    points = _points_in_voxel(np.abs(to_image[:3, :3]))
    for k in range(grid.shape[0]):
        plane = np.stack([columns, rows, np.full_like(rows, k)])
        total = np.zeros(grid.shape[1:], np.float32)
        for point in points:
            at = np.tensordot(to_image[:3, :3], plane + point[:, None, None], axes=1) + to_image[:3, 3, None, None]
            total += ndimage.map_coordinates(near, (at - low[:, None, None])[::-1], order=1, mode="nearest")
        middle = np.tensordot(to_image[:3, :3], plane, axes=1) + to_image[:3, 3, None, None]
        size = volume.size[:, None, None]
        inside = ((middle >= -0.5) & (middle <= size - 0.5)).all(axis=0)
        found[k] = np.where(inside, total / len(points), outside)
    return Volume.on(grid, found)


def _points_in_voxel(steps: np.ndarray) -> np.ndarray:
    """Return offsets (n, 3) in voxels of the grid; ``steps``: how far its axes (columns) go along the image's."""
    counts = [int(np.clip(round(float(steps[:, axis].max())), 1, MOST_POINTS)) for axis in range(3)]
    offsets = [(np.arange(count) + 0.5) / count - 0.5 for count in counts]
    return np.stack(np.meshgrid(*offsets, indexing="ij"), axis=-1).reshape(-1, 3)
