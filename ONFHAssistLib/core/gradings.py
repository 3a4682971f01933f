"""The gradings of the extent of osteonecrosis: one function each, its thresholds above it with their source.

They grade the extent only, not the stage (collapse, joint space). The thresholds are those of docs/clinical.md.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from ONFHAssistLib.core.measurements import HipMeasurement, SliceMeasurement
from ONFHAssistLib.core.results import Grade
from ONFHAssistLib.core.sphere import WHOLE_HEAD_FROM

STEINBERG_NONE_BELOW = 0.001
"""Below 0.1 %: without ONFH (PMC11680720)."""
STEINBERG_MODERATE_FROM = 0.15
STEINBERG_MODERATE_TO = 0.30
"""Mild (A) below 15 %, severe (C) above 30 %, both ends belong to moderate (B): Steinberg, Hayken, Steinberg, JBJS Br
1995;77:34."""
STEINBERG_THRESHOLDS = (STEINBERG_NONE_BELOW, STEINBERG_MODERATE_FROM, STEINBERG_MODERATE_TO)

JIC_THIRD = 1 / 3
JIC_TWO_THIRDS = 2 / 3
JIC_EDGE = 1.0
"""Ends of A, B and C1 as fractions of the weight-bearing portion: Sugano et al., J Orthop Sci 2002;7:601."""
JIC_LANDMARKS_FROM = 0.5
"""Below this confidence of a landmark the class says so: neighbouring slices of the mask then disagree on the point by
about half of `imaging.landmarks.NO_CONFIDENCE_MM`, or half of them do not show it (convention of this project)."""
JIC_COLLAPSE = {"A": (0.0, 0.0), "B": (0.079, 0.079), "C1": (0.232, 0.366), "C2": (0.578, 0.848)}
"""Collapse at 2 and 5 years in 212 precollapse hips: Kuroda et al., Bone Joint Res 2019;8:451. Context, never a
prediction for the patient."""

KERBOUL_GRADES_FROM_DEG = (200.0, 250.0, 300.0)
KERBOUL_LOW_RISK_TO_DEG = 190.0
KERBOUL_HIGH_RISK_FROM_DEG = 240.0
"""Grades 2, 3, 4 begin at 200, 250, 300 degrees; risk is low to 190, high from 240: Ha et al., JBJS Am 2006;88 Suppl
3:35."""

CJFH_OUTER_PILLAR = 0.30
"""Lateral and medial pillar are 30 % of the head's width each: Li Zirong et al. 2012."""
CJFH_UNTOUCHED_TO = 0.01
CJFH_WHOLE_FROM = 0.95
"""A pillar is untouched up to 1 % of its area and wholly involved from 95 %: pixels on the borders of a mask decide
nothing (convention of this project)."""

NOT_REACHED = "The image does not reach the centre of the head, so it has no mid-coronal and mid-sagittal plane."

NO_NECROSIS = "There is no necrosis on the mid-coronal slice."


