"""An image with its place in the patient."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

T = TypeVar("T")

Point = tuple[float, float, float]
"""RAS in mm."""

Box = tuple[slice, slice, slice]
"""Array slices (k, j, i) with start and stop."""


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


@dataclass(frozen=True)
class Volume:
    """A scalar image on a regular grid.

    Attributes:
        array: shape (k, j, i); intensities, labels or booleans.
        ijk_to_ras: shape (4, 4); maps (i, j, k, 1) of voxel centres to RAS in mm (right, anterior and superior
            are positive). May be oblique, anisotropic and left-handed, but its axes are orthogonal to 1e-3.

    Raises:
        ValueError: the array is not 3D, or the matrix is not a finite affine with orthogonal axes.
    """

    array: np.ndarray
    ijk_to_ras: np.ndarray

    def __post_init__(self) -> None:
        """Check the array and the matrix, and keep the matrix as floats."""
        if self.array.ndim != 3:
            raise ValueError(f"A volume has 3 axes (k, j, i); this array has the shape {self.array.shape}.")
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
        k, j, i = np.indices(self.array.shape)
        return self.ras(np.stack([i, j, k], axis=-1))

    def like(self, array: np.ndarray) -> "Volume":
        """Put another array of the same shape on this grid."""
        if array.shape != self.array.shape:
            raise ValueError(f"The array has the shape {array.shape}, the grid {self.array.shape}.")
        return Volume(array, self.ijk_to_ras)

    def cropped(self, box: Box) -> "Volume":
        """Return the part in a box of array slices (k, j, i), which all have a start; it stays in its place."""
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] = self.ras(np.array([part.start for part in box[::-1]]))
        return Volume(self.array[box], matrix)

    def index_map(self, grid: "Volume") -> np.ndarray | None:
        """Return the integer (4, 4) that maps voxels (i, j, k, 1) to those of a grid with its axes in another order.

        None where the two do not have the same voxels, to a hundredth of one.
        """
        mapped = np.linalg.inv(grid.ijk_to_ras) @ self.ijk_to_ras
        whole = np.rint(mapped)
        turn = np.abs(whole[:3, :3])
        size = np.array(self.array.shape[::-1])
        off = np.abs(mapped - whole) @ np.array([*size, 1])
        permuted = np.array_equal(turn @ np.ones(3), np.ones(3)) and np.array_equal(np.ones(3) @ turn, np.ones(3))
        if not permuted or off.max() > 0.01 or not np.array_equal(turn @ size, grid.array.shape[::-1]):
            return None
        ends = np.sort([(whole @ (*corner, 1))[:3] for corner in ((0, 0, 0), size - 1)], axis=0)
        inside = np.array_equal(ends, [np.zeros(3), np.array(grid.array.shape[::-1]) - 1])
        return whole.astype(int) if inside else None

    def in_order_of(self, grid: "Volume") -> "Volume | None":
        """Return the same voxels with the axes in the order of a grid; None where they are not the same voxels."""
        here = self.index_map(grid)
        if here is None:
            return None
        source = np.abs(here[:3, :3]).argmax(axis=1)
        turned = self.array.transpose(2, 1, 0).transpose(source)
        turned = np.flip(turned, tuple(axis for axis in range(3) if here[axis, source[axis]] < 0))
        return Volume(np.ascontiguousarray(turned.transpose(2, 1, 0)), grid.ijk_to_ras)
