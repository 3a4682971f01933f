"""One slice alone: put along k where it is read, and turned as a reader looks at it where a system looks at it."""

from pathlib import Path

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grid import Grid, triple
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.declared import Declared
from ONFHAssistLib.imaging.read import Study, declare, has_dicom_mark, kind_of_name, read_declared, unavailable_said

SMALLEST = 16
"""Pixels along a side."""
_AS_SEEN = (((0, -1, 0), (0, 0, -1)), ((-1, 0, 0), (0, 0, -1)), ((-1, 0, 0), (0, -1, 0)))
"""Of a sagittal, coronal and axial slice: what lies at the right and below, in RAS."""


def declared_slice(path: Path) -> Declared | None:
    """Return what the header of a NIfTI, NRRD or MetaImage file of one slice declares; None for anything else.

    Raises:
        InputError: the header is damaged, or beyond the `limits`.
    """
    if kind_of_name(path) is None or has_dicom_mark(path):
        return None
    declared = declare(path)
    return declared if declared.one_slice else None


def read_slice(declared: Declared, path: Path) -> Study:
    """Read one slice as a study of the form "slice": its array has the shape (1, rows, columns), whatever the file's.

    Its kind is guessed as that of a volume without tags.

    Raises:
        InputError: it has too few pixels, or is no image.
    """
    with unavailable_said(path):
        study = read_declared(declared, path)
    volume = _along_k(study.volume)
    require_large(volume.array[0], path)
    source = {**study.source, "spacing_mm": [round(x, 4) for x in volume.spacing_mm], "shape": list(volume.shape)}
    return Study(volume, {**source, "form": "slice"}, notices=study.notices)


def require_large(pixels: np.ndarray, name: Path | str) -> None:
    """Raise InputError where a picture (rows, columns) is too small to show a hip."""
    if min(pixels.shape) < SMALLEST:
        raise InputError(f"{name} is only {pixels.shape[1]} x {pixels.shape[0]} pixels large; give a whole picture.")


def as_seen(volume: Volume) -> Volume:
    """Return a slice (along k) with its columns to the right and its rows downwards, as a reader looks at it.

    The patient's right, or of a sagittal slice the front, is at the left. No value is changed.
    """
    right, down = (np.array(way) for way in _AS_SEEN[int(np.argmax(np.abs(volume.axes_ras[:, 2])))])
    across = int(np.argmax(np.abs(volume.axes_ras[:, :2].T @ right)))
    order = [across, 1 - across, 2]
    signs = [*np.sign([volume.axes_ras[:, across] @ right, volume.axes_ras[:, 1 - across] @ down]), 1.0]
    first = np.zeros(3)
    first[order] = np.where(np.array(signs) < 0, volume.size[order] - 1, 0)
    matrix = np.eye(4)
    matrix[:3, :3] = volume.ijk_to_ras[:3, order] * signs
    matrix[:3, 3] = volume.ras(first)
    return in_order_of(volume, Grid(triple(volume.size[order][::-1].tolist()), matrix))


def _along_k(volume: Volume) -> Volume:
    """Return a slice with its one voxel along k, the other axes in their order."""
    order = [axis for axis in range(3) if volume.size[axis] > 1] + [int(np.argmin(volume.size))]
    matrix = volume.ijk_to_ras[:, [*order, 3]]
    return in_order_of(volume, Grid(triple(volume.size[order][::-1].tolist()), matrix))


def in_order_of(volume: Volume, grid: Grid) -> Volume:
    """Return an image with its axes as those of a grid with the same voxels, as `as_seen` gives."""
    found = volume.in_order_of(grid)
    assert found is not None  # the axes are the same
    return found
