"""Both ends of every threshold of the gradings, and the reasons that they give."""

from dataclasses import replace
from math import inf, nextafter

import numpy as np
import pytest
from core_phantoms import CORONAL, cone, direction, grid, hip, landmarks

from ONFHAssistLib.core.arcs import SurfaceArc, WeightBearing
from ONFHAssistLib.core.gradings import grade_hip, steinberg_grade
from ONFHAssistLib.core.hip import HipMasks, Landmarks, Sphere
from ONFHAssistLib.core.measure import Pillars, measure_hip
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
    measured = measure_hip(HipMasks("right", Volume(head, matrix), Volume(necrosis, matrix), sphere))
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


def test_jic_needs_necrosis_on_the_mid_coronal_slice_and_near_the_surface():
    volume = grid((1.0, 1.0, 3.0), CORONAL)
    behind = grade_hip(measure_hip(hip(volume, lambda o: o[..., 1] < -8, "right", landmarks(-20, 60))))
    assert behind["jic"].grade is None and "no necrosis on the mid-coronal" in behind["jic"].rule
    deep = hip(volume, lambda o: np.linalg.norm(o, axis=-1) < 15, "right", landmarks(-20, 60))
    assert "does not come within 3.0 mm" in grade_hip(measure_hip(deep))["jic"].rule


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


def test_a_hip_without_onfh_has_no_other_class(measured):
    grades = grade_hip(replace(measured, volume_ratio=0.0005))
    assert grades["steinberg"].grade == "without ONFH"
    for name in ("jic", "kerboul", "necrotic_index", "cjfh"):
        assert grades[name].grade is None
        assert grades[name].rule
