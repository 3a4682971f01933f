"""Voxels as they lie in files: raw, packed or as text; unpacked into memory of a size that was checked before."""

import bz2
import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging import limits

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Packing = Literal["raw", "gzip", "bzip2", "text"]
_CHUNK = 1 << 18
_TEXT_LENGTH = 40
"""Characters of a number at the most."""
_ERRORS = (OSError, ValueError, zlib.error)


class Stream(Protocol):
    """What bytes are read from, in order."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...

    def readinto(self, target: memoryview, /) -> int:
        """Put the next bytes into ``target`` and return how many; none at the end."""
        ...


@dataclass(frozen=True)
class Packed:
    """Where the voxels of an image are.

    Attributes:
        paths: one file, or one for each slice or block, in order.
        packing: ``gzip`` stands for zlib's stream without gzip's header too.
        offset: bytes before them in each file; -1: raw voxels that end with their file.
        skip: bytes before them after unpacking.
    """

    paths: tuple[Path, ...]
    packing: Packing = "raw"
    offset: int = 0
    skip: int = 0


def read_voxels(packed: Packed, dtype: np.dtype, count: int, name: object) -> np.ndarray:
    """Return ``count`` voxels in a row, in the byte order of this machine.

    Args:
        packed: where they are.
        dtype: as they are stored.
        count: `limits.require_size` has been asked about it.
        name: of the image, for the sentence.

    Raises:
        InputError: there are fewer, or what packs them is damaged.
    """
    if not 0 <= packed.offset + 1 <= limits.SKIPPED_BYTES or not 0 <= packed.skip <= limits.SKIPPED_BYTES:
        raise InputError(f"{name} has a damaged header (the place of its voxels); export it again.")
    share = count // len(packed.paths) * dtype.itemsize
    if share * len(packed.paths) != count * dtype.itemsize:
        raise InputError(f"{name} has voxels in files of different size; save it as one file.")
    sizes = [limits.require_regular(path, name) for path in packed.paths]
    if packed.packing == "raw" and any(size < share + max(packed.offset, 0) + packed.skip for size in sizes):
        raise InputError(_cut_off(name))
    try:
        if packed.packing == "text":
            return _from_text(packed, dtype, count, name)
        array = np.empty(count, dtype)
        target = array.data.cast("B")
        for n, path in enumerate(packed.paths):
            with path.open("rb") as file:
                file.seek(*((packed.offset, os.SEEK_SET) if packed.offset >= 0 else (-share, os.SEEK_END)))
                stream = unpacked(file, packed.packing)
                _pass(stream, packed.skip)
                _fill(target[n * share : (n + 1) * share], stream, name)
                if packed.packing != "raw":
                    _pass(stream, _CHUNK)  # to the end, if it is near: there the checksum lies
    except EOFError as error:
        raise InputError(_cut_off(name)) from error
    except _ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} is damaged or cut off: its voxels can't be unpacked; export it again.") from error
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def unpacked(file: io.BufferedReader, packing: Packing) -> Stream:
    """Return a stream of what is packed in a file from here on; it holds no more of it than is asked for."""
    if packing == "gzip":
        return _Inflated(file)
    return bz2.BZ2File(file) if packing == "bzip2" else file


def packing_of(path: Path) -> Packing:
    """Return how a file is packed, by its first bytes and not by its name."""
    with path.open("rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else "raw"


def head_of(path: Path, count: int) -> bytes:
    """Return the first bytes of a file, unpacked; raises OSError, EOFError or zlib.error where that is not possible."""
    with path.open("rb") as file:
        stream, head = unpacked(file, packing_of(path)), b""
        while len(head) < count and (part := stream.read(count - len(head))):
            head += part
    return head


class _Inflated(io.RawIOBase):
    """Python's gzip module, with larger steps (it takes 8 kB at a time before 3.12) and for bare zlib streams too."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._waiting = file, b""
        self._unpack = zlib.decompressobj(wbits=47)  # 47: gzip or zlib, as the stream says
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer)
        while not self._ended:
            packed = self._waiting or self._file.read(_CHUNK)
            part = self._unpack.decompress(packed, len(target))
            self._waiting = self._unpack.unconsumed_tail
            if self._unpack.eof:
                self._next_member()
            elif not packed and not part:
                raise EOFError
            if part:
                target[: len(part)] = part
                return len(part)
        return 0

    def _next_member(self) -> None:
        self._waiting = self._unpack.unused_data or self._file.read(_CHUNK)
        if self._waiting[:2] == b"\x1f\x8b":  # pigz and bgzip write several
            self._unpack = zlib.decompressobj(wbits=31)
        else:
            self._ended = True


def _fill(target: memoryview, stream: Stream, name: object) -> None:
    done = 0
    while done < len(target):
        got = stream.readinto(target[done : done + (1 << 20)])
        if not got:
            raise InputError(_cut_off(name))
        done += got


def _pass(stream: Stream, count: int) -> None:
    scrap = memoryview(bytearray(min(count, _CHUNK)))
    while count > 0 and (got := stream.readinto(scrap[: min(count, len(scrap))])):
        count -= got


def _from_text(packed: Packed, dtype: np.dtype, count: int, name: object) -> np.ndarray:
    if count > limits.TEXT_VOXELS:
        raise InputError(f"{name} holds {count} numbers as text, too many to be read; save it in binary form.")
    words: list[bytes] = []
    for path in packed.paths:
        with path.open("rb") as file:
            file.seek(max(packed.offset, 0) + packed.skip)
            words += file.read(count * _TEXT_LENGTH).split(maxsplit=count)[:count]
    if len(words) < count:
        raise InputError(_cut_off(name))
    numbers = np.array(words[:count]).astype(np.float64)
    kind = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    if numbers.size and not (kind.min <= numbers.min() and numbers.max() <= kind.max):
        raise ValueError("not of the type")
    return numbers.astype(dtype.newbyteorder("="))


def _cut_off(name: object) -> str:
    return f"{name} is damaged or cut off: voxels are missing at its end; copy or export it again."
