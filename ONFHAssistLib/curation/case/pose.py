"""Where a case lies: from the input's grid to the data set's, on which every hip looks like a right one, and back.

Files of the data set keep the order (slice, row, column) of `imaging.canonical`. Their world is the patient's RAS for a
right hip; for a left hip it is mirrored (x turns its sign), so that readers that look at the orientation and readers
that do not see the same pose.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.grid import Box, Grid, Point, box_of, triple
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import CanonicalHip, Plane, canonical_hip

SIZE_MM = (80.0, 160.0, 160.0)
"""Part of the image that is kept around the head, along slices, rows and columns; as the networks see it."""


@dataclass(frozen=True)
class Pose:
    """The way between an input image and the case's files. No voxel is resampled.

    Attributes:
        side: which hip.
        plane: of the slices.
        input_shape: of the input (k, j, i).
        input_ijk_to_ras: (4, 4), of the input.
        box: first and one past the last index of the part that is kept, for k, j and i.
        axes: which of k, j, i (0, 1, 2) became slice, row and column.
        flipped: whether that axis was reversed.
    """

    side: Side
    plane: Plane
    input_shape: tuple[int, int, int]
    input_ijk_to_ras: tuple[tuple[float, ...], ...]
    box: tuple[tuple[int, int], ...]
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def around(cls, image: Volume, side: Side, centre_ras_mm: Point) -> "Pose":
        """Take the part of an image around a head; raises InputError where the centre lies outside."""
        hip = canonical_hip(image, side, centre_ras_mm, SIZE_MM)
        return cls(
            side,
            hip.plane,
            image.shape,
            tuple(map(tuple, image.ijk_to_ras.tolist())),
            tuple((part.start, part.stop) for part in hip.slices),
            hip.axes,
            hip.flipped,
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, with the two matrices that other software wants for the way back."""
        mirror = np.diag([-1.0 if self.side == "left" else 1.0, 1.0, 1.0, 1.0])
        return asdict(self) | {
            "file_ijk_to_input_ijk": self._to_input().astype(int).tolist(),
            "file_world_to_patient_ras": mirror.tolist(),
        }

    @property
    def input_grid(self) -> Grid:
        """The grid of the input; raises ValueError where its matrix is none."""
        return Grid(self.input_shape, np.array(self.input_ijk_to_ras))

    @property
    def kept_grid(self) -> Grid:
        """The part of the input's grid that is kept."""
        return self.input_grid.cropped(box_of(self.box))

    @property
    def file_grid(self) -> Grid:
        """The grid of the files, in their own world: a left hip is mirrored there."""
        matrix = np.array(self.input_ijk_to_ras) @ self._to_input()
        if self.side == "left":
            matrix[0] *= -1
        return Grid(self.file_shape, matrix)

    @property
    def kept_shape(self) -> tuple[int, int, int]:
        """Shape (k, j, i) of the part that is kept, in the order of the input."""
        return triple(stop - start for start, stop in self.box)

    @property
    def file_shape(self) -> tuple[int, int, int]:
        """Shape (slice, row, column) of the files."""
        return triple(self.kept_shape[axis] for axis in self.axes)

    def place(self, array: np.ndarray) -> np.ndarray:
        """Bring an array on the input's grid, or on that of the part that is kept, into the pose of the files.

        Raises:
            InputError: it has neither shape; or it is a mask that reaches beyond the part that is kept.
        """
        if array.shape == self.input_shape:
            parts = box_of(self.box)
        elif array.shape == self.kept_shape:
            parts = self._whole
        else:
            raise InputError(
                f"The image has the shape {array.shape}, the case {self.input_shape}; open the case's own image."
            )
        placed = self._hip(array, parts).view(array)
        if array.dtype == bool and placed.sum() != array.sum():
            size = " × ".join(f"{x:.0f}" for x in SIZE_MM)
            raise InputError(
                f"A part of the {self.side} hip's mask lies outside of the {size} mm around the head that are kept; "
                "erase it there."
            )
        return placed.copy()

    def take_back(self, placed: np.ndarray) -> Volume:
        """Bring an array of the files into the order of the input: the part that is kept, in the patient's RAS."""
        array = np.zeros(self.kept_shape, placed.dtype)
        self._hip(array, self._whole).view(array)[...] = placed
        return Volume.on(self.kept_grid, array)

    def file_volume(self, placed: np.ndarray) -> Volume:
        """Put an array into the world of the files."""
        return Volume.on(self.file_grid, placed)

    def of_slices(self, wanted: tuple[int, ...] | None) -> np.ndarray:
        """Return where the slices (indices along k of the input; None: all) lie in the pose of the files."""
        chosen = np.ones(self.input_shape[0], bool) if wanted is None else np.zeros(self.input_shape[0], bool)
        chosen[list(wanted or ())] = True
        chosen = chosen[slice(*self.box[0])]
        array = np.broadcast_to(chosen[:, None, None], self.kept_shape)
        return self._hip(array, self._whole).view(array)

    @property
    def _whole(self) -> Box:
        """All of the part that is kept."""
        return box_of((0, length) for length in self.kept_shape)

    def _hip(self, array: np.ndarray, parts: Box) -> CanonicalHip:
        return CanonicalHip(Volume(array, np.eye(4)), self.side, self.plane, parts, self.axes, self.flipped)

    def _to_input(self) -> np.ndarray:
        """Map (i, j, k, 1) of the files to that of the input."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1
        for n, (axis, flip) in enumerate(zip(self.axes, self.flipped, strict=True)):
            start, stop = self.box[axis]
            matrix[2 - axis, 2 - n] = -1 if flip else 1
            matrix[2 - axis, 3] = stop - 1 if flip else start
        return matrix
