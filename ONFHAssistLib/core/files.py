"""What every room does with the disk: write one file whole, for all or for one, and ask where it can be written."""

import os
import secrets
import tempfile
from pathlib import Path

from ONFHAssistLib.core.outside import new_file, remove_quietly


def replace_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Let a file have this content, also if the power fails meanwhile: a reader sees the earlier one or this one.

    It is written beside under a name that nobody can foresee, flushed, and takes its name in one step; a link that
    somebody has laid in its place is replaced, not followed. Several files that belong together are for
    `exchange.publish.publish`.

    Args:
        path: of the file; its folder is made if missing.
        content: the whole of it.
        mode: who may read and write it, from its first byte; the user's umask is taken off.

    Raises:
        OSError: it could not be written; the earlier file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    handle = new_file(beside, mode)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        remove_quietly(beside)
        raise


def write_private(path: Path, content: bytes) -> None:
    """Write a file as `replace_file` does, that this account alone can read, from its first byte on.

    So is the folder that it lies in, where that is missing; folders above it are made as usual.

    Raises:
        OSError: it could not be written; the earlier file is as it was.
    """
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    replace_file(path, content, mode=0o600)


def require_writable(folder: Path) -> None:
    """Raise OSError where a folder could not be made or written into; leaves nothing behind."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    with tempfile.TemporaryDirectory(prefix=".onfh-", dir=place):
        pass
