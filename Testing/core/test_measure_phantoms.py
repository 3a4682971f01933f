"""Measurements against analytic truth, on grids of any kind."""

import numpy as np
import pytest
from core_phantoms import (
    AXIAL,
    CENTRE,
    CORONAL,
    RADIUS_MM,
    SAGITTAL,
    ConeTruth,
    cone,
    direction,
    grid,
    hip,
    landmarks,
    mirrored,
    reordered,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ONFHAssistLib.core.arcs import surface_depth_mm
from ONFHAssistLib.core.gradings import grade_hip
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.planes import NORMAL_RAS, native_axis

FEW = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

angles = st.floats(-180, 180)
spacings = st.sampled_from([(1.0, 1.0, 1.0), (0.9, 0.9, 3.0), (0.9, 0.9, 5.2), (2.0, 1.2, 0.8), (1.6, 1.6, 3.6)])
axes = st.sampled_from([AXIAL, CORONAL, SAGITTAL, AXIAL * [1, 1, -1], CORONAL * [-1, 1, 1]])
shifts = st.tuples(*[st.floats(-0.5, 0.5)] * 3)
tilts = st.one_of(st.just((0.0, 0.0, 0.0)), st.tuples(*[st.floats(-8, 8)] * 3), st.tuples(angles, angles, angles))
alphas = st.one_of(st.floats(15, 75), st.floats(105, 125))
grids = st.builds(grid, spacings, axes, tilts, shifts)


def _arc_range(truth: ConeTruth, plane_measurement, orientation):
    axis = native_axis(truth.volume, orientation, RADIUS_MM)
    step = None if axis is None else truth.volume.spacing_mm[axis]
    return truth.arc_range_deg(NORMAL_RAS[orientation], plane_measurement.arc.depth_mm, step)


@FEW
@given(grids, alphas, st.floats(-25, 40), st.sampled_from(["right", "left"]))
def test_volume_ratio_and_arcs_are_right_on_every_grid(volume, alpha, tilt, side):
    axis = direction(tilt, side)
    truth = ConeTruth(alpha, axis, volume)
    measured = measure_hip(hip(volume, cone(alpha, axis), side))
    assert measured.volume_ratio == pytest.approx(truth.ratio, abs=truth.ratio_error)
    for plane, orientation in ((measured.coronal, "coronal"), (measured.sagittal, "sagittal")):
        low, high = _arc_range(truth, plane, orientation)
        assert low <= plane.arc.arc_deg <= high


@pytest.mark.parametrize("alpha", [20, 45, 70, 90, 120, 180])
@pytest.mark.parametrize(("axes", "rotation"), [(CORONAL, (0, 0, 0)), (AXIAL * [-1, 1, 1], (20, -35, 50))])
def test_fine_grids_give_the_exact_arcs_and_grades(alpha, axes, rotation):
    """On voxels of 0.6 mm; a sector is involved as soon as necrosis comes near, which adds up to 1 degree per end."""
    measured = measure_hip(hip(grid((0.6, 0.6, 0.6), axes, rotation), cone(alpha, direction(0))))
    ratio = (1 - np.cos(np.deg2rad(alpha))) / 2
    assert measured.volume_ratio == pytest.approx(ratio, abs=0.015 if alpha == 90 else 0.003)
    assert measured.coronal.arc.arc_deg == pytest.approx(2 * alpha, abs=2.5)
    assert measured.sagittal.arc.arc_deg == pytest.approx(2 * alpha, abs=2.5)
    assert grade_hip(measured)["kerboul"].grade == {20: 1, 45: 1, 70: 3, 90: 4, 120: 4, 180: 4}[alpha]
    assert grade_hip(measured)["necrotic_index"].value == pytest.approx(
        100 * (alpha / 90) ** 2, rel=(1 + 2.5 / (2 * alpha)) ** 2 - 1
    )


@FEW
@given(grids, alphas, st.floats(-25, 40), st.sampled_from(["right", "left"]))
def test_grades_do_not_depend_on_the_grid(volume, alpha, tilt, side):
    axis = direction(tilt, side)
    truth = ConeTruth(alpha, axis, volume)
    measured = measure_hip(hip(volume, cone(alpha, axis), side, landmarks(-20, 60, side)))
    grades = grade_hip(measured)

    low, high = truth.ratio - truth.ratio_error, truth.ratio + truth.ratio_error
    if steinberg_grade(low) == steinberg_grade(high):
        assert grades["steinberg"].grade == steinberg_grade(truth.ratio)

    ranges = [_arc_range(truth, p, o) for p, o in ((measured.coronal, "coronal"), (measured.sagittal, "sagittal"))]
    kerboul = [1 + sum(sum(r[end] for r in ranges) >= t for t in (200, 250, 300)) for end in (0, 1)]
    if kerboul[0] == kerboul[1]:
        assert grades["kerboul"].grade == kerboul[0]

    ends = [(tilt + arc / 2 + 20) / 80 for arc in ranges[0]]
    classes = ["A" if f <= 1 / 3 else "B" if f <= 2 / 3 else "C1" if f < 1 else "C2" for f in ends]
    if classes[0] == classes[1]:
        assert grades["jic"].grade == classes[0]


@FEW
@given(grids, st.floats(-0.8, 0.8), st.booleans(), st.sampled_from(["right", "left"]))
def test_the_pillars_are_found_on_every_grid(volume, border, from_lateral, side):
    """A lesion beyond ``border`` (of the radius) covers known parts of the pillars.

    The border moves by at most a cell's width W, and a native slice is tilted by at most one slice step at the head's
    edge: the class may differ from the exact one only where a pillar's border, or the share of 1 or 95 % of a
    pillar, lies within W and the tilt. 5 % of the outer pillar's area are cut off at 0.47 and the 5 % farthest out at
    0.92 radii, so borders near these values, near 0.4 and near the ends are left out.
    """
    sign = 1.0 if from_lateral else -1.0
    lateral = direction(90, side)
    width = np.abs(volume.axes_ras.T @ lateral) @ np.array(volume.spacing_mm)
    axis = native_axis(volume, "coronal", RADIUS_MM)
    tilt = 0.0 if axis is None else volume.spacing_mm[axis] / RADIUS_MM
    slack = (width + tilt * RADIUS_MM / 4) / RADIUS_MM + 0.03
    assume(min(abs(abs(border) - x) for x in (0.4, 0.47, 0.92)) > slack)
    measured = measure_hip(hip(volume, lambda offset: sign * (offset @ lateral) >= border * RADIUS_MM, side))
    if from_lateral:
        expected = "L1" if border > 0.4 else "L2"
    else:
        expected = "M" if border > 0.4 else "C" if border > -0.4 else "L1"
    assert grade_hip(measured)["cjfh"].grade == expected


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.9, 0.9, 5.2), (0.8, 1.3, 3.0)])
def test_a_mirrored_hip_has_the_same_grades_to_the_last_digit(spacing):
    volume = grid(spacing, CORONAL, (4, -7, 3), (0.2, 0.3, -0.1))
    right = hip(volume, cone(50, direction(15)), "right", landmarks(-20, 60))
    first, second = grade_hip(measure_hip(right)), grade_hip(measure_hip(mirrored(right)))
    assert second == first
    assert first["jic"].grade == "C2"


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (False, True, False)])
def test_the_order_of_the_axes_does_not_matter(order, flips):
    volume = grid((0.9, 1.1, 4.0), CORONAL, (3, 5, -2), (0.2, 0.3, -0.1))
    masks = hip(volume, cone(48, direction(10)), "right", landmarks(-20, 60))
    turned = HipMasks.of(
        "right",
        reordered(masks.head, order, flips),
        reordered(masks.necrosis, order, flips),
        masks.sphere,
        masks.landmarks,
    )
    first, second = grade_hip(measure_hip(masks)), grade_hip(measure_hip(turned))
    for name in ("steinberg", "jic", "kerboul", "necrotic_index", "cjfh"):
        assert second[name].grade == first[name].grade
        assert second[name].value == pytest.approx(first[name].value, rel=1e-9)


