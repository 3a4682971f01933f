"""Procedural hips on CT with the bone of a sound proximal femur, on a fine grid, before any scanner.

What the femoral head of an adult shows on CT, and what a network that never saw it takes for sclerosis: the principal
compressive group of trabeculae, a fan from the calcar to the dome; the principal tensile group, an arc from the lateral
cortex into the lower medial head; Ward's triangle between them (Singh et al., JBJS Am 1970;52:457); the scar of the
growth plate; a denser dome under the cartilage; the calcar; the fovea; and the dense roof of the socket. How much of
each there is, and how dense the bone is, is drawn far more widely than people vary.

Arrays are (k, j, i): slices from anterior to posterior, rows from superior to inferior, columns from lateral to medial.
Points are mm from the head's centre along (lateral, anterior, superior). Intensities are Hounsfield units.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.labels import AnatomyLabel
from training.phantoms.anatomy import Hip, MeasuredFemur, Tissue, random_hip
from training.phantoms.render import classify, intensities, random_body, slice_points
from training.phantoms.tissue import NECK, waves

SPACING_MM = (1.25, 0.75, 0.75)
"""Of the fine grid (slice, row, column)."""
FIELD_MM = 108.0
"""Of each slice: the networks' 96 mm and a margin for shifts and turns."""
BEYOND_MM = 7.0
"""The stack goes on so far beyond the head, before and behind."""
MARROW = (Tissue.HEAD_MARROW, Tissue.FEMUR_MARROW)
CORTEX_HU = (500.0, 1300.0)

VISIBLE_HU = 45.0
"""A lesion shows if its voxels differ by this from the same bone without it, on average. About the noise of a soft
kernel in slices of 3 mm; a convention of this project."""


@dataclass(frozen=True)
class FineHip:
    """A right hip on CT before any scanner.

    Attributes:
        image: float32 (k, j, i), HU.
        points_mm: float32 (k, j, i, 3).
        head, femur, pelvis: bool (k, j, i); the head is the femur inside the sphere enlarged by 4 %.
        radius_mm: of the head's sphere.
    """

    image: np.ndarray
    points_mm: np.ndarray
    head: np.ndarray
    femur: np.ndarray
    pelvis: np.ndarray
    radius_mm: float

    def depth_mm(self, of: str) -> np.ndarray:
        """How deep each voxel lies in "femur" or "pelvis": mm from its surface, 0 outside."""
        inside = ndimage.distance_transform_edt(getattr(self, of), sampling=SPACING_MM)
        return np.maximum(inside - SPACING_MM[1] / 2, 0).astype(np.float32)


def shows(before: np.ndarray, after: np.ndarray, necrosis: np.ndarray) -> bool:
    """Tell whether CT shows a painted lesion: what it does not show is in no truth."""
    return float(np.abs(after - before)[necrosis].mean()) >= VISIBLE_HU


def fine_points(radius_mm: float, turn: np.ndarray) -> np.ndarray:
    """Return the points of the fine grid about a head, turned by a rotation (3, 3)."""
    count = int(np.ceil(2 * (radius_mm + BEYOND_MM) / SPACING_MM[0]))
    return slice_points("coronal", count, SPACING_MM[0], round(FIELD_MM / SPACING_MM[1]), SPACING_MM[1], turn, _ZERO)


_ZERO = np.zeros(3)


def sound_hip(seed: int, femora: list[MeasuredFemur], cartilage_mm: float | None = None) -> FineHip:
    """Render a sound hip.

    Args:
        seed: of all that is random.
        femora: measured ones, as in ``anatomy.random_hip``.
        cartilage_mm: width of the joint space where it should not be that of a sound hip.
    """
    rng = np.random.default_rng([seed, 7])
    hip = random_hip(rng, femora)
    hip = replace(hip, cartilage_mm=cartilage_mm or rng.uniform(2.5, 5.0), cortex_mm=rng.uniform(0.4, 1.3))
    body = random_body(rng, hip)
    turn = Rotation.from_euler("xyz", rng.normal(0, 6, 3), degrees=True).as_matrix()
    points = fine_points(hip.radius_mm, turn)
    tissue, label = classify(hip, body, points)
    image = intensities(tissue, points, body, "ct", rng)
    head = label == AnatomyLabel.HEAD
    femur = head | (label == AnatomyLabel.FEMUR)
    pelvis = label == AnatomyLabel.HIP_BONE
    fine = FineHip(image, points, head, femur, pelvis, hip.radius_mm)
    density = _density(rng)
    _fill_femur(fine, np.isin(tissue, MARROW), density, rng)
    _fill_pelvis(fine, tissue == Tissue.PELVIS_MARROW, density, hip, rng)
    return _with_fovea(fine, rng) if rng.random() < 0.8 else fine


