"""What a data set holds, what it lacks, and how it grew."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ONFHAssistLib.core.outside import shown
from ONFHAssistLib.curation.case.layout import N_FOLDS
from ONFHAssistLib.curation.case.record import CASE_STATUSES
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.store.inside import strangers
from ONFHAssistLib.curation.store.store import Store

WANTED = {
    "Steinberg": ("without ONFH", "mild", "moderate", "severe"),
    "JIC": ("A", "B", "C1", "C2"),
    "side": ("right", "left"),
}
"""Classes that a training should have seen."""


@dataclass(frozen=True)
class DataStatus:
    """Counts of a data set.

    Attributes:
        name: of the data set.
        cases, patients: all of them, withdrawn ones included.
        approved, approved_patients: those that are trained with.
        counts: number of cases by ``status``; and of approved cases by ``plane``, ``sequence``, ``side``,
            ``Steinberg``, ``JIC``, ``reviewer`` and ``fold``.
        saved_last_week, approved_last_week: cases with a new version, and newly approved, in the seven days before.
        to_adjudicate, damaged: names of cases whose readers differ, and whose file can't be read.
        left_out: names of files beside the cases that are no case's, such as the copies of a sync program.
        lacking: what a training would miss, one sentence each.
    """

    name: str
    cases: int
    patients: int
    approved: int
    approved_patients: int
    counts: dict[str, dict[str, int]]
    saved_last_week: int
    approved_last_week: int
    to_adjudicate: tuple[str, ...]
    damaged: tuple[str, ...]
    lacking: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def status(store: Store, until: datetime | None = None) -> DataStatus:
    """Count what a data set holds; ``until`` is the end of the last week, now if not given."""
    return status_of(store, store.cases(), until)


def status_of(store: Store, every: Sequence[CaseSummary], until: datetime | None = None) -> DataStatus:
    """Count what a data set holds, see `status`; ``every``: all cases (`Store.cases`)."""
    damaged = tuple(case.case_id for case in every if case.problem)
    cases = [case for case in every if not case.problem]
    approved = [case for case in cases if case.status == "approved"]
    counts: dict[str, dict[str, int]] = {
        "status": {name: sum(case.status == name for case in cases) for name in CASE_STATUSES},
        "plane": _count(case.plane for case in approved),
        "sequence": _count(case.sequence for case in approved),
        "side": _count(case.side for case in approved),
        "Steinberg": _count(grade_of(case, "steinberg") for case in approved),
        "JIC": _count(grade_of(case, "jic") for case in approved),
        "reviewer": _count(reviewer for case in approved for reviewer in case.reviewers),
        "fold": {str(fold): sum(case.fold == fold for case in approved) for fold in range(N_FOLDS)},
    }
    since = ((until or datetime.now(UTC)) - timedelta(days=7)).isoformat(timespec="seconds")
    to_adjudicate = tuple(case.case_id for case in cases if case.needs_adjudication)
    return DataStatus(
        name=store.folder.name,
        cases=len(every),
        patients=len({case.patient for case in cases}),
        approved=len(approved),
        approved_patients=len({case.patient for case in approved}),
        counts=counts,
        saved_last_week=sum(case.saved_at >= since for case in cases),
        approved_last_week=sum((case.approved_at or "") >= since for case in approved),
        to_adjudicate=to_adjudicate,
        damaged=damaged,
        lacking=tuple(_lacking(counts, approved, to_adjudicate, damaged)),
        left_out=tuple(map(shown, strangers(store.folder))),
    )


@dataclass(frozen=True)
class Week:
    """Progress in one week.

    Attributes:
        until: the end of its seven days, not included.
        first_saved: cases that are new.
        approved: of the cases that are approved now, those approved in it.
        approved_so_far: at its end, of the cases that are approved now.
    """

    until: datetime
    first_saved: int
    approved: int
    approved_so_far: int


def weeks(cases: Iterable[CaseSummary], until: datetime, most: int = 26) -> tuple[Week, ...]:
    """Return the weeks from the first save on, at most ``most``, the one that ends with ``until`` last."""
    saved = sorted(datetime.fromisoformat(case.first_saved_at) for case in cases)
    approved = [datetime.fromisoformat(case.approved_at) for case in cases if case.approved_at]
    count = min(most, max(0, (until - saved[0]).days) // 7 + 1) if saved else 1
    found = []
    for n in reversed(range(count)):
        end = until - timedelta(weeks=n)
        start = end - timedelta(weeks=1)
        new, done = (sum(start <= time < end for time in times) for times in (saved, approved))
        found.append(Week(end, new, done, sum(time < end for time in approved)))
    return tuple(found)


def grade_of(case: CaseSummary, system: str) -> str:
    """Return the class of a grading as text, "none" without one."""
    grade = case.grades.get(system)
    return "none" if grade is None else str(grade)


def _lacking(
    counts: dict[str, dict[str, int]], approved: list[CaseSummary], to_adjudicate: tuple[str, ...], damaged: tuple
) -> Iterable[str]:
    if not approved:
        yield "No case is approved yet; there is nothing to train with."
    for what, classes in WANTED.items():
        absent = [name for name in classes if approved and not counts[what].get(name)]
        if absent:
            yield f"No approved case is {what} {', '.join(absent)}."
    empty = [fold for fold, n in counts["fold"].items() if not n]
    if approved and empty:
        yield f"No case to validate with in fold {', '.join(empty)}: there are too few patients."
    if to_adjudicate:
        yield f"Readers differ in {_cases(len(to_adjudicate))} that nobody has settled."
    if damaged:
        yield f"The files of {_cases(len(damaged))} can't be read; check the data set."


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