def test_volumes_are_in_millilitres():
    volume = grid((0.8, 0.8, 0.8))
    measured = measure_hip(hip(volume, cone(60, direction(0))))
    truth = 4 / 3 * np.pi * RADIUS_MM**3 / 1000
    assert measured.head_volume_ml == pytest.approx(truth, rel=0.005)
    assert measured.necrosis_volume_ml == pytest.approx(truth / 4, rel=0.01)


def test_slices_report_areas_positions_and_indices_along_k():
    volume = grid((0.5, 0.5, 4.0), CORONAL)
    measured = measure_hip(hip(volume, lambda offset: offset[..., 2] >= 0))
    for s in measured.slices:
        y = s.position_ras_mm[1] - CENTRE[1]
        assert volume.ijk(np.array(s.position_ras_mm))[2] == pytest.approx(s.index)
        assert s.position_ras_mm[0] == pytest.approx(CENTRE[0])
        area = np.pi * (RADIUS_MM**2 - y**2)
        assert s.head_mm2 == pytest.approx(area, abs=0.5 * 2 * np.pi * RADIUS_MM * 0.5)
        if s.head_mm2 > 500:
            assert s.ratio == pytest.approx(0.5, abs=0.03)
    assert measured.mid_slice.position_ras_mm[1] == pytest.approx(CENTRE[1])


def test_the_worst_slice_is_no_polar_slice():
    """A lesion of the anterior pole fills whole slices there; they are too small to count."""
    volume = grid((0.9, 0.9, 3.0), CORONAL)
    measured = measure_hip(hip(volume, lambda offset: offset[..., 1] >= 0.8 * RADIUS_MM))
    assert max(s.ratio for s in measured.slices) == 1
    assert measured.worst_slice.ratio == 0
    assert measured.worst_slice.steinberg == "without ONFH"