def grade_hip(measurement: HipMeasurement) -> dict[str, Grade]:
    """Grade one hip: steinberg, jic, kerboul, necrotic_index and cjfh.

    A grade that cannot be given is None, with the reason in its ``rule``. Where the hip is without ONFH (less than
    0.1 % of the head), there is no lesion that the other systems could class.
    """
    others = {"jic": grade_jic, "kerboul": grade_kerboul, "necrotic_index": necrotic_index, "cjfh": grade_cjfh}
    grades = {"steinberg": grade_steinberg(measurement)}
    for name, rule in others.items():
        lesion = measurement.volume_ratio >= STEINBERG_NONE_BELOW
        grades[name] = rule(measurement) if lesion else Grade(None, "Without ONFH: there is no lesion to class.")
    if measurement.head_coverage >= WHOLE_HEAD_FROM:
        return grades
    note = f" (only {100 * measurement.head_coverage:.0f} % of the head lies inside the image)"
    return {
        name: grade if grade.value is None else replace(grade, rule=grade.rule + note) for name, grade in grades.items()
    }


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
    rule = f"{_percent(ratio, thresholds)} of head volume {reason}: {grade}"
    details = {"worst_slice": _slice(measurement.worst_slice), "mid_slice": _slice(measurement.mid_slice)}
    margin, interval = _margin(ratio, thresholds), measurement.ratio_interval
    return Grade(grade, rule, ratio, margin, "fraction of head volume", details, interval)


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
    grade, where = "C2", "reaches the acetabular edge (100 %)"
    if value <= 0:
        grade, where = "A", "lies wholly medial of the weight-bearing portion"
    elif value <= JIC_THIRD:
        grade, where = "A", "stays within the medial third (33.3 %)"
    elif value <= JIC_TWO_THIRDS:
        grade, where = "B", "stays within the medial two thirds (66.7 %)"
    elif value < JIC_EDGE:
        grade, where = "C1", "passes two thirds (66.7 %), short of the acetabular edge"
    thresholds = (JIC_THIRD, JIC_TWO_THIRDS, JIC_EDGE)
    rule = (
        f"The lesion ends at {_percent(value, (0.0, *thresholds))} of the weight-bearing portion from its medial end"
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
    context = f"Of 212 precollapse hips, those of class {grade}: {_percent(two)} collapsed within 2 years,"
    details = {
        "collapse_2_years": two,
        "collapse_5_years": five,
        "collapse_context": f"{context} {_percent(five)} within 5 (Kuroda 2019); no prediction for this patient.",
        "lateral_end_deg": measurement.lateral_end_deg,
        "portion_medial_deg": portion.medial_deg,
        "portion_lateral_deg": portion.lateral_deg,
    }
    margin = _margin(value, thresholds)
    return Grade(grade, rule, value, margin, "fraction of the weight-bearing portion", details)


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
    return Grade(grade, rule, value, _margin(value, KERBOUL_GRADES_FROM_DEG), "degrees", details)


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
    return Grade(None, rule, value, None, "", details)


def grade_cjfh(measurement: HipMeasurement) -> Grade:
    """Class the pillars that are involved on the mid-coronal head (China-Japan Friendship Hospital)."""
    if measurement.coronal is None:
        return Grade(None, NOT_REACHED)
    pillars = measurement.pillars
    if pillars is None:
        return Grade(None, "A pillar of the mid-coronal head shows no bone.")
    fractions = {"lateral": pillars.lateral, "central": pillars.central, "medial": pillars.medial}
    if not measurement.coronal.necrosis.any():
        return Grade(None, NO_NECROSIS)
    if max(fractions.values()) <= CJFH_UNTOUCHED_TO:
        return Grade(None, "Necrosis takes up no more than 1 % of any pillar of the mid-coronal head.")
    others = (pillars.central, pillars.medial)
    if pillars.lateral <= CJFH_UNTOUCHED_TO and pillars.central <= CJFH_UNTOUCHED_TO:
        grade, reason = "M", "only the medial pillar is involved"
        margin = CJFH_UNTOUCHED_TO - max(pillars.lateral, pillars.central)
    elif pillars.lateral <= CJFH_UNTOUCHED_TO:
        grade, reason = "C", "the central pillar is involved, the lateral one untouched"
        margin = min(CJFH_UNTOUCHED_TO - pillars.lateral, pillars.central - CJFH_UNTOUCHED_TO)
    elif pillars.lateral < CJFH_WHOLE_FROM:
        grade, reason = "L1", "the lateral pillar is partly spared"
        margin = _margin(pillars.lateral, (CJFH_UNTOUCHED_TO, CJFH_WHOLE_FROM))
    elif min(others) < CJFH_WHOLE_FROM:
        grade, reason = "L2", "the lateral pillar is wholly involved, the others are not"
        margin = min(pillars.lateral - CJFH_WHOLE_FROM, CJFH_WHOLE_FROM - min(others))
    else:
        grade, reason = "L3", "all three pillars are wholly involved"
        margin = min(fractions.values()) - CJFH_WHOLE_FROM
    thresholds = (CJFH_UNTOUCHED_TO, CJFH_WHOLE_FROM)
    shares = ", ".join(f"{name} {_percent(share, thresholds)}" for name, share in fractions.items())
    return Grade(
        grade, f"Pillars: {shares}; {reason}: {grade}", pillars.lateral, margin, "fraction of pillar", fractions
    )


def _index(coronal_deg: float, sagittal_deg: float) -> float:
    return coronal_deg / 180 * sagittal_deg / 180 * 100


def _margin(value: float, thresholds: Iterable[float]) -> float:
    return min(abs(value - threshold) for threshold in thresholds)


def _percent(fraction: float, thresholds: Iterable[float] = ()) -> str:
    """Show a fraction with one decimal, or as many as put the number on the same side of every threshold.

    A fraction that equals a threshold is on neither side, and its first decimal will do.
    """
    exact, *limits = (100 * Decimal(repr(float(x))) for x in (fraction, *thresholds))
    digits = 1
    while any((exact > t, exact < t) != ((s := round(exact, digits)) > t, s < t) for t in limits if exact != t):
        digits += 1
    return f"{exact:.{digits}f} %"


def _slice(measured: SliceMeasurement | None) -> dict | None:
    if measured is None:
        return None
    return {"index": measured.index, "ratio": measured.ratio, "steinberg": measured.steinberg}
