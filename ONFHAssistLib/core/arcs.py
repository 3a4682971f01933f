"""Which part of the head's surface is involved: arcs on a plane, the weight-bearing portion, the polar map.

Angles on a plane are in degrees about the head's centre: 0 is superior, positive is lateral on a coronal plane and
anterior on a sagittal one, so that left hips mirror right ones.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.planes import Plane, lateral_ras
from ONFHAssistLib.core.volume import Volume

SURFACE_DEPTH_MM = 3.0
SURFACE_DEPTH_PIXELS = 2.0
"""Necrosis within max(3 mm, 2 pixels) of the sphere's surface involves it (convention of this project)."""

SECTORS = 360
"""The arc is counted in sectors of 1 degree (convention of this project)."""

OUTSIDE_MM = 3.0
"""The mask may stand this much outside of the sphere: the head is cut at 1.04 radii, and bone has osteophytes."""

ZONE_HALF_WIDTH_DEG = 30.0
"""On the polar map the weight-bearing zone is drawn this far before and behind the coronal plane. For the drawing
only: the JIC class is defined on the mid-coronal slice."""


@dataclass(frozen=True)
class SurfaceArc:
    """The sectors of a head's outline on one plane.

    Attributes:
        involved: shape (360,), bool; sector s spans s - 180 to s - 179 degrees.
        depth_mm: how close to the surface necrosis had to come.
    """

    involved: np.ndarray
    depth_mm: float

    @property
    def arc_deg(self) -> float:
        """Sum of the involved sectors in degrees."""
        return float(self.involved.sum()) * 360.0 / SECTORS


@dataclass(frozen=True)
class WeightBearing:
    """The weight-bearing portion of a head on the mid-coronal slice: its two ends as angles in degrees."""

    medial_deg: float
    lateral_deg: float

    @property
    def span_deg(self) -> float:
        """The arc between both ends."""
        return self.lateral_deg - self.medial_deg


@dataclass(frozen=True)
class SurfaceMap:
    """The head's surface seen from above, on a grid of shape (polar angles, azimuths).

    Attributes:
        polar_deg: angle from the superior pole; azimuth_deg: 0 lateral, 90 anterior, 180 medial, 270 posterior.
        involved: necrosis comes close to the surface there.
        depth_mm: how much necrosis lies on the outer half of the radius there.
        weight_bearing: the weight-bearing zone; all false where the landmarks are not known.
    """

    polar_deg: np.ndarray
    azimuth_deg: np.ndarray
    involved: np.ndarray
    depth_mm: np.ndarray
    weight_bearing: np.ndarray


def surface_depth_mm(pixel_mm: float) -> float:
    """Return how close to the sphere necrosis must come to involve its surface, for pixels of this size."""
    return max(SURFACE_DEPTH_MM, SURFACE_DEPTH_PIXELS * pixel_mm)


def section_radius_mm(plane: Plane, sphere: Sphere) -> float:
    """Return the radius of the circle in which the plane cuts the sphere; 0 where it does not."""
    offset = float((np.array(sphere.centre_ras_mm) - plane.origin_ras_mm) @ plane.normal_ras)
    return float(np.sqrt(max(0.0, sphere.radius_mm**2 - offset**2)))


def circle_ras_mm(
    plane: Plane, sphere: Sphere, side: Side, angle_deg: float | np.ndarray, radii: float = 1.0
) -> np.ndarray:
    """Return the points (..., 3) of the plane at these angles about the head's centre, ``radii`` section radii away."""
    across, superior = plane.directions(side)
    centre = np.array(sphere.centre_ras_mm)
    centre = centre - ((centre - plane.origin_ras_mm) @ plane.normal_ras) * plane.normal_ras
    angle = np.deg2rad(angle_deg)[..., None]
    return centre + radii * section_radius_mm(plane, sphere) * (np.sin(angle) * across + np.cos(angle) * superior)


