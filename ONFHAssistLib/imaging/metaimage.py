"""MetaImage (.mha, .mhd): its header is a few lines of text, and its voxels are read as they lie.

https://itk.org/Wiki/ITK/MetaIO/Documentation. ITK's own parser is not asked: it prints about errors, and some headers
make it overrun its memory.
"""

import os
import re
from pathlib import Path

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging import limits
from ONFHAssistLib.imaging.declared import LPS_TO_RAS, NO_ORIENTATION, Declared, squared
from ONFHAssistLib.imaging.packed import Packed, Packing

# Numbers of a MetaImage (metaTypes.h); a LONG has four bytes on every machine.
_TYPES = {"CHAR": "i1", "SHORT": "i2", "INT": "i4", "LONG": "i4", "LONG_LONG": "i8"}
_TYPES |= {f"U{name}": kind.replace("i", "u") for name, kind in _TYPES.items()} | {"FLOAT": "f4", "DOUBLE": "f8"}
_HEADER_BYTES = 2**16
_Fields = dict[str, str]


def declared(path: Path) -> Declared:
    """Return what a MetaImage header declares; reads no voxel.

    Raises:
        InputError: it is no MetaImage, none that can be read here, or beyond the `limits`.
    """
    fields, end, following = _fields(path)
    damaged = f"{path} is not a MetaImage file, or its header is damaged; export it again."
    try:
        ndims = int(fields["NDims"])
        sizes = _numbers(fields, ("DimSize",), ndims, int)
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        spacing = _numbers(fields, ("ElementSpacing", "ElementSize"), ndims)
        axes = _numbers(fields, ("TransformMatrix", "Rotation", "Orientation"), ndims**2)
        origin = _numbers(fields, ("Offset", "Position", "Origin"), ndims) or [0.0] * ndims
        _numbers(fields, ("CenterOfRotation",), ndims)
        known = re.fullmatch(r"MET_(\w+?)(_ARRAY)?", fields["ElementType"])
        if known is None:
            raise ValueError(fields["ElementType"])
        dtype = np.dtype(_TYPES[known[1]]).newbyteorder(">" if _yes(fields, _BYTE_ORDER) else "<")
        skip = int(fields.get("HeaderSize", "0"))
        sound = 1 <= ndims <= 5 and len(sizes) == ndims and channels > 0 and skip >= -1 and min(spacing, default=1) > 0
    except (KeyError, IndexError, ValueError, TypeError, OverflowError):
        sound = False
    if not sound:
        raise InputError(damaged)
    if channels != 1:
        raise InputError(f"{path} is a colour or vector image; give a greyscale one.")
    limits.require_size(path, sizes, dtype.itemsize)
    if not spacing:
        raise InputError(f"{path} does not give the size of its voxels; export it again with ElementSpacing in mm.")
    limits.require_spacing(path, spacing[:3])
    shape = (sizes[2], sizes[1], sizes[0])
    matrix = np.eye(4)
    turn = np.array(axes or np.eye(ndims).ravel()).reshape(ndims, ndims)[:3, :3]
    matrix[:3, :3] = turn.T * spacing[:3]  # each row of the file is an axis
    matrix[:3, 3] = origin[:3]
    matrix = LPS_TO_RAS @ matrix
    limits.require_grid(path, shape, matrix)
    matrix = squared(matrix, shape, path)
    says = bool(axes) or fields.get("AnatomicalOrientation") == "RAI"  # RAI: along L, P and S, as the unit matrix
    packed = _packed(path, fields, end, following, skip, sizes)
    return Declared(shape, dtype, matrix, packed, notices=() if says else (NO_ORIENTATION,))


_BYTE_ORDER = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")


def _fields(path: Path) -> tuple[_Fields, int, list[bytes]]:
    """Return the fields up to the one that ends the header, where that ends, and the lines that follow."""
    with path.open("rb") as file:
        raw = file.read(_HEADER_BYTES)
    fields: _Fields = {}
    end = 0
    lines = raw.split(b"\n")
    for number, line in enumerate(lines):
        end += len(line) + 1
        key, equals, value = line.partition(b"=")
        if len(line) > limits.FIELD_LENGTH or not equals or not re.fullmatch(rb"[\w\[\]|:. -]+", key):
            break  # ITK also writes keys such as dim[0]
        fields[key.strip().decode("ascii")] = os.fsdecode(value.strip())
        if key.strip() == b"ElementDataFile":
            return fields, end, lines[number + 1 : number + 2 + limits.SLICE_FILES]
    return fields, end, []


def _numbers(fields: _Fields, names: tuple[str, ...], count: int, kind: type = float) -> list:
    """Return the numbers of a field that goes by several names; [] where there is none of them."""
    found = next((fields[name] for name in names if name in fields), None)
    if found is None:
        return []
    numbers = [kind(word) for word in found.split()]
    if len(numbers) != count:
        raise ValueError(names)
    return numbers


def _yes(fields: _Fields, names: tuple[str, ...]) -> bool:
    said = next((fields[name] for name in names if name in fields), "False")
    if said[:1].lower() not in ("t", "f", "1", "0"):  # MetaIO looks at the first letter too
        raise ValueError(names)
    return said[:1].lower() in ("t", "1")


def _packed(path: Path, fields: _Fields, end: int, following: list[bytes], skip: int, sizes: list[int]) -> Packed:
    damaged = f"{path} is not a MetaImage file, or its header is damaged; export it again."
    try:
        text, packed = not _yes({"BinaryData": "True"} | fields, ("BinaryData",)), _yes(fields, ("CompressedData",))
        where = fields["ElementDataFile"]
    except (KeyError, ValueError) as error:
        raise InputError(damaged) from error
    packing: Packing = "text" if text else "gzip" if packed else "raw"
    if where.upper() == "LOCAL":
        return Packed((path,), packing, end + max(skip, 0))
    names = [where]
    words = where.split()
    if words and words[0] == "LIST":
        slices = sizes[2] if len(words) == 1 or words[1] == "2" else 1
        names = [os.fsdecode(line.strip()) for line in following[:slices]]
        if len(names) != slices:
            raise InputError(damaged)
    return Packed(limits.voxel_files(path, names), packing, skip if packing == "raw" else max(skip, 0))
