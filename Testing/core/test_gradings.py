"""Both ends of every threshold of the gradings, and the reasons that they give."""

import re
from dataclasses import replace
from decimal import Decimal
from math import inf, nextafter

import numpy as np
import pytest
from core_phantoms import CORONAL, cone, direction, grid, hip, landmarks
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ONFHAssistLib.core.arcs import SurfaceArc, WeightBearing
from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.gradings import grade_hip
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.measurements import Pillars
from ONFHAssistLib.core.volume import Volume


@pytest.fixture(scope="module")
def measured():
    return measure_hip(hip(grid((1.0, 1.0, 3.0), CORONAL), cone(50, direction(15)), "right", landmarks(-20, 60)))


def _with_arcs(measured, coronal, sagittal):
    def plane(p, count):
        return replace(p, arc=SurfaceArc(np.arange(360) < count, 3.0))

    return replace(measured, coronal=plane(measured.coronal, coronal), sagittal=plane(measured.sagittal, sagittal))


@pytest.mark.parametrize(
    ("ratio", "grade"),
    [
        (0.0, "without ONFH"),
        (nextafter(0.001, 0), "without ONFH"),
        (0.001, "mild"),
        (nextafter(0.15, 0), "mild"),
        (0.15, "moderate"),
        (0.30, "moderate"),
        (nextafter(0.30, 1), "severe"),
        (1.0, "severe"),
    ],
)
def test_steinberg_thresholds(ratio, grade):
    assert steinberg_grade(ratio) == grade


@pytest.mark.parametrize(
    ("necrotic", "grade"),
    [(0, "without ONFH"), (1, "mild"), (149, "mild"), (150, "moderate"), (300, "moderate"), (301, "severe")],
)
def test_steinberg_counts_voxels_exactly_at_its_thresholds(necrotic, grade):
    matrix = np.diag([0.7, 0.7, 1.3, 1.0])
    head = np.ones((10, 10, 10), dtype=bool)
    necrosis = (np.arange(1000) < necrotic).reshape(head.shape)
    sphere = Sphere(tuple(matrix[:3, :3] @ [4.5, 4.5, 4.5]), 3.0)
    measured = measure_hip(HipMasks.of("right", Volume(head, matrix), Volume(necrosis, matrix), sphere))
    assert grade_hip(measured)["steinberg"].grade == grade


def test_steinberg_gives_its_reason_and_its_margin(measured):
    grade = grade_hip(replace(measured, volume_ratio=0.314))["steinberg"]
    assert grade.rule == "31.4 % of head volume > 30 %: severe"
    assert grade.value == 0.314
    assert grade.margin == pytest.approx(0.014)
    assert set(grade.details) == {"worst_slice", "mid_slice"}
    assert grade.details["worst_slice"]["ratio"] >= grade.details["mid_slice"]["ratio"]


@pytest.mark.parametrize(
    ("fraction", "grade"),
    [
        (-0.5, "A"),
        (1 / 3, "A"),
        (nextafter(1 / 3, inf), "B"),
        (2 / 3, "B"),
        (nextafter(2 / 3, inf), "C1"),
        (nextafter(1, 0), "C1"),
        (1.0, "C2"),
        (1.8, "C2"),
    ],
)
def test_jic_thresholds(measured, fraction, grade):
    """The portion spans 0 to 1 degrees, so that the lateral end in degrees is the fraction itself."""
    portion = replace(measured, weight_bearing=WeightBearing(0.0, 1.0), lateral_end_deg=fraction)
    assert grade_hip(portion)["jic"].grade == grade


def test_jic_shows_what_became_of_such_hips_but_does_not_predict(measured):
    for fraction, grade, five_years in ((0.2, "A", 0.0), (0.5, "B", 0.079), (0.9, "C1", 0.366), (1.2, "C2", 0.848)):
        portion = replace(measured, weight_bearing=WeightBearing(0.0, 1.0), lateral_end_deg=fraction)
        jic = grade_hip(portion)["jic"]
        assert jic.grade == grade
        assert jic.details["collapse_5_years"] == five_years
        assert "no prediction" in jic.details["collapse_context"]
        assert jic.margin == pytest.approx(min(abs(fraction - t) for t in (1 / 3, 2 / 3, 1)))


