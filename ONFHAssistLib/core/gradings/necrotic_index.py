"""Index of necrotic extent: the product of both arcs, a value without classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ONFHAssistLib.core.gradings.grading import NOT_REACHED, Grading
from ONFHAssistLib.core.results import Grade

if TYPE_CHECKING:
    from ONFHAssistLib.core.measure import HipMeasurement


def necrotic_index(measurement: HipMeasurement) -> Grade:
    """Return the index of necrotic extent (Koo & Kim, JBJS Br 1995) as ``value``; it has no classes and no margin.

    The modified index (Cherian et al., JBJS Am 2003;85:309) takes the largest arcs over all slices.
    """
    if measurement.coronal is None or measurement.sagittal is None:
        return Grade(None, NOT_REACHED)
    a, b = measurement.coronal.arc.arc_deg, measurement.sagittal.arc.arc_deg
    largest_a, largest_b = measurement.largest_coronal_deg, measurement.largest_sagittal_deg
    modified = None if largest_a is None or largest_b is None else _index(largest_a, largest_b)
    value = _index(a, b)
    details = {
        "coronal_arc_deg": a,
        "sagittal_arc_deg": b,
        "modified_index": modified,
        "largest_coronal_arc_deg": largest_a,
        "largest_sagittal_arc_deg": largest_b,
    }
    rule = f"({a:.0f}°/180°)·({b:.0f}°/180°)·100 = {value:.1f}: a value without classes"
    return Grade(None, rule, value, details=details)


def _index(coronal_deg: float, sagittal_deg: float) -> float:
    return coronal_deg / 180 * sagittal_deg / 180 * 100


def _notes(grade: Grade) -> tuple[str, ...]:
    modified = grade.details.get("modified_index")
    return () if modified is None else (f"Modified index, with the largest arcs of all slices: {modified:.0f}.",)


NECROTIC_INDEX = Grading(
    "necrotic_index",
    "Index of necrotic extent",
    "Index",
    "Koo, Kim, J Bone Joint Surg Br 1995; modified: Cherian et al., J Bone Joint Surg Am 2003;85:309",
    necrotic_index,
    notes=_notes,
)
