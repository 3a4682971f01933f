"""Everything that could spoil a training, each with its remedy.

Nothing is changed unless asked for, and nothing is ever deleted: a repair moves what is in the way to ``set-aside/``.
"""

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ONFHAssistLib.curation import index, journal, layout
from ONFHAssistLib.curation import record as records
from ONFHAssistLib.curation.change import data_set_files
from ONFHAssistLib.curation.content import problems_of
from ONFHAssistLib.curation.repair import Repair, restored
from ONFHAssistLib.curation.store import Store, writing

REPAIR = "let the check repair it"
_LOOKS = 3


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
    """What is remembered of the cases that were looked at."""

    files: set[str] = field(default_factory=set)
    saves: set[int] = field(default_factory=set)
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
    if journal.interrupted(folder):
        text = "A save was interrupted, or somebody is saving just now."
        finding = Finding("interrupted", journal.HISTORY, text, "open the data set again, which finishes it")
        yield _mended(finding, repair, lambda: journal.recover(folder, repair.lock.ours))
    seen = _Seen()
    names = sorted(entry.name for entry in os.scandir(folder / "cases") if entry.name.endswith(".json"))
    for n, name in enumerate(names):
        if repair and n % 100 == 0:
            repair.lock.renew()
        progress(n / max(1, len(names)))
        yield from _case(folder, name.removesuffix(".json"), seen, repair)
    yield from _history(folder, seen, repair)
    yield from _patients(seen)
    yield from _strangers(folder, seen, repair)
    yield from _lists(store, seen, repair)
    progress(1.0)


