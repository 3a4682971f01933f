"""The painter of the external test lesions on CT, and its scanners. FROZEN: nothing is ever trained on what they make.

Written before the first training of the networks that it tests, and by itself: it shares no shape, tone, texture or
scanner with the first painter (``ct_lesions``, ``lesions``, ``ct_scan.random_scanner``), so that the figures measured
with it do not reward a network for the habits of that one. Whoever changes how a lesion looks here changes every figure
that was measured with it; write another painter instead.

A lesion is a lens or wedge under the dome: for each direction from the head's centre it has a depth below the surface,
largest in its middle, over an area whose border is wavy. What CT shows of it: a serpiginous border of sclerosis, broken
in places; inside bone that has lost its trabecular pattern, with holes and clumps; a lucent line or step under the
plate (the crescent), where the bone above may have sunk; and reactive sclerosis beyond the border, which is not
necrosis. The border belongs to the lesion, as on MR (docs/clinical.md).
"""

import numpy as np
from scipy import ndimage

from training.phantoms.ct_bone import SPACING_MM, FineHip, shows
from training.phantoms.ct_scan import Scanner

RATIO_RANGE = (0.04, 0.5)
"""Necrotic part of the head."""
RIM_HU = (250.0, 800.0)
TRIES = 8
"""A lesion that CT does not show is painted anew."""
PLATE_MM = 1.5
"""The plate under the cartilage keeps its density."""


def paint_second(fine: FineHip, rng: np.random.Generator) -> tuple[FineHip, np.ndarray]:
    """Paint one lesion.

    Args:
        fine: a hip without one.
        rng: source of all that is random.

    Returns:
        The hip, and its necrosis, bool (k, j, i), inside the head.
    """
    for _ in range(TRIES):
        hip, necrosis = _painted(fine, rng)
        if shows(fine.image, hip.image, necrosis):
            break
    return hip, necrosis


def _painted(fine: FineHip, rng: np.random.Generator) -> tuple[FineHip, np.ndarray]:
    """Paint a lesion, whether it shows or not."""
    inside = _inside_mm(fine, rng)
    necrosis = fine.head & (inside > 0)
    surface = fine.radius_mm - np.linalg.norm(fine.points_mm, axis=-1)
    image = fine.image.copy()
    paintable = np.clip((surface - PLATE_MM) / 0.7 + 0.5, 0, 1) * fine.head

    smooth = ndimage.gaussian_filter(image, [2.5 / step for step in SPACING_MM])
    lost = rng.uniform(0.4, 1.0)  # of the trabecular pattern
    clumps, fleck = _speckle(image.shape, rng.uniform(1.5, 3.5), rng), _speckle(image.shape, 0.8, rng)
    inner = image + lost * (smooth - image) + rng.uniform(-200, 60) + rng.uniform(5, 40) * fleck
    inner += rng.uniform(80, 420) * np.clip(clumps - rng.uniform(0.3, 1.6), 0, 1.2)
    inner -= rng.uniform(0, 260) * np.clip(-clumps - rng.uniform(0.8, 1.8), 0, 1)
    width = rng.uniform(1.5, 4.5)
    gaps = np.clip(_speckle(image.shape, rng.uniform(4, 8), rng) + rng.uniform(1.2, 2.5), 0.25, 1)
    rim = np.exp(-(((inside - width / 2) / (width / 2)) ** 2)) * gaps
    inner += rng.uniform(*RIM_HU) * rim
    cover = np.clip(inside / 0.8 + 0.5, 0, 1)
    beyond = np.exp(np.minimum(inside, 0) / rng.uniform(1.5, 5)) * (inside < 0) * rng.uniform(0, 180)
    image += paintable * (cover * (inner - image) + (1 - cover) * beyond)
    if rng.random() < 0.45:
        _crescent(image, fine, inside, surface, rng)
    if rng.random() < 0.3:
        image = _sunken(image, fine, inside, rng)
    hip = FineHip(image.astype(np.float32), fine.points_mm, fine.head, fine.femur, fine.pelvis, fine.radius_mm)
    return hip, necrosis