def test_necrosis_outside_of_the_head_does_not_count():
    volume = grid((1.0, 1.0, 1.0))
    masks = hip(volume, cone(45, direction(0)))
    spilled = HipMasks.of("right", masks.head, volume.like(masks.necrosis.array | ~masks.head.array), masks.sphere)
    assert measure_hip(spilled).volume_ratio == measure_hip(masks).volume_ratio
    assert measure_hip(spilled).coronal.arc.arc_deg == measure_hip(masks).coronal.arc.arc_deg


def test_a_lesion_counts_as_subchondral_up_to_three_millimetres_or_two_pixels():
    for spacing, depth in ((1.0, 3.0), (2.0, 4.0)):
        assert surface_depth_mm(spacing) == depth
        volume = grid((spacing,) * 3)
        for gap, involved in ((depth - 1.5 * spacing, True), (depth + 1.5 * spacing, False)):

            def lesion(offset, gap=gap):
                return (np.linalg.norm(offset, axis=-1) <= RADIUS_MM - gap) & (offset[..., 2] >= 0)

            arc = measure_hip(hip(volume, lesion)).coronal.arc.arc_deg
            assert (arc > 150) if involved else (arc == 0)


def test_the_largest_arc_is_found_off_the_middle():
    """A cone that leans forward by 30 degrees cuts its largest coronal arc in front of the centre."""
    axis = np.array([0.0, np.sin(np.deg2rad(30)), np.cos(np.deg2rad(30))])
    volume = grid((1.0, 1.0, 1.0))
    measured = measure_hip(hip(volume, cone(40, axis)))
    middle = 2 * np.rad2deg(np.arccos(np.cos(np.deg2rad(40)) / np.cos(np.deg2rad(30))))
    assert measured.coronal.arc.arc_deg == pytest.approx(middle, abs=9)
    assert measured.largest_coronal_deg > measured.coronal.arc.arc_deg + 20
    assert measured.largest_sagittal_deg == pytest.approx(80, abs=6)


@pytest.mark.parametrize("axes", [CORONAL, AXIAL])
def test_the_largest_arc_is_sought_on_all_slices_also_at_the_poles(axes):
    """The cap in front of 0.8 r covers the whole outline of the slices there, which have little of the head."""
    measured = measure_hip(hip(grid((1.0, 1.0, 2.0), axes), lambda offset: offset[..., 1] > 0.8 * RADIUS_MM))
    assert measured.coronal.arc.arc_deg == 0
    assert measured.largest_coronal_deg == 360
    assert measured.sagittal.arc.arc_deg == measured.largest_sagittal_deg == pytest.approx(74, abs=12)
    assert grade_hip(measured)["necrotic_index"].details["modified_index"] == pytest.approx(
        200 * measured.largest_sagittal_deg / 180
    )


def test_a_head_that_the_image_cuts_off_is_reported_as_such():
    """The image ends 0.5 r above the centre: the cap beyond is (1 - 0.5)^2 (2 + 0.5) / 4 = 15.6 % of the ball."""
    whole = grid((1.0, 1.0, 1.0))
    masks = hip(whole, cone(60, direction(0)))
    top = round(float(whole.ijk(CENTRE + [0, 0, 0.5 * RADIUS_MM])[2]))
    cut = HipMasks.of(
        "right", *(type(v)(v.array[:top], v.ijk_to_ras) for v in (masks.head, masks.necrosis)), masks.sphere
    )
    measured = measure_hip(cut)
    assert measured.head_coverage == pytest.approx(1 - 0.15625, abs=0.03)
    grades = grade_hip(measured)
    for name in ("steinberg", "kerboul", "necrotic_index", "cjfh"):
        assert "of the head lies inside the image" in grades[name].rule
    assert measure_hip(masks).head_coverage == 1


def test_no_grade_from_a_plane_that_the_image_does_not_reach():
    whole = grid((1.0, 1.0, 1.0))
    masks = hip(whole, cone(100, np.array([0.0, 1.0, 0.0])))
    front = int(whole.ijk(CENTRE)[1]) + 4
    matrix = whole.ijk_to_ras.copy()
    matrix[:3, 3] = whole.ras(np.array([0, front, 0]))
    cut = HipMasks.of(
        "right", *(type(v)(v.array[:, front:], matrix) for v in (masks.head, masks.necrosis)), masks.sphere
    )
    grades = grade_hip(measure_hip(cut))
    assert grades["steinberg"].grade == "severe"
    for name in ("jic", "kerboul", "cjfh"):
        assert grades[name].grade is None
        assert "does not reach the centre of the head" in grades[name].rule


def test_empty_heads_and_mixed_grids_are_refused():
    volume = grid((2.0, 2.0, 2.0))
    masks = hip(volume, cone(30, direction(0)))
    with pytest.raises(ValueError, match="empty"):
        measure_hip(HipMasks.of("right", volume, volume, masks.sphere))
    with pytest.raises(ValueError, match="different grids"):
        measure_hip(HipMasks.of("right", masks.head, grid((1.0, 1.0, 1.0)), masks.sphere))
