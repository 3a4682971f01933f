"""Where the voxels of an image lie in the patient: points, boxes and grids."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

T = TypeVar("T")

Point = tuple[float, float, float]
"""RAS in mm."""

Box = tuple[slice, slice, slice]
"""Array slices (k, j, i) with start and stop."""

NEAR_MM = 0.01
"""Grids whose corners lie closer than this are the same; headers keep about six digits."""


def triple(items: Iterable[T]) -> tuple[T, T, T]:
    """Return three items, one for each axis."""
    first, second, third = items
    return first, second, third


def as_point(vector: Iterable[float]) -> Point:
    """Return the three numbers of a vector as plain floats."""
    return triple(float(value) for value in vector)


def box_of(ends: Iterable[tuple[int, int]]) -> Box:
    """Return the box with these starts and stops along k, j and i."""
    return triple(slice(start, stop) for start, stop in ends)


NO_BOX: Box = box_of([(0, 0)] * 3)


def shape_of(box: Box) -> tuple[int, int, int]:
    """Return the number of voxels of a box along (k, j, i)."""
    return triple(part.stop - part.start for part in box)


def bounding_box(mask: np.ndarray, place: Box | None = None) -> Box:
    """Return the smallest box that holds all of a mask (k, j, i); NO_BOX where nothing is in it.

    With ``place``, the box of a grid that the mask lies in, it is a box of that grid.
    """
    box = []
    for axis in range(3):
        filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if not filled.size:
            return NO_BOX
        box.append((int(filled[0]), int(filled[-1]) + 1))
        mask = mask[(slice(None),) * axis + (slice(*box[-1]),)]  # what is left to look at
    first = [part.start for part in place or NO_BOX]
    return box_of((start + at, stop + at) for (start, stop), at in zip(box, first, strict=True))


def joint_box(one: Box, other: Box) -> Box:
    """Return the smallest box that holds two boxes of a grid; an empty one does not count."""
    boxes = [box for box in (one, other) if all(part.stop > part.start for part in box)] or [one]
    return box_of(
        (min(part.start for part in parts), max(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )


def moved(array: np.ndarray, source: Box, target: Box) -> np.ndarray:
    """Return what an array that lies in the box ``source`` of a grid holds of the box ``target``; else it is 0."""
    found = np.zeros(shape_of(target), array.dtype)
    common = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(source, target, strict=True)]
    if all(start < stop for start, stop in common):
        there = box_of((start - b.start, stop - b.start) for (start, stop), b in zip(common, target, strict=True))
        here = box_of((start - a.start, stop - a.start) for (start, stop), a in zip(common, source, strict=True))
        found[there] = array[here]
    return found


def turned(array: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Return an array (k, j, i) with its axes in the order of another grid; ``here`` is from `Grid.index_map`."""
    source = np.abs(here[:3, :3]).argmax(axis=1)
    found = array.transpose(2, 1, 0).transpose(source)
    found = np.flip(found, tuple(axis for axis in range(3) if here[axis, source[axis]] < 0))
    return np.ascontiguousarray(found.transpose(2, 1, 0))


