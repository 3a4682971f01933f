"""What the network of S-JIC sees: the mid-coronal slice about a head, as if every hip were a right one."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.grid import Grid, Point, as_point
from ONFHAssistLib.core.planes import Plane, mid_plane
from ONFHAssistLib.core.sphere import box_around
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import normalise

FIELD = 1.3
"""Intensities are normalised over a field so many times wider than the patch, in training, too."""


@dataclass(frozen=True)
class Patch:
    """A square of a coronal plane about a head.

    Attributes:
        image: float32 (row, column), normalised as by `imaging.canonical.normalise`; rows run downwards, columns from
            lateral to medial. 0 where there is no image.
        plane: the plane that it lies in; the nearest slice of the series, or a reformatted one.
        centre_ras_mm: its middle.
        lateral_ras, superior_ras: unit vectors in the plane.
        pixel_mm: size of a pixel.
    """

    image: np.ndarray
    plane: Plane
    centre_ras_mm: Point
    lateral_ras: Point
    superior_ras: Point
    pixel_mm: float

    def points_ras(self) -> np.ndarray:
        """Return where the pixels lie: (row, column, 3), RAS in mm."""
        size = self.image.shape[0]
        return _points(size, self.pixel_mm, self.centre_ras_mm, self.lateral_ras, self.superior_ras)

    def on_grid(self, values: np.ndarray, grid: Grid) -> Volume:
        """Lay values (rows, columns) of the patch's square, of any resolution, over an image's grid.

        Returns:
            a float32 Volume on ``grid``: linear between the values, and 0 outside of the patch and more than half a
            slice (or voxel) away from its plane.
        """
        out = np.zeros(grid.shape, np.float32)
        reach = self.image.shape[0] * self.pixel_mm / 2
        normal = self.plane.normal_ras
        step = np.abs(grid.ijk_to_ras[:3, :3].T @ normal)
        near_mm = max(float(step.max()) / 2, self.pixel_mm / 2) * (1 + 1e-6)
        box = box_around(grid, Sphere(self.centre_ras_mm, float(reach * np.sqrt(2) + near_mm)), 1.0)
        part = grid.cropped(box)
        offset = part.grid_ras() - np.array(self.centre_ras_mm)
        right = offset @ np.array(self.lateral_ras)
        up = offset @ np.array(self.superior_ras)
        rows, columns = values.shape
        at = np.stack([(0.5 - up / (2 * reach)) * rows - 0.5, (0.5 - right / (2 * reach)) * columns - 0.5])
        found = ndimage.map_coordinates(values.astype(np.float32), at, order=1, mode="nearest")
        inside = (np.abs(right) <= reach) & (np.abs(up) <= reach) & (np.abs(offset @ normal) <= near_mm)
        out[box] = np.where(inside, found, 0)
        return Volume.on(grid, out)


def coronal_patch(volume: Volume, sphere: Sphere, side: Side, size_px: int, pixel_mm: float) -> Patch | None:
    """Cut the patch of a head out of an image; None where the image does not hold the head's centre.

    Args:
        volume: raw intensities of MR.
        sphere: of the head, RAS in mm.
        side: which hip; a left one is mirrored.
        size_px: rows and columns.
        pixel_mm: their size; where the image is finer, it is averaged over a pixel.
    """
    plane = mid_plane(volume, "coronal", sphere)
    if plane is None:
        return None
    lateral, superior = map(as_point, plane.directions(side))
    away = (np.array(sphere.centre_ras_mm) - plane.origin_ras_mm) @ plane.normal_ras
    centre = as_point(np.array(sphere.centre_ras_mm) - away * plane.normal_ras)
    field = round(size_px * FIELD / 2) * 2
    at = volume.ijk(_points(field, pixel_mm, centre, lateral, superior))
    inside = np.all((at > -0.5) & (at < volume.size - 0.5), axis=-1)
    image = np.zeros(inside.shape, np.float32)
    image[inside] = normalise(_sampled(volume, at, pixel_mm)[inside], "MR")
    border = (field - size_px) // 2
    inner = slice(border, border + size_px)
    return Patch(image[inner, inner], plane, centre, lateral, superior, pixel_mm)


def _points(size: int, pixel_mm: float, centre: Point, lateral: Point, superior: Point) -> np.ndarray:
    offset = ((size - 1) / 2 - np.arange(size))[:, None] * pixel_mm
    up, right = offset * np.array(superior), offset * np.array(lateral)
    return np.array(centre) + up[:, None] + right[None]


def _sampled(volume: Volume, at: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Interpolate linearly at (…, 3) voxel positions, of an image that is averaged over a pixel where it is finer."""
    low = np.clip(np.floor(at.reshape(-1, 3).min(axis=0)).astype(int) - 4, 0, volume.size - 1)
    high = np.clip(np.ceil(at.reshape(-1, 3).max(axis=0)).astype(int) + 5, low + 1, volume.size)
    near = volume.array[low[2] : high[2], low[1] : high[1], low[0] : high[0]].astype(np.float32)
    sigma = np.maximum(pixel_mm / np.array(volume.spacing_mm) - 1, 0) * 0.42
    if sigma.any():
        near = ndimage.gaussian_filter(near, sigma[::-1])
    return ndimage.map_coordinates(near, np.moveaxis((at - low)[..., ::-1], -1, 0), order=1, mode="nearest")
