"""The points of the acetabulum on a hip bone whose edge and teardrop are known."""

import numpy as np
import pytest

from ONFHAssistLib.core.hip import Landmarks, Sphere
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
    """A roof from medial up to ``edge_deg``, a straight medial wall down to the teardrop, and an ischium below."""
    axes, spacing, turn, flip = GRIDS[name]
    sign = 1 if side == "right" else -1
    centre = CENTRE * [sign, 1, 1]
    volume = grid(axes, spacing, (110, 110, 80), centre, turn, flip)
    offset = (volume.grid_ras() - centre) * [sign, 1, 1]
    lateral, up = offset[..., 0], offset[..., 2]
    distance, angle = np.hypot(lateral, up), np.degrees(np.arctan2(lateral, up))
    bone = np.zeros(volume.array.shape, bool)
    if edge_deg is not None:
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


def test_the_bone_of_another_joint_gives_no_landmarks():
    bone, sphere, _ = hip_bone("coronal", "right", 30.0)
    away = Sphere((sphere.centre_ras_mm[0], sphere.centre_ras_mm[1], sphere.centre_ras_mm[2] - 500), RADIUS_MM)
    assert find_landmarks(bone, away, "right") == Landmarks(None, None)
