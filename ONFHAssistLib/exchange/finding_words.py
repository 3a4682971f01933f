"""What a person reads of a system's finding: the same rows and sentences in report, command line and both reviewers."""

from dataclasses import dataclass

from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.findings import PATIENT, Figure, Finding
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.gradings.grading import percent
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.exchange.strips import StripCard, strip_card
from ONFHAssistLib.exchange.words import shown_grade

ABOUT = {"right": "Right hip", "left": "Left hip", PATIENT: "Patient"}


@dataclass(frozen=True)
class FindingRow:
    """One line of a finding.

    Attributes:
        title: of the grading or the number.
        value: as shown.
        networks: what the networks give for the same; "" where they give nothing.
        told: the rule of a grade, in words; or "".
        borderline: whether the grade is.
    """

    title: str
    value: str
    networks: str = ""
    told: str = ""
    borderline: bool = False


@dataclass(frozen=True)
class FindingCard:
    """A finding in words.

    Attributes:
        title: of the system.
        about: "Right hip", "Left hip" or "Patient".
        reason: why the system says nothing; or "".
        rows: grades, probabilities, numbers.
        notes: sentences.
        strip: the probability on each slice; None where there is none.
        has_map: whether it has a map of where the system looked.
    """

    title: str
    about: str
    reason: str
    rows: tuple[FindingRow, ...]
    notes: tuple[str, ...]
    strip: StripCard | None = None
    has_map: bool = False

    @property
    def heading(self) -> str:
        """Return the title, for a card of a hip: with "Patient" where it is not about the hip alone."""
        return f"{self.title} ({self.about})" if self.about == ABOUT[PATIENT] else self.title

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return reason and notes, where there are any."""
        return tuple(text for text in (self.reason, *self.notes) if text)


def finding_card(finding: Finding, hip: HipResult | None = None) -> FindingCard:
    """Put a finding into words; ``hip`` is what the networks, or a reader, made of the same hip."""
    rows = (
        *(_grade_row(name, finding, hip) for name in finding.grades),
        *(FindingRow(f"Probability of {name}", percent(value)) for name, value in finding.probabilities.items()),
        *(_figure_row(figure, hip) for figure in finding.figures if figure.title),
    )
    strip = None if finding.strip is None else strip_card(finding.strip)
    about, has_map = ABOUT[finding.about], finding.attention is not None
    return FindingCard(finding.title, about, finding.reason or "", rows, finding.notes, strip, has_map)


def _grade_row(name: str, finding: Finding, hip: HipResult | None) -> FindingRow:
    grade = finding.grades[name]
    known = GRADINGS.get(name)
    theirs = hip.grades.get(name) if hip else None
    return FindingRow(
        known.title if known else name,
        shown_grade(name, grade),
        shown_grade(name, theirs) if theirs else "",
        grade.rule,
        is_borderline(name, grade),
    )


def _figure_row(figure: Figure, hip: HipResult | None) -> FindingRow:
    theirs = getattr(hip, figure.name, None) if figure.name in _OF_HIPS else None
    return FindingRow(
        figure.title,
        shown_figure(figure.value, figure.unit),
        "" if theirs is None else shown_figure(theirs, figure.unit),
    )


_OF_HIPS = ("volume_ratio", "necrosis_volume_ml", "head_volume_ml")
"""Numbers that a hip's own result has under the same name."""


def shown_figure(value: float | bool | None, unit: str) -> str:
    """Return a number with its unit as it is shown."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if unit == "fraction":
        return percent(value)
    digits = {"ml": f"{value:.1f} ml", "mm": f"{value:.1f} mm", "deg": f"{value:.0f}°"}
    return digits.get(unit, f"{value:.3g} {unit}".rstrip())
