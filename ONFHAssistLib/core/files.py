"""What every room does with the disk: write one file whole, for all or for one, and ask where it can be written."""

import contextlib
import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Let a file have this content, also if the power fails meanwhile: a reader sees the earlier one or this one.

    It is written beside, flushed, and takes its name in one step. Several files that belong together are for
    `exchange.publish.publish`.

    Raises:
        OSError: it could not be written; the earlier file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def write_private(path: Path, content: bytes) -> None:
    """Write a file as `replace_file` does, that this account alone can read, from its first byte on.

    So is the folder that it lies in, where that is missing; folders above it are made as usual.

    Raises:
        OSError: it could not be written; the earlier file is as it was.
    """
    folder = path.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)  # 0600, and no link is followed
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def require_writable(folder: Path) -> None:
    """Raise OSError where a folder could not be made or written into; leaves nothing behind."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    with tempfile.TemporaryDirectory(prefix=".onfh-", dir=place):
        pass
