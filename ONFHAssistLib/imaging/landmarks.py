"""The points of the acetabulum that place the weight-bearing portion, from the hip-bone mask and the head."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.grid import Point, as_point
from ONFHAssistLib.core.planes import mid_plane, native_axis, plane_at, sample
from ONFHAssistLib.core.volume import Volume

JOINT_MM = 9.0
"""The acetabulum's inner surface lies within this distance of the head: cartilage, labrum and fossa."""
EDGE_DEG = (-10.0, 80.0)
"""Where the lateral edge may lie, from superior towards lateral (centre-edge angle; adults 20-45 degrees)."""
TEARDROP_RADII = (-1.25, -0.2)
"""How far superior of the head's centre the teardrop may lie, in head radii (by eye -0.83 to -0.25 in the 20 marked
hips). A medial wall that ends higher is not shown whole, one that goes on below runs into the ischium."""
REACH_RADII = 1.9
"""The teardrop is sought within so many radii of the head's centre (by eye up to 1.65)."""
STEP_MM = 5.0
"""Least distance of the coronal planes that are looked at; slices that are thicker are taken one by one."""
EDGE_PLANES, TEARDROP_PLANES = 1, 2
"""So many planes before and behind the mid-coronal one: the roof's edge curves away sooner than the medial wall."""
LOWER_THIRD = 1 / 3
"""The teardrop's height is this quantile of the planes': masks lose the thin end of the wall rather than invent it."""
NO_CONFIDENCE_MM = 10.0
"""Planes whose points lie this far from the result say nothing for it."""


@dataclass(frozen=True)
class _Seen:
    """A landmark on one plane: mm (lateral, superior) of the head's centre, and how far the mask there can be trusted.

    ``whole`` is the share (0 to 1) of the roof or wall that is one piece; 0 where it may go on beyond the image or the
    angles that were searched.
    """

    at_mm: np.ndarray
    whole: float


def find_landmarks(hip_bone: Volume, sphere: Sphere, side: Side) -> Landmarks:
    """Find the lateral acetabular edge and the lower end of the teardrop on the mid-coronal plane.

    The edge is the most lateral point of the roof's inner surface, the teardrop the lowest point of the medial wall
    (docs/clinical.md, section 2). Both are sought on the mid-coronal slice and on its neighbours, and the median over
    the planes counts (for the teardrop's height the lower third), so that a gap in one slice of the mask, or the choice
    between two slices as near to the centre, moves them little. They are placed on the plane through the centre.

    Args:
        hip_bone: boolean Volume of the hip bone around the head.
        sphere: the head's.
        side: which hip.

    Returns:
        both points, or None for one that the mask does not show, each with a confidence from 0 to 1: the mean over the
        planes of ``whole * (1 - d / 10 mm)``, where d is the distance of the plane's point from the result and
        ``whole`` the share of roof or wall that is in one piece there. A plane that does not show the point counts 0.
    """
    plane = mid_plane(hip_bone, "coronal", sphere)
    if plane is None:
        return Landmarks()
    axis = native_axis(hip_bone, "coronal", sphere.radius_mm)
    step = max(STEP_MM, 0.0 if axis is None else hip_bone.spacing_mm[axis])
    seen = [_look(hip_bone, sphere, side, n * step) for n in range(-TEARDROP_PLANES, TEARDROP_PLANES + 1)]
    around = slice(TEARDROP_PLANES - EDGE_PLANES, TEARDROP_PLANES + EDGE_PLANES + 1)
    edge, edge_confidence = _agree([edge for edge, _ in seen[around]], (0.5, 0.5))
    teardrop, teardrop_confidence = _agree([teardrop for _, teardrop in seen], (0.5, LOWER_THIRD))
    across, superior = plane.directions(side)

    def point(at_mm: np.ndarray | None) -> Point | None:
        if at_mm is None:
            return None
        return as_point(np.array(sphere.centre_ras_mm) + at_mm[0] * across + at_mm[1] * superior)

    return Landmarks(point(edge), point(teardrop), edge_confidence, teardrop_confidence)


def _agree(seen: list[_Seen | None], quantiles: tuple[float, float]) -> tuple[np.ndarray | None, float | None]:
    """Return the common point of planes (quantiles of lateral and superior) with its confidence.

    At least two planes have to show it.
    """
    shown = [one for one in seen if one is not None]
    if len(shown) < 2:
        return None, None
    points = np.array([one.at_mm for one in shown])
    common = np.array([np.quantile(points[:, n], quantile) for n, quantile in enumerate(quantiles)])
    near = np.clip(1 - np.linalg.norm(points - common, axis=1) / NO_CONFIDENCE_MM, 0, 1)
    return common, round(float(near @ [one.whole for one in shown]) / len(seen), 3)


def _look(hip_bone: Volume, sphere: Sphere, side: Side, offset_mm: float) -> tuple[_Seen | None, _Seen | None]:
    """Find edge and teardrop on one coronal plane, ``offset_mm`` anterior of the head's centre."""
    plane = plane_at(hip_bone, "coronal", sphere, offset_mm, REACH_RADII + 0.1)
    if plane is None:
        return None, None
    bone = sample(hip_bone, plane)
    across, superior = plane.directions(side)
    offset = plane.grid_ras() - np.array(sphere.centre_ras_mm)
    lateral, up = offset @ across, offset @ superior
    distance = np.hypot(lateral, up)
    angle = np.degrees(np.arctan2(lateral, up))
    radius, pixel = sphere.radius_mm, max(plane.pixel_mm)

    edge = teardrop = None
    roof = bone & (distance < radius + JOINT_MM) & (angle > EDGE_DEG[0]) & (angle < EDGE_DEG[1]) & (up > 0)
    if roof.any():
        piece, whole = _main_piece(roof, roof)
        most = angle[piece].max()
        at_edge = piece & (angle > most - 3)
        place = np.unravel_index(np.argmin(np.where(at_edge, distance, np.inf)), bone.shape)
        ends = most < EDGE_DEG[1] - 1 and not _at_border(at_edge)
        edge = _Seen(np.array([lateral[place], up[place]]), whole * ends)
    low, high = (radii * radius for radii in TEARDROP_RADII)
    medial = bone & (lateral < -radius) & (distance < REACH_RADII * radius) & (up > low) & (up < 0.5 * radius)
    if (beside := medial & (up > -0.5 * radius)).any():
        piece, whole = _main_piece(medial, beside)
        lowest = up[piece].min()
        if low + 1.5 * pixel < lowest < high:
            end = piece & (up < lowest + 0.9 * pixel)
            teardrop = _Seen(np.array([lateral[end].mean(), lowest]), whole * (not _at_border(end)))
    return edge, teardrop


def _main_piece(mask: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the connected piece of a mask that holds most of ``part``, and how much of the mask it is (0 to 1)."""
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    piece = pieces == np.bincount(pieces[part]).argmax()
    return piece, float(piece.sum() / mask.sum())


def _at_border(mask: np.ndarray) -> bool:
    """Whether a mask touches the border of the picture, beyond which it may go on."""
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())