def _density(rng: np.random.Generator) -> float:
    """HU that full trabecular bone adds to marrow: one hip in four is osteoporotic, one in eight very dense."""
    kind = rng.random()
    low, high = (90, 200) if kind < 0.25 else (200, 420) if kind < 0.87 else (420, 650)
    return float(rng.uniform(low, high))


def _fill_femur(fine: FineHip, marrow: np.ndarray, density: float, rng: np.random.Generator) -> None:
    """Write the trabeculae of the femur into its marrow, and the calcar, in place."""
    r = fine.radius_mm
    depth = fine.depth_mm("femur")
    p = fine.points_mm[marrow]
    part = _head_part(p, r, rng) + _fan(p, r, rng) + _tensile(p, r, rng)
    dome = np.clip(p @ _unit([-0.15, 0.1, 1.0]) / r, 0, 1) ** rng.uniform(0.5, 2)
    part += rng.uniform(0.1, 1.1) * dome * np.exp(-depth[marrow] / rng.uniform(1.0, 5.0))
    value = rng.uniform(-70, 60) + density * part
    if rng.random() < 0.85:
        value += _scar(p, r, rng) * rng.uniform(0.2, 1.0) * density
    fine.image[marrow] = value
    # Under the cartilage the cortex is a plate thinner than a voxel.
    plate = fine.head & ~marrow & (np.linalg.norm(fine.points_mm, axis=-1) < 1.04 * r)
    fine.image[plate] *= rng.uniform(0.35, 0.9)
    calcar = np.exp(-(np.linalg.norm(fine.points_mm - _calcar(rng) * r, axis=-1) ** 2) / (2 * (0.55 * r) ** 2))
    thick = fine.femur & (depth > 0) & (depth < rng.uniform(1.5, 4.5) * calcar)
    fine.image[thick] = rng.uniform(*CORTEX_HU)
    _grain(fine.image, marrow & ~thick, density, rng)


def _unit(vector: list[float] | np.ndarray) -> np.ndarray:
    vector = np.asarray(vector, np.float32)
    return vector / np.linalg.norm(vector)


def _calcar(rng: np.random.Generator) -> np.ndarray:
    """The medial cortex of the neck, in radii."""
    return np.array([0.75, 0.0, -1.35]) + rng.normal(0, 0.1, 3)


def _head_part(p: np.ndarray, r: float, rng: np.random.Generator) -> np.ndarray:
    """The even part of the density: more in the head than in the neck, without a border."""
    along = p @ -NECK / r
    epiphysis = 1 / (1 + np.exp(-(along - rng.uniform(-0.8, 0.2)) / rng.uniform(0.1, 0.5)))
    low, high = rng.uniform(0.0, 0.35), rng.uniform(0.35, 0.85)
    return low + (high - low) * epiphysis + rng.uniform(0, 0.15) * waves(p, rng, (10, 40))


def _fan(p: np.ndarray, r: float, rng: np.random.Generator) -> np.ndarray:
    """The principal compressive group: rays from below the calcar that open towards the dome."""
    apex = (np.array([0.65, 0.0, -2.4]) + rng.normal(0, 0.15, 3)) * r
    middle = _unit((np.array([-0.1, 0.05, 0.9]) + rng.normal(0, 0.12, 3)) * r - apex)
    rays = (p - apex.astype(np.float32)) / np.linalg.norm(p - apex, axis=-1, keepdims=True)
    away = rays - (rays @ middle)[:, None] * middle
    width = rng.uniform(0.08, 0.2)
    envelope = np.exp(-((away[:, 0] / width) ** 2) - (away[:, 1] / (width * rng.uniform(1.2, 2.5))) ** 2)
    streaks = 1 + rng.uniform(0.0, 0.6) * waves(rays * np.float32(3 * r), rng, (1.8, 7.0), count=16)
    return rng.uniform(0.15, 0.9) * envelope * np.clip(streaks, 0.1, None)


