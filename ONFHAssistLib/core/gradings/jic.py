"""JIC class: how far the lesion reaches across the weight-bearing portion; C2 begins at the acetabular edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ONFHAssistLib.core.gradings.grading import NO_NECROSIS, NOT_REACHED, Grading, margin_to, percent
from ONFHAssistLib.core.results import Grade

if TYPE_CHECKING:
    from ONFHAssistLib.core.measure import HipMeasurement

JIC_THIRD = 1 / 3
JIC_TWO_THIRDS = 2 / 3
JIC_EDGE = 1.0
JIC_THRESHOLDS = (JIC_THIRD, JIC_TWO_THIRDS, JIC_EDGE)
"""Ends of A, B and C1 as fractions of the weight-bearing portion: Sugano et al., J Orthop Sci 2002;7:601."""
JIC_LANDMARKS_FROM = 0.5
"""Below this confidence of a landmark the class says so: neighbouring slices of the mask then disagree on the point by
about half of `imaging.landmarks.NO_CONFIDENCE_MM`, or half of them do not show it (convention of this project)."""
JIC_COLLAPSE = {"A": (0.0, 0.0), "B": (0.079, 0.079), "C1": (0.232, 0.366), "C2": (0.578, 0.848)}
"""Collapse at 2 and 5 years in 212 precollapse hips: Kuroda et al., Bone Joint Res 2019;8:451. Context, never a
prediction for the patient."""

_WHERE = {
    "A": "stays within the medial third (33.3 %)",
    "B": "stays within the medial two thirds (66.7 %)",
    "C1": "passes two thirds (66.7 %), short of the acetabular edge",
    "C2": "reaches the acetabular edge (100 %)",
}


def jic_class(value: float) -> str:
    """Return the class of a lesion that ends at ``value``, a fraction of the weight-bearing portion."""
    if value <= JIC_THIRD:
        return "A"
    return "B" if value <= JIC_TWO_THIRDS else "C1" if value < JIC_EDGE else "C2"


def grade_jic(measurement: HipMeasurement) -> Grade:
    """Class the lateral end of the lesion on the mid-coronal slice (JIC, revision of 2001).

    The lesion ends where the surface involved ends. Necrosis that nowhere comes close to the surface is classed by the
    angle of its most lateral voxel (`arcs.deep_lateral_end_deg`; convention of this project). There is no class
    without necrosis on that slice, without that slice, or without landmarks that enclose a portion. The rule says so
    where a landmark has a confidence below JIC_LANDMARKS_FROM.
    """
    coronal, portion, marks = measurement.coronal, measurement.weight_bearing, measurement.landmarks
    if coronal is None:
        return Grade(None, NOT_REACHED)
    if not coronal.necrosis.any():
        return Grade(None, NO_NECROSIS)
    missing = [
        name
        for name, point in (
            ("lateral acetabular edge", marks.acetabular_edge_ras_mm),
            ("teardrop", marks.teardrop_ras_mm),
        )
        if point is None
    ]
    if missing:
        return Grade(None, f"The weight-bearing portion is not known: {' and '.join(missing)} not found.")
    if portion is None:
        return Grade(None, "The landmarks do not enclose a part of the superior surface of the head.")
    assert measurement.lateral_end_deg is not None  # there is a portion, and necrosis on the slice
    end = measurement.lateral_end_deg - portion.medial_deg
    value = end / portion.span_deg
    grade = jic_class(value)
    where = "lies wholly medial of the weight-bearing portion" if value <= 0 else _WHERE[grade]
    thresholds = JIC_THRESHOLDS
    rule = (
        f"The lesion ends at {percent(value, (0.0, *thresholds))} of the weight-bearing portion from its medial end"
        f" ({end:.0f}° of {portion.span_deg:.0f}°): it {where}: {grade}"
    )
    if value <= 0:
        rule = f"The lesion ends {abs(end):.0f}° medial of the weight-bearing portion: it {where}: {grade}"
    if not coronal.arc.involved.any():
        rule += f" (by its most lateral voxel, as it nowhere comes within {coronal.arc.depth_mm:.1f} mm of the surface)"
    doubtful = [
        f"the {name} (confidence {confidence:.2f})"
        for name, confidence in (
            ("lateral acetabular edge", marks.acetabular_edge_confidence),
            ("teardrop", marks.teardrop_confidence),
        )
        if confidence is not None and confidence < JIC_LANDMARKS_FROM
    ]
    if doubtful:
        rule += f" (not to be relied on: {' and '.join(doubtful)} could not be placed well)"
    two, five = JIC_COLLAPSE[grade]
    context = f"Of 212 precollapse hips, those of class {grade}: {percent(two)} collapsed within 2 years,"
    details = {
        "collapse_2_years": two,
        "collapse_5_years": five,
        "collapse_context": f"{context} {percent(five)} within 5 (Kuroda 2019); no prediction for this patient.",
        "lateral_end_deg": measurement.lateral_end_deg,
        "portion_medial_deg": portion.medial_deg,
        "portion_lateral_deg": portion.lateral_deg,
    }
    return Grade(grade, rule, value, margin_to(value, thresholds), details=details)


def _notes(grade: Grade) -> tuple[str, ...]:
    return (grade.details["collapse_context"],) if "collapse_context" in grade.details else ()


JIC = Grading(
    "jic",
    "JIC class",
    "JIC",
    "Sugano et al., J Orthop Sci 2002;7:601; collapse: Kuroda et al., Bone Joint Res 2019;8:451",
    grade_jic,
    classes=("A", "B", "C1", "C2"),
    thresholds=JIC_THRESHOLDS,
    unit="fraction of the weight-bearing portion",
    margin_words="{:.1f} % of the portion",
    borderline_within=0.05,  # about 4 degrees: a third of the portion is about 25
    borderline_words="{:.0f} % of the weight-bearing portion",
    limits="A to 1/3, B to 2/3, C1 to the edge of the weight-bearing portion, C2 beyond",
    notes=_notes,
)
