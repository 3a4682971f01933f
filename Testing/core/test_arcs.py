"""The weight-bearing portion, planes and the polar map against constructions by hand."""

import numpy as np
import pytest
from core_phantoms import AXIAL, CENTRE, CORONAL, RADIUS_MM, SAGITTAL, cone, direction, grid, hip, landmarks

from ONFHAssistLib.core.arcs import (
    SurfaceArc,
    WeightBearing,
    angle_deg,
    circle_ras_mm,
    deep_lateral_end_deg,
    lateral_end_deg,
    section_radius_mm,
    surface_map,
    weight_bearing_portion,
)
from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.planes import mid_plane, sample, stack_axis

SPHERE = Sphere(tuple(float(x) for x in CENTRE), RADIUS_MM)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("medial", "lateral"), [(-20, 60), (0, 45), (-35, 80), (10, 50)])
@pytest.mark.parametrize("axes", [CORONAL, AXIAL, SAGITTAL])
def test_the_weight_bearing_portion_ends_where_it_was_built(side, medial, lateral, axes):
    plane = mid_plane(grid((1.0, 1.0, 3.0), axes), "coronal", SPHERE)
    portion = weight_bearing_portion(plane, SPHERE, landmarks(medial, lateral, side), side)
    assert portion.medial_deg == pytest.approx(medial, abs=1e-6)
    assert portion.lateral_deg == pytest.approx(lateral, abs=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("orientation", ["coronal", "sagittal"])
@pytest.mark.parametrize("axes", [CORONAL, AXIAL, SAGITTAL])
def test_the_points_of_the_outline_lie_on_the_slice_at_their_angles(side, orientation, axes):
    centre = CENTRE + [0.4, 0.9, 1.1]  # off the slices
    sphere = Sphere(tuple(float(x) for x in centre), RADIUS_MM)
    plane = mid_plane(grid((1.0, 1.0, 3.0), axes), orientation, sphere)
    angles = np.array([-170.0, -90, -10, 0, 35, 90, 179])
    points = circle_ras_mm(plane, sphere, side, angles, radii=1.2)
    assert (points - plane.origin_ras_mm) @ plane.normal_ras == pytest.approx(np.zeros(7), abs=1e-9)
    assert angle_deg(plane, sphere, side, points) == pytest.approx(angles, abs=1e-9)
    middle = plane.ras(plane.pixels(centre))
    distance = np.linalg.norm(points - middle, axis=1)
    assert distance == pytest.approx(np.full(7, 1.2 * section_radius_mm(plane, sphere)), abs=1e-9)


def test_landmarks_that_enclose_nothing_give_no_portion():
    plane = mid_plane(grid((1.0, 1.0, 3.0), CORONAL), "coronal", SPHERE)
    far = Landmarks(tuple(CENTRE + [30, 0, 200]), tuple(CENTRE + [30, 0, 150]))
    assert weight_bearing_portion(plane, SPHERE, far, "right") is None
    same = Landmarks(tuple(CENTRE + [30, 0, 10]), tuple(CENTRE + [30, 0, 10]))
    assert weight_bearing_portion(plane, SPHERE, same, "right") is None
    assert weight_bearing_portion(plane, SPHERE, Landmarks(), "right") is None


def test_the_lateral_end_of_two_separate_arcs_is_the_more_lateral_one():
    involved = np.zeros(360, dtype=bool)
    involved[180 - 30 : 180 - 10] = True
    involved[180 + 12 : 180 + 15] = True
    assert lateral_end_deg(SurfaceArc(involved, 3.0), WeightBearing(-20, 60)) == pytest.approx(15)
    assert lateral_end_deg(SurfaceArc(np.zeros(360, dtype=bool), 3.0), WeightBearing(-20, 60)) is None


@pytest.mark.parametrize(
    ("arcs", "portion", "end"),
    [
        ([(-175, -100)], (-20, 60), -100),  # inferomedial
        ([(-180, -100), (170, 180)], (-20, 60), -100),  # inferomedial, past the inferior pole
        ([(-150, -30)], (-20, 60), -30),  # medial, from below
        ([(100, 130)], (-20, 60), 101),  # inferolateral: lateral of the portion
        ([(20, 130)], (-20, 60), 90),  # runs on below the equator
        ([(20, 130)], (-20, 95.5), 96),  # a socket that reaches below it
        ([(-40, 10), (120, 150)], (-20, 60), 10),  # the part below does not decide
        ([(-180, 180)], (-20, 60), 90),  # the whole circle
    ],
)
def test_the_lateral_end_is_that_of_the_superior_surface(arcs, portion, end):
    involved = np.zeros(360, dtype=bool)
    for start, stop in arcs:
        involved[180 + start : 180 + stop] = True
    assert lateral_end_deg(SurfaceArc(involved, 3.0), WeightBearing(*portion)) == end


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("spots", "end"),
    [([(10, 30)], 30), ([(-15, -40), (14, 25)], 25), ([(15, -150), (10, -110)], -110), ([(14, 120)], 120)],
)
def test_a_deep_lesion_ends_at_its_most_lateral_voxel(side, spots, end):
    """Single pixels at (distance, angle) from the centre; the grid of 0.5 mm turns each by up to 0.36 mm."""
    plane = mid_plane(grid((0.5, 0.5, 3.0), CORONAL), "coronal", SPHERE)
    necrosis = np.zeros(plane.shape, dtype=bool)
    for distance, angle in spots:
        column, row = np.rint(plane.pixels(CENTRE + distance * direction(angle, side))).astype(int)
        necrosis[row, column] = True
    assert deep_lateral_end_deg(necrosis, plane, SPHERE, side) == pytest.approx(end, abs=np.rad2deg(0.36 / 10))
    assert deep_lateral_end_deg(np.zeros_like(necrosis), plane, SPHERE, side) is None


