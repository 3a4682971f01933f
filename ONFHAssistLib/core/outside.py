"""What comes from elsewhere, read with care: files of a folder that somebody else has filled, JSON, and words.

A file is opened without following a link, and only if it is a plain file: a link may lead anywhere, a pipe keeps its
reader waiting for ever, a device has no end.
"""

import contextlib
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

JSON_BYTES = 64 * 2**20
"""No file of this software comes near it; a case with 100 versions has half a megabyte."""
FILE_BYTES = 2**31
DEEPEST = 50
"""Lists and dictionaries in each other: the deepest file of this software has 11, and what walks through all of one may
call itself at each."""
_LARGEST_INT = 2**53
"""Larger integers are none of ours, and no float holds them exactly."""
# Control characters but line break and tab; separators of lines; and what turns the direction of writing.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_LONE = re.compile("[\ud800-\udfff]")


class LinkError(OSError):
    """A link, a device, a pipe, a socket or a folder lies where a plain file has to be, or a link on the way to it."""


def shown(text: str) -> str:
    """Return a text that does nothing to a terminal, whatever is in it: signs that do something become "�"."""
    return _LONE.sub("�", _UNSEEN.sub("�", text.replace("\r\n", "\n")))


def is_link(path: Path) -> bool:
    """Say whether this is a link to somewhere else; on Windows also a junction."""
    try:
        return _leads_elsewhere(os.lstat(path))
    except OSError:
        return False


def is_plain_file(path: Path) -> bool:
    """Say whether this is a file, and no link, folder, device, pipe or socket."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and not _leads_elsewhere(found)


def _leads_elsewhere(found: os.stat_result) -> bool:
    mounted = getattr(found, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
    return stat.S_ISLNK(found.st_mode) or mounted


def read_plain_file(path: Path, most_bytes: int = FILE_BYTES) -> bytes:
    """Read a file that has to be a plain one.

    Raises:
        LinkError: it is a link, a folder, a device, a pipe or a socket; or larger than ``most_bytes``.
        OSError: it is not there or can't be read.
    """
    found = os.lstat(path)
    if _leads_elsewhere(found):
        raise LinkError(f"{path.name} is a link")
    if not stat.S_ISREG(found.st_mode):  # a socket can't even be opened, a folder not on every system
        raise LinkError(f"{path.name} is no plain file")
    flags = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")
    handle = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in flags))
    with open(handle, "rb") as file:
        found = os.fstat(handle)  # of what was opened, which may be another one by now
        if not stat.S_ISREG(found.st_mode):
            raise LinkError(f"{path.name} is no plain file")
        if found.st_size > most_bytes:
            raise LinkError(f"{path.name} is larger than {most_bytes} bytes")
        return file.read(found.st_size)


def read_json(path: Path) -> Any:
    """Read a plain file of JSON; see `read_plain_file` and `parse_json` for what is raised."""
    return parse_json(read_plain_file(path, JSON_BYTES))


def parse_json(content: bytes) -> Any:
    """Return what JSON says.

    Control characters in texts are replaced, so that whatever is shown of them does nothing to a terminal.

    Raises:
        ValueError: it is no JSON, nested deeper than DEEPEST, or holds numbers that are none or have no end.
    """
    try:
        text = content.decode("utf-8-sig")
        found = json.loads(text, parse_constant=_no_number, parse_float=_float, parse_int=_int)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    _require_shallow(found)
    return _clean(found) if "\\u" in text or _UNSEEN.search(text) else found


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        wholes = [whole for whole in level if isinstance(whole, dict | list)]
        if not wholes:
            return
        level = [part for whole in wholes for part in (whole.values() if isinstance(whole, dict) else whole)]
    raise ValueError("nested too deeply")


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _float(text: str) -> float:
    number = float(text)
    if abs(number) > 1e300:
        raise ValueError("a number without end")
    return number


def _int(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) > _LARGEST_INT:
        raise ValueError("a number without end")
    return number


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if _LONE.search(value):
            raise ValueError("half a character")
        return shown(value)
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(entry) for name, entry in value.items()}
    return value


def new_file(path: Path, mode: int = 0o666) -> int:
    """Make a file that was not there, and open it for writing; never through a link.

    Raises:
        FileExistsError: something is there, be it a link to nowhere.
        OSError: it can't be made.
    """
    flags = ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | sum(getattr(os, name, 0) for name in flags), mode)


def remove_quietly(path: Path) -> None:
    """Remove a file or link if that is possible."""
    with contextlib.suppress(OSError):
        path.unlink()
