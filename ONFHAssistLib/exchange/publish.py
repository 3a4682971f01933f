"""Files that appear all together, complete, or not at all."""

import contextlib
import errno
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ONFHAssistLib.core.errors import InputError

Writer = Callable[[Path], None]
STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, the request to end, and, but for Windows, a terminal that was closed."""

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EACCES: "writing is not allowed there; choose another folder",
    errno.EPERM: "writing is not allowed there; choose another folder",
    errno.ENOTDIR: "a part of that path is a file; choose another folder",
    errno.EEXIST: "that is a file; choose another folder",
    errno.EISDIR: "a folder in it has the name of one of the files; rename that, or choose another folder",
}


def publish(folder: Path, writers: Mapping[str, Writer], outdated: Sequence[str] = ()) -> None:
    """Write all files into ``folder`` so that a reader sees the earlier result or the new one, complete.

    They are written to a staging folder on the same disk and flushed to it. A new ``folder`` then comes into being by
    one rename. In an existing one the earlier files are set aside, the new ones take their names, and any failure puts
    the earlier ones back; other files in it are never touched. Ctrl-C stops the writing; once the files take their
    names it comes too late and is let pass.

    Args:
        folder: made if missing, with its parents.
        writers: name of each file, and what writes it to a given path.
        outdated: names of earlier files that the new ones make wrong; they go, and come back after a failure.

    Raises:
        InputError: the folder cannot be written to, or the disk is full; nothing has changed then.
    """
    made: list[Path] = []
    staging: Path | None = None
    try:
        if any((folder / name).is_dir() and not (folder / name).is_symlink() for name in (*writers, *outdated)):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))  # what is in it is not ours to replace
        existed = folder.is_dir()
        _make_folders(folder if existed else folder.parent, made)
        # Inside an existing folder: it may be a mount of its own, and its parent may not be ours to write to.
        staging = (folder if existed else folder.parent) / f".onfh-assist-{secrets.token_hex(4)}"
        staging.mkdir()
        for name, write in writers.items():
            write(staging / name)
            _flush(staging / name)
        with _undisturbed():
            if existed:
                _swap(staging, folder, [*writers, *outdated])
            else:
                _flush(staging)
                staging.rename(folder)
            shutil.rmtree(staging, ignore_errors=True)
            with contextlib.suppress(OSError):  # the files are there; only the order of the disk's journal is at stake
                _flush(folder)
    except BaseException as error:
        with _undisturbed():
            kept = _discard(staging) if staging is not None else ""
            for parent in reversed(made):
                with contextlib.suppress(OSError):  # somebody else may have put something there
                    parent.rmdir()
        if isinstance(error, OSError):
            raise InputError(f"The result could not be written to {folder}: {reason(error)}{kept}.") from error
        raise


def reason(error: OSError) -> str:
    """Say why something could not be written, and what to do."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def write_bytes(content: bytes) -> Writer:
    """Return what writes ``content`` to a path."""

    def write(path: Path) -> None:
        with open(path, "wb") as file:
            file.write(content)

    return write


def _make_folders(folder: Path, made: list[Path]) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent, made)
    folder.mkdir()
    made.append(folder)


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot flush folders
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _swap(staging: Path, folder: Path, names: list[str]) -> None:
    earlier = staging / "earlier"
    earlier.mkdir()
    moves: list[tuple[Path, Path]] = []
    try:
        for name in names:
            for source, target in ((folder / name, earlier / name), (staging / name, folder / name)):
                if source.exists():
                    moves.append((source, target))  # before the move: it may be done although it raises
                    os.replace(source, target)
    except BaseException:
        for source, target in reversed(moves):
            with contextlib.suppress(OSError):  # not moved at all; or not movable, then _discard keeps it
                os.replace(target, source)
        raise


def _discard(staging: Path) -> str:
    """Remove the staging folder, but never an earlier file that could not be put back: then say where it is."""
    earlier = staging / "earlier"
    if earlier.is_dir() and os.listdir(earlier):
        return f"; what was there before is in {earlier}"
    shutil.rmtree(staging, ignore_errors=True)
    return ""


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let what stops a run (`STOPS`) pass without effect for these milliseconds; only the main thread gets it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in STOPS}
    handlers = {number: handler for number, handler in handlers.items() if handler is not None}  # None: not Python's
    for number in handlers:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
