"""The mid-coronal and mid-sagittal image of a hip: the nearest slice of the series, or a reformatted one.

"Lateral" is +R for a right hip and -R for a left one, so that left hips mirror right ones.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.grid import Grid, Point, as_point
from ONFHAssistLib.core.volume import Volume

Orientation = Literal["coronal", "sagittal"]

NORMAL_RAS = {"coronal": np.array([0.0, 1.0, 0.0]), "sagittal": np.array([1.0, 0.0, 0.0])}
"""The planes are perpendicular to the antero-posterior and left-right axes (docs/clinical.md, section 1)."""

RIGHT_OF_PICTURE_RAS = {"coronal": np.array([-1.0, 0.0, 0.0]), "sagittal": np.array([0.0, -1.0, 0.0])}
"""What a radiologist expects at the right of the picture: the patient's left, and posterior."""

NEAR_ISOTROPIC = 1.5
"""Below this ratio of the largest to the smallest spacing no axis is the obvious one, and slices are stacked along k
(convention of this project)."""


@dataclass(frozen=True)
class Plane:
    """A regular grid of pixels in a plane, superior at the top.

    Attributes:
        orientation: which anatomical plane it stands for.
        origin_ras_mm: centre of the pixel in row 0, column 0.
        column_step_mm, row_step_mm: RAS vectors from a pixel to the next column (to the right) and row (downwards).
        shape: (rows, columns).
        voxel_index: (axis, index) of the slice of the series that it is, axis counted over (i, j, k); None if the
            plane is reformatted.
    """

    orientation: Orientation
    origin_ras_mm: Point
    column_step_mm: Point
    row_step_mm: Point
    shape: tuple[int, int]
    voxel_index: tuple[int, int] | None = None

    @cached_property
    def pixel_mm(self) -> tuple[float, float]:
        """Distance between pixel centres along (columns, rows)."""
        return float(np.linalg.norm(self.column_step_mm)), float(np.linalg.norm(self.row_step_mm))

    @cached_property
    def normal_ras(self) -> np.ndarray:
        """Unit normal, anterior (coronal) or to the patient's right (sagittal)."""
        normal = np.cross(self.column_step_mm, self.row_step_mm)
        normal = normal / np.linalg.norm(normal)
        return normal if normal @ NORMAL_RAS[self.orientation] > 0 else -normal

    def ras(self, column_row: np.ndarray) -> np.ndarray:
        """Map (..., 2) pixel coordinates (column, row) to RAS in mm."""
        column_row = np.asarray(column_row, dtype=float)
        return np.array(self.origin_ras_mm) + column_row @ np.array([self.column_step_mm, self.row_step_mm])

    def pixels(self, ras_mm: np.ndarray) -> np.ndarray:
        """Map (..., 3) RAS points, projected along the normal, to continuous (column, row)."""
        steps = np.array([self.column_step_mm, self.row_step_mm])
        return (np.asarray(ras_mm, dtype=float) - self.origin_ras_mm) @ (steps / (steps**2).sum(axis=1)[:, None]).T

    def grid_ras(self) -> np.ndarray:
        """Shape (rows, columns, 3): the RAS position of each pixel."""
        row, column = np.indices(self.shape)
        return self.ras(np.stack([column, row], axis=-1))

    def directions(self, side: Side) -> tuple[np.ndarray, np.ndarray]:
        """Return two RAS unit vectors in the plane: across, and superior.

        Across is lateral on a coronal plane and anterior on a sagittal one.
        """
        normal = self.normal_ras
        superior = np.array([0.0, 0.0, 1.0]) - normal[2] * normal
        superior /= np.linalg.norm(superior)
        across = np.cross(superior, normal)
        wanted = lateral_ras(side) if self.orientation == "coronal" else NORMAL_RAS["coronal"]
        return (across if across @ wanted > 0 else -across), superior


def lateral_ras(side: Side) -> np.ndarray:
    """Return the RAS unit vector that points to the lateral side of a hip."""
    return np.array([1.0 if side == "right" else -1.0, 0.0, 0.0])


def stack_axis(grid: Grid) -> int:
    """Return the axis (0 i, 1 j, 2 k) along which the slices are stacked.

    Of one slice it is the one that it lies across. Otherwise it is the one with the largest spacing; k where the
    spacing is nearly the same (ratio below NEAR_ISOTROPIC) or where k shares the largest one.
    """
    if grid.shape.count(1) == 1:
        return 2 - grid.shape.index(1)
    spacing = np.asarray(grid.spacing_mm)
    if spacing.max() / spacing.min() < NEAR_ISOTROPIC or np.isclose(spacing[2], spacing.max(), rtol=1e-3):
        return 2
    return int(spacing.argmax())


def native_axis(grid: Grid, orientation: Orientation, radius_mm: float) -> int | None:
    """Return the stack axis if the slices have ``orientation``, otherwise None.

    They have it where a slice through the centre of the head leaves the wanted plane by no more than one slice
    spacing at the head's edge (radius times the sine of the tilt): then the nearest slice is as close to the plane
    as the series has it. Thin slices are reformatted sooner than thick ones.
    """
    axis = stack_axis(grid)
    cosine = abs(float(grid.axes_ras[:, axis] @ NORMAL_RAS[orientation]))
    sine = np.sqrt(max(0.0, 1 - cosine**2))
    return axis if radius_mm * sine <= grid.spacing_mm[axis] else None


