"""What has changed between two results of the same hips: an earlier study and this one."""

from collections.abc import Iterable
from dataclasses import dataclass

from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.results import Grade, HipResult

AMOUNTS = ("volume_ratio", "necrosis_volume_ml", "head_volume_ml")


@dataclass(frozen=True)
class Change:
    """One number before and now, in the unit of its name (ratios: fractions); 0 where there was none."""

    before: float
    now: float

    @property
    def difference(self) -> float:
        """Return how much more it is now."""
        return self.now - self.before


@dataclass(frozen=True)
class HipChange:
    """What has changed in one hip.

    Attributes:
        side: which hip.
        before, now: its results.
        amounts: by the name of the field of `HipResult`: volume_ratio, necrosis_volume_ml, head_volume_ml.
        grades: before and now, by the name of the grading, for those that either has; None where one lacks it.
    """

    side: Side
    before: HipResult
    now: HipResult
    amounts: dict[str, Change]
    grades: dict[str, tuple[Grade | None, Grade | None]]


def compare(before: Iterable[HipResult], now: Iterable[HipResult]) -> tuple[HipChange, ...]:
    """Compare the hips that are graded in both, right before left.

    Args:
        before: hips of the earlier study.
        now: hips of this one.
    """
    earlier, later = ({hip.side: hip for hip in hips if hip.status == "graded"} for hips in (before, now))
    return tuple(_change(earlier[side], later[side]) for side in SIDES if side in earlier and side in later)


def _change(before: HipResult, now: HipResult) -> HipChange:
    amounts = {name: Change(getattr(before, name) or 0.0, getattr(now, name) or 0.0) for name in AMOUNTS}
    names = {**now.grades, **before.grades}
    grades = {name: (before.grades.get(name), now.grades.get(name)) for name in names}
    return HipChange(now.side, before, now, amounts, grades)