def turned_box(box: Box, here: np.ndarray) -> Box:
    """Return where a box lies on the grid that `Grid.index_map` leads to."""
    corners = ([part.start for part in box[::-1]], [part.stop for part in box[::-1]])
    # A voxel's borders lie half a voxel before and behind its index.
    ends = [here[:3, :3] @ (np.array(corner) - 0.5) + here[:3, 3] + 0.5 for corner in corners]
    return box_of((int(start), int(stop)) for start, stop in np.sort(ends, axis=0).T[::-1])


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of voxels, without any values in them.

    Attributes:
        shape: number of voxels along (k, j, i).
        ijk_to_ras: shape (4, 4); maps (i, j, k, 1) of voxel centres to RAS in mm (right, anterior and superior
            are positive). May be oblique, anisotropic and left-handed, but its axes are orthogonal to 1e-3.

    Raises:
        ValueError: the matrix is not a finite affine with orthogonal axes.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray

    def __post_init__(self) -> None:
        """Check the matrix, and keep it as floats."""
        matrix = np.asarray(self.ijk_to_ras, dtype=float)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], [0, 0, 0, 1]):
            raise ValueError("The IJK-to-RAS matrix is not a finite 4 x 4 affine.")
        lengths = np.linalg.norm(matrix[:3, :3], axis=0)
        if (lengths <= 0).any():
            raise ValueError(f"The voxel spacing {lengths.tolist()} mm is not positive.")
        axes = matrix[:3, :3] / lengths
        if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
            raise ValueError("The axes of the IJK-to-RAS matrix are not orthogonal (sheared volume).")
        object.__setattr__(self, "ijk_to_ras", matrix)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along (i, j, k)."""
        return as_point(np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0))

    @cached_property
    def axes_ras(self) -> np.ndarray:
        """Shape (3, 3): unit vectors of the i, j and k axis in RAS, as columns."""
        return self.ijk_to_ras[:3, :3] / np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)

    @property
    def size(self) -> np.ndarray:
        """Shape (3,): number of voxels along (i, j, k), in the order of the matrix."""
        return np.array(self.shape[::-1])

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    def ras(self, ijk: np.ndarray) -> np.ndarray:
        """Map points of shape (..., 3), as (i, j, k), to RAS in mm."""
        return np.asarray(ijk, dtype=float) @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]

    def ijk(self, ras_mm: np.ndarray) -> np.ndarray:
        """Map RAS points of shape (..., 3) in mm to continuous (i, j, k)."""
        return (np.asarray(ras_mm, dtype=float) - self.ijk_to_ras[:3, 3]) @ self._inverse.T

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.linalg.inv(self.ijk_to_ras[:3, :3])

    @property
    def whole(self) -> Box:
        """The box of all its voxels."""
        return box_of((0, length) for length in self.shape)

    def grid_ras(self) -> np.ndarray:
        """Shape (k, j, i, 3): the RAS position in mm of each voxel centre."""
        k, j, i = np.indices(self.shape)
        return self.ras(np.stack([i, j, k], axis=-1))

    def cropped(self, box: Box) -> "Grid":
        """Return the part in a box of array slices (k, j, i) inside of it, which all have a start and a stop."""
        return Grid(shape_of(box), self.matrix_at(box))

    def matches(self, other: "Grid") -> bool:
        """Say whether two grids have the same shape and place."""
        if self.shape != other.shape:
            return False
        corners = np.array([[x, y, z] for x, y, z in np.ndindex(2, 2, 2)]) * (self.size - 1)
        return bool(np.abs(self.ras(corners) - other.ras(corners)).max() <= NEAR_MM)

    def index_map(self, grid: "Grid") -> np.ndarray | None:
        """Return the integer (4, 4) that maps voxels (i, j, k, 1) to those of a grid with its axes in another order.

        None where the two do not have the same voxels, to a hundredth of one.
        """
        mapped = np.linalg.inv(grid.ijk_to_ras) @ self.ijk_to_ras
        whole = np.rint(mapped)
        turn = np.abs(whole[:3, :3])
        off = np.abs(mapped - whole) @ np.array([*self.size, 1])
        permuted = np.array_equal(turn @ np.ones(3), np.ones(3)) and np.array_equal(np.ones(3) @ turn, np.ones(3))
        if not permuted or off.max() > 0.01 or not np.array_equal(turn @ self.size, grid.size):
            return None
        ends = np.sort([(whole @ (*corner, 1))[:3] for corner in ((0, 0, 0), self.size - 1)], axis=0)
        return whole.astype(int) if np.array_equal(ends, [np.zeros(3), grid.size - 1]) else None

    def slice_map(self, grid: "Grid") -> Callable[[int], int] | None:
        """Return what maps the index along k of a slice to that of the same slice in another grid.

        None where the two do not have the same slices, in the same or in reverse order.
        """
        here = self.index_map(grid)
        if here is None or here[2, 2] == 0:  # the slices of one run across those of the other
            return None
        step, first = int(here[2, 2]), int(here[2, 3])
        return lambda k: step * k + first

    def matrix_at(self, box: Box) -> np.ndarray:
        """Return the IJK-to-RAS matrix (4, 4) of the part in a box."""
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] = self.ras(np.array([part.start for part in box[::-1]]))
        return matrix
