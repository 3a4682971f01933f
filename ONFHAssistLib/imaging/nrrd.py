"""NRRD (.nrrd, .nhdr): the header by pynrrd, behind limits. http://teem.sourceforge.net/nrrd/format.html"""

import os
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.imaging import limits
from ONFHAssistLib.imaging.declared import LPS_TO_RAS, NO_ORIENTATION, Declared, or_none, squared
from ONFHAssistLib.imaging.packed import Packed, Packing

_WORDS = {"char": 1, "int8": 1, "short": 2, "int16": 2, "int": 4, "int32": 4, "longlong": 8, "int64": 8}
_TYPES = {"signedchar": "i1", "uchar": "u1", "float": "f4", "double": "f8"}
_PACKINGS: dict[str, Packing] = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_PACKINGS |= dict.fromkeys(("text", "txt", "ascii"), "text")
_ENDIANS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
_IN_SPACE = ("domain", "space")
_SPATIAL = ("domain", "space", "none", "???", "time", "")
_STANDARD_SPACES = ("right-anterior-superior", "left-anterior-superior", "left-posterior-superior")
_SHORT = {"ras": _STANDARD_SPACES[0], "las": _STANDARD_SPACES[1], "lps": _STANDARD_SPACES[2]}
_LETTERS = re.compile(r"(right|left)-(anterior|posterior)-(superior|inferior)(-time)?")
_FIELD = re.compile(rb"([A-Za-z][A-Za-z ]*):(?!=)")
_READ: tuple[bytes, ...] = (b"type", b"dimension", b"sizes", b"encoding", b"endian", b"kinds", b"spacings")
_READ += (b"space", b"space dimension", b"space directions", b"space origin")
_READ += (b"line skip", b"lineskip", b"byte skip", b"byteskip")
_NEWLINES = (b"\n\n", b"\r\n\r\n")


def declared(path: Path) -> Declared:
    """Return what an NRRD header declares; reads no voxel.

    A space that NRRD does not name, or none, is taken for LPS as by ITK and MONAI, with a notice; so are spaces such
    as right-posterior-superior, of which the letters are followed.

    Raises:
        InputError: it is no NRRD image, none that can be read here, or beyond the `limits`.
    """
    lines, end = _lines(path)
    damaged = f"{path} is not a readable NRRD file (its header is damaged or of another kind); export it again."
    header = _parsed(lines, damaged)
    try:
        sizes = [int(n) for n in header["sizes"]]
        dtype, packing = _dtype(header), _PACKINGS[str(header["encoding"]).strip().lower()]
        ndims = int(header["dimension"])
        skips = [int(header.get(f"{word} skip", header.get(f"{word}skip", 0))) for word in ("line", "byte")]
        sound = len(sizes) == ndims <= 16 and 0 <= skips[0] <= limits.LINES and -1 <= skips[1] <= limits.SKIPPED_BYTES
    except (LookupError, ValueError, TypeError, OverflowError):
        sound = False
    if not sound:
        raise InputError(damaged)
    kinds = [str(kind).lower() for kind in header.get("kinds", [])] or ["domain"] * ndims
    if len(kinds) == ndims and any(k not in _SPATIAL and n > 1 for k, n in zip(kinds, sizes, strict=True)):
        raise InputError(f"{path} is a colour or vector image; give a greyscale one.")
    axes = [n for n in range(ndims) if ndims <= 3 or sizes[n] > 1 or (n < len(kinds) and kinds[n] in _IN_SPACE)]
    axes = axes if len(axes) >= 3 else list(range(ndims))
    limits.require_size(path, [sizes[n] for n in axes], dtype.itemsize)
    shape = (sizes[axes[2]], sizes[axes[1]], sizes[axes[0]])
    matrix, notices = _place(header, axes[:3], path)
    limits.require_grid(path, shape, matrix)
    packed = _packed(path, lines, end, packing, skips)
    return Declared(shape, dtype, squared(matrix, shape, path), packed, notices=notices)


def _lines(path: Path) -> tuple[list[bytes], int]:
    """Return the lines of the header, and where it ends in the file."""
    with path.open("rb") as file:
        raw = file.read(limits.HEADER_BYTES)
    if not raw.startswith(b"NRRD000"):
        raise InputError(f"{path} is not an NRRD file; export it again.")
    ends = [raw.find(mark) + len(mark) for mark in _NEWLINES if mark in raw]
    end = min(ends, default=len(raw))
    return limits.header_lines(raw[:end], path), end


