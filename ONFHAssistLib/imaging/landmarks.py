"""The points of the acetabulum that place the weight-bearing portion, from the hip-bone mask and the head."""

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.hip import Landmarks, Point, Side, Sphere
from ONFHAssistLib.core.planes import mid_plane, sample
from ONFHAssistLib.core.volume import Volume

JOINT_MM = 9.0
"""The acetabulum's inner surface lies within this distance of the head: cartilage, labrum and fossa."""
EDGE_DEG = (-10.0, 80.0)
"""Where the lateral edge may lie, from superior towards lateral (centre-edge angle; adults 20-45 degrees)."""


def find_landmarks(hip_bone: Volume, sphere: Sphere, side: Side) -> Landmarks:
    """Find the lateral acetabular edge and the lower end of the teardrop on the mid-coronal slice.

    The edge is the most lateral point of the roof's inner surface; the teardrop the lowest point of the piece of bone
    that makes the medial wall there (docs/clinical.md, section 2).

    Args:
        hip_bone: boolean Volume of the hip bone around the head.
        sphere: the head's.
        side: which hip.

    Returns:
        both points, or None for one that the mask does not show.
    """
    plane = mid_plane(hip_bone, "coronal", sphere)
    if plane is None:
        return Landmarks()
    bone = sample(hip_bone, plane)
    across, superior = plane.directions(side)
    points = plane.grid_ras()
    offset = points - np.array(sphere.centre_ras_mm)
    lateral, up = offset @ across, offset @ superior
    distance = np.hypot(lateral, up)
    angle = np.degrees(np.arctan2(lateral, up))
    wall = bone & (distance < sphere.radius_mm + JOINT_MM)
    pieces, count = ndimage.label(bone)
    if count == 0 or not wall.any():
        return Landmarks()

    edge = teardrop = None
    roof = wall & (angle > EDGE_DEG[0]) & (angle < EDGE_DEG[1]) & (up > 0)
    if roof.any():
        at_edge = roof & (angle > angle[roof].max() - 3)
        edge = _point(points[at_edge][np.argmin(distance[at_edge])])
    medial = wall & (lateral < -0.5 * sphere.radius_mm) & (up > -sphere.radius_mm)
    if medial.any():
        piece = np.bincount(pieces[medial]).argmax()
        inner = (pieces == piece) & (lateral < -0.3 * sphere.radius_mm) & (distance < 1.75 * sphere.radius_mm)
        lowest = np.argmin(np.where(inner, up, np.inf))
        teardrop = _point(points.reshape(-1, 3)[lowest])
    return Landmarks(edge, teardrop)


def _point(ras_mm: np.ndarray) -> Point:
    return tuple(float(x) for x in ras_mm)
