"""All or nothing: a save is one rename.

A save is written to a folder of its own, complete and flushed, and then renamed to the next number in ``history/``. The
number cannot be taken twice, so of two writers that began from the same state one has to begin again: nothing that
somebody else saved is ever overwritten unseen. That rename is the save. What it brings for the rest of the folder then
moves to its place; if that is interrupted, the next writer finishes it before anything else. Every step may be done
twice, and by two at once.

Nothing in ``history/`` is changed afterwards or removed.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ONFHAssistLib.curation import disk

HISTORY = "history"
_WORK = ".work-"
_PUBLISH = "publish"
_PLAN = "plan.json"


class TakenError(Exception):
    """Another writer has taken the number; begin again from the present state."""


class UnfinishedError(Exception):
    """It is saved, but something kept it from taking its place; the next `recover` sees to that."""


@dataclass(frozen=True)
class Change:
    """What one save does.

    Attributes:
        keep: name and content of each file that stays in ``history/<number>/``.
        publish: path in the data set and content of each file that is new or replaces an earlier one.
        moves: files that change their place, as (from, to).
        removes: files that go; each is a copy of something in the history.
    """

    keep: dict[str, bytes]
    publish: dict[str, bytes] = field(default_factory=dict)
    moves: tuple[tuple[str, str], ...] = ()
    removes: tuple[str, ...] = ()


def entry(folder: Path, number: int) -> Path:
    """Return where the save of this number is kept."""
    return folder / HISTORY / f"{number:06d}"


def numbers(folder: Path) -> list[int]:
    """Return the numbers of all saves, in order."""
    return sorted(int(name) for name in os.listdir(folder / HISTORY) if name.isdigit())


def interrupted(folder: Path) -> bool:
    """Say whether a save has not been finished, or its beginnings lie around."""
    found = numbers(folder)
    pending = bool(found) and (entry(folder, found[-1]) / _PUBLISH).exists()
    return pending or any(name.startswith(_WORK) for name in os.listdir(folder / HISTORY))


def recover(folder: Path, ours: Callable[[], bool]) -> int:
    """Finish an interrupted save or undo its beginnings, holding the lock; return the last number."""
    for name in os.listdir(folder / HISTORY):
        if name.startswith(_WORK):
            shutil.rmtree(folder / HISTORY / name, ignore_errors=True)
    last = max(numbers(folder), default=0)
    if last:
        _publish(folder, last, ours)
    return last


def commit(folder: Path, number: int, change: Change, ours: Callable[[], bool]) -> None:
    """Save a change under the next number, holding the lock.

    Raises:
        TakenError: somebody else has saved in the meantime; nothing has changed.
        OSError: nothing has changed either.
        UnfinishedError: it is saved, and not yet in its place.
    """
    token = secrets.token_hex(8)
    work = folder / HISTORY / f"{_WORK}{token}"
    try:
        disk.make_folder(work)
        for name, content in change.keep.items():
            disk.write(work / name, content)
        disk.make_folder(work / _PUBLISH)
        files = {f"{n:02d}": target for n, target in enumerate(change.publish)}
        for name, target in files.items():
            disk.write(work / _PUBLISH / name, change.publish[target])
        plan = {"token": token, "publish": files, "moves": change.moves, "removes": change.removes}
        disk.write(work / _PUBLISH / _PLAN, json.dumps(plan).encode())
        disk.flush_folder(work / _PUBLISH)
        disk.flush_folder(work)
        if not ours():
            raise TakenError
        _take_number(work, entry(folder, number), token)
    except BaseException as error:
        shutil.rmtree(work, ignore_errors=True)
        if isinstance(error, OSError) and not ours():  # whoever has taken the lock has cleared this away
            raise TakenError from error
        raise
    try:
        disk.flush_folder(folder / HISTORY)
        _publish(folder, number, ours)
    except OSError as error:
        raise UnfinishedError from error


def _take_number(work: Path, place: Path, token: str) -> None:
    try:
        os.rename(work, place)  # fails where the number is taken: it is a folder with something in it
    except OSError as error:
        if not place.exists():
            raise
        if (_plan(place) or {}).get("token") != token:  # ours if the drive did it and its answer was lost
            raise TakenError from error


def _plan(place: Path) -> dict | None:
    try:
        return json.loads((place / _PUBLISH / _PLAN).read_bytes())
    except OSError:
        return None


def _publish(folder: Path, number: int, ours: Callable[[], bool]) -> None:
    place = entry(folder, number)
    plan = _plan(place)
    if plan is not None:
        steps = [(disk.move, place / _PUBLISH / name, folder / target) for name, target in plan["publish"].items()]
        steps += [(disk.move, folder / source, folder / target) for source, target in plan["moves"]]
        steps += [(lambda path: path.unlink(missing_ok=True), folder / name) for name in plan["removes"]]
        for step, *paths in steps:
            if not ours():
                return  # whoever holds the lock now has finished this, or will
            step(*paths)
        changed = [*plan["publish"].values(), *plan["removes"], *(name for pair in plan["moves"] for name in pair)]
        for parent in sorted({(folder / name).parent for name in changed}):
            disk.flush_folder(parent)
        (place / _PUBLISH / _PLAN).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (place / _PUBLISH).rmdir()