@pytest.mark.parametrize(
    ("axes", "rotation", "orientation", "native"),
    [
        (CORONAL, (0, 0, 0), "coronal", True),
        (CORONAL, (6, 0, 5), "coronal", True),
        (CORONAL, (0, 0, 40), "coronal", False),
        (CORONAL, (0, 0, 0), "sagittal", False),
        (SAGITTAL, (0, 0, 0), "sagittal", True),
        (AXIAL, (0, 0, 0), "coronal", False),
    ],
)
def test_a_series_of_that_orientation_gives_its_nearest_slice(axes, rotation, orientation, native):
    volume = grid((0.9, 0.9, 5.2), axes, rotation, (0.0, 0.0, 0.3))
    plane = mid_plane(volume, orientation, SPHERE)
    assert (plane.voxel_index is not None) == native
    if native:
        assert plane.voxel_index == (2, round(float(volume.ijk(CENTRE)[2])))
    else:
        assert plane.pixel_mm == pytest.approx((0.9, 0.9))
        assert abs((CENTRE - plane.origin_ras_mm) @ plane.normal_ras) < 1e-9


def test_a_native_plane_shows_the_voxels_themselves_superior_on_top_and_left_at_the_right():
    volume = grid((0.9, 0.9, 5.2), CORONAL, (5, 3, -4))
    noisy = volume.like(np.random.default_rng(3).normal(size=volume.array.shape))
    plane = mid_plane(noisy, "coronal", SPHERE)
    picture = sample(noisy, plane)
    ijk = np.rint(noisy.ijk(plane.grid_ras())).astype(int)
    assert picture == pytest.approx(noisy.array[ijk[..., 2], ijk[..., 1], ijk[..., 0]])
    corner, right, down = plane.ras(np.array([[0, 0], [1, 0], [0, 1]]))
    assert right[0] < corner[0] and down[2] < corner[2]
    assert plane.pixels(right) == pytest.approx([1, 0], abs=1e-9)


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [
        ((0.98, 0.98, 0.8), 2),  # nearly isotropic
        ((1.0, 1.0, 1.0), 2),
        ((4.0, 0.8, 0.8), 0),
        ((0.8, 4.0, 0.8), 1),
        ((0.9, 0.9, 5.2), 2),
        ((4.0, 0.8, 4.0), 2),  # k shares the largest
    ],
)
def test_slices_are_stacked_along_the_coarse_axis_or_k(spacing, axis):
    assert stack_axis(grid(spacing)) == axis


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_polar_map_shows_a_lesion_where_it_is(side):
    """A cone of 25 degrees about a direction 40 degrees lateral of superior; area (1 - cos 25) / 2 of the sphere."""
    masks = hip(grid((0.9, 0.9, 0.9), CORONAL), cone(25, direction(40, side)), side)
    found = surface_map(masks.necrosis, SPHERE, side, WeightBearing(-20, 60))
    weight = np.sin(np.deg2rad(found.polar_deg))[:, None] * np.ones_like(found.involved)
    share = (weight * found.involved).sum() / weight.sum()
    assert share == pytest.approx((1 - np.cos(np.deg2rad(25))) / 2, abs=0.012)
    p, a = np.deg2rad(found.polar_deg)[:, None], np.deg2rad(found.azimuth_deg)[None, :]
    mean = [(weight * found.involved * part).sum() for part in (np.sin(p) * np.cos(a), np.sin(p) * np.sin(a))]
    assert np.rad2deg(np.arctan2(mean[1], mean[0])) == pytest.approx(0, abs=2)
    lateral = found.azimuth_deg.searchsorted(1)
    column = found.polar_deg[found.involved[:, lateral]]
    assert (column.min(), column.max()) == pytest.approx((15, 65), abs=4)
    assert found.depth_mm[found.involved].max() == pytest.approx(RADIUS_MM / 2, abs=1.5)  # the outer half
    assert found.weight_bearing[found.polar_deg < 55, lateral].all()
    assert not found.weight_bearing[found.polar_deg > 65].any()
