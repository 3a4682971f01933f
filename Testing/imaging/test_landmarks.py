"""The points of the acetabulum on a hip bone whose edge and teardrop are known."""

import numpy as np
import pytest

from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.landmarks import find_landmarks
from Testing.hip_phantom import AXIAL, CORONAL, grid

CENTRE = np.array([84.0, 9.0, -20.0])
RADIUS_MM = 24.0
JOINT_MM = 4.0
TEARDROP = {"lateral": (-32.0, -28.0), "lowest": -25.0}
GRIDS = {
    "coronal": (CORONAL, (0.8, 0.8, 4.0), (0, 0, 0), ()),
    "axial, reformatted": (AXIAL, (1.2, 1.2, 1.2), (0, 0, 0), ()),
    "oblique and left-handed": (CORONAL, (0.8, 0.8, 4.0), (3, 0, 12), (0,)),
}


def hip_bone(name, side, edge_deg=None, medial=True):
    """A roof from medial up to ``edge_deg``, a straight medial wall down to the teardrop, and an ischium below.

    ``edge_deg`` may be a function of how far anterior of the centre (mm) a place is.
    """
    axes, spacing, turn, flip = GRIDS[name]
    sign = 1 if side == "right" else -1
    centre = CENTRE * [sign, 1, 1]
    volume = grid(axes, spacing, (110, 110, 80), centre, turn, flip)
    offset = (volume.grid_ras() - centre) * [sign, 1, 1]
    lateral, anterior, up = np.moveaxis(offset, -1, 0)
    distance, angle = np.hypot(lateral, up), np.degrees(np.arctan2(lateral, up))
    bone = np.zeros(volume.array.shape, bool)
    if edge_deg is not None:
        edge_deg = edge_deg(anterior) if callable(edge_deg) else edge_deg
        bone |= (distance > RADIUS_MM + JOINT_MM) & (distance < RADIUS_MM + 14) & (angle < edge_deg) & (angle > -80)
    if medial:
        low, high = TEARDROP["lateral"]
        bone |= (lateral > low) & (lateral < high) & (up > TEARDROP["lowest"]) & (up < 8)
        ischium = (lateral > -20) & (lateral < -8) & (up > -39) & (up < -30)
        bone |= ischium
    return volume.like(bone), Sphere(tuple(centre.tolist()), RADIUS_MM), sign


def offset_of(point, sphere, sign):
    """(lateral, superior) in mm from the head's centre."""
    across, _, up = np.subtract(point, sphere.centre_ras_mm)
    return sign * across, up


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("edge_deg", [12.0, 30.0, 48.0])
@pytest.mark.parametrize("name", GRIDS)
def test_edge_and_teardrop_lie_within_two_pixels_of_the_truth(name, edge_deg, side):
    bone, sphere, sign = hip_bone(name, side, edge_deg)
    marks = find_landmarks(bone, sphere, side)
    within = 2 * min(bone.spacing_mm)
    edge = np.array([np.sin(np.radians(edge_deg)), np.cos(np.radians(edge_deg))]) * (RADIUS_MM + JOINT_MM)
    assert np.linalg.norm(offset_of(marks.acetabular_edge_ras_mm, sphere, sign) - edge) < within
    lateral, up = offset_of(marks.teardrop_ras_mm, sphere, sign)
    assert up == pytest.approx(TEARDROP["lowest"], abs=within)
    assert TEARDROP["lateral"][0] - within < lateral < TEARDROP["lateral"][1] + within


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_point_that_the_bone_does_not_show_is_not_made_up(side):
    empty, sphere, _ = hip_bone("coronal", side, medial=False)
    assert find_landmarks(empty, sphere, side) == Landmarks(None, None)
    wall_only, sphere, _ = hip_bone("coronal", side)
    assert find_landmarks(wall_only, sphere, side).acetabular_edge_ras_mm is None
    assert find_landmarks(wall_only, sphere, side).teardrop_ras_mm is not None


def find(bone, sphere, side="right"):
    """Edge and teardrop as (lateral, superior) of the head's centre, and all that was found."""
    marks = find_landmarks(bone, sphere, side)
    points = (marks.acetabular_edge_ras_mm, marks.teardrop_ras_mm)
    return *(point and offset_of(point, sphere, 1 if side == "right" else -1) for point in points), marks