def _inside_mm(fine: FineHip, rng: np.random.Generator) -> np.ndarray:
    """How far inside the lesion each point lies, in mm or so; the lesion's depth is set so that its ratio is drawn."""
    r = fine.radius_mm
    axis = np.array([rng.normal(0.05, 0.3), rng.normal(0.35, 0.3), 1.0])
    axis /= np.linalg.norm(axis)
    first = np.cross(axis, [0.0, 1.0, 0.1])
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    distance = np.maximum(np.linalg.norm(fine.points_mm, axis=-1), 1e-3)
    up, a, b = (fine.points_mm @ way.astype(np.float32) for way in (axis, first, second))
    angle = np.arccos(np.clip(up / distance, -1, 1))
    round_ = np.arctan2(b, a)
    wanted = rng.uniform(*RATIO_RANGE)
    edge = np.radians(rng.uniform(35, 55) + 60 * wanted)
    for waves in (2, 3, 5):
        edge = edge * (1 + rng.uniform(0, 0.12) * np.cos(waves * round_ + rng.uniform(0, 2 * np.pi)))
    lens = np.clip(1 - (angle / edge) ** rng.uniform(1.5, 4.0), -1, 1)
    ripple = rng.uniform(0.2, 1.2) * np.cos(a / rng.uniform(2, 5)) * np.cos(b / rng.uniform(2, 5))
    flat = rng.random() < 0.4  # bounded by a plane across the head rather than by a shell

    def inside(depth: float) -> np.ndarray:
        below = (r - up) if flat else (r - distance)
        within = np.sign(lens) * np.abs(lens) ** 0.7 * depth - below + ripple
        return np.minimum(within, (edge - angle) * distance)

    low, high = 0.0, 2.2 * r
    for _ in range(14):
        depth = (low + high) / 2
        ratio = (inside(depth)[fine.head] > 0).mean()
        low, high = (depth, high) if ratio < wanted else (low, depth)
    return inside(high).astype(np.float32)


def _crescent(
    image: np.ndarray, fine: FineHip, inside: np.ndarray, surface: np.ndarray, rng: np.random.Generator
) -> None:
    """A lucent line along the plate, in place."""
    away = np.abs(surface - rng.uniform(2.0, 4.0) - 0.6 * _speckle(image.shape, 4.0, rng))
    line = np.clip((rng.uniform(0.4, 1.0) - away) / SPACING_MM[1] + 0.5, 0, 1) * (inside > 1) * fine.head
    image += line * (rng.uniform(-150, 40) - image)


def _sunken(image: np.ndarray, fine: FineHip, inside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Let the plate over the lesion sink by up to 2.5 mm: the truth stays, as it is cut by the head's sphere anyhow."""
    over = ndimage.gaussian_filter(np.clip(inside, 0, 4).max(axis=1), [2.0 / SPACING_MM[0], 2.0 / SPACING_MM[2]])
    sink = rng.uniform(0.5, 2.5) * over / max(float(over.max()), 1e-3) / SPACING_MM[1]
    k, j, i = np.indices(image.shape, dtype=np.float32)
    radius_px = fine.radius_mm / SPACING_MM[1]
    part = np.interp(np.linalg.norm(fine.points_mm, axis=-1) / fine.radius_mm, [0.5, 0.95, 1.02, 1.15], [0, 1, 1, 0])
    part = part * np.clip(fine.points_mm[..., 2] / fine.radius_mm * 3, 0, 1) * (radius_px > 0)
    return ndimage.map_coordinates(image, [k, j - sink[:, None] * part, i], order=1, mode="nearest")


def _speckle(shape: tuple[int, ...], scale_mm: float, rng: np.random.Generator) -> np.ndarray:
    noise = ndimage.gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), [scale_mm / step for step in SPACING_MM]
    )
    return noise / noise.std()


def other_scanner(rng: np.random.Generator) -> Scanner:
    """Draw a scanner that ``ct_scan.random_scanner`` does not draw: softer or sharper, thinner or thicker slices."""
    sharp = rng.random() < 0.5
    return Scanner(
        blur_mm=float(rng.uniform(0.22, 0.3) if sharp else rng.uniform(0.92, 1.1)),
        edge=float(rng.uniform(0.85, 1.4) if sharp else 0.0),
        noise_hu=float(rng.uniform(30, 70) if sharp else rng.uniform(3, 15)),
        grain_mm=0.0 if sharp else float(rng.uniform(1.0, 1.4)),
        axial_mm=float(rng.uniform(0.4, 0.6) if rng.random() < 0.6 else rng.uniform(3.0, 4.5)),
        coronal_mm=float(rng.uniform(0.6, 1.0) if rng.random() < 0.6 else rng.uniform(3.5, 4.5)),
        pitch_mm=float(rng.uniform(2.4, 4.5)),
    )
