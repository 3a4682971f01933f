"""One writer at a time in a folder, made of what network drives support: creating a new file, and renaming.

The lock is a courtesy: it keeps writers from waiting for nothing and says who is at work. That no save is lost does not
depend on it (see `journal`), so that it may expire.
"""

import contextlib
import json
import os
import random
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import new_file, parse_json, read_plain_file, remove_quietly
from ONFHAssistLib.core.plain import from_plain, to_plain

NAME = ".lock"
EXPIRES_AFTER_S = 30.0
"""A lock that has not changed for so long, by the clock of the one who waits, belongs to nobody any more."""
_LONGEST, _SHOWN = 4096, 60


@dataclass(frozen=True)
class _Holder:
    holder: str
    host: str
    pid: int
    since: str
    token: str = ""


@dataclass(frozen=True)
class Lock:
    """A lock that is held."""

    path: Path
    content: bytes

    def ours(self) -> bool:
        """Say whether it is still held: somebody may have taken it as expired, after a laptop's sleep for example."""
        return _read(self.path) == self.content

    def renew(self) -> None:
        """Show the others that the holder is alive."""
        with contextlib.suppress(OSError):
            os.utime(self.path, follow_symlinks=os.utime not in os.supports_follow_symlinks)


@contextlib.contextmanager
def locked(folder: Path, holder: str, wait_s: float = 60.0, expires_after_s: float = EXPIRES_AFTER_S) -> Iterator[Lock]:
    """Hold the lock of a folder.

    Args:
        folder: what is locked.
        holder: who it is, for the others; no name of a patient.
        wait_s: how long to wait for another holder.
        expires_after_s: see `EXPIRES_AFTER_S`.

    Raises:
        InputError: another one holds it all the time; the message says who.
        OSError: the folder cannot be written to.
    """
    since = datetime.now(UTC).isoformat(timespec="seconds")
    facts = _Holder(holder, socket.gethostname(), os.getpid(), since, secrets.token_hex(8))
    lock = Lock(folder / NAME, json.dumps(to_plain(facts)).encode())
    _acquire(lock, wait_s, expires_after_s)
    try:
        yield lock
    finally:
        if lock.ours():
            with contextlib.suppress(OSError):
                lock.path.unlink()


def _acquire(lock: Lock, wait_s: float, expires_after_s: float) -> None:
    began = seen_since = time.monotonic()
    seen: tuple[bytes | None, int] | None = None
    while True:
        if _create(lock):
            return
        now = time.monotonic()
        state = _read(lock.path), _changed_ns(lock.path)
        if state != seen:
            seen, seen_since = state, now
        if now - seen_since > expires_after_s or _holder_is_gone(state[0]):
            _take_away(lock.path, state[0])
            seen = None
            continue
        if now - began > wait_s:
            raise InputError(f"{lock.path.parent.name} is being written by {_who(state[0])}; try again in a minute.")
        time.sleep(random.uniform(0.005, 0.03))


def _create(lock: Lock) -> bool:
    try:
        handle = new_file(lock.path)
    except FileExistsError:
        return False
    except PermissionError:
        if os.name == "nt" and lock.path.exists():  # there it is being deleted
            return False
        raise
    try:
        os.write(handle, lock.content)
    except OSError:  # the disk is full
        with contextlib.suppress(OSError):
            lock.path.unlink()
        raise
    finally:
        os.close(handle)
    return True


def _take_away(path: Path, content: bytes | None) -> None:
    """Remove an expired lock: of several who try, the rename lets one succeed."""
    aside = path.with_name(f"{NAME}-{secrets.token_hex(4)}")
    try:
        if _read(path) != content:
            return
        os.rename(path, aside)
    except FileNotFoundError:
        return
    remove_quietly(aside)  # a folder, which is no lock, stays aside


def _read(path: Path) -> bytes | None:
    try:
        return read_plain_file(path, _LONGEST)
    except OSError:
        return None


def _changed_ns(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return 0


def _holder(content: bytes | None) -> _Holder | None:
    try:
        return from_plain(_Holder, parse_json(content or b""), others=True)
    except ValueError:
        return None


def _holder_is_gone(content: bytes | None) -> bool:
    """Say whether the holder was a process of this computer that has ended."""
    found = _holder(content)
    if os.name == "nt" or found is None or found.host != socket.gethostname():
        return False
    if not 0 < found.pid < 2**31:
        return True
    try:
        os.kill(found.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _who(content: bytes | None) -> str:
    found = _holder(content)
    if found is None:
        return "somebody else"
    return f"{found.holder[:_SHOWN]} on {found.host[:_SHOWN]} since {found.since[:_SHOWN]}"
