"""Procedural hips: signed distances of bones and soft tissue at any point.

Coordinates are canonical: (lateral, anterior, superior) in mm about the centre of the femoral head of a right hip
as it is seen in RAS with the first axis pointing away from the body's midline. A left hip is the same, mirrored.
A signed distance is negative inside. Shapes vary around adult values; they are meant to be more varied than people
are, so that a network learns the arrangement of a hip and not its average.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np


class Tissue(IntEnum):
    """What a point is made of; the renderer turns it into intensity."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    FEMUR_CORTEX = 3
    HEAD_MARROW = 4
    FEMUR_MARROW = 5
    PELVIS_CORTEX = 6
    PELVIS_MARROW = 7
    CARTILAGE = 8
    FLUID = 9
    BOWEL = 10
    CAPSULE = 11


@dataclass(frozen=True)
class Hip:
    """Shape parameters of one hip in canonical axes; neck_length and neck_width are in head radii."""

    radius_mm: float
    neck_shaft_deg: float
    anteversion_deg: float
    neck_length: float
    neck_width: float
    shaft_radius_mm: float
    trochanter_mm: tuple[float, float, float]
    flexion_deg: float
    rotation_deg: float
    cartilage_mm: float
    fossa_mm: float
    wall_mm: float
    roof_mm: float
    inclination_deg: float
    cup_anteversion_deg: float
    cup_half_deg: float
    midline_mm: float
    cortex_mm: float
    ilium_lean: float
    surface: "MeasuredFemur | None"
    warp: "Waves"


@dataclass(frozen=True)
class Waves:
    """A smooth random field: a sum of random plane waves. ``amplitude`` has shape (n, channels)."""

    frequency: np.ndarray
    phase: np.ndarray
    amplitude: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Evaluate at points of shape (..., 3); returns (..., channels)."""
        return np.sin(points @ self.frequency.T + self.phase) @ self.amplitude


def random_waves(
    rng: np.random.Generator, scale_mm: float, size: float, channels: int = 1, count: int = 6, spread: float = 1.8
) -> Waves:
    """Draw a field with wavelengths about ``scale_mm`` and a standard deviation about ``size``."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wavelength = scale_mm * rng.uniform(1 / spread, spread, count)
    amplitude = rng.normal(size=(count, channels)) * size * np.sqrt(2 / count)
    return Waves(
        (direction * (2 * np.pi / wavelength)[:, None]).astype(np.float32),
        rng.uniform(0, 2 * np.pi, count).astype(np.float32),
        amplitude.astype(np.float32),
    )


def random_hip(rng: np.random.Generator, femora: "Sequence[MeasuredFemur]" = ()) -> Hip:
    """Draw a hip. ``femora``: measured ones that stand in for the parametric shape in half of the draws."""
    return Hip(
        radius_mm=rng.uniform(19.5, 28.5),
        neck_shaft_deg=rng.normal(128, 6),
        anteversion_deg=rng.normal(12, 9),
        neck_length=rng.uniform(1.75, 2.3),
        neck_width=rng.uniform(0.58, 0.76),
        shaft_radius_mm=rng.uniform(12, 17),
        trochanter_mm=tuple(rng.uniform((9, 14, 18), (15, 22, 28))),
        flexion_deg=rng.normal(0, 8),
        rotation_deg=rng.normal(0, 12),
        cartilage_mm=rng.uniform(1.5, 5.0),
        fossa_mm=rng.uniform(2, 8),
        wall_mm=rng.uniform(2.5, 7),
        roof_mm=rng.uniform(8, 20),
        inclination_deg=rng.normal(42, 5),
        cup_anteversion_deg=rng.normal(17, 6),
        cup_half_deg=rng.normal(80, 6),
        midline_mm=rng.uniform(78, 98),
        cortex_mm=rng.uniform(0.7, 1.8),
        ilium_lean=rng.uniform(-0.1, 0.5),
        surface=femora[int(rng.integers(len(femora)))] if femora and rng.random() < 0.5 else None,
        warp=random_waves(rng, 70, 1.1, channels=3),
    )


def capsule_distance(p: np.ndarray, a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float) -> np.ndarray:
    """Signed distance in mm, at points (..., 3), to a capsule from ``a`` to ``b`` whose radius tapers."""
    ab = np.asarray(b, np.float32) - np.asarray(a, np.float32)
    ap = p - np.asarray(a, np.float32)
    t = np.clip(ap @ ab / float(ab @ ab), 0, 1)
    return np.linalg.norm(ap - t[..., None] * ab, axis=-1) - (radius_a + t * (radius_b - radius_a))


