"""What the lesion painter needs of a hip: its tones, its fine grid, and smooth random fields.

Arrays and points as in ``lesions``.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Contrast = Literal["t1", "t2", "stir", "ct"]

#: Tones (low, high) of the inside by Mitchell class: A fat, B blood, C fluid, D fibrous (Mitchell et al., Radiology
#: 1987;162:709), of the band, of the bright inner line (double-line sign), and of the subchondral fracture line.
TONES: dict[str, dict[str, tuple[float, float]]] = {
    "t1": {
        "A": (0.75, 1.15), "B": (0.8, 1.25), "C": (-0.1, 0.45), "D": (-0.2, 0.5),
        "band": (-0.25, 0.45), "inner": (0.5, 0.9), "fracture": (-0.4, 0.1),
    },
    "t2": {
        "A": (0.7, 1.15), "B": (1.0, 1.6), "C": (1.2, 2.2), "D": (-0.2, 0.5),
        "band": (-0.3, 0.4), "inner": (1.1, 2.0), "fracture": (-0.3, 1.8),
    },
    "stir": {
        "A": (-0.1, 0.2), "B": (0.3, 1.1), "C": (0.7, 1.9), "D": (-0.1, 0.4),
        "band": (0.3, 1.4), "inner": (0.5, 1.6), "fracture": (-0.2, 1.5),
    },
    "ct": {
        "A": (0.6, 1.1), "B": (0.9, 1.4), "C": (-0.3, 0.5), "D": (1.1, 2.0),
        "band": (1.4, 2.8), "inner": (0.2, 0.9), "fracture": (-0.5, 0.2),
    },
}  # fmt: skip
#: Classes that can be told from marrow without a band.
VISIBLE_CLASSES = {"t1": "CD", "t2": "CD", "stir": "C", "ct": "CD"}
NECK = np.array([0.72, -0.15, -0.68], np.float32)
"""From the head's centre along the femoral neck."""


@dataclass(frozen=True)
class Tones:
    """The tone scale of one image: ``level(tone)`` is an intensity."""

    table: dict[str, tuple[float, float]]
    contrast: str
    zero: float
    scale: float
    marrow: float
    suppressed: bool

    def level(self, tone: np.ndarray | float) -> np.ndarray | float:
        """The intensity of a tone."""
        return self.zero + self.scale * tone

    @property
    def normal(self) -> float:
        """The tone of this head's marrow."""
        return 0.0 if self.suppressed else 1.0

    def marrow_part(self, image: np.ndarray) -> np.ndarray:
        """How much of each voxel is marrow: keeps cortex, vessels, texture and partial volume under the paint."""
        if self.suppressed or self.contrast == "ct":
            return np.ones_like(image, np.float32)
        return np.clip((image - self.zero) / self.scale, 0.0, 1.3).astype(np.float32)


def measure_tones(
    image: np.ndarray, points: np.ndarray, head: np.ndarray, radius: float, contrast: str, muscle: float | None
) -> Tones:
    """Marrow is the median of the head's core; muscle, unless given, the 20th percentile within two radii."""
    distance = np.sqrt(np.einsum("...c,...c->...", points, points))
    core = head & (distance < 0.8 * radius)
    marrow = float(np.median(image[core if core.any() else head]))
    near = distance < 2 * radius
    around = image[near & ~head]
    low, high = np.percentile(image[near], [2, 98])
    spread = max(float(high - low), 1e-3 * abs(marrow), 1e-6)
    if muscle is None:
        muscle = float(np.percentile(around, 20)) if around.size else marrow - spread
    suppressed = contrast == "stir" or (contrast == "t2" and marrow - muscle < 0.25 * spread)
    if suppressed:
        return Tones(TONES["stir"], "stir", marrow, 0.5 * spread, marrow, True)
    scale = max(marrow - muscle, 0.3 * spread)
    return Tones(TONES[contrast], contrast, marrow - scale, scale, marrow, False)


