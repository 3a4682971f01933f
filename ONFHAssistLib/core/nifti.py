"""NIfTI files as bytes, so that the same image makes the same file each time, with nothing in it but the image.

Format: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

import gzip
import struct

import numpy as np
from scipy.spatial.transform import Rotation

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
