"""The best-fit sphere of a femoral head's articular surface, and the head that it cuts from a femur.

One rule for manual masks (the truth) and for the masks of the networks (docs/clinical.md, section 1).
"""

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.grid import Box, Grid, as_point, box_of
from ONFHAssistLib.core.volume import Volume

HEAD_ENLARGEMENT = 1.04
"""The head is the femur inside the articular sphere enlarged by 4 % (definition of this project)."""

NECK_SHELL = (1.2, 1.8)
"""Femur between these multiples of the radius is neck and trochanter; its centroid gives the neck's direction."""

NECK_CONE_DEG = 60.0
"""Half-angle of the cone about the neck that is no articular surface: a neck of 0.7 head radii subtends
asin(0.7) = 44 degrees, and the head-neck offset and the rim of the cartilage lie just outside of it."""

HEAD_PREFERENCE = 0.2
"""By how much, for each mm medially and superiorly, a place in the femur is preferred as the head's centre."""

WHOLE_HEAD_FROM = 0.98
"""Below this fraction of the sphere inside the image the head is called cut off (convention of this project)."""

SHAPE_SD_MM = 0.5
"""How far a normal articular surface strays from a sphere, in addition to the grid's rounding."""

TUKEY_WIDTH = 4.0
"""Points farther than this many standard deviations from the sphere have no weight (Tukey's biweight)."""

TWO_HIPS_WIDER_THAN_MM = 150.0
"""One proximal femur is narrower than this from right to left; a wider mask holds both."""


def fit_sphere(points_mm: np.ndarray) -> Sphere:
    """Fit a sphere to points, first linearly, then by robust least squares of the distances.

    The start is the algebraic fit |p|^2 = 2 p.c + (r^2 - |c|^2); the refinement is Gauss-Newton on the distances to
    the surface with Tukey weights, whose scale is the median absolute residual.

    Args:
        points_mm: shape (n, 3), RAS in mm; at least 4 points that are not in one plane.

    Raises:
        ValueError: the points do not determine a sphere.
    """
    points = np.asarray(points_mm, dtype=float)
    sphere = _weighted_sphere(points, np.ones(len(points)))
    for _ in range(50):
        residual = np.abs(_distance(points, sphere) - sphere.radius_mm)
        scale = max(1.4826 * float(np.median(residual)), 1e-6)
        previous, sphere = sphere, _weighted_sphere(points, _tukey(residual, TUKEY_WIDTH * scale))
        if _change(previous, sphere) < 1e-4:
            break
    return sphere


def articular_sphere(femur: Volume, initial: Sphere) -> Sphere:
    """Fit the sphere of the articular surface of the head near ``initial``.

    The surface points are the boundary crossings between neighbouring voxels, along each axis of the grid. The
    direction of the neck comes from the mask itself, and the cone about it is left out. A crossing is known to half a
    voxel only, so its distance to the sphere has the variance sum((n_a s_a)^2) / 12 over the axes a, with the surface
    normal n and the spacing s: crossings between thick slices, and the ambiguous rims of slices that are only partly
    filled, weigh little. Fit, weights and neck are repeated, with a narrowing Tukey window, until nothing moves.

    Args:
        femur: boolean Volume; head, neck and trochanter, perhaps of both sides.
        initial: about where the head is: within about a third of a radius.

    Raises:
        ValueError: the mask has no head-like surface near ``initial``.
    """
    near = femur.cropped(box_around(femur, initial, 2.5))
    points = _boundary_points(near)
    if len(points) < 50:
        raise ValueError("The femur mask has no surface near the head.")
    body = near.ras(np.argwhere(near.array)[:, ::-1])
    spacing = np.array(near.spacing_mm)
    sphere = initial
    for step in range(60):
        offset = points - np.array(sphere.centre_ras_mm)
        distance = np.maximum(np.linalg.norm(offset, axis=1), 1e-6)
        normal = offset / distance[:, None]
        variance = ((normal @ near.axes_ras * spacing) ** 2).sum(axis=1) / 12 + SHAPE_SD_MM**2
        window = max(TUKEY_WIDTH, 12.0 * 0.75**step)
        weights = _tukey((distance - sphere.radius_mm) / np.sqrt(variance), window) / variance
        neck = _neck_direction(body, sphere)
        if neck is not None:
            weights[normal @ neck > np.cos(np.deg2rad(NECK_CONE_DEG))] = 0
        if (weights > 0).sum() < 50:
            raise ValueError("The femur mask has no sphere-like surface near the head.")
        previous, sphere = sphere, _weighted_sphere(points, weights)
        if window == TUKEY_WIDTH and _change(previous, sphere) < 0.005:
            break
    return sphere


def head_from_femur(femur: Volume, sphere: Sphere) -> np.ndarray:
    """Cut the head: shape (k, j, i), true where the femur lies inside ``sphere`` times HEAD_ENLARGEMENT."""
    enlarged = Sphere(sphere.centre_ras_mm, sphere.radius_mm * HEAD_ENLARGEMENT)
    box = box_around(femur, enlarged, 1.0)
    head = np.zeros(femur.shape, dtype=bool)
    near = femur.cropped(box)
    inside = _distance(near.grid_ras(), enlarged) <= enlarged.radius_mm
    head[box] = near.array.astype(bool) & inside
    return head


