"""Hips whose measures are known exactly, on grids of any direction, spacing, handedness and axis order.

The head is a ball of radius r about c. The lesion is the cone of half-angle alpha about the direction d, with its tip
in c: its volume is (1 - cos alpha) / 2 of the ball's, and a plane through c whose normal n makes d . n = sin beta cuts
an arc of 2 acos(cos alpha / cos beta) out of the head's surface.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.geometry import Landmarks, Side, Sphere
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.volume import Volume

CENTRE = np.array([90.3, 11.2, -24.7])
RADIUS_MM = 24.0

AXIAL = np.eye(3)
CORONAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
SAGITTAL = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""Columns are the i, j, k axes in RAS."""


def grid(spacing_mm, axes=AXIAL, rotation_deg=(0.0, 0.0, 0.0), shift=(0.0, 0.0, 0.0), centre=CENTRE, half_mm=28.0):
    """Return an empty Volume around ``centre``; ``shift`` moves its voxels by fractions of a voxel
    off the place where one is centred on ``centre``."""
    turned = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix() @ axes
    size = 2 * np.ceil(half_mm / np.array(spacing_mm)).astype(int) + 1
    matrix = np.eye(4)
    matrix[:3, :3] = turned * np.array(spacing_mm)
    matrix[:3, 3] = centre - matrix[:3, :3] @ ((size - 1) / 2 + np.array(shift))
    return Volume(np.zeros(tuple(size[::-1]), dtype=bool), matrix)


def reordered(volume, order, flips=(False, False, False)):
    """Store the same voxels with other array axes: new axis n is old axis ``order[n]`` (of i, j, k), maybe flipped."""
    array = np.transpose(volume.array, [2 - order[2 - n] for n in range(3)])
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, :3] = volume.ijk_to_ras[:3, list(order)]
    for axis, flip in enumerate(flips):
        if flip:
            matrix[:3, 3] += matrix[:3, axis] * (array.shape[2 - axis] - 1)
            matrix[:3, axis] *= -1
            array = np.flip(array, 2 - axis)
    return Volume(array, matrix)