def marrow_of_the_neck(image: np.ndarray, points: np.ndarray, radius: float, tone: Tones) -> np.ndarray:
    """Marrow-like voxels where the neck leaves the head: a large lesion goes on there instead of ending in a cut."""
    distance = np.sqrt(np.einsum("...c,...c->...", points, points)) + 1e-6
    along = points @ NECK / distance
    alike = np.abs(image - tone.marrow) < 0.4 * tone.scale
    return (along > 0.75) & (distance > 0.9 * radius) & (distance < 1.35 * radius) & alike


@dataclass(frozen=True)
class Grid:
    """Points (k, s, j, i, 3) with s positions within each slice's thickness."""

    points: np.ndarray
    steps_mm: np.ndarray
    spacing_mm: tuple[float, float, float]
    pixel_mm: float


def fine_grid(points: np.ndarray, normal: np.ndarray) -> Grid:
    """Split each slice into 1, 3 or 5 positions along its normal (k, s, j, i, 3), by its thickness."""
    thickness = float(np.linalg.norm(normal))
    parts = 1 if thickness < 1.5 and len(points) > 1 else 3 if thickness < 4 else 5
    offsets = ((np.arange(parts, dtype=np.float32) + 0.5) / parts - 0.5)[:, None] * normal

    def step(axis: int) -> np.ndarray:
        if points.shape[axis] < 2:
            return np.eye(3)[axis]
        return np.take(points, 1, axis)[0, 0] - np.take(points, 0, axis)[0, 0]

    steps = np.array([normal / parts, step(1), step(2)], float)
    sizes = np.linalg.norm(steps, axis=1)
    fine = points.astype(np.float32)[:, None] + offsets[None, :, None, None, :]
    return Grid(fine, steps, (thickness, sizes[1], sizes[2]), float(np.sqrt(sizes[1] * sizes[2])))


def slope_per_mm(field: np.ndarray, grid: Grid) -> np.ndarray:
    """|gradient| per mm of a field (k, s, j, i): field / slope is a first-order distance (Taubin 1994)."""
    flat = field.reshape(-1, *field.shape[2:])
    gradients = [np.gradient(flat, axis=axis) if flat.shape[axis] > 1 else np.zeros_like(flat) for axis in range(3)]
    metric = np.linalg.inv(grid.steps_mm @ grid.steps_mm.T)
    square = sum(metric[a, b] * gradients[a] * gradients[b] for a in range(3) for b in range(3))
    return np.sqrt(np.clip(square, 0.3**2, 4.0**2)).astype(np.float32).reshape(field.shape)


def waves(
    points: np.ndarray, rng: np.random.Generator, wavelengths_mm: tuple[float, float], channels: int = 1, count: int = 7
) -> np.ndarray:
    """A smooth random field (..., channels) of unit variance: a sum of cosines of random direction and phase."""
    direction = rng.standard_normal((3, count))
    direction *= 2 * np.pi / rng.uniform(*wavelengths_mm, count) / np.linalg.norm(direction, axis=0)
    phase = rng.uniform(0, 2 * np.pi, count)
    amplitude = rng.standard_normal((count, channels))
    amplitude *= np.sqrt(2 / (amplitude**2).sum(axis=0))
    angle = points @ direction.astype(np.float32) + phase.astype(np.float32)
    field = np.cos(angle) @ amplitude.astype(np.float32)
    return field if channels > 1 else field[..., 0]


def site(rng: np.random.Generator) -> np.ndarray:
    """Where a lesion sits: mostly the anterosuperior dome, sometimes anywhere."""
    kind = rng.random()
    if kind < 0.65:
        vector = np.array([0.1, 0.4, 0.85]) + 0.35 * rng.standard_normal(3)
    else:
        vector = rng.standard_normal(3)
        if kind < 0.9:
            vector[2] = abs(vector[2])
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def soft(distance_mm: np.ndarray, pixel_mm: float) -> np.ndarray:
    """An edge one pixel wide: 0 outside, 1 inside, for a distance that is positive inside."""
    return np.clip(distance_mm / pixel_mm + 0.5, 0, 1)