def sphere_coverage(grid: Grid, sphere: Sphere) -> float:
    """Return the fraction (0 to 1) of the sphere that lies inside the image, counted on points r / 10 apart."""
    steps = np.linspace(-0.95, 0.95, 20)
    points = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    points = points[np.linalg.norm(points, axis=1) <= 1] * sphere.radius_mm + np.array(sphere.centre_ras_mm)
    ijk = grid.ijk(points)
    return float(((ijk >= -0.5) & (ijk <= grid.size - 0.5)).all(axis=1).mean())


def initial_head_sphere(femur: Volume, side: Side) -> Sphere:
    """Find the head in a femur mask: the largest inscribed sphere, preferring what is medial and superior.

    The preference grows by 0.2 mm for each mm medially and as much superiorly, so by at most 0.3 mm for each mm; as the
    inscribed radius falls by 1 mm for each mm off a head's centre, it decides between head and trochanter without
    moving the maximum.

    Args:
        femur: boolean Volume of one or of both femora.
        side: which one.

    Raises:
        ValueError: nothing of the mask lies on that side.
    """
    mask = femur.array.astype(bool)
    voxels = np.argwhere(mask)
    if len(voxels) == 0:
        raise ValueError("The femur mask is empty.")
    lateral = (1.0 if side == "right" else -1.0) * femur.ras(voxels[:, ::-1])[:, 0]
    if np.ptp(lateral) > TWO_HIPS_WIDER_THAN_MM:
        voxels = voxels[lateral > (lateral.max() + lateral.min()) / 2]
    low, high = voxels.min(axis=0), voxels.max(axis=0) + 1
    one = np.zeros(high - low, dtype=bool)
    one[tuple((voxels - low).T)] = True
    radius = ndimage.distance_transform_edt(np.pad(one, 1), sampling=femur.spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    points = femur.ras(voxels[:, ::-1])
    radii = radius[tuple((voxels - low).T)]
    medial = -points[:, 0] if side == "right" else points[:, 0]
    best = int(np.argmax(radii + HEAD_PREFERENCE * (medial + points[:, 2])))
    return Sphere(as_point(points[best]), float(radii[best]))


def _distance(points_mm: np.ndarray, sphere: Sphere) -> np.ndarray:
    return np.linalg.norm(points_mm - np.array(sphere.centre_ras_mm), axis=-1)


def _change(a: Sphere, b: Sphere) -> float:
    moved = np.linalg.norm(np.subtract(a.centre_ras_mm, b.centre_ras_mm))
    return float(moved + abs(a.radius_mm - b.radius_mm))


def _tukey(residual: np.ndarray, width: float) -> np.ndarray:
    return np.clip(1 - (residual / width) ** 2, 0, None) ** 2


def _weighted_sphere(points: np.ndarray, weights: np.ndarray) -> Sphere:
    """Minimise the weighted squared distances of the points to the sphere."""
    used = weights > 0
    points, root = points[used], np.sqrt(weights[used])
    if len(points) < 4:
        raise ValueError(f"A sphere needs at least 4 points; {len(points)} were given.")
    origin = points.mean(axis=0)
    local = points - origin
    design = np.column_stack([2 * local, np.ones(len(local))])
    solution, _, rank, _ = np.linalg.lstsq(design * root[:, None], (local**2).sum(axis=1) * root, rcond=1e-9)
    if rank < 4:
        raise ValueError("A sphere cannot be fitted to points in one plane.")
    centre = solution[:3]
    radius = np.sqrt(max(solution[3] + centre @ centre, 1e-12))
    for _ in range(20):
        offset = local - centre
        distance = np.maximum(np.linalg.norm(offset, axis=1), 1e-9)
        jacobian = np.column_stack([offset / distance[:, None], np.ones(len(local))])
        step = np.linalg.lstsq(jacobian * root[:, None], (distance - radius) * root, rcond=None)[0]
        centre, radius = centre + step[:3], radius + step[3]
        if np.abs(step).max() < 1e-5:
            break
    return Sphere(as_point(centre + origin), float(radius))


def _neck_direction(body: np.ndarray, sphere: Sphere) -> np.ndarray | None:
    """Return the unit vector from the head's centre to the neck, or None where the mask ends with the head."""
    distance = _distance(body, sphere) / sphere.radius_mm
    shell = body[(distance > NECK_SHELL[0]) & (distance < NECK_SHELL[1])]
    if len(shell) == 0:
        return None
    direction = shell.mean(axis=0) - np.array(sphere.centre_ras_mm)
    length = np.linalg.norm(direction)
    return direction / length if length > 0.5 * sphere.radius_mm else None


def box_around(grid: Grid, sphere: Sphere, radii: float) -> Box:
    """Return the (k, j, i) slices of the voxels within ``radii`` radii of the sphere's centre, and one more."""
    centre = grid.ijk(np.array(sphere.centre_ras_mm))
    reach = radii * sphere.radius_mm / np.array(grid.spacing_mm) + 1
    size = grid.size
    low = np.clip(np.floor(centre - reach), 0, size).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, 0, size).astype(int)
    return box_of(zip(low[::-1], high[::-1], strict=True))


def _boundary_points(mask: Volume) -> np.ndarray:
    """Return, in RAS, the middle of each edge between a voxel inside and a neighbour outside; shape (n, 3)."""
    found = []
    for axis in range(3):
        crossing = np.argwhere(np.diff(mask.array, axis=axis)).astype(float)
        crossing[:, axis] += 0.5
        found.append(crossing[:, ::-1])
    return mask.ras(np.concatenate(found))