def mirrored(masks: HipMasks) -> HipMasks:
    """Return the same hip on the other side of the body."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])

    def point(p):
        return None if p is None else (-p[0], p[1], p[2])

    return HipMasks.of(
        "left" if masks.side == "right" else "right",
        Volume(masks.head.array, flip @ masks.head.ijk_to_ras),
        Volume(masks.necrosis.array, flip @ masks.necrosis.ijk_to_ras),
        Sphere(point(masks.sphere.centre_ras_mm), masks.sphere.radius_mm),
        Landmarks(point(masks.landmarks.acetabular_edge_ras_mm), point(masks.landmarks.teardrop_ras_mm)),
    )


def direction(tilt_deg: float, side: Side = "right") -> np.ndarray:
    """Return the RAS unit vector in the coronal plane that leans laterally from superior by ``tilt_deg``."""
    lateral = 1.0 if side == "right" else -1.0
    return np.array([lateral * np.sin(np.deg2rad(tilt_deg)), 0.0, np.cos(np.deg2rad(tilt_deg))])


def landmarks(medial_deg: float, lateral_deg: float, side: Side = "right", centre=CENTRE) -> Landmarks:
    """Return landmarks whose weight-bearing portion spans exactly these angles from superior, positive lateral.

    The edge lies on the ray at ``lateral_deg``, 30 mm out. The bisector must pass the point m on the sphere at
    ``medial_deg``, so the teardrop lies as far from m as the edge; of that circle, take the point straight below.
    """
    edge = 30.0 * direction(lateral_deg, side)
    m = RADIUS_MM * direction(medial_deg, side)
    teardrop = m + np.linalg.norm(edge - m) * np.array([0.0, 0.0, -1.0])
    return Landmarks(tuple(centre + edge), tuple(centre + teardrop))


def hip(volume, lesion, side: Side = "right", marks=None, centre=CENTRE, radius=RADIUS_MM) -> HipMasks:
    """Return masks on the whole grid of ``volume``; ``lesion`` maps offsets (..., 3) from the centre to booleans."""
    offset = volume.grid_ras() - centre
    head = np.linalg.norm(offset, axis=-1) <= radius
    sphere = Sphere(tuple(float(x) for x in centre), radius)
    necrosis = volume.like(head & lesion(offset))
    return HipMasks.of(side, volume.like(head), necrosis, sphere, marks or Landmarks()).whole()


def cone(alpha_deg: float, axis: np.ndarray):
    """Return a lesion: the cone of half-angle ``alpha_deg`` about ``axis``."""
    cosine = np.cos(np.deg2rad(alpha_deg))
    return lambda offset: offset @ axis >= cosine * np.linalg.norm(offset, axis=-1)


@dataclass(frozen=True)
class ConeTruth:
    """The exact measures of a cone lesion (not within 15 degrees of a flat one), and how far a grid may be off."""

    alpha_deg: float
    axis: np.ndarray
    volume: Volume

    @property
    def ratio(self) -> float:
        """Necrotic fraction of the head."""
        return (1 - np.cos(np.deg2rad(self.alpha_deg))) / 2

    @property
    def ratio_error(self) -> float:
        """Largest discretisation error of the ratio: chance and coherence.

        A voxel belongs to a mask when its centre does. Chance: only voxels cut by the surface err; with the cut part
        uniform in [0, 1], rounding it has the variance 1/12 of a voxel squared. A surface of area A cuts A w / v
        voxels of volume v, where w is the voxel's mean width over all directions, (s_i + s_j + s_k) / 2 as the mean of
        |n_a| on a sphere is 1/2. The head's sphere and the cone's side (pi r^2 sin alpha) are such surfaces; 5
        standard deviations are allowed.

        Coherence: surfaces nearly parallel to a layer of voxels err together. Summing layers of thickness s is the
        trapezoid rule on the section's area A(z), with an error of at most s^2 / 12 times the total variation of
        A' (Euler-Maclaurin; Bernoulli's B2 is at most 1/6). That is largest where the cone points along the axis:
        A = pi z^2 tan^2 alpha up to z = r cos alpha, then pi (r^2 - z^2), and the total variation of A' is
        4 pi r (1 + sin^2 alpha / cos alpha). All three axes are added up. The cone alpha is the complement of the
        cone 180 - alpha. The error of the ratio N / H is at most that of N and H together over H; the head's own term
        is 4 pi r + 4 pi r.
        """
        v = np.prod(self.volume.spacing_mm)
        alpha = np.deg2rad(min(self.alpha_deg, 180 - self.alpha_deg))
        area = np.pi * RADIUS_MM**2 * (4 + np.sin(alpha))
        cut = area * sum(self.volume.spacing_mm) / 2 / v
        variation = 4 * np.pi * RADIUS_MM * (1 + np.sin(alpha) ** 2 / np.cos(alpha) + 2 * self.ratio)
        coherent = sum(s**2 for s in self.volume.spacing_mm) / 12 * variation
        return float((5 * np.sqrt(cut / 12) * v + coherent) / (4 / 3 * np.pi * RADIUS_MM**3))

    def arc_range_deg(self, normal: np.ndarray, depth_mm: float, native_step_mm: float | None) -> tuple[float, float]:
        """Return the least and the largest arc that the grid allows on the plane with ``normal`` through the centre.

        In the linearly interpolated mask, a point farther than the cell's width W(m) = sum |m_a| s_a from a surface
        with normal m has all 8 neighbours on its own side, so the cone's border moves by at most W, which is the
        angle asin(W / rho) at the distance rho from the tip; W is the largest over the normals of the cone's border.
        A native slice misses the centre by half a step, and by tilt at most one step more at the head's edge
        (`planes.native_axis`), so it is a plane at some offset y within 1.5 steps. At offset y, points at in-plane
        radius rho and angle t from the lesion belong to the cone where
        cos beta cos t >= cos alpha sqrt(1 + (y / rho)^2) - (y / rho) sin beta.
        The probed rays span rho from r - depth to r. Each end is rounded to sectors: half a degree, twice.
        """
        widths = [
            np.abs(self.volume.axes_ras.T @ m) @ np.array(self.volume.spacing_mm) for m in self._border_normals(normal)
        ]
        arcs = []
        sin_beta = float(self.axis @ normal)
        reach = 0.0 if native_step_mm is None else 1.5 * native_step_mm
        for rho in (RADIUS_MM - depth_mm, RADIUS_MM):
            shift = np.arcsin(min(1.0, max(widths) / rho))
            for alpha in np.clip(np.deg2rad(self.alpha_deg) + np.array([-shift, shift]), 0, np.pi):
                for y in np.linspace(-reach, reach, 7) / rho:
                    cosine = (np.cos(alpha) * np.sqrt(1 + y**2) - y * sin_beta) / np.sqrt(1 - sin_beta**2)
                    arcs.append(2 * np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))
        return min(arcs) - 1, max(arcs) + 1

    def _border_normals(self, normal: np.ndarray) -> list[np.ndarray]:
        """Return the normals of the cone's side near the points where the plane cuts its rim."""
        in_plane = self.axis - (self.axis @ normal) * normal
        length = np.linalg.norm(in_plane)
        u, v = in_plane / length, np.cross(normal, in_plane / length)
        half = np.arccos(np.clip(np.cos(np.deg2rad(self.alpha_deg)) / length, -1, 1))
        found = []
        for turn in np.deg2rad(np.arange(-20, 21, 5)):
            for t in (half + turn, -half + turn):
                p = np.cos(t) * u + np.sin(t) * v
                m = self.axis - (self.axis @ p) * p
                found.append(m / max(np.linalg.norm(m), 1e-9))
        return found