def _ellipsoid(p: np.ndarray, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Approximate distance to an axis-aligned ellipsoid (first-order: scaled by the local gradient)."""
    q = (p - np.asarray(centre, np.float32)) / np.asarray(radii, np.float32)
    length = np.linalg.norm(q, axis=-1)
    slope = np.linalg.norm(q / np.asarray(radii, np.float32), axis=-1)
    return length * (length - 1) / np.maximum(slope, 1e-6)


def _smooth_union(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Union whose crease is filled over about ``k`` mm."""
    h = np.clip(0.5 + 0.5 * (b - a) / k, 0, 1)
    return b + (a - b) * h - k * h * (1 - h)


def _rotation(axis: int, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3, dtype=np.float32)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def femur_distance(hip: Hip, points: np.ndarray) -> np.ndarray:
    """Signed distance to the femur (head, neck, trochanters, shaft) at points of shape (..., 3)."""
    p = points @ _rotation(0, hip.flexion_deg) @ _rotation(2, hip.rotation_deg)
    r = hip.radius_mm
    if hip.surface is not None:
        return hip.surface.distance(p / r) * r
    down = np.radians(hip.neck_shaft_deg - 90)
    turn = np.radians(hip.anteversion_deg)
    neck = np.array([np.cos(down) * np.cos(turn), -np.cos(down) * np.sin(turn), -np.sin(down)])
    base = neck * hip.neck_length * r
    head = np.linalg.norm(p, axis=-1) - r
    femur = _smooth_union(head, capsule_distance(p, neck * 0.3 * r, base, hip.neck_width * r, 0.82 * r), 5.0)
    trochanter = base + np.array([6.0, -6.0, 8.0])
    femur = _smooth_union(femur, _ellipsoid(p, trochanter, np.array(hip.trochanter_mm)), 8.0)
    knee = base + np.array([-14.0, 4.0, -200.0])
    femur = _smooth_union(
        femur, capsule_distance(p, base, knee, hip.shaft_radius_mm * 1.15, hip.shaft_radius_mm * 0.9), 10.0
    )
    lesser = base + np.array([-13.0, -12.0, -30.0])
    return _smooth_union(femur, _ellipsoid(p, lesser, np.array([9.0, 9.0, 12.0])), 6.0)


def pelvis_distance(hip: Hip, points: np.ndarray) -> np.ndarray:
    """Signed distance to the hip bone of this side at points of shape (..., 3)."""
    p = points
    r = hip.radius_mm
    inclination, turn = np.radians(hip.inclination_deg), np.radians(hip.cup_anteversion_deg)
    pole = -np.array([np.sin(inclination) * np.cos(turn), np.sin(turn), -np.cos(inclination) * np.cos(turn)])
    distance = np.linalg.norm(p, axis=-1)
    unit = p / np.maximum(distance, 1e-3)[..., None]
    angle = np.degrees(np.arccos(np.clip(unit @ pole.astype(np.float32), -1, 1)))
    # The wall is thick over the roof and thin medially, where the fossa lies; inferiorly the notch is open.
    up = np.clip(unit[..., 2], 0, 1)
    medial = np.clip(-unit[..., 0], 0, 1) * np.clip(0.6 - unit[..., 2], 0, 1)
    gap = hip.cartilage_mm + hip.fossa_mm * np.clip(medial * 2 - 0.4, 0, 1)
    taper = np.clip((hip.cup_half_deg - angle) / 35, 0.1, 1)
    wall = hip.wall_mm * (0.4 + 0.6 * taper) + hip.roof_mm * up**1.5 * taper
    inner, outer = r + gap, r + gap + wall
    shell = np.maximum(inner - distance, distance - outer)
    rim = (angle - hip.cup_half_deg) * np.pi / 180 * np.maximum(distance, r)
    notch = 0.55 * r - np.linalg.norm(p - np.array([-0.25 * r, 0.1 * r, -1.1 * r], np.float32), axis=-1)
    bone = np.maximum(np.maximum(shell, rim), notch)

    roof = np.array([-0.25 * r, -0.1 * r, 1.35 * r + hip.cartilage_mm])
    crest = roof + np.array([8 - 60 * hip.ilium_lean, -15, 95.0])
    column = capsule_distance(p, roof, roof + np.array([-12, -12, 38]), 0.55 * r, 11.0)
    wing = _ellipsoid(p @ _rotation(2, 25.0), (0.5 * (roof + crest)) @ _rotation(2, 25.0), np.array([9.0, 52.0, 62.0]))
    bone = _smooth_union(bone, column, 8.0)
    bone = _smooth_union(bone, wing, 10.0)
    sacroiliac = np.array([-hip.midline_mm * 0.6, -62.0, 62.0])
    bone = _smooth_union(bone, capsule_distance(p, roof + np.array([-12, -14, 30]), sacroiliac, 13.0, 16.0), 10.0)
    superior_pubis = np.array([-0.85 * r, 0.75 * r, -0.1 * r])
    symphysis = np.array([-hip.midline_mm + 7, 1.75 * r, -1.25 * r])
    bone = _smooth_union(bone, capsule_distance(p, superior_pubis * 1.25, symphysis, 9.0, 9.0), 6.0)
    ischium_top = np.array([-0.75 * r, -1.05 * r, -0.55 * r])
    tuber = np.array([-0.85 * r, -1.3 * r, -3.0 * r])
    bone = _smooth_union(bone, capsule_distance(p, ischium_top * 1.15, tuber, 12.0, 14.0), 6.0)
    ramus_end = symphysis + np.array([3, -6, -22])
    bone = _smooth_union(bone, capsule_distance(p, tuber, ramus_end, 9.0, 7.0), 5.0)
    bone = _smooth_union(bone, capsule_distance(p, symphysis, ramus_end, 8.0, 7.0), 5.0)
    # The joint stays open whatever was joined to the cup.
    return np.maximum(bone, r + np.minimum(gap, hip.cartilage_mm + 2) - distance)


@dataclass(frozen=True)
class MeasuredFemur:
    """A femur from CT as a grid of signed distances, in units of its own head radius about its head centre."""

    grid: np.ndarray
    origin: np.ndarray
    step: float

    def distance(self, p: np.ndarray) -> np.ndarray:
        """Signed distance at points of shape (..., 3), clamped to the grid's border."""
        from scipy.ndimage import map_coordinates

        index = (p.reshape(-1, 3) - self.origin) / self.step
        values = map_coordinates(self.grid, index.T, order=1, mode="nearest")
        # Below the scanned part the shaft goes on; the clamped value does that along its axis.
        return values.reshape(p.shape[:-1]).astype(np.float32)


def load_measured_femora(folder: Path) -> list[MeasuredFemur]:
    """Read proximal femora (PLY, mm; LibHip, MIT licence) as shape sources.

    A left femur is mirrored. The head's centre and radius come from a sphere fitted to its upper medial surface.
    """
    from scipy.spatial import cKDTree

    from ONFHAssistLib.core.sphere import fit_sphere

    femora = []
    for path in sorted(folder.glob("*femur.ply")):
        vertices, faces = _read_ply(path)
        if "_l" in path.stem:
            vertices = vertices * [-1, 1, 1]
            faces = faces[:, ::-1]
        # The surfaces are in the scanner's LPS axes: right is -x, anterior -y. Canonical: lateral, anterior, superior.
        vertices = vertices * [-1, -1, 1]
        # The head is the most medial part; 24 mm is about a man's radius.
        medial = vertices[np.argmin(vertices[:, 0])]
        centre, radius = medial + [24.0, 0.0, 0.0], 24.0
        for tolerance_mm in (12, 8, 6, 4, 3, 2, 2, 2, 2):
            offset = vertices - centre
            near = np.abs(np.linalg.norm(offset, axis=1) - radius) < tolerance_mm
            articular = offset @ np.array([-0.62, 0.1, 0.77]) > 0
            sphere = fit_sphere(vertices[near & articular])
            centre, radius = np.array(sphere.centre_ras_mm), sphere.radius_mm
        local = (vertices - sphere.centre_ras_mm) / sphere.radius_mm
        normals = np.zeros_like(local)
        corner = local[faces]
        face_normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        for n in range(3):
            np.add.at(normals, faces[:, n], face_normal)
        centroid_side = np.einsum("ij,ij->i", normals, local - local.mean(0)).mean()
        normals *= np.sign(centroid_side)
        step = 0.1
        low, high = np.array([-2.4, -2.4, -4.0]), np.array([4.2, 2.4, 2.4])
        shape = np.ceil((high - low) / step).astype(int)
        grid = np.stack(np.meshgrid(*[low[a] + step * np.arange(shape[a]) for a in range(3)], indexing="ij"), -1)
        distance, nearest = cKDTree(local).query(grid.reshape(-1, 3))
        sign = np.sign(np.einsum("ij,ij->i", grid.reshape(-1, 3) - local[nearest], normals[nearest]))
        femora.append(MeasuredFemur((distance * sign).reshape(shape).astype(np.float32), low, step))
    return femora


def _read_ply(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a binary little-endian PLY of triangles: vertices (n, 3) in mm and faces (m, 3)."""
    data = path.read_bytes()
    header, body = data.split(b"end_header\n", 1)
    counts = {line.split()[1]: int(line.split()[2]) for line in header.splitlines() if line.startswith(b"element")}
    n, m = counts[b"vertex"], counts[b"face"]
    vertices = np.frombuffer(body, "<f4", n * 3).reshape(n, 3).astype(float)
    faces = np.frombuffer(body, np.dtype([("n", "u1"), ("v", "<i4", 3)]), m, n * 12)["v"]
    return vertices, faces
