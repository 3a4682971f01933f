"""All or nothing: a save is one rename.

A save is written to a folder of its own, complete and flushed, and then renamed to the next number in ``history/``. The
number cannot be taken twice, so of two writers that began from the same state one has to begin again: nothing that
somebody else saved is ever overwritten unseen. That rename is the save. What it brings for the rest of the folder then
moves to its place; if that is interrupted, the next writer finishes it before anything else. Every step may be done
twice, and by two at once.

Nothing in ``history/`` is changed afterwards or removed.

The plan of an unfinished save is a file of the folder, and the folder may come from anybody: it is carried out only if
it says what a save of this software says (`_checked`), about files of the one case that was saved.
"""

import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import JSON_BYTES, LinkError, is_link, is_plain_file, parse_json, read_plain_file
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.layout import HISTORY
from ONFHAssistLib.curation.store import disk, inside

_WORK = ".work-"
WAITING = "publish"
"""Where the files of a save wait, in ``history/<number>/``, until they take their places."""
_PLAN = "plan.json"
_NUMBERED = re.compile(r"[0-9]{2,3}")


class TakenError(Exception):
    """Another writer has taken the number; begin again from the present state."""


class UnfinishedError(Exception):
    """It is saved, but something kept it from taking its place; the next `recover` sees to that."""

    def __init__(self, cause: OSError) -> None:
        """Keep what kept it."""
        super().__init__()
        self.cause = cause


class PlanError(InputError):
    """The plan of an unfinished save is damaged, or none of this software; nothing of it is carried out."""


@dataclass(frozen=True)
class _PlanFile:
    token: str
    publish: dict[str, str]
    moves: tuple[tuple[str, str], ...]
    removes: tuple[str, ...]


@dataclass(frozen=True)
class _Saved:
    case: str


@dataclass(frozen=True)
class Plan:
    """What is left to do of a save; every place was checked.

    Attributes:
        token: tells the save from another one of the same number.
        moves: (from, to), in order.
        removes: files that go.
    """

    token: str
    moves: tuple[tuple[Path, Path], ...]
    removes: tuple[Path, ...]


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
    """Return the numbers of all saves, in order; what else lies in the history is left out."""
    names = os.listdir(inside.own_folder(folder, HISTORY))
    found = [number for name in names if (number := layout.save_number(name)) is not None]
    return sorted(number for number in found if not is_link(entry(folder, number)))


def interrupted(folder: Path) -> bool:
    """Say whether a save has not been finished, or its beginnings lie around."""
    found = numbers(folder)
    pending = bool(found) and os.path.lexists(entry(folder, found[-1]) / WAITING)
    return pending or any(name.startswith(_WORK) for name in os.listdir(folder / HISTORY))


def recover(folder: Path, ours: Callable[[], bool]) -> int:
    """Finish an interrupted save or undo its beginnings, holding the lock; return the last number that is taken.

    Raises:
        PlanError: the plan of the interrupted save can't be carried out; nothing of it was.
    """
    for name in os.listdir(inside.own_folder(folder, HISTORY)):
        if name.startswith(_WORK):
            _clear(folder / HISTORY / name)
    last = max(numbers(folder), default=0)
    if last >= layout.LARGEST_NUMBER:
        name = entry(folder, last).relative_to(folder).as_posix()
        raise PlanError(
            f"The data set {folder.name} has no number left for another save after {name}; check the data set and let "
            "the check repair it, or move that folder elsewhere."
        )
    if last:
        _publish(folder, last, ours)
    while os.path.lexists(entry(folder, last + 1)):  # a link, which is none of the saves
        last += 1
    return last


def commit(folder: Path, number: int, change: Change, ours: Callable[[], bool]) -> None:
    """Save a change under the next number, holding the lock.

    Raises:
        TakenError: somebody else has saved in the meantime; nothing has changed.
        InputError: something that is no file lies in the place of one; nothing has changed either.
        OSError: nothing has changed either.
        UnfinishedError: it is saved, and not yet in its place.
    """
    for name in (*change.publish, *itertools.chain(*change.moves), *change.removes):
        if not _is_free(inside.spot(folder, name)):
            raise InputError(
                f"Nothing was saved into {folder.name}: {name} is a link, a folder or another thing than a file; "
                "check the data set and let the check repair it."
            )
    token = secrets.token_hex(8)
    work = folder / HISTORY / f"{_WORK}{token}"
    try:
        disk.make_folder(work)
        for name, content in change.keep.items():
            disk.write(work / name, content)
        disk.make_folder(work / WAITING)
        files = {f"{n:02d}": target for n, target in enumerate(change.publish)}
        for name, target in files.items():
            disk.write(work / WAITING / name, change.publish[target])
        plan = _PlanFile(token, files, change.moves, change.removes)
        disk.write(work / WAITING / _PLAN, json.dumps(to_plain(plan)).encode())
        disk.flush_folder(work / WAITING)
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
        raise UnfinishedError(error) from error


