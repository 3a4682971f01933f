"""NIfTI files as bytes, so that each save writes the same file for the same image, and nothing but the image.

Format: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ONFHAssistLib.core.errors import InputError, showable
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging import limits
from ONFHAssistLib.imaging.packed import head_of

__all__ = ["header_texts", "nifti_bytes", "read_nifti", "smallest"]


def read_nifti(path: Path) -> Volume:
    """Read a file, whoever has written it.

    Raises:
        InputError: it can't be read or is not one 3D image.
    """
    _require_sound(path)
    try:
        image = sitk.ReadImage(str(path), imageIO="NiftiImageIO")
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        matrix[:3, 3] = image.GetOrigin()
        return Volume(sitk.GetArrayFromImage(image), np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix)  # files hold LPS
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path.name} can't be read as an image; get it back from a copy.") from error


def _require_sound(path: Path) -> None:
    """Let ITK meet no header that nobody has looked at, and no name that it cannot take."""
    damaged = f"{path.name} can't be read as an image; get it back from a copy."
    try:
        str(path).encode()
        limits.require_regular(path, path.name)
        header = head_of(path, 348)
        size, ndim, *dims = struct.unpack_from("<i36x8h", header)
        bits, *spacing, offset = struct.unpack_from("<h6x3f16xf", header, 72)
        places = np.array(struct.unpack_from("<18f", header, 256))
    except UnicodeEncodeError as error:
        raise InputError(
            f"{showable(str(path))} has a name that is not UTF-8; rename the folder of the data."
        ) from error
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise InputError(damaged) from error
    if size != 348 or ndim != 3 or not 0 <= offset <= limits.SKIPPED_BYTES or not 8 <= bits <= 64:
        raise InputError(damaged)
    if not np.isfinite(places).all() or np.abs(places).max() > limits.ORIGIN_MM:
        raise InputError(damaged)
    limits.require_size(path.name, dims[:3], bits // 8)
    limits.require_spacing(path.name, spacing)


def header_texts(path: Path) -> str:
    """Return what the header of a NIfTI file says in words, where names could hide; empty in files of this software."""
    with gzip.open(path, "rb") as file:
        header = file.read(352)
    extended = "extension" if len(header) == 352 and header[348] else ""
    fields = (header[4:32], header[148:252], header[328:344])  # data_type, db_name; descrip, aux_file; intent_name
    return " ".join([*(field.replace(b"\0", b" ").decode("latin-1").strip() for field in fields), extended]).strip()


def smallest(array: np.ndarray) -> np.ndarray:
    """Return intensities as int16 where nothing is lost, else as float32."""
    if array.dtype.name in ("uint8", "int16"):
        return array
    low, high = array.min(), array.max()
    if np.iinfo(np.int16).min <= low and high <= np.iinfo(np.int16).max:
        whole = array.astype(np.int16)
        if np.array_equal(whole, array):
            return whole
    return array.astype(np.float32)
