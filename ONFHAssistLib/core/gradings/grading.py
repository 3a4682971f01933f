"""What a grading is: one frozen entry with everything that is known of it, and one function that gives the grade."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ONFHAssistLib.core.results import Grade

if TYPE_CHECKING:
    from ONFHAssistLib.core.measure import HipMeasurement

NOT_REACHED = "The image does not reach the centre of the head, so it has no mid-coronal and mid-sagittal plane."
NO_NECROSIS = "There is no necrosis on the mid-coronal slice."


def no_notes(grade: Grade) -> tuple[str, ...]:
    """Return no sentence."""
    return ()


@dataclass(frozen=True)
class Grading:
    """Everything that is known of a grading; what shows grades asks here.

    Attributes:
        name: its key in report.json and in the records of a data set; it never changes.
        title, short: in words, for a table and for a line.
        source: where its definition comes from.
        rule: the function; the ``unit`` of the grade is left to this entry.
        classes: every class, the mildest first; () where it gives a value only.
        thresholds: of the value, in ``unit``.
        unit: of value, margin and interval; one that begins with "fraction" is shown as per cent.
        margin_words: the distance to the nearest threshold in words, with a place for the number; or "".
        borderline_within: how far the value may be off where the grade has no interval of its own, in ``unit``; about
            the difference between two good outlines (conventions of this project). 0: nothing is borderline.
        borderline_words: that in words, with a place for the number.
        limits: where the classes begin and end, in words; or "".
        shown: classes that are shown in other words than their own.
        notes: further sentences on a grade.
        of_lesions: whether it classes a lesion, so that a hip without ONFH has no class.
    """

    name: str
    title: str
    short: str
    source: str
    rule: Callable[[HipMeasurement], Grade]
    classes: tuple[str | int, ...] = ()
    thresholds: tuple[float, ...] = ()
    unit: str = ""
    margin_words: str = ""
    borderline_within: float = 0.0
    borderline_words: str = ""
    limits: str = ""
    shown: Mapping[str | int, str] = field(default_factory=dict)
    notes: Callable[[Grade], tuple[str, ...]] = no_notes
    of_lesions: bool = True

    def grade(self, measurement: HipMeasurement) -> Grade:
        """Grade what was measured."""
        grade = self.rule(measurement)
        return grade if grade.value is None else replace(grade, unit=self.unit)

    def margin_in_words(self, margin: float) -> str:
        """Return a distance to a threshold in words; "" where there are none for it."""
        return self.margin_words.format(self._shown_number(margin))

    @property
    def borderline_in_words(self) -> str:
        """Return what is called close to a threshold in words."""
        return self.borderline_words.format(self._shown_number(self.borderline_within))

    def _shown_number(self, value: float) -> float:
        return 100 * value if self.unit.startswith("fraction") else value


def margin_to(value: float, thresholds: Iterable[float]) -> float:
    """Return the distance to the nearest threshold."""
    return min(abs(value - threshold) for threshold in thresholds)


def percent(fraction: float, thresholds: Iterable[float] = ()) -> str:
    """Show a fraction with one decimal, or as many as put the number on the same side of every threshold.

    A fraction that equals a threshold is on neither side, and its first decimal will do.
    """
    exact, *limits = (100 * Decimal(repr(float(x))) for x in (fraction, *thresholds))
    digits = 1
    while any((exact > t, exact < t) != ((s := round(exact, digits)) > t, s < t) for t in limits if exact != t):
        digits += 1
    return f"{exact:.{digits}f} %"
