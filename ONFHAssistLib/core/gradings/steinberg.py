"""Steinberg extent: the necrotic share of the head's volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ONFHAssistLib.core.gradings.grading import Grading, margin_to, percent
from ONFHAssistLib.core.measurements import SliceMeasurement
from ONFHAssistLib.core.results import Grade

if TYPE_CHECKING:
    from ONFHAssistLib.core.measure import HipMeasurement

STEINBERG_NONE_BELOW = 0.001
"""Below 0.1 %: without ONFH (PMC11680720)."""
STEINBERG_MODERATE_FROM = 0.15
STEINBERG_MODERATE_TO = 0.30
"""Mild (A) below 15 %, severe (C) above 30 %, both ends belong to moderate (B): Steinberg, Hayken, Steinberg, JBJS Br
1995;77:34."""
STEINBERG_THRESHOLDS = (STEINBERG_NONE_BELOW, STEINBERG_MODERATE_FROM, STEINBERG_MODERATE_TO)


def steinberg_grade(ratio: float) -> str:
    """Return the Steinberg extent of a necrosis-to-head ratio (fraction): "without ONFH", "mild", ..."""
    if ratio < STEINBERG_NONE_BELOW:
        return "without ONFH"
    if ratio < STEINBERG_MODERATE_FROM:
        return "mild"
    return "moderate" if ratio <= STEINBERG_MODERATE_TO else "severe"


def grade_steinberg(measurement: HipMeasurement) -> Grade:
    """Grade the volume ratio; the worst slice and the mid-slice stand beside it (Steinberg 1995; Uemura 2025)."""
    ratio = measurement.volume_ratio
    grade = steinberg_grade(ratio)
    reason = {
        "without ONFH": "< 0.1 %",
        "mild": "< 15 %",
        "moderate": "within 15 to 30 %",
        "severe": "> 30 %",
    }[grade]
    thresholds = STEINBERG_THRESHOLDS
    rule = f"{percent(ratio, thresholds)} of head volume {reason}: {grade}"
    details = {"worst_slice": _slice(measurement.worst_slice), "mid_slice": _slice(measurement.mid_slice)}
    margin = margin_to(ratio, thresholds)
    return Grade(grade, rule, ratio, margin, details=details, interval=measurement.ratio_interval)


def _slice(measured: SliceMeasurement | None) -> dict | None:
    if measured is None:
        return None
    return {"index": measured.index, "ratio": measured.ratio, "steinberg": measured.steinberg}


def _notes(grade: Grade) -> tuple[str, ...]:
    slices = (("Worst slice", grade.details.get("worst_slice")), ("Mid-slice", grade.details.get("mid_slice")))
    return tuple(
        f"{title} (index {measured['index']}): {100 * measured['ratio']:.1f} %, {measured['steinberg']}."
        for title, measured in slices
        if measured and measured["ratio"]
    )


STEINBERG = Grading(
    "steinberg",
    "Steinberg extent",
    "Steinberg",
    "Steinberg, Hayken, Steinberg, J Bone Joint Surg Br 1995;77:34",
    grade_steinberg,
    classes=("without ONFH", "mild", "moderate", "severe"),
    thresholds=STEINBERG_THRESHOLDS,
    unit="fraction of head volume",
    margin_words="{:.1f} percentage points",
    borderline_within=0.03,
    borderline_words="{:.0f} % of head volume",
    limits="without ONFH below {:g} %, mild below {:g} %, severe above {:g} %".format(
        *(100 * limit for limit in STEINBERG_THRESHOLDS)
    ),
    shown={"without ONFH": "Without ONFH", "mild": "Mild (A)", "moderate": "Moderate (B)", "severe": "Severe (C)"},
    notes=_notes,
    of_lesions=False,
)
