"""What a data set holds, what it lacks, and how it grew."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ONFHAssistLib.curation.index import CaseSummary
from ONFHAssistLib.curation.layout import N_FOLDS
from ONFHAssistLib.curation.store import Store
from ONFHAssistLib.curation.versions import CASE_STATUSES

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


def status(store: Store, until: datetime | None = None) -> DataStatus:
    """Count what a data set holds; ``until`` is the end of the last week, now if not given."""
    every = store.cases()
    damaged = tuple(case.case_id for case in every if case.problem)
    cases = [case for case in every if not case.problem]
    approved = [case for case in cases if case.status == "approved"]
    counts = {
        "status": {name: sum(case.status == name for case in cases) for name in CASE_STATUSES},
        "plane": _count(case.plane for case in approved),
        "sequence": _count(case.sequence for case in approved),
        "side": _count(case.side for case in approved),
        "Steinberg": _count(_grade(case, "steinberg") for case in approved),
        "JIC": _count(_grade(case, "jic") for case in approved),
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
    )


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
        yield f"Readers differ in {len(to_adjudicate)} cases that nobody has settled."
    if damaged:
        yield f"The files of {len(damaged)} cases can't be read; check the data set."


def _grade(case: CaseSummary, system: str) -> str:
    grade = case.grades.get(system)
    return "none" if grade is None else str(grade)


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
