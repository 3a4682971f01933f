"""NIfTI-1 and NIfTI-2, one file or a pair: the header by nibabel, behind limits.

https://nifti.nimh.nih.gov/nifti-1, https://nifti.nimh.nih.gov/nifti-2
"""

import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.imaging import limits
from ONFHAssistLib.imaging.declared import NO_ORIENTATION, Declared, or_none, squared
from ONFHAssistLib.imaging.packed import Packed, head_of, packing_of

if TYPE_CHECKING:
    from nibabel import Nifti1Header

# Signed and unsigned integers of 8 to 64 bits, float32 and float64 (nifti1.h).
_SCALARS = (2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280)
_COLOURS = (32, 128, 1792, 2304)
"""Complex numbers too."""
_UNIT_MM = {1: 1000.0, 3: 0.001}
_CONTRADICTION = Notice(
    "orientation-contradiction",
    "The file says in two ways how it lies in the patient (sform and qform), and they contradict each other; the sform "
    "was taken: the sides and planes in this report may be wrong.",
)
_CONTRADICTION_DEG = 30.0
"""A registration that was written into one of the two turns the axes by less."""
_SIZES_DIFFER = 0.02


def declared(path: Path) -> Declared:
    """Return what a NIfTI header declares; reads no voxel.

    The place in the patient is found as by nibabel: the sform, else the qform, else left, anterior and superior along
    the axes with a notice. Units of metres and micrometres are turned into mm, as by ITK.

    Raises:
        InputError: it is no NIfTI image, none that can be read here, or beyond the `limits`.
    """
    if path.name.lower().endswith((".img", ".img.gz")):
        path = _partner(path, ".hdr")
    block, size = _block(path)
    header = _parsed(block, size, path)
    fields = header.structarr
    datatype, ndim = int(fields["datatype"]), int(fields["dim"][0])
    if datatype in _COLOURS:
        raise InputError(f"{path} is a colour or vector image; give a greyscale one.")
    if datatype not in _SCALARS or not 1 <= ndim <= 7:
        raise InputError(f"{path} has a damaged header or voxels that are no plain numbers; export it again.")
    dtype = header.get_data_dtype()
    sizes = [int(n) for n in fields["dim"][1 : ndim + 1]]
    if ndim > 4 and sizes[4] > 1:
        raise InputError(f"{path} is a colour or vector image; give a greyscale one.")
    limits.require_size(path, sizes, dtype.itemsize)
    shape = (sizes[2], sizes[1], sizes[0])
    matrix, notices = _place(header, shape, path)
    limits.require_grid(path, shape, matrix)
    matrix = squared(matrix, shape, path)
    return Declared(
        shape, dtype, matrix, _packed(header, path, math.prod(shape) * dtype.itemsize), _scale(header, path), notices
    )


def _block(path: Path) -> tuple[bytes, int]:
    """Return the header's bytes, in the order of this file, and its size by its first number."""
    try:
        block = head_of(path, 540)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut off; export it again.") from error
    for order in "<>":
        size = struct.unpack(order + "i", block[:4])[0] if len(block) >= 348 else 0
        if size == 348 or (size == 540 and len(block) == 540):
            return block[:size], size
    raise InputError(f"{path} is not a NIfTI image (its header is missing or cut off); export it again.")


def _parsed(block: bytes, size: int, path: Path) -> "Nifti1Header":
    from nibabel import Nifti1Header, Nifti2Header

    magic = block[344:347] if size == 348 else block[4:7]
    if magic not in ((b"n+1", b"ni1") if size == 348 else (b"n+2", b"ni2")):
        if path.name.lower().endswith((".hdr", ".hdr.gz")):
            raise InputError(
                f"{path} is an Analyze file, which does not say how it lies in the patient; convert it to NIfTI."
            )
        raise InputError(f"{path} is not a NIfTI image (its header is missing or cut off); export it again.")
    try:
        order = "<" if struct.unpack("<i", block[:4])[0] == size else ">"
        return (Nifti1Header if size == 348 else Nifti2Header)(block, order, check=False)
    except Exception as error:  # nibabel's own errors have no common ancestor
        raise InputError(f"{path} has a damaged header; export it again.") from error


