"""What the header of an image file declares, checked; and how an image lies in the patient by it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.imaging.packed import Packed

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHEAR_DEG = 0.5
"""Axes that are off the right angle by less are read as if they were at it, as those of a DICOM series: over a whole
pelvis that displaces a voxel by 1.5 mm at the most, and the middle of the image not at all."""
_EXACT = 1e-4
NO_ORIENTATION = Notice(
    "no-orientation",
    "The file does not say how it lies in the patient: the sides and planes in this report may be wrong.",
)


@dataclass(frozen=True)
class Declared:
    """An image file by its header; all numbers are within `imaging.limits`.

    Attributes:
        shape: voxels along (k, j, i).
        dtype: of a voxel as it is stored.
        matrix: shape (4, 4), IJK to RAS in mm, with axes at right angles.
        packed: where the voxels are.
        scale: slope and intercept that turn what is stored into intensities.
        notices: what the reader of a report should know.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    matrix: np.ndarray
    packed: Packed
    scale: tuple[float, float] = (1.0, 0.0)
    notices: tuple[Notice, ...] = ()

    @property
    def one_slice(self) -> bool:
        """Whether it is one slice and no volume, whichever axis that lies across."""
        return 1 in self.shape


def squared(matrix: np.ndarray, shape: tuple[int, int, int], name: object) -> np.ndarray:
    """Return a matrix with its axes at right angles; the middle of the image stays where it is.

    Args:
        matrix: shape (4, 4), IJK to RAS in mm.
        shape: voxels along (k, j, i).
        name: of the image, for the sentence.

    Raises:
        InputError: they are off by more than SHEAR_DEG, or there are no three axes.
    """
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    axes = matrix[:3, :3] / spacing
    off = np.abs(axes.T @ axes - np.eye(3)).max()  # the sine of the angle
    if off < _EXACT:
        return matrix
    if off > np.sin(np.radians(SHEAR_DEG)):
        angle = np.degrees(np.arcsin(min(off, 1.0)))
        raise InputError(
            f"{name} has image axes not at right angles (off by {angle:.1f} degrees, {SHEAR_DEG} are allowed); "
            "resample it to a grid with axes at right angles, as by a registration without shear."
        )
    left, _, right = np.linalg.svd(axes)  # their product is the nearest axes at right angles
    straight = matrix.copy()
    straight[:3, :3] = left @ right * spacing
    middle = (np.array(shape[::-1]) - 1) / 2
    straight[:3, 3] += (matrix[:3, :3] - straight[:3, :3]) @ middle
    return straight


def or_none(value: Callable[[], np.ndarray | None]) -> np.ndarray | None:
    """Return an affine, or None where it cannot be used: not finite, or without three axes."""
    try:
        found = value()
    except (ValueError, ArithmeticError, LookupError):
        return None
    if found is None or not np.isfinite(found).all() or not np.linalg.norm(found[:3, :3], axis=0).all():
        return None
    return found
