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

_NEAR_MM = 0.01
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

    def grid_ras(self) -> np.ndarray:
        """Shape (k, j, i, 3): the RAS position in mm of each voxel centre."""
        k, j, i = np.indices(self.shape)
        return self.ras(np.stack([i, j, k], axis=-1))

    def cropped(self, box: Box) -> "Grid":
        """Return the part in a box of array slices (k, j, i) inside of it, which all have a start and a stop."""
        return Grid(triple(part.stop - part.start for part in box), self._matrix_at(box))

    def matches(self, other: "Grid") -> bool:
        """Say whether two grids have the same shape and place."""
        if self.shape != other.shape:
            return False
        corners = np.array([[x, y, z] for x, y, z in np.ndindex(2, 2, 2)]) * (self.size - 1)
        return bool(np.abs(self.ras(corners) - other.ras(corners)).max() <= _NEAR_MM)

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

    def _matrix_at(self, box: Box) -> np.ndarray:
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] = self.ras(np.array([part.start for part in box[::-1]]))
        return matrix