def angle_deg(plane: Plane, sphere: Sphere, side: Side, ras_mm: np.ndarray) -> np.ndarray:
    """Return the angle of points (..., 3) about the head's centre, in the plane, from -180 to 180."""
    across, superior = plane.directions(side)
    offset = np.asarray(ras_mm, dtype=float) - np.array(sphere.centre_ras_mm)
    return np.rad2deg(np.arctan2(offset @ across, offset @ superior))


def surface_arc(necrosis: np.ndarray, plane: Plane, sphere: Sphere, side: Side) -> SurfaceArc:
    """Find the sectors in which necrosis comes close to the surface of the sphere.

    Each sector is probed along its middle ray, from ``depth_mm`` below the surface (measured in space, also where the
    plane passes the centre at a distance) to just outside of it, in the linearly interpolated mask.

    Args:
        necrosis: bool, shape ``plane.shape``.
        plane: its grid.
        sphere: the articular sphere.
        side: which hip.
    """
    depth = surface_depth_mm(max(plane.pixel_mm))
    circle = section_radius_mm(plane, sphere)
    if circle == 0 or not necrosis.any():
        return SurfaceArc(np.zeros(SECTORS, dtype=bool), depth)
    off_centre2 = sphere.radius_mm**2 - circle**2
    inner = np.sqrt(max(0.0, (sphere.radius_mm - depth) ** 2 - off_centre2))
    along = np.arange(inner, circle + OUTSIDE_MM, 0.5 * min(plane.pixel_mm))
    angle = np.deg2rad((np.arange(SECTORS) + 0.5) * 360 / SECTORS - 180)
    across, superior = plane.directions(side)
    ray = np.sin(angle)[:, None] * across + np.cos(angle)[:, None] * superior
    pixels = plane.pixels(np.array(sphere.centre_ras_mm) + along[:, None] * ray[:, None, :])
    value = ndimage.map_coordinates(necrosis.astype(float), np.moveaxis(pixels, -1, 0)[::-1], order=1, mode="constant")
    return SurfaceArc((value >= 0.5).any(axis=1), depth)


def weight_bearing_portion(plane: Plane, sphere: Sphere, landmarks: Landmarks, side: Side) -> WeightBearing | None:
    """Place the weight-bearing portion on the head's outline of the mid-coronal slice.

    Medially it ends where the perpendicular bisector of the line from the lateral acetabular edge to the lower end of
    the teardrop meets the superior surface, laterally at the acetabular edge, by angle about the head's centre
    (Sugano et al., J Orthop Sci 2002;7:601).

    Returns:
        The portion; None where a landmark is missing, or where both do not enclose a part of the superior surface.
    """
    if landmarks.acetabular_edge_ras_mm is None or landmarks.teardrop_ras_mm is None:
        return None
    centre, radius = np.array(sphere.centre_ras_mm), section_radius_mm(plane, sphere)
    axes = np.array(plane.directions(side))
    edge = axes @ (np.array(landmarks.acetabular_edge_ras_mm) - centre)
    teardrop = axes @ (np.array(landmarks.teardrop_ras_mm) - centre)
    length = np.linalg.norm(edge - teardrop)
    if length < 1e-6:
        return None
    # The bisector is {p : p . along = foot}; it meets the circle at foot * along +- half_chord * normal.
    along = (edge - teardrop) / length
    foot = float((edge + teardrop) @ along / 2)
    if abs(foot) >= radius:
        return None
    half_chord, normal = np.sqrt(radius**2 - foot**2), np.array([-along[1], along[0]])
    ends = [foot * along + sign * half_chord * normal for sign in (-1, 1)]
    medial_end = max(ends, key=lambda point: point[1])
    medial, lateral = (float(np.rad2deg(np.arctan2(point[0], point[1]))) for point in (medial_end, edge))
    return WeightBearing(medial, lateral) if 0 < lateral - medial < 180 else None


