"""What a reviewer is told of the data set that cases are saved into, and the list to open one of them from."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.reports.next_cases import approved_kinds, suggest, unread
from ONFHAssistLib.curation.reports.status import grade_of, status_of
from ONFHAssistLib.curation.store.folder import open_store

MARK_DIGITS = 10
MOST_WAITING = 20
"""So many suggestions are made: each is one more look at all that waits."""
MOST_LISTED = 200
"""More cases are found by words, not by scrolling."""


@dataclass(frozen=True)
class Overview:
    """The data set in a few words.

    Attributes:
        folder: of the data set; None where there is none, or it can't be read.
        approved: number of approved cases.
        counts: number of cases by status, in words.
        lacking: what a training would miss, one sentence each.
        last_saved: time of the last save (UTC) and its case, in words; "" where nothing was saved.
        next_case: case to look at next, and why; "" where none waits.
        waiting: names of the cases that wait for a reader, the one to look at next first, at most MOST_WAITING.
        cases: all cases whose files can be read.
        mark: hexadecimal digits that change when an approved case is saved, approved or withdrawn.
        there: whether there is a data set, readable or not.
        problem: why nothing is known, in one sentence; "".
    """

    folder: Path | None = None
    approved: int = 0
    counts: str = ""
    lacking: tuple[str, ...] = ()
    last_saved: str = ""
    next_case: str = ""
    waiting: tuple[str, ...] = ()
    cases: tuple[CaseSummary, ...] = ()
    mark: str = ""
    there: bool = False
    problem: str = ""


def data_set_in(folder: Path) -> Path | None:
    """Return the data set that a folder is or holds, the MR one where there are two; None where there is none."""
    if (folder / layout.MARKER).is_file():
        return folder
    try:
        return next(iter(sorted(path.parent for path in folder.glob(f"Dataset*/{layout.MARKER}"))), None)
    except OSError:
        return None


def overview(folder: Path) -> Overview:
    """Look at the data set in a folder; takes a while where it is large, and can be called in a thread."""
    place = data_set_in(folder)
    if place is None:
        return Overview(problem=f"There is no data set in {folder.name} yet; the first saved case makes one.")
    try:
        store = open_store(place)
        every = store.cases()
        found, cases = status_of(store, every), [case for case in every if not case.problem]
        wanted = suggest(unread(store, cases), approved_kinds(cases), MOST_WAITING)
    except InputError as error:
        return Overview(there=True, problem=str(error))
    except OSError:
        why = f"The data set {place.name} can't be read at the moment; see that its folder is there."
        return Overview(there=True, problem=why)
    last = max(cases, key=lambda case: case.saved_at, default=None)
    trained = sorted(f"{case.case_id} {case.approved_at}" for case in cases if case.status == "approved")
    return Overview(
        folder=place,
        there=True,
        approved=found.approved,
        counts=", ".join(f"{n} {name}" for name, n in found.counts["status"].items() if n) or "no case",
        lacking=found.lacking,
        last_saved=f"{last.saved_at[:16].replace('T', ' ')} UTC, {last.case_id}" if last else "",
        next_case="".join(f"{one.candidate.where} ({one.candidate.side}): {one.reason}" for one in wanted[:1]),
        waiting=tuple(one.candidate.where for one in wanted),
        cases=tuple(cases),
        mark=hashlib.sha256("\n".join(trained).encode()).hexdigest()[:MARK_DIGITS],
    )


def hip_of(case: CaseSummary) -> str:
    """Return side and grades, such as "left, moderate, JIC C1"."""
    grades = [grade_of(case, "steinberg"), f"JIC {grade_of(case, 'jic')}"]
    return ", ".join([case.side, *(grade for grade in grades if not grade.endswith("none"))])


def words_of(case: CaseSummary) -> str:
    """Return a case in one line, such as "left, moderate, JIC C1, draft, R1 and R2, readers differ"."""
    differ = ["readers differ"] if case.needs_adjudication else []
    return ", ".join([hip_of(case), case.status, " and ".join(case.reviewers), *differ])


def listed(cases: Iterable[CaseSummary], words: str = "") -> list[CaseSummary]:
    """Return the cases that say each of the words in their name or line, what waits for a reader first.

    First come those in which readers differ, then flagged ones, drafts, approved and withdrawn ones; the newest first.
    """
    wanted = words.casefold().split()
    found = [case for case in cases if all(word in f"{case.case_id} {words_of(case)}".casefold() for word in wanted)]
    found.sort(key=lambda case: case.saved_at, reverse=True)
    return sorted(found, key=lambda case: (not case.needs_adjudication, _ORDER.index(case.status)))


def following(found: Overview, last: str) -> str:
    """Return the case to look at after ``last``: the next one of those that wait, then the first again; "" for none."""
    at = found.waiting.index(last) + 1 if last in found.waiting else 0
    others = [name for name in (*found.waiting[at:], *found.waiting[:at]) if name != last]
    return others[0] if others else ""


_ORDER = ("flagged", "draft", "approved", "withdrawn")