def mid_plane(grid: Grid, orientation: Orientation, sphere: Sphere) -> Plane | None:
    """Return the plane through the centre of ``sphere``, cropped to 1.5 radii about it.

    Returns:
        The nearest slice where the series has this orientation, otherwise a plane with square pixels of the finest
        voxel spacing; None where the image does not contain the centre.
    """
    return plane_at(grid, orientation, sphere, 0.0)


def plane_at(
    grid: Grid, orientation: Orientation, sphere: Sphere, offset_mm: float, radii: float = 1.5
) -> Plane | None:
    """Return the plane that is ``offset_mm`` anterior (coronal) or right (sagittal) of the sphere's centre.

    See `mid_plane`; cropped to ``radii`` radii about the centre; None where the image does not contain that point.
    """
    centre = np.array(sphere.centre_ras_mm)
    axis = native_axis(grid, orientation, sphere.radius_mm)
    if axis is None:
        centre = centre + offset_mm * NORMAL_RAS[orientation]
        return _reformatted(grid, orientation, centre, radii * sphere.radius_mm) if _inside(grid, centre) else None
    direction = grid.axes_ras[:, axis]
    centre = centre + offset_mm * direction * np.sign(direction @ NORMAL_RAS[orientation])
    return _native(grid, orientation, centre, radii * sphere.radius_mm, axis) if _inside(grid, centre) else None


def sample(volume: Volume, plane: Plane, order: int = 1) -> np.ndarray:
    """Sample a volume on a plane: shape ``plane.shape``; exact on a slice of the same grid, 0 outside of the image.

    Args:
        volume: intensities (float out), or booleans (bool out: at least one half of the interpolated mask).
        plane: where.
        order: of the spline; 0 for labels.
    """
    mask = volume.array.dtype == bool
    found = np.zeros(plane.shape, bool if mask else float)
    part = reached(volume, plane)
    if part is None:
        return found
    row, column = np.mgrid[part]
    at = np.moveaxis(volume.ijk(plane.ras(np.stack([column, row], axis=-1))), -1, 0)[::-1]
    array = volume.array
    if order == 1:  # then only the voxels next to the plane count
        low = [int(np.clip(np.floor(axis.min()), 0, n - 1)) for axis, n in zip(at, array.shape, strict=True)]
        high = [int(np.clip(np.floor(axis.max()) + 2, 1, n)) for axis, n in zip(at, array.shape, strict=True)]
        array = array[tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))]
        at = at - np.array(low)[:, None, None]
    values = ndimage.map_coordinates(array.astype(float), at, order=order, mode="grid-constant")
    found[part] = values >= 0.5 - 1e-6 if mask else values
    return found


def reached(grid: Grid, plane: Plane) -> tuple[slice, slice] | None:
    """Return the rows and columns of a plane that lie within a voxel of the image; None where the plane misses it."""
    size = grid.size
    corners = grid.ras(np.where(np.indices((2, 2, 2)).reshape(3, 8).T, size, -1))
    height = (corners - plane.origin_ras_mm) @ plane.normal_ras
    if height.min() > 0 or height.max() < 0:
        return None
    pixels = plane.pixels(corners)
    low, high = np.floor(pixels.min(axis=0)).astype(int), np.ceil(pixels.max(axis=0)).astype(int) + 1
    columns, rows = (slice(max(0, a), min(n, b)) for a, b, n in zip(low, high, plane.shape[::-1], strict=True))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _inside(grid: Grid, point: np.ndarray) -> bool:
    ijk = grid.ijk(point)
    return bool(((ijk >= -0.5) & (ijk <= grid.size - 0.5)).all())


def _native(grid: Grid, orientation: Orientation, centre: np.ndarray, reach_mm: float, axis: int) -> Plane:
    size = grid.size
    middle = grid.ijk(centre)
    index = int(np.clip(np.rint(middle[axis]), 0, size[axis] - 1))
    rest = [a for a in range(3) if a != axis]
    right = RIGHT_OF_PICTURE_RAS[orientation]
    across = max(rest, key=lambda a: abs(grid.axes_ras[:, a] @ right))
    down = next(a for a in rest if a != across)
    start, steps, shape = np.zeros(3), [], []
    start[axis] = index
    for a, wanted in ((across, right), (down, np.array([0.0, 0.0, -1.0]))):
        reach = reach_mm / grid.spacing_mm[a]
        low, high = (int(np.clip(np.rint(middle[a] + s * reach), 0, size[a] - 1)) for s in (-1, 1))
        forward = grid.axes_ras[:, a] @ wanted > 0
        start[a] = low if forward else high
        steps.append(as_point(grid.ijk_to_ras[:3, a] * (1 if forward else -1)))
        shape.append(high - low + 1)
    return Plane(orientation, as_point(grid.ras(start)), steps[0], steps[1], (shape[1], shape[0]), (axis, index))


def _reformatted(grid: Grid, orientation: Orientation, centre: np.ndarray, reach_mm: float) -> Plane:
    pixel = min(grid.spacing_mm)
    half = int(np.ceil(reach_mm / pixel))
    across, down = RIGHT_OF_PICTURE_RAS[orientation] * pixel, np.array([0.0, 0.0, -pixel])
    origin = centre - half * (across + down)
    return Plane(orientation, as_point(origin), as_point(across), as_point(down), (2 * half + 1, 2 * half + 1))