@pytest.mark.parametrize("name", GRIDS)
def test_a_clean_mask_gives_full_confidence(name):
    _, _, marks = find(*hip_bone(name, "right", 30.0)[:2])
    assert marks.acetabular_edge_confidence > 0.9 and marks.teardrop_confidence > 0.9


def test_points_lie_on_the_plane_through_the_centre_wherever_the_slices_are():
    bone, sphere, _ = hip_bone("coronal", "right", lambda anterior: 30.0 + anterior)
    for shift in (-1.9, 0.0, 1.9):  # of slices 4 mm apart
        centre = np.add(sphere.centre_ras_mm, [0, shift, 0])
        marks = find_landmarks(bone, Sphere(tuple(centre.tolist()), RADIUS_MM), "right")
        assert marks.acetabular_edge_ras_mm[1] == marks.teardrop_ras_mm[1] == centre[1]


def test_a_gap_in_one_slice_moves_the_points_little_and_lowers_the_confidence():
    bone, sphere, _ = hip_bone("coronal", "right", 30.0)
    middle = round(float(bone.ijk(CENTRE)[2]))
    torn = bone.array.copy()
    _, j, _ = np.round(bone.ijk(CENTRE + [0, 0, -12])).astype(int)
    i, _, _ = np.round(bone.ijk(CENTRE + [6, 0, 0])).astype(int)
    torn[middle, j:] = False  # the wall ends 12 mm below the centre
    torn[middle, :, :i] = False  # and the roof 6 mm lateral of it
    edge, teardrop, marks = find(bone, sphere)
    torn_edge, torn_teardrop, torn_marks = find(bone.like(torn), sphere)
    assert np.linalg.norm(np.subtract(edge, torn_edge)) < 1 and np.linalg.norm(np.subtract(teardrop, torn_teardrop)) < 1
    assert torn_marks.acetabular_edge_confidence < marks.acetabular_edge_confidence - 0.2
    assert torn_marks.teardrop_confidence < marks.teardrop_confidence - 0.1


def test_slices_that_disagree_are_not_to_be_trusted():
    bone, sphere, _ = hip_bone("coronal", "right", lambda anterior: 30.0 + 8 * anterior)
    assert find(bone, sphere)[2].acetabular_edge_confidence < 0.5


def test_a_ragged_mask_is_trusted_less():
    bone, sphere, _ = hip_bone("coronal", "right", 30.0)
    ragged = bone.array & (np.random.default_rng(3).random(bone.array.shape) > 0.6)
    whole, torn = find(bone, sphere)[2], find(bone.like(ragged), sphere)[2]
    assert (torn.acetabular_edge_confidence or 0) < whole.acetabular_edge_confidence - 0.3
    assert (torn.teardrop_confidence or 0) < whole.teardrop_confidence - 0.3


def test_an_edge_at_the_border_of_the_image_has_no_confidence():
    bone, sphere, _ = hip_bone("coronal", "right", 30.0)
    first = int(bone.ijk(CENTRE + [10, 0, 0])[0])  # the image ends 10 mm lateral of the centre, and i runs medially
    matrix = bone.ijk_to_ras.copy()
    matrix[:3, 3] = bone.ras([first, 0, 0])
    marks = find_landmarks(Volume(bone.array[:, :, first:], matrix), sphere, "right")
    assert marks.acetabular_edge_confidence == 0
    assert marks.teardrop_confidence > 0.9


def test_a_wall_that_ends_above_the_centre_or_runs_into_the_ischium_shows_no_teardrop():
    bone, sphere, _ = hip_bone("coronal", "right", 30.0)
    up = (bone.grid_ras() - CENTRE)[..., 2]
    assert find_landmarks(bone.like(bone.array & (up > 0)), sphere, "right").teardrop_ras_mm is None
    lateral = (bone.grid_ras() - CENTRE)[..., 0]
    joined = bone.array | ((lateral > -32) & (lateral < -28) & (up < 0) & (up > -39))
    assert find_landmarks(bone.like(joined), sphere, "right").teardrop_ras_mm is None


def test_the_bone_of_another_joint_gives_no_landmarks():
    bone, sphere, _ = hip_bone("coronal", "right", 30.0)
    away = Sphere((sphere.centre_ras_mm[0], sphere.centre_ras_mm[1], sphere.centre_ras_mm[2] - 500), RADIUS_MM)
    assert find_landmarks(bone, away, "right") == Landmarks(None, None)
