"""What a file may declare before any of its voxels is looked at: nothing is allocated, unpacked or opened beyond this.

Pure functions of the numbers and names in a header. The limits are far from any hip: the largest images that are
known here have 512 x 512 x 1,000 voxels, and a whole body of 0.7 x 0.7 x 2 m.
"""

import math
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ONFHAssistLib.core.errors import InputError

VOXELS = 2**28
"""512 x 512 x 1,024."""
VOXEL_BYTES = 2**30
"""Of the voxels as they are stored, unpacked."""
TEXT_VOXELS = 2**24
"""Numbers that are written as text take twenty times the memory while they are read."""
SPACING_MM = (1e-3, 1e3)
SIDE_MM, EXTENT_L = 2500.0, 1000.0
"""The longest side of an image, and the litres in it: the finder's grid grows with them, not with the voxels."""
ORIGIN_MM = 1e6
HEADER_BYTES = 2**20
LINES, FIELD_LENGTH = 10_000, 1000
"""Of a header that is text; 3D Slicer writes long notes into NRRD files, but as keys, which are passed over."""
SKIPPED_BYTES = 2**26
"""Of extensions and foreign headers before the voxels."""
SLICE_FILES = 4096
MAX_SIDE = 4096
"""Rows or columns: MR has at most 1,024, CT of temporal bones 2,048."""


def require_size(name: object, shape: Sequence[int], item_bytes: int) -> None:
    """Refuse a grid (any order of axes) that is no 3D image, or one of more voxels than any scanner makes."""
    if min(shape, default=0) < 1:
        raise InputError(f"{name} has a damaged header (a size of {min(shape, default=0)} voxels); export it again.")
    if len(shape) < 3:
        raise InputError(f"{name} is a 2D image; give the whole volume.")
    if any(n > 1 for n in shape[3:]):
        raise InputError(f"{name} has {len(shape)} dimensions (a time or echo series); give one 3D volume.")
    if sorted(shape[:3])[1] < 2:
        raise InputError(f"{name} has one row of voxels only; give the whole image.")
    if math.prod(shape) > VOXELS or math.prod(shape) * item_bytes > VOXEL_BYTES:
        size = " x ".join(str(n) for n in shape[:3])
        raise InputError(
            f"{name} declares {size} voxels of {item_bytes} bytes, more than the {VOXELS // 10**6} million (and 1 GB) "
            "that are read here; crop it to the hips, or export it again if its header is damaged."
        )


def require_grid(name: object, shape: Sequence[int], matrix: np.ndarray) -> None:
    """Refuse a place in space that no scanner makes.

    Args:
        name: begins the sentence.
        shape: voxels along (k, j, i).
        matrix: shape (4, 4), IJK to RAS or LPS in mm.
    """
    if not np.isfinite(matrix).all() or np.abs(matrix[:3, 3]).max() > ORIGIN_MM:
        raise InputError(f"{name} has a place in space that is not a number or kilometres away; export it again.")
    with np.errstate(over="ignore"):
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    require_spacing(name, spacing)
    sides = spacing * shape[::-1]
    if sides.max() > SIDE_MM or np.prod(sides / 100) > EXTENT_L:
        size = " x ".join(f"{side:.0f}" for side in sides)
        raise InputError(
            f"{name} would be {size} mm large by its voxel spacing, more than a body; crop it to the hips, or export "
            "it again if its header is damaged."
        )


def require_spacing(name: object, spacing_mm: Sequence[float]) -> None:
    """Refuse distances of voxels that are zero, not a number, or beyond SPACING_MM."""
    numbers = [abs(float(x)) for x in spacing_mm]
    if not all(SPACING_MM[0] <= x <= SPACING_MM[1] for x in numbers):
        raise InputError(
            f"{name} has a voxel spacing that is zero, not a number, or not between {SPACING_MM[0]:g} and "
            f"{SPACING_MM[1]:g} mm; export it again."
        )


def require_regular(path: Path, name: object) -> int:
    """Return the size in bytes of a file; refuse what is missing, or is a device, a pipe or a socket."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise InputError(f"The voxels of {name} are missing or damaged; copy or export it again.") from error
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is no regular file (a device, a pipe or a socket); give an image file.")
    return found.st_size


def voxel_files(header: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the files beside a header that hold its voxels, by the names that the header gives.

    Raises:
        InputError: a name leaves the header's folder or is a pattern, or there are too many.
    """
    if not 1 <= len(names) <= SLICE_FILES:
        raise InputError(f"{header} names {len(names)} files of voxels; save it as one file.")
    for name in names:
        parts = name.replace("\\", "/").split("/")
        if not name or "\0" in name or "%" in name or Path(name).is_absolute() or ".." in parts or ":" in parts[0][1:2]:
            raise InputError(
                f"{header} takes its voxels from another folder or by a pattern, which is not followed; put them "
                "beside it, or save it as one file."
            )
    return tuple(header.parent / name for name in names)


def header_lines(raw: bytes, name: object) -> list[bytes]:
    """Split a header of text into lines without their ends; refuse too many lines or too long ones.

    Keys of an NRRD header (``key:=value``), which nobody reads here, may be of any length.
    """
    lines = raw.split(b"\n", LINES + 1)
    if len(lines) > LINES:
        raise InputError(f"{name} has a header of more than {LINES} lines; export it again.")
    lines = [line.rstrip(b"\r") for line in lines]
    if any(len(line) > FIELD_LENGTH and b":=" not in line for line in lines):
        raise InputError(f"{name} has a header with a line of more than {FIELD_LENGTH} characters; export it again.")
    return lines