def _tensile(p: np.ndarray, r: float, rng: np.random.Generator) -> np.ndarray:
    """The principal tensile group: an arc in the coronal plane, over Ward's triangle into the lower medial head."""
    centre, reach = np.array([0.83, -1.45]) + rng.normal(0, 0.08, 2), 1.7 + rng.normal(0, 0.06)
    distance = np.linalg.norm(p[:, [0, 2]] / r - centre.astype(np.float32), axis=-1) - reach
    band = np.exp(-((distance / rng.uniform(0.08, 0.25)) ** 2)) * np.exp(-((p[:, 1] / (0.7 * r)) ** 2))
    streaks = 1 + rng.uniform(0.0, 0.5) * np.cos(distance * np.float32(2 * np.pi * r / rng.uniform(2.5, 6)))
    return rng.uniform(0.0, 0.45) * band * streaks


def _scar(p: np.ndarray, r: float, rng: np.random.Generator) -> np.ndarray:
    """The scar of the growth plate, 0 to 1: a thin broken sheet across the head, convex towards the dome."""
    along = p @ -NECK
    across2 = np.maximum(np.einsum("nc,nc->n", p, p) - along**2, 0)
    sheet = along - rng.uniform(-0.15, 0.4) * r + rng.uniform(0.05, 0.5) * across2 / r
    sheet += rng.uniform(0.2, 1.5) * waves(p, rng, (8, 30))
    line = np.clip((rng.uniform(0.4, 1.1) - np.abs(sheet)) / SPACING_MM[1] + 0.5, 0, 1)
    return line * np.clip(1.5 * waves(p, rng, (6, 25)) + rng.uniform(0.3, 2.0), 0, 1)


def _grain(image: np.ndarray, where: np.ndarray, density: float, rng: np.random.Generator) -> None:
    """Add what single trabeculae leave at this resolution, in place."""
    for sigma, most in ((rng.uniform(0.5, 1.0), 0.25), (rng.uniform(1.5, 3.0), 0.15)):
        noise = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), sigma)
        image[where] += rng.uniform(0.05, most) * density / noise.std() * noise[where]


def _fill_pelvis(fine: FineHip, marrow: np.ndarray, density: float, hip: Hip, rng: np.random.Generator) -> None:
    """Write the marrow of the hip bone, and the dense roof of the socket, in place."""
    fine.image[marrow] = rng.uniform(-60, 60) + rng.uniform(0.2, 0.9) * density
    _grain(fine.image, marrow, density, rng)
    distance = np.linalg.norm(fine.points_mm, axis=-1)
    up = np.clip(fine.points_mm @ _unit([0.2, 0.0, 1.0]) / np.maximum(distance, 1), 0, 1)
    above = distance - hip.radius_mm - hip.cartilage_mm
    roof = fine.pelvis & (above < rng.uniform(1.0, 5.0) * up ** rng.uniform(1, 4))
    fine.image[roof] = np.maximum(fine.image[roof], rng.uniform(*CORTEX_HU))


def _with_fovea(fine: FineHip, rng: np.random.Generator) -> FineHip:
    """Carve the pit of the ligament into the medial head, with a rim of cortex."""
    r = fine.radius_mm
    place = _unit(np.array([-0.93, -0.15, 0.2]) + rng.normal(0, 0.1, 3)) * r * rng.uniform(1.0, 1.1)
    distance = np.linalg.norm(fine.points_mm - place, axis=-1)
    size = rng.uniform(3, 7)
    pit = fine.femur & (distance < size)
    fine.image[fine.femur & (distance < size + rng.uniform(0.4, 1.2))] = rng.uniform(350, 900)
    fine.image[pit] = rng.uniform(-20, 70)
    return replace(fine, head=fine.head & ~pit, femur=fine.femur & ~pit)