def _place(header: "Nifti1Header", shape: tuple[int, int, int], path: Path) -> tuple[np.ndarray, tuple[Notice, ...]]:
    fields = header.structarr
    zooms = fields["pixdim"][1:4].astype(float)
    limits.require_spacing(path, zooms * _unit_mm(fields))
    codes = int(fields["sform_code"]), int(fields["qform_code"])
    sform = or_none(header.get_sform) if codes[0] > 0 else None
    qform = or_none(lambda: _qform(header)) if codes[1] > 0 and (zooms > 0).all() else None
    matrix = sform if sform is not None else qform
    notices: tuple[Notice, ...] = ()
    if matrix is None:
        if max(codes) > 0:
            raise InputError(
                f"{path} has an unusable place in space, or a voxel spacing that is negative; export it again."
            )
        if (zooms <= 0).any():
            raise InputError(f"{path} has a voxel spacing that is zero or negative; export it again.")
        # As nibabel's get_base_affine: the first axis runs to the patient's left, the others forwards and upwards.
        matrix = np.diag([*(zooms * (-1, 1, 1)), 1.0])
        matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
        notices = (NO_ORIENTATION,)
    elif sform is not None and qform is not None and _contradict(sform, qform):
        notices = (_CONTRADICTION,)
    matrix = matrix.astype(float)
    matrix[:3] *= _unit_mm(fields)
    if sform is not None:
        notices += _sizes(matrix, np.abs(zooms) * _unit_mm(fields))
    return matrix, notices


def _qform(header: "Nifti1Header") -> np.ndarray:
    from nibabel.spatialimages import HeaderDataError

    try:
        return header.get_qform()
    except HeaderDataError as error:
        raise ValueError from error


def _contradict(one: np.ndarray, other: np.ndarray) -> bool:
    axes, others = (m[:3, :3] / np.linalg.norm(m[:3, :3], axis=0) for m in (one, other))
    return bool((np.sum(axes * others, axis=0) < np.cos(np.radians(_CONTRADICTION_DEG))).any())


def _sizes(matrix: np.ndarray, zooms_mm: np.ndarray) -> tuple[Notice, ...]:
    """Say that volumes may be wrong, where the header has two sizes of a voxel."""
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if (np.abs(spacing / zooms_mm - 1) < _SIZES_DIFFER).all():
        return ()
    stated, taken = (" x ".join(f"{x:.2f}" for x in sizes) for sizes in (zooms_mm, spacing))
    text = f"The file states two voxel sizes; {taken} mm was taken and not {stated} mm: volumes may be wrong."
    return (Notice("voxel-sizes-differ", text),)


def _unit_mm(fields: np.ndarray) -> float:
    return _UNIT_MM.get(int(fields["xyzt_units"]) & 7, 1.0)


def _packed(header: "Nifti1Header", path: Path, voxel_bytes: int) -> Packed:
    fields = header.structarr
    single = bytes(fields["magic"])[:2] == b"n+"
    offset = float(fields["vox_offset"])
    if not 0 <= offset <= limits.SKIPPED_BYTES or (single and 0 < offset < int(fields["sizeof_hdr"])):
        raise InputError(f"{path} has a damaged header (the place of its voxels); export it again.")
    skip = int(offset) or (int(fields["sizeof_hdr"]) + 4 if single else 0)
    voxels = path if single else _partner(path, ".img")
    size = limits.require_regular(voxels, path)
    packing = packing_of(voxels)
    if not single and _unpacked_size(voxels, packing, size) == voxel_bytes:
        skip = 0  # of a pair some programs write the offset that it would have in one file
    return Packed((voxels,), packing, 0, skip) if packing == "gzip" else Packed((voxels,), packing, skip)


def _unpacked_size(path: Path, packing: str, size: int) -> int:
    if packing != "gzip":
        return size
    with path.open("rb") as file:
        file.seek(max(size - 4, 0))
        return int.from_bytes(file.read(4), "little")  # RFC 1952: of all but the largest


def _partner(path: Path, suffix: str) -> Path:
    """Return the other file of a pair (.hdr and .img, packed or not, in small or capital letters)."""
    lower = path.name.lower()
    stem = path.name[: lower.rfind(".hdr" if ".hdr" in lower else ".img" if ".img" in lower else ".nii")]
    names = [stem + ending for ending in (suffix, suffix.upper(), suffix + ".gz", suffix.upper() + ".GZ")]
    found = next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)
    if found is None:
        raise InputError(f"{path} belongs to a pair of files, and {stem}{suffix} is missing; put it beside.")
    return found


def _scale(header: "Nifti1Header", path: Path) -> tuple[float, float]:
    slope, intercept = (float(header.structarr[name]) for name in ("scl_slope", "scl_inter"))
    if slope == 0 or not np.isfinite(slope):
        return 1.0, 0.0  # nifti1.h: not scaled
    if not np.isfinite(intercept):
        raise InputError(f"{path} has a scale that is not a number; export it again.")
    return slope, intercept
