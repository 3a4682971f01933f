"""What has changed between a baseline study and this one."""

from collections.abc import Iterable
from dataclasses import dataclass

from ONFHAssistLib.core.follow_up import HipChange, compare
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.results import Grade, HipResult
from ONFHAssistLib.exchange.words import percent, shown_grade
from ONFHAssistLib.reviewer.cards import side_name

NOTHING_IN_COMMON = "The two studies have no graded hip in common."
COLUMNS = ("", "Before", "Now", "Change")


@dataclass(frozen=True)
class HipChanges:
    """One hip that is graded in both studies.

    Attributes:
        title: its name.
        lines: what it is, before, now, and the difference, as shown.
    """

    title: str
    lines: tuple[tuple[str, str, str, str], ...]


def changes(baseline: Iterable[HipResult], now: Iterable[HipResult]) -> tuple[HipChanges, ...]:
    """Return what has changed in each hip that is graded in both studies."""
    return tuple(map(_hip, compare(baseline, now)))


def _hip(change: HipChange) -> HipChanges:
    points = f"{100 * change.amounts['volume_ratio'].difference:+.1f} points"
    lines = [("Ratio", percent(change.before.volume_ratio), percent(change.now.volume_ratio), points)]
    for title, name in (("Necrosis", "necrosis_volume_ml"), ("Head", "head_volume_ml")):
        one = change.amounts[name]
        lines.append((title, f"{one.before:.1f} ml", f"{one.now:.1f} ml", f"{one.difference:+.1f} ml"))
    for name, grading in GRADINGS.items():
        was, is_ = (_class(name, grade) for grade in change.grades.get(name, (None, None)))
        if grading.classes and (was or is_):
            lines.append((grading.title, was or "–", is_ or "–", "" if was == is_ else "changed"))
    return HipChanges(side_name(change.side), tuple(lines))


def _class(name: str, grade: Grade | None) -> str:
    return "" if grade is None or grade.grade is None else shown_grade(name, grade)
