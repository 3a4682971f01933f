"""The NIfTI files of a data set, read with care (`core.nifti` writes them).

Format: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

import gzip
import io
import math
from pathlib import Path

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import read_plain_file
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case.layout import IMAGE_BYTES

_LONGEST = 2**15
_UNREADABLE = "{} can't be read as an image; get it back from a copy."


def read_nifti(path: Path) -> Volume:
    """Read a file that is no link, whoever has written it; raises InputError as `nifti_volume`, or where it is gone."""
    try:
        content = read_plain_file(path, IMAGE_BYTES)
    except OSError as error:
        raise InputError(_UNREADABLE.format(path.name)) from error
    return nifti_volume(content, path.name)


def nifti_volume(content: bytes, name: str) -> Volume:
    """Return the image in a ``.nii.gz``, whoever has written it; nothing is unpacked beyond what its header declares.

    Args:
        content: of the file.
        name: for the message.

    Raises:
        InputError: it can't be read or is not one 3D image of a usual size.
    """
    import nibabel

    try:
        header = nibabel.Nifti1Header(_unpacked(content, 348), check=False)
        if header.get_sform(coded=True)[1] == 0 == header.get_qform(coded=True)[1]:
            raise ValueError("no place in the patient")
        shape = header.get_data_shape()
        kind = header.get_data_dtype()
        size = int(header["vox_offset"]) + math.prod(shape) * kind.itemsize
        if not all(0 < n <= _LONGEST for n in shape) or kind.kind not in "iuf" or not 0 < size <= IMAGE_BYTES:
            raise ValueError("an unusual size or kind")
        image = nibabel.Nifti1Image.from_bytes(_unpacked(content, size))
        array = np.asanyarray(image.dataobj)
        array = array.reshape(array.shape[:3]) if math.prod(array.shape[3:]) == 1 else array
        return Volume(np.ascontiguousarray(array.T), image.affine)
    # what nibabel raises has no common ancestor
    except Exception as error:
        raise InputError(_UNREADABLE.format(name)) from error


def header_texts(content: bytes) -> str:
    """Return what the header of a NIfTI file says in words, where names could hide; empty in files of this software."""
    header = _unpacked(content, 352)
    extended = "extension" if len(header) == 352 and header[348] else ""
    fields = (header[4:32], header[148:252], header[328:344])  # data_type, db_name; descrip, aux_file; intent_name
    return " ".join([*(field.replace(b"\0", b" ").decode("latin-1").strip() for field in fields), extended]).strip()


def _unpacked(content: bytes, size: int) -> bytes:
    """Return the first bytes; EOFError, OSError or zlib.error where the packing is damaged."""
    with gzip.open(io.BytesIO(content)) as file:
        return file.read(size)


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