def _parsed(lines: list[bytes], damaged: str) -> dict[str, Any]:
    """Let pynrrd read the fields that count; keys (``key:=value``) mean nothing here."""
    import nrrd

    fields = [line for line in lines[1:] if (name := _FIELD.match(line)) and name[1].lower() in _READ]
    try:
        return nrrd.read_header([line.decode("ascii", "replace") for line in (lines[0], *fields)])
    except Exception as error:  # its parsers raise errors of every kind
        raise InputError(damaged) from error


def _dtype(header: dict[str, Any]) -> np.dtype:
    words = re.sub(r"_t\b", "", str(header["type"]).lower()).split()
    name = "".join(words)
    if name in _TYPES:
        kind = _TYPES[name]
    else:
        unsigned = words[0].startswith("u")
        name = "".join([words[0].removeprefix("unsigned").removeprefix("u"), *words[1:]]).removeprefix("signed")
        short = name if name in _WORDS else name.removesuffix("int")
        kind = f"{'u' if unsigned else 'i'}{_WORDS[short or 'int']}"
    dtype = np.dtype(kind)
    if dtype.itemsize == 1 or _PACKINGS.get(str(header["encoding"]).lower()) == "text":
        return dtype
    return dtype.newbyteorder(_ENDIANS[str(header["endian"]).strip().lower()])


def _place(header: dict[str, Any], axes: list[int], path: Path) -> tuple[np.ndarray, tuple[Notice, ...]]:
    space = str(header.get("space", "")).strip().lower()
    space = _SHORT.get(space.removesuffix("-time").removesuffix("t"), space)
    matrix = np.eye(4)
    directions = header.get("space directions")
    if directions is None:
        spacings = header.get("spacings")
        if spacings is None or len(spacings) <= max(axes):
            raise InputError(f"{path} does not give the size of its voxels; export it again with spacings in mm.")
        limits.require_spacing(path, [spacings[n] for n in axes])
        if min(spacings[n] for n in axes) < 0:
            raise InputError(f"{path} has a voxel spacing that is negative; export it again.")
        for to, n in enumerate(axes):
            matrix[to, to] = spacings[n]
    else:
        found = or_none(lambda: np.array([directions[n][:3] for n in axes], dtype=float).reshape(3, 3).T)
        if found is None:
            raise InputError(f"{path} has an unusable place in space (space directions); export it again.")
        matrix[:3, :3] = found
    origin = header.get("space origin")
    if origin is not None and np.size(origin) >= 3:
        matrix[:3, 3] = np.asarray(origin, dtype=float).ravel()[:3]
    letters = _LETTERS.fullmatch(space)
    to_ras = LPS_TO_RAS
    if letters:
        positive = ("right", "anterior", "superior")
        to_ras = np.diag([*(1.0 if word in positive else -1.0 for word in letters.groups()[:3]), 1.0])
    known = directions is not None and space.removesuffix("-time") in _STANDARD_SPACES
    return to_ras @ matrix, () if known else (NO_ORIENTATION,)


def _packed(path: Path, lines: list[bytes], end: int, packing: Packing, skips: list[int]) -> Packed:
    named = [line.split(b":", 1)[1].strip() for line in lines if re.match(rb"data ?file:", line, re.IGNORECASE)]
    paths: tuple[Path, ...] = (path,)
    start = end
    if named:
        words = named[0].split()
        names = [named[0]]
        if words[:1] == [b"LIST"]:
            after = next(n for n, line in enumerate(lines) if re.match(rb"data ?file:", line, re.IGNORECASE))
            names = [line.strip() for line in lines[after + 1 :] if line.strip()]
        paths, start = limits.voxel_files(path, [os.fsdecode(name) for name in names]), 0
    if skips[0]:
        start = _after_lines(paths[0], start, skips[0], path)
    if skips[1] == -1 and packing == "raw":
        return Packed(paths, packing, -1)
    inside = max(skips[1], 0) if packing in ("gzip", "bzip2") else 0
    return Packed(paths, packing, start + max(skips[1], 0) - inside, inside)


def _after_lines(path: Path, start: int, count: int, name: Path) -> int:
    limits.require_regular(path, name)
    with path.open("rb") as file:
        file.seek(start)
        for _ in range(count):
            file.readline(limits.FIELD_LENGTH)
        return file.tell()
