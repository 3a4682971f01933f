"""NIfTI files as bytes, so that each save writes the same file for the same image, and nothing but the image.

Format: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

import gzip
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.core.volume import Volume

__all__ = ["header_texts", "nifti_bytes", "read_nifti", "smallest"]


def read_nifti(path: Path) -> Volume:
    """Read a file, whoever has written it.

    Raises:
        InputError: it can't be read or is not one 3D image.
    """
    try:
        image = sitk.ReadImage(str(path), imageIO="NiftiImageIO")
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        matrix[:3, 3] = image.GetOrigin()
        return Volume(sitk.GetArrayFromImage(image), np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix)  # files hold LPS
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path.name} can't be read as an image; get it back from a copy.") from error


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
