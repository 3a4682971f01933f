"""A grading that is added by one function and one entry: what a newcomer would write, and no more."""

from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.gradings.grading import Grading, margin_to
from ONFHAssistLib.core.results import Grade


def grade_halves(measurement) -> Grade:
    value = measurement.volume_ratio
    grade = "small half" if value < 0.5 else "large half"
    return Grade(grade, f"By halves: {grade}", value, margin_to(value, (0.5,)))


TOY = Grading(
    "halves",
    "Toy halves",
    "Halves",
    "Nobody, J Toys 2026;1:1",
    grade_halves,
    classes=("small half", "large half"),
    thresholds=(0.5,),
    unit="fraction of the toy",
    margin_words="{:.1f} toy points",
    borderline_within=0.45,
    borderline_words="{:.0f} % of the toy",
)


def install(monkeypatch) -> None:
    """List it, until the test ends."""
    monkeypatch.setitem(GRADINGS, TOY.name, TOY)