def test_jic_without_its_landmarks_says_which_one_is_missing(measured):
    edge = measured.landmarks.acetabular_edge_ras_mm
    jic = grade_hip(replace(measured, landmarks=Landmarks(edge, None), weight_bearing=None))["jic"]
    assert jic.grade is None
    assert jic.rule.endswith("teardrop not found.")
    assert jic.value is None and jic.margin is None


def test_jic_says_which_landmark_is_not_to_be_relied_on(measured):
    def rule(edge, teardrop):
        marks = replace(measured.landmarks, acetabular_edge_confidence=edge, teardrop_confidence=teardrop)
        return grade_hip(replace(measured, landmarks=marks))["jic"].rule

    assert rule(None, None) == rule(0.5, 0.9) and "relied" not in rule(0.5, 0.9)
    assert "not to be relied on: the teardrop (confidence 0.31)" in rule(0.9, 0.31)
    assert "lateral acetabular edge (confidence 0.49) and the teardrop (confidence 0.00)" in rule(0.49, 0.0)


def test_jic_needs_necrosis_on_the_mid_coronal_slice():
    volume = grid((1.0, 1.0, 3.0), CORONAL)
    behind = grade_hip(measure_hip(hip(volume, lambda o: o[..., 1] < -8, "right", landmarks(-20, 60))))
    assert behind["jic"].grade is None and "no necrosis on the mid-coronal" in behind["jic"].rule


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("tilt", "grade"), [(-45, "A"), (-10, "A"), (12, "B"), (40, "C1"), (80, "C2")])
def test_a_lesion_below_the_surface_has_a_jic_class_but_no_arc(side, tilt, grade):
    """A ball of 3 mm, 15 mm from the centre; the portion runs from -20 to 60 degrees, thirds at 6.7 and 33.3."""
    ball = 15 * direction(tilt, side)
    masks = hip(
        grid((1.0, 1.0, 2.0), CORONAL),
        lambda o: np.linalg.norm(o - ball, axis=-1) < 3,
        side,
        landmarks(-20, 60, side),
    )
    grades = grade_hip(measure_hip(masks))
    assert grades["jic"].grade == grade
    assert "by its most lateral voxel, as it nowhere comes within 3.0 mm of the surface" in grades["jic"].rule
    assert (grades["kerboul"].grade, grades["kerboul"].value, grades["kerboul"].details["risk"]) == (1, 0, "low")
    assert grades["necrotic_index"].value == 0


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("tilt", "grade", "words"),
    [
        (-140, "A", "lies wholly medial of the weight-bearing portion: A"),
        (-75, "A", "lies wholly medial of the weight-bearing portion: A"),
        (115, "C2", "reaches the acetabular edge"),
    ],
)
def test_a_lesion_beside_the_portion_is_classed_by_the_side_it_lies_on(side, tilt, grade, words):
    masks = hip(grid((1.0, 1.0, 3.0), CORONAL), cone(40, direction(tilt, side)), side, landmarks(-20, 60, side))
    jic = grade_hip(measure_hip(masks))["jic"]
    assert jic.grade == grade
    assert words in jic.rule


def test_a_lesion_away_from_both_mid_planes_has_kerboul_grade_1():
    masks = hip(grid((1.0, 1.0, 1.0), CORONAL), lambda o: (o[..., 0] > 6) & (o[..., 1] > 6))
    grades = grade_hip(measure_hip(masks))
    assert grades["steinberg"].grade != "without ONFH"
    assert (grades["kerboul"].grade, grades["kerboul"].value) == (1, 0)
    assert grades["necrotic_index"].value == 0
    assert grades["necrotic_index"].details["modified_index"] > 0


NEAR_THRESHOLDS = st.one_of(
    st.floats(0, 1),
    st.builds(
        lambda t, away: min(1.0, max(0.0, t + away)),
        st.sampled_from([0.0, 0.001, 0.01, 0.15, 0.3, 1 / 3, 2 / 3, 0.95, 1.0]),
        st.sampled_from([1e-16, 1e-9, 4e-5, 5e-4]).flatmap(lambda step: st.floats(-step, step)),
    ),
)


def _percents(text):
    return [Decimal(number) / 100 for number in re.findall(r"(-?[\d.]+) %", text)]