def _take_number(work: Path, place: Path, token: str) -> None:
    try:
        os.rename(work, place)  # fails where the number is taken: it is a folder with something in it
    except OSError as error:
        if not os.path.lexists(place):
            raise
        if _token(place) != token:  # ours if the drive did it and its answer was lost
            raise TakenError from error


def _token(place: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        return from_plain(_PlanFile, parse_json(read_plain_file(place / WAITING / _PLAN)), others=True).token
    return None


def _clear(work: Path) -> None:
    """Remove the beginnings of a save; of a link the link."""
    if is_link(work) or not work.is_dir():
        with contextlib.suppress(OSError):
            work.unlink()
    else:
        shutil.rmtree(work, ignore_errors=True)


def _plan(folder: Path, number: int) -> Plan | None:
    """Read what is left to do of a save; None where nothing is.

    Raises:
        PlanError: it is none that this software has written.
        OSError: it can't be read.
    """
    place = entry(folder, number)
    path = place / WAITING / _PLAN
    if not os.path.lexists(place / WAITING):
        return None
    try:
        if is_link(place / WAITING):
            raise ValueError("a link")
        try:
            content = read_plain_file(path, JSON_BYTES)
        except FileNotFoundError:
            return None
        kept = inside.read_json(folder, layout.kept_file(number, layout.KEPT_CASE))
        case_id = from_plain(_Saved, kept, others=True).case
        return _checked(folder, place, from_plain(_PlanFile, parse_json(content), others=True), case_id)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and not isinstance(error, LinkError | FileNotFoundError | NotADirectoryError):
            raise
        name = path.relative_to(folder).as_posix()
        raise PlanError(
            f"A save into the data set {folder.name} was interrupted, and {name} is damaged or not from this software; "
            "check the data set and let the check repair it."
        ) from error


def _checked(folder: Path, place: Path, content: _PlanFile, case_id: str) -> Plan:
    """Return the plan in a file, if it does what a save of this case does and nothing else."""
    if not layout.CASE.fullmatch(case_id):
        raise ValueError("no name of a case")
    own = {*layout.files_of(case_id), *layout.LISTS}
    images = {layout.image_file(case_id, approved) for approved in (True, False)}
    masks = {layout.label_file(case_id), layout.draft_file(case_id)}
    moves = []
    for name, target in content.publish.items():
        if not _NUMBERED.fullmatch(name) or target not in own:
            raise ValueError("a file of another case")
        moves.append((place / WAITING / name, inside.place(folder, target)))
    for source, target in content.moves:
        if {source, target} != images:
            raise ValueError("a move of something else than the image")
        moves.append((inside.place(folder, source), inside.place(folder, target)))
    if not set(content.removes) <= masks:
        raise ValueError("something else than a mask is to be removed")
    removes = tuple(inside.place(folder, name) for name in content.removes)
    if not all(map(_is_free, itertools.chain(*moves, removes))):
        raise ValueError("something else than a file is in the way")
    return Plan(content.token, tuple(moves), removes)


def _is_free(path: Path) -> bool:
    """Say whether a file can be moved to a place or away from it: there is a file, or nothing."""
    return is_plain_file(path) or not os.path.lexists(path)


def _publish(folder: Path, number: int, ours: Callable[[], bool]) -> None:
    plan = _plan(folder, number)
    waiting = entry(folder, number) / WAITING
    if plan is not None:
        steps: list = [(disk.move, *pair) for pair in plan.moves]
        steps += [(disk.remove, path) for path in plan.removes]
        for step, *paths in steps:
            if not ours():
                return  # whoever holds the lock now has finished this, or will
            step(*paths)
        changed = [*plan.removes, *(path for source, target in plan.moves for path in (source, target))]
        for parent in sorted({path.parent for path in changed} - {waiting}):
            disk.flush_folder(parent)
        (waiting / _PLAN).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        waiting.rmdir()
