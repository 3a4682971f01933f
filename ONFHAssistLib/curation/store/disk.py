"""The few disk operations that a save is made of; each works on network drives too, and is on disk when it returns."""

import contextlib
import os
import time
from pathlib import Path

from ONFHAssistLib.core.outside import new_file


def write(path: Path, content: bytes) -> None:
    """Write a new file and flush it; FileExistsError where the name is taken."""
    with open(new_file(path), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make one folder; FileExistsError where the name is taken."""
    path.mkdir()


def move(source: Path, target: Path) -> None:
    """Give a file its name, in place of an earlier file; nothing happens where the source has been moved already."""
    for last in (False, False, False, True):
        try:
            os.replace(source, target)
            return
        except FileNotFoundError:
            if source.exists():  # it is the target's folder that is missing
                raise
            return
        except PermissionError:  # on Windows as long as somebody reads the earlier file
            if last:
                raise
            time.sleep(0.1)


def remove(path: Path) -> None:
    """Remove a file; nothing happens where it is gone already."""
    path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network drives do not offer it
            os.fsync(handle)
    finally:
        os.close(handle)
