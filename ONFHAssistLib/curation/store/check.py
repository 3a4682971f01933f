"""Everything that could spoil a training, each with its remedy.

Nothing is changed unless asked for, and nothing is ever deleted: a repair moves what is in the way to ``set-aside/``.
"""

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Concatenate, ParamSpec

from ONFHAssistLib.core.outside import is_link, is_plain_file, parse_json, shown
from ONFHAssistLib.curation.case import entries, layout
from ONFHAssistLib.curation.case.record import CaseRecord
from ONFHAssistLib.curation.case.schema import record_of
from ONFHAssistLib.curation.store import inside, journal
from ONFHAssistLib.curation.store.content import problems_of
from ONFHAssistLib.curation.store.lists import Patient, folds_of, list_files, patients_of, worse_grade
from ONFHAssistLib.curation.store.repair import Repair, restored
from ONFHAssistLib.curation.store.store import Store, writing
from ONFHAssistLib.exchange.publish import reason

P = ParamSpec("P")

REPAIR = "let the check repair it"
_ASIDE = f"{REPAIR}: it is moved to {layout.SET_ASIDE}/"
_COPY = "get it back from a copy"
_LOOKS = 3
_STRANGER = "This file belongs to no case; nnU-Net takes everything in imagesTr and labelsTr for training data."
_NO_SAVE = "This lies in the history and is no save."
_NO_FOLDER = "Something else lies in the place of a folder of the data set."
_NO_FILE = "This is a folder, a pipe or another thing that is no file."
_LINK = "This is a link to somewhere else, which is not followed."


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        code: for programs.
        path: of the file, relative to the data set; or the name of a case.
        message: what is wrong.
        remedy: what to do.
        repaired: it was mended just now.
    """

    code: str
    path: str
    message: str
    remedy: str
    repaired: bool = False


@dataclass
class _Seen:
    """What is remembered of the cases that were looked at; ``hollow``: numbers of saves that hold nothing."""

    files: set[str] = field(default_factory=set)
    saves: dict[int, str] = field(default_factory=dict)
    hollow: set[int] = field(default_factory=set)
    folds: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    grades: dict[str, str] = field(default_factory=dict)
    images: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    training: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def check(
    store: Store, repair: bool = False, progress: Callable[[float], None] = lambda fraction: None
) -> tuple[Finding, ...]:
    """Look through a data set.

    Args:
        store: the data set.
        repair: mend what can be mended.
        progress: called with a fraction from 0 to 1.

    Raises:
        InputError: it is to be repaired and can't be written to.
    """
    if not repair:
        for _ in range(_LOOKS):
            before = journal.numbers(store.folder)
            found = tuple(_findings(store, None, progress))
            if not found or journal.numbers(store.folder) == before:
                break  # else somebody has saved in the meantime, which may look like a fault
        return found
    with writing(store.folder, "repair") as lock:
        return tuple(_findings(store, Repair(store.folder, lock), progress))


def _findings(store: Store, repair: Repair | None, progress: Callable[[float], None]) -> Iterator[Finding]:
    """Find, and mend at once where ``repair`` is given."""
    folder = store.folder
    seen = _Seen()
    yield from _folders(folder, seen, repair)
    if journal.interrupted(folder):
        text = "A save was interrupted, or somebody is saving just now."
        finding = Finding("interrupted", layout.HISTORY, text, REPAIR)
        yield _mended(finding, repair, Repair.finish)
    names = inside.case_names(folder)
    for n, name in enumerate(names):
        if repair and n % 100 == 0:
            repair.lock.renew()
        progress(n / max(1, len(names)))
        yield from _case(folder, name, seen, repair)
    yield from _history(folder, seen, repair)
    yield from _patients(seen)
    yield from _strangers(folder, seen, repair)
    yield from _lists(store, seen, repair)
    progress(1.0)


def _folders(folder: Path, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    """Look for what lies in the place of a folder, or is an empty one where a save should be."""
    for name in (layout.SET_ASIDE, *layout.FOLDERS):
        if os.path.lexists(folder / name) and not (folder / name).is_dir():
            finding = Finding("orphan", name, _NO_FOLDER, _ASIDE)
            yield _mended(finding, repair, Repair.make_folder, name)
    for number in journal.numbers(folder):
        place = journal.entry(folder, number)
        if _is_hollow(place):
            path = place.relative_to(folder).as_posix()
            seen.hollow.add(number)
            yield _mended(Finding("history", path, _NO_SAVE, _ASIDE), repair, Repair.set_aside, path)


def _is_hollow(place: Path) -> bool:
    try:
        return not any(place.iterdir())
    except NotADirectoryError:
        return True
    except OSError:
        return False


def _case(folder: Path, case_id: str, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    path = layout.case_file(case_id)
    seen.files.add(path)
    try:
        own = inside.read(folder, path)
        record = record_of(own, case_id)
        problem = ""
    except FileNotFoundError:
        problem = "is gone"
    except (ValueError, OSError) as error:
        problem = str(error) if isinstance(error, ValueError) else "can't be read, or is a link"
    if not problem:
        newest = layout.kept_file(record.numbers[-1], layout.KEPT_CASE)
        copy = _content(folder, newest)
        if copy is not None and copy != own and _is_sound(copy, case_id):
            problem = "was changed by something else than this software"
    if problem:
        kept = _kept_case(folder, case_id)
        remedy = REPAIR if kept else _COPY
        finding = Finding("case-file", path, f"The file of the case {problem}.", remedy)
        if kept is None:
            yield finding
            seen.unknown.append(case_id)
            return
        content, record = kept
        yield _mended(finding, repair, Repair.put, path, content)
    yield from _files(folder, record, seen, repair)
    seen.saves |= dict.fromkeys(record.numbers, case_id)
    seen.folds[record.patient].setdefault(record.fold, case_id)
    grade = record.shown.result.class_of("steinberg")
    seen.grades[record.patient] = worse_grade(seen.grades.get(record.patient, layout.GRADES[-1]), grade)
    if record.status == "approved":
        seen.training[case_id] = record.fold


def _files(folder: Path, record: CaseRecord, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    """Look at the files of one case."""
    case_id = record.case
    changed = set()
    for path, checksum in record.files.items():
        seen.files.add(path)
        content = _content(folder, path)
        found = None if content is None else entries.sha256(content)
        if path.endswith(layout.IMAGE_ENDING):
            seen.images[checksum].append(case_id)
        if found == checksum:
            continue
        changed.add(path)
        what = "is missing or can't be read" if found is None else "was changed by something else than this software"
        detail = "" if found is None else " ".join(problems_of(folder, record, [path]))
        content = restored(folder, record, path)
        elsewhere = layout.image_file(case_id, path.startswith("staging/"))
        moved = path.endswith(layout.IMAGE_ENDING) and found is None and _content(folder, elsewhere) is not None
        if moved:
            seen.files.add(elsewhere)
        remedy = REPAIR if content or moved else f"{_COPY}, or withdraw the case"
        finding = Finding("file", path, f"A file of the case {case_id} {what}. {detail}".strip(), remedy)
        if moved:
            yield _mended(finding, repair, Repair.move, elsewhere, path)
        elif content is None:
            yield finding
        else:
            yield _mended(finding, repair, Repair.put, path, content)
    # What the networks had made of it is as it was written, so it needs no look inside.
    places = ("imagesTr/", "labelsTr/", "staging/")
    own = [path for path in record.files if path.startswith(places) and path not in changed]
    for problem in problems_of(folder, record, own):
        yield Finding("content", case_id, problem, "open the case in the reviewer, correct it and save it again")


def _history(folder: Path, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    """Find damaged saves, and those that no case knows of: their case file is missing or an older one."""
    lost: dict[str, tuple[bytes, CaseRecord]] = {}
    newest = {case_id: number for number, case_id in sorted(seen.saves.items())}
    numbers = [number for number in journal.numbers(folder) if number not in seen.hollow]
    for number in numbers:
        path = f"{layout.HISTORY}/{number:06d}"
        try:
            content = inside.read(folder, layout.kept_file(number, layout.KEPT_CASE))
            record = record_of(content, seen.saves.get(number))
        except (OSError, ValueError):
            finding = Finding("history", path, "A save in the history is damaged or not complete.", _COPY)
            blocks = number == layout.LARGEST_NUMBER and number not in seen.saves
            yield _mended(replace(finding, remedy=_ASIDE), repair, Repair.set_aside, path) if blocks else finding
            continue
        if number in seen.saves:
            continue
        if number > newest.get(record.case, 0):
            lost[record.case] = content, record
        else:
            text = "The file of the case does not know of this save; the hip was saved anew after that file was lost."
            yield Finding("history", path, text, "leave it as it is, or get the file back from a copy")
    for case_id, (content, record) in lost.items():
        path = layout.case_file(case_id)
        text = "The file of the case is missing or older than its last save."
        finding = Finding("case-file", path, text, f"{REPAIR}, then check again")
        yield _mended(finding, repair, Repair.put, path, content)
        seen.files |= {path, *record.files}
        if repair:
            yield from _case(folder, case_id, seen, repair)
    for number in sorted(seen.saves.keys() - set(numbers)):
        path = f"{layout.HISTORY}/{number:06d}"
        yield Finding("history", path, "A save that a case knows of is missing.", _COPY)


def _patients(seen: _Seen) -> Iterator[Finding]:
    for patient, folds in seen.folds.items():
        if len(folds) > 1:
            named = ", ".join(folds.values())
            text = f"A patient is in {len(folds)} folds (cases {named}), so that training and validation share images."
            yield Finding("folds", patient, text, "withdraw the cases of all but one fold")
    for cases in seen.images.values():
        if len(set(cases)) > 1:
            text = f"The same image is there under several names ({', '.join(sorted(set(cases)))})."
            yield Finding("duplicate", cases[0], text, "withdraw all but one of them")


def _strangers(folder: Path, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    for place in layout.FOLDERS:
        if not (folder / place).is_dir():
            continue
        try:
            found = sorted(os.scandir(folder / place), key=lambda entry: entry.name)
        except PermissionError:
            yield Finding(
                "unreadable", place, "This folder may not be read.", "let who checks read it, and check again"
            )
            continue
        for entry in found:
            path = f"{place}/{entry.name}"
            link = is_link(Path(entry.path))
            if place == layout.HISTORY and not link:
                if layout.save_number(entry.name) is None and not entry.name.startswith("."):
                    finding = Finding("orphan", shown(path), _NO_SAVE, _ASIDE)
                    yield _mended(finding, repair, Repair.set_aside, path)
                continue
            file = is_plain_file(Path(entry.path))
            known = path in seen.files or entry.name.startswith(tuple(seen.unknown))
            if (file and known) or path in map(layout.case_file, seen.unknown):
                continue
            text = _LINK if link else _STRANGER if file else _NO_FILE
            yield _mended(Finding("orphan", shown(path), text, _ASIDE), repair, Repair.set_aside, path)


def _lists(store: Store, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    patients = {name: Patient(min(folds), seen.grades[name]) for name, folds in sorted(seen.folds.items())}
    for name, content in list_files(store.folder.name, store.modality, patients, seen.training).items():
        good = parse_json(content)
        try:
            found = inside.read_json(store.folder, name)
            if name == layout.DATASET:
                folds_of(found)
            if name == layout.FOLDS:  # a patient's grade is that of the first look; only the fold counts
                found, good = ({who: one.fold for who, one in patients_of(lists).items()} for lists in (found, good))
        except (OSError, ValueError):
            found = None
        if json.dumps(found, sort_keys=True) == json.dumps(good, sort_keys=True):
            continue
        if seen.unknown and found is not None:
            continue  # what it should say is not known
        finding = Finding("list", name, f"{name} does not say what the cases say.", REPAIR)
        yield _mended(finding, repair, Repair.put, name, content)


def _content(folder: Path, path: str) -> bytes | None:
    """Return a file of the data set; None where it is missing, no plain file, or can't be read."""
    with contextlib.suppress(OSError):
        return inside.read(folder, path)
    return None


def _is_sound(content: bytes, case_id: str) -> bool:
    try:
        return bool(record_of(content, case_id))
    except ValueError:
        return False


def _kept_case(folder: Path, case_id: str) -> tuple[bytes, CaseRecord] | None:
    """Return the newest sound copy of a case's file in the history, and what it says."""
    for number in reversed(journal.numbers(folder)):
        with contextlib.suppress(OSError, ValueError):
            content = inside.read(folder, layout.kept_file(number, layout.KEPT_CASE))
            return content, record_of(content, case_id)
    return None


def _mended(
    finding: Finding,
    repair: Repair | None,
    mend: Callable[Concatenate[Repair, P], None],
    *args: P.args,
    **named: P.kwargs,
) -> Finding:
    """Mend it by a method of ``repair`` with these arguments, where there is one; what can't be mended is left."""
    if repair is None:
        return finding
    try:
        mend(repair, *args, **named)
    except OSError as error:
        return replace(finding, remedy=f"{finding.remedy}, which this time failed: {reason(error)}")
    return replace(finding, repaired=True)