def lateral_end_deg(arc: SurfaceArc, portion: WeightBearing) -> float | None:
    """Return the angle of the lateral end of the involved surface; None where none is involved.

    The JIC rule speaks of the superior surface, so only the superior half counts, or more where the portion reaches
    below it: a lesion that runs on below ends there. One that lies wholly below ends where it comes closest to the
    superior surface, which says whether it lies medial or lateral of the portion (conventions of this project).
    """
    if not arc.involved.any():
        return None
    end = (np.flatnonzero(arc.involved) + 1) * 360 / SECTORS - 180
    superior = end[np.abs(end) <= max(90, np.ceil(portion.lateral_deg))]
    return float(superior.max() if superior.size else end[np.abs(end).argmin()])


def deep_lateral_end_deg(necrosis: np.ndarray, plane: Plane, sphere: Sphere, side: Side) -> float | None:
    """Return the angle of the lateral end of a lesion that nowhere comes close to the surface; None without necrosis.

    It is the angle, about the head's centre, of the pixel that lies farthest to the lateral side in the superior half;
    of a lesion wholly below, of the pixel whose angle is closest to the superior half (conventions of this project).

    Args:
        necrosis: bool, shape ``plane.shape``.
        plane: the mid-coronal slice.
        sphere: the articular sphere.
        side: which hip.
    """
    points = plane.grid_ras()[necrosis]
    if len(points) == 0:
        return None
    angle = angle_deg(plane, sphere, side, points)
    superior = np.abs(angle) <= 90
    if not superior.any():
        return float(angle[np.abs(angle).argmin()])
    across, _ = plane.directions(side)
    return float(angle[superior][(points[superior] @ across).argmax()])


def surface_map(
    necrosis: Volume, sphere: Sphere, side: Side, portion: WeightBearing | None = None, step_deg: float = 3.0
) -> SurfaceMap:
    """Map the involvement of the head's surface about the superior pole.

    Args:
        necrosis: boolean Volume.
        sphere: the articular sphere.
        side: which hip; azimuths run over lateral, anterior, medial, posterior on both sides.
        portion: the weight-bearing portion on the mid-coronal slice.
        step_deg: grid step of both angles.
    """
    polar = np.arange(step_deg / 2, 180, step_deg)
    azimuth = np.arange(step_deg / 2, 360, step_deg)
    p, a = np.deg2rad(polar)[:, None], np.deg2rad(azimuth)[None, :]
    lateral, anterior, superior = np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p) * np.ones_like(a)
    frame = np.array([lateral_ras(side), [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    ray = np.stack([lateral, anterior, superior], axis=-1) @ frame
    pixel = sorted(necrosis.spacing_mm)[1]
    step = 0.5 * min(necrosis.spacing_mm)
    along = np.arange(0, sphere.radius_mm + OUTSIDE_MM, step)
    ijk = necrosis.ijk(np.array(sphere.centre_ras_mm) + along[:, None] * ray[..., None, :])
    index = np.moveaxis(ijk, -1, 0)[::-1]
    hit = ndimage.map_coordinates(necrosis.array.astype(np.uint8), index, order=0, mode="constant") > 0
    zone = np.zeros(hit.shape[:2], dtype=bool)
    if portion is not None:
        coronal = np.rad2deg(np.arctan2(lateral, superior))
        zone = (coronal >= portion.medial_deg) & (coronal <= portion.lateral_deg)
        zone &= np.abs(anterior) <= np.sin(np.deg2rad(ZONE_HALF_WIDTH_DEG))
    near_surface = along >= sphere.radius_mm - surface_depth_mm(pixel)
    # All rays meet at the centre: a lesion that reaches it would seem to lie in every direction.
    outer = along >= 0.5 * sphere.radius_mm
    depth_mm = hit[..., outer].sum(axis=-1) * step
    return SurfaceMap(polar, azimuth, hit[..., near_surface].any(axis=-1), depth_mm, zone)
