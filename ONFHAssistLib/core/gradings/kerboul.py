"""Modified Kerboul: the sum of the arcs involved on the mid-coronal and the mid-sagittal slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ONFHAssistLib.core.gradings.grading import NOT_REACHED, Grading, margin_to
from ONFHAssistLib.core.results import Grade

if TYPE_CHECKING:
    from ONFHAssistLib.core.measure import HipMeasurement

KERBOUL_GRADES_FROM_DEG = (200.0, 250.0, 300.0)
KERBOUL_LOW_RISK_TO_DEG = 190.0
KERBOUL_HIGH_RISK_FROM_DEG = 240.0
"""Grades 2, 3, 4 begin at 200, 250, 300 degrees; risk is low to 190, high from 240: Ha et al., JBJS Am 2006;88 Suppl
3:35."""


def grade_kerboul(measurement: HipMeasurement) -> Grade:
    """Grade the sum of the arcs involved on the mid-coronal and the mid-sagittal slice (modified Kerboul).

    A lesion that nowhere comes close to the surface there has 0 degrees: grade 1.
    """
    if measurement.coronal is None or measurement.sagittal is None:
        return Grade(None, NOT_REACHED)
    a, b = measurement.coronal.arc.arc_deg, measurement.sagittal.arc.arc_deg
    value = a + b
    grade = 1 + sum(value >= start for start in KERBOUL_GRADES_FROM_DEG)
    reason = ("< 200°", "≥ 200° and < 250°", "≥ 250° and < 300°", "≥ 300°")[grade - 1]
    risk = "low" if value <= KERBOUL_LOW_RISK_TO_DEG else "moderate"
    if value >= KERBOUL_HIGH_RISK_FROM_DEG:
        risk = "high"
    rule = f"{a:.0f}° mid-coronal + {b:.0f}° mid-sagittal = {value:.0f}° {reason}: grade {grade}"
    details = {"coronal_arc_deg": a, "sagittal_arc_deg": b, "risk": risk}
    return Grade(grade, rule, value, margin_to(value, KERBOUL_GRADES_FROM_DEG), details=details)


def _notes(grade: Grade) -> tuple[str, ...]:
    risk = grade.details.get("risk")
    return (f"Risk class by the sum of both arcs: {risk} (Ha 2006).",) if risk else ()


KERBOUL = Grading(
    "kerboul",
    "Modified Kerboul",
    "Kerboul",
    "Ha et al., J Bone Joint Surg Am 2006;88 Suppl 3:35",
    grade_kerboul,
    classes=(1, 2, 3, 4),
    thresholds=KERBOUL_GRADES_FROM_DEG,
    unit="degrees",
    margin_words="{:.0f}°",
    borderline_within=10.0,
    borderline_words="{:.0f}°",
    limits=f"grades 2, 3, 4 from {', '.join(f'{limit:.0f}°' for limit in KERBOUL_GRADES_FROM_DEG)}",
    notes=_notes,
)
