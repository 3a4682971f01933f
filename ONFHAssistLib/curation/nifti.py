"""NIfTI files as bytes, so that each save writes the same file for the same image, and nothing but the image.

Format: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

import gzip
import struct
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume

_TYPES = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16}
_MILLIMETRES, _SCANNER = 2, 1


def nifti_bytes(volume: Volume, level: int = 6) -> bytes:
    """Return a ``.nii.gz``; the type of the array has to be one of uint8, int16, int32 and float32.

    Args:
        volume: shape (k, j, i); its matrix becomes both sform and qform.
        level: of gzip, 1 (fast) to 9.
    """
    array = np.ascontiguousarray(volume.array)
    axes = volume.axes_ras.copy()
    handed = 1.0 if np.linalg.det(axes) > 0 else -1.0
    axes[:, 2] *= handed
    x, y, z, w = Rotation.from_matrix(axes).as_quat()
    b, c, d = np.array([x, y, z]) * (1 if w >= 0 else -1)
    k, j, i = array.shape
    header = struct.pack(
        "<i36x8h3f4h8f3fhBB4f2i80x24x2h6f12f16x4s",
        348,
        *(3, i, j, k, 1, 1, 1, 1),
        *(0.0, 0.0, 0.0),
        *(0, _TYPES[array.dtype.name], array.dtype.itemsize * 8, 0),
        *(handed, *volume.spacing_mm, 0.0, 0.0, 0.0, 0.0),
        *(352.0, 1.0, 0.0),
        *(0, 0, _MILLIMETRES),
        *(0.0, 0.0, 0.0, 0.0),
        *(0, 0),
        *(_SCANNER, _SCANNER),
        *(b, c, d, *volume.ijk_to_ras[:3, 3]),
        *volume.ijk_to_ras[:3].ravel(),
        b"n+1\0",
    )
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return gzip.compress(header + bytes(4) + little.tobytes(), level, mtime=0)


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