def _side(number, thresholds):
    exact = [Decimal(repr(t)) for t in thresholds]
    return [(number > t, number < t) for t in exact]


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0.14999, "14.999 %"), (0.00095, "0.095 %"), (0.30004, "30.004 %"), (0.314, "31.4 %"), (0.15, "15.0 %")],
)
def test_a_ratio_next_to_a_threshold_is_shown_with_more_decimals(measured, ratio, shown):
    assert grade_hip(replace(measured, volume_ratio=ratio))["steinberg"].rule.startswith(shown)


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(NEAR_THRESHOLDS)
def test_the_number_shown_never_contradicts_its_grade(measured, value):
    thresholds = (0.001, 0.15, 0.3)
    rule = grade_hip(replace(measured, volume_ratio=value))["steinberg"].rule
    assert _side(_percents(rule)[0], thresholds) == _side(Decimal(repr(value)), thresholds)

    pillars = replace(measured, pillars=Pillars(value, 0.5, 0.5))
    shown = _percents(grade_hip(pillars)["cjfh"].rule)[0]
    assert _side(shown, (0.01, 0.95)) == _side(Decimal(repr(value)), (0.01, 0.95))

    assume(value > 0 and value not in (1 / 3, 2 / 3))  # no decimal equals these
    jic = grade_hip(replace(measured, weight_bearing=WeightBearing(0.0, 1.0), lateral_end_deg=value))["jic"]
    thresholds = (1 / 3, 2 / 3, 1.0)
    assert _side(_percents(jic.rule)[0], thresholds) == _side(Decimal(repr(value)), thresholds)


@pytest.mark.parametrize(
    ("arcs", "grade", "risk"),
    [
        ((100, 90), 1, "low"),
        ((100, 91), 1, "moderate"),
        ((100, 99), 1, "moderate"),
        ((100, 100), 2, "moderate"),
        ((120, 119), 2, "moderate"),
        ((120, 120), 2, "high"),
        ((130, 119), 2, "high"),
        ((125, 125), 3, "high"),
        ((150, 149), 3, "high"),
        ((150, 150), 4, "high"),
    ],
)
def test_kerboul_thresholds(measured, arcs, grade, risk):
    kerboul = grade_hip(_with_arcs(measured, *arcs))["kerboul"]
    assert (kerboul.grade, kerboul.details["risk"]) == (grade, risk)
    assert kerboul.value == sum(arcs)
    assert kerboul.margin == min(abs(sum(arcs) - t) for t in (200, 250, 300))


def test_necrotic_index_is_a_value_without_class_and_can_pass_100(measured):
    index = grade_hip(_with_arcs(measured, 90, 60))["necrotic_index"]
    assert index.value == pytest.approx(100 / 6)
    assert index.grade is None and index.margin is None
    assert grade_hip(_with_arcs(measured, 200, 190))["necrotic_index"].value > 100
    assert index.details["modified_index"] >= index.details["largest_coronal_arc_deg"] / 180


@pytest.mark.parametrize(
    ("pillars", "grade"),
    [
        ((0.0, 0.0, 0.4), "M"),
        ((0.01, 0.01, 0.4), "M"),
        ((0.0, nextafter(0.01, 1), 0.4), "C"),
        ((0.0, 0.5, 0.0), "C"),
        ((nextafter(0.01, 1), 0.5, 0.0), "L1"),
        ((nextafter(0.95, 0), 1.0, 1.0), "L1"),
        ((0.95, 0.5, 0.0), "L2"),
        ((1.0, 1.0, nextafter(0.95, 0)), "L2"),
        ((0.95, 0.95, 0.95), "L3"),
        ((0.01, 0.0, 0.005), None),
    ],
)
def test_cjfh_thresholds(measured, pillars, grade):
    assert grade_hip(replace(measured, pillars=Pillars(*pillars)))["cjfh"].grade == grade


def test_cjfh_tells_no_necrosis_from_too_little(measured):
    little = grade_hip(replace(measured, pillars=Pillars(0.01, 0.0, 0.005)))["cjfh"]
    assert little.grade is None and "no more than 1 %" in little.rule
    masks = hip(grid((1.0, 1.0, 3.0), CORONAL), lambda o: o[..., 1] < -8)
    assert grade_hip(measure_hip(masks))["cjfh"].rule == "There is no necrosis on the mid-coronal slice."


def test_a_hip_without_onfh_has_no_other_class(measured):
    grades = grade_hip(replace(measured, volume_ratio=0.0005))
    assert grades["steinberg"].grade == "without ONFH"
    for name in ("jic", "kerboul", "necrotic_index", "cjfh"):
        assert grades[name].grade is None
        assert grades[name].rule