def _case(folder: Path, case_id: str, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    path = layout.case_file(case_id)
    seen.files.add(path)
    try:
        facts = index.read_record(folder / path, case_id)
        problem = ""
    except ValueError as error:
        problem = str(error)
    if not problem:
        newest = records.kept_file(facts["versions"][-1]["number"], records.CASE)
        if (folder / newest).exists() and (folder / newest).read_bytes() != (folder / path).read_bytes():
            if _is_sound(folder / newest, case_id):
                problem = "was changed by something else than this software"
            else:
                yield Finding("history", newest, "A save in the history is damaged.", "get it back from a copy")
    if problem:
        kept = _kept_case(folder, case_id)
        remedy = REPAIR if kept else "get it back from a copy"
        finding = Finding("case-file", path, f"The file of the case {problem}.", remedy)
        if kept is None:
            yield finding
            seen.unknown.append(case_id)
            return
        content, facts = kept
        yield _mended(finding, repair, lambda: repair.put(path, content))
    yield from _files(folder, facts, seen, repair)
    seen.saves |= {entry["number"] for entry in facts["versions"]}
    summary = index.summary_of(facts)
    seen.folds[facts["patient"]].setdefault(facts["fold"], case_id)
    grade = str(summary.grades.get("steinberg"))
    grade = grade if grade in layout.GRADES else layout.GRADES[-1]
    seen.grades[facts["patient"]] = min(seen.grades.get(facts["patient"], grade), grade, key=layout.GRADES.index)
    if facts["status"] == "approved":
        seen.training[case_id] = facts["fold"]


def _files(folder: Path, facts: dict[str, Any], seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    """Look at the files of one case."""
    case_id = facts["case"]
    changed = set()
    for path, checksum in facts["files"].items():
        seen.files.add(path)
        found = None
        with contextlib.suppress(FileNotFoundError):
            found = records.sha256((folder / path).read_bytes())
        if path.endswith(f"_0000{layout.FILE_ENDING}"):
            seen.images[checksum].append(case_id)
        if found == checksum:
            continue
        changed.add(path)
        what = "is missing" if found is None else "was changed by something else than this software"
        detail = "" if found is None else " ".join(problems_of(folder, facts, [path]))
        content = restored(folder, facts, path)
        elsewhere = layout.image_file(case_id, path.startswith("staging/"))
        moved = content is None and found is None and (folder / elsewhere).exists()
        if moved:
            seen.files.add(elsewhere)
        remedy = REPAIR if content or moved else "get it back from a copy, or withdraw the case"
        finding = Finding("file", path, f"A file of the case {case_id} {what}. {detail}".strip(), remedy)
        if content is None and not moved:
            yield finding
        elif moved:
            yield _mended(finding, repair, lambda source=elsewhere, target=path: repair.move(source, target))
        else:
            yield _mended(finding, repair, lambda target=path, good=content: repair.put(target, good))
    # What the networks had made of it is as it was written, so it needs no look inside.
    places = ("imagesTr/", "labelsTr/", "staging/")
    own = [path for path in facts["files"] if path.startswith(places) and path not in changed]
    for problem in problems_of(folder, facts, own):
        yield Finding("content", case_id, problem, "open the case in the reviewer, correct it and save it again")


def _history(folder: Path, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    """Find saves that no case knows of: their case file is missing or an older one."""
    lost: dict[str, tuple[bytes, dict[str, Any]]] = {}
    for number in journal.numbers(folder):
        if number in seen.saves:
            continue
        try:
            path = folder / records.kept_file(number, records.CASE)
            facts = index.read_record(path, None)
            lost[facts["case"]] = path.read_bytes(), facts
        except (OSError, ValueError):
            path = f"{journal.HISTORY}/{number:06d}"
            yield Finding("history", path, "A save in the history is not complete.", "get it back from a copy")
    for case_id, (content, facts) in lost.items():
        path = layout.case_file(case_id)
        text = "The file of the case is missing or older than its last save."
        finding = Finding("case-file", path, text, f"{REPAIR}, then check again")
        yield _mended(finding, repair, lambda target=path, good=content: repair.put(target, good))
        seen.files |= {path, *facts["files"]}
        if repair:
            yield from _case(folder, case_id, seen, repair)
    for number in sorted(seen.saves - set(journal.numbers(folder))):
        path = f"{journal.HISTORY}/{number:06d}"
        yield Finding("history", path, "A save that a case knows of is missing.", "get it back from a copy")


def _patients(seen: _Seen) -> Iterator[Finding]:
    for patient, folds in seen.folds.items():
        if len(folds) > 1:
            cases = ", ".join(folds.values())
            text = f"A patient is in {len(folds)} folds (cases {cases}), so that training and validation share images."
            yield Finding("folds", patient, text, "withdraw the cases of all but one fold")
    for cases in seen.images.values():
        if len(set(cases)) > 1:
            text = f"The same image is there under several names ({', '.join(sorted(set(cases)))})."
            yield Finding("duplicate", cases[0], text, "withdraw all but one of them")


def _strangers(folder: Path, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    for place in layout.FOLDERS:
        if place == journal.HISTORY or not (folder / place).is_dir():
            continue
        for entry in sorted(os.scandir(folder / place), key=lambda entry: entry.name):
            path = f"{place}/{entry.name}"
            if path in seen.files or entry.name.startswith(tuple(seen.unknown)):
                continue
            text = "This file belongs to no case; nnU-Net takes everything in imagesTr and labelsTr for training data."
            finding = Finding("orphan", path, text, f"{REPAIR}: it is moved to {layout.SET_ASIDE}/")
            yield _mended(finding, repair, lambda source=path: repair.set_aside(source))


def _lists(store: Store, seen: _Seen, repair: Repair | None) -> Iterator[Finding]:
    if seen.unknown:
        return  # what they should say is not known
    patients = {name: {"fold": min(folds), "grade": seen.grades[name]} for name, folds in sorted(seen.folds.items())}
    for name, content in data_set_files(store.folder.name, store.modality, patients, seen.training).items():
        good = layout.json_of(content)
        try:
            found = layout.read_json(store.folder / name)
            if name == layout.FOLDS:  # a patient's grade is that of the first look; only the fold counts
                found, good = ({who: one["fold"] for who, one in lists["patients"].items()} for lists in (found, good))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            found = None
        if found == good:
            continue
        finding = Finding("list", name, f"{name} does not say what the cases say.", REPAIR)
        yield _mended(finding, repair, lambda target=name, right=content: repair.put(target, right))


def _is_sound(path: Path, case_id: str) -> bool:
    try:
        return bool(index.read_record(path, case_id))
    except ValueError:
        return False


def _kept_case(folder: Path, case_id: str) -> tuple[bytes, dict[str, Any]] | None:
    """Return the newest sound copy of a case's file in the history, and what it says."""
    for number in reversed(journal.numbers(folder)):
        with contextlib.suppress(OSError, ValueError):
            path = folder / records.kept_file(number, records.CASE)
            return path.read_bytes(), index.read_record(path, case_id)
    return None


def _mended(finding: Finding, repair: Repair | None, mend: Callable[[], Any]) -> Finding:
    if repair is None:
        return finding
    mend()
    return replace(finding, repaired=True)
