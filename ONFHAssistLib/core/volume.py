"""An image: a grid with a value in each voxel."""

from dataclasses import dataclass

import numpy as np

from ONFHAssistLib.core.grid import Box, Grid, triple, turned


@dataclass(frozen=True, eq=False, init=False)
class Volume(Grid):
    """A scalar image on a regular grid.

    Attributes:
        array: shape (k, j, i); intensities, labels or booleans.

    Raises:
        ValueError: the array is not 3D, or the matrix is not a finite affine with orthogonal axes.
    """

    array: np.ndarray

    def __init__(self, array: np.ndarray, ijk_to_ras: np.ndarray) -> None:
        """Put an array on the grid that its shape and the matrix (4, 4), IJK to RAS in mm, describe."""
        if array.ndim != 3:
            raise ValueError(f"A volume has 3 axes (k, j, i); this array has the shape {array.shape}.")
        super().__init__(triple(array.shape), ijk_to_ras)
        object.__setattr__(self, "array", array)

    @classmethod
    def on(cls, grid: Grid, array: np.ndarray) -> "Volume":
        """Put an array on a grid; raises ValueError where it has another shape."""
        if array.shape != grid.shape:
            raise ValueError(f"The array has the shape {array.shape}, the grid {grid.shape}.")
        return cls(array, grid.ijk_to_ras)

    @property
    def grid(self) -> Grid:
        """The grid alone, for what outlives the image: it holds no voxels."""
        return Grid(self.shape, self.ijk_to_ras)

    def like(self, array: np.ndarray) -> "Volume":
        """Put another array of the same shape on this grid."""
        return Volume.on(self, array)

    def cropped(self, box: Box) -> "Volume":
        """Return the part in a box of array slices (k, j, i), which all have a start; it stays in its place."""
        return Volume(self.array[box], self.matrix_at(box))

    def in_order_of(self, grid: Grid) -> "Volume | None":
        """Return the same voxels with the axes in the order of a grid; None where they are not the same voxels."""
        here = self.index_map(grid)
        return None if here is None else Volume(turned(self.array, here), grid.ijk_to_ras)
