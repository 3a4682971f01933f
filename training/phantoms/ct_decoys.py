"""What is not osteonecrosis on CT and looks like it: osteoarthritis, bone islands, heads of another shape.

Nothing of this is in the truth. Arrays and points as in ``ct_bone``.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from training.phantoms.ct_bone import CORTEX_HU, FineHip
from training.phantoms.tissue import NECK, waves

ARTHRITIC_SPACE_MM = (0.4, 2.0)
"""Joint space of an arthritic hip, for ``ct_bone.sound_hip``."""


def arthritic(fine: FineHip, rng: np.random.Generator) -> FineHip:
    """Add what osteoarthritis does to both sides of the joint: sclerosis, cysts, osteophytes."""
    place = dome(rng, 0.35)
    image = fine.image.copy()
    for bone, chance in (("pelvis", 0.85), ("femur", 0.6)):
        if rng.random() < chance:
            _sclerosis(image, fine, bone, place, rng)
        for _ in range(rng.integers(0, 4) if rng.random() < 0.6 else 0):
            _cyst(image, fine, bone, place, rng)
    fine = replace(fine, image=image)
    for _ in range(rng.integers(1, 4) if rng.random() < 0.6 else 0):
        fine = _osteophyte(fine, rng)
    return fine


def dome(rng: np.random.Generator, spread: float) -> np.ndarray:
    """Draw a direction about the weight-bearing part of the head."""
    vector = np.array([0.2, 0.2, 0.9]) + rng.normal(0, spread, 3)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _sclerosis(image: np.ndarray, fine: FineHip, bone: str, place: np.ndarray, rng: np.random.Generator) -> None:
    """Denser bone under the joint that fades with depth and has no rim."""
    r = fine.radius_mm
    distance = np.linalg.norm(fine.points_mm, axis=-1)
    depth = np.abs(distance - r) + rng.uniform(0, 1.5) * waves(fine.points_mm, rng, (6, 20))
    cosine = fine.points_mm @ place / np.maximum(distance, 1)
    spread = np.clip((cosine - rng.uniform(0.5, 0.9)) / rng.uniform(0.05, 0.3), 0, 1)
    fade = np.exp(-np.clip(depth - rng.uniform(0, 3), 0, None) / rng.uniform(1.0, 5.0))
    added = rng.uniform(120, 600) * spread * fade * getattr(fine, bone)
    image += np.where(image < CORTEX_HU[0], added, 0)


def _cyst(image: np.ndarray, fine: FineHip, bone: str, place: np.ndarray, rng: np.random.Generator) -> None:
    """A round or lobed hole near the joint's surface, with a thin dense rim."""
    size = rng.uniform(1.2, 5.5)
    at = place + rng.normal(0, 0.3, 3)
    at = at / np.linalg.norm(at)
    inside = 1 if bone == "pelvis" else -1
    away = fine.radius_mm + inside * (rng.uniform(0.5, 4) + size) + (4 if bone == "pelvis" else 0)
    distance = np.linalg.norm(fine.points_mm - at.astype(np.float32) * np.float32(away), axis=-1)
    distance = distance + rng.uniform(0, 0.15) * size * waves(fine.points_mm, rng, (4, 12))
    own = getattr(fine, bone)
    rim = own & (distance < size + rng.uniform(0.4, 1.4))
    image[rim] = np.maximum(image[rim], rng.uniform(300, 800))
    image[own & (distance < size)] = rng.uniform(-20, 90)


def _osteophyte(fine: FineHip, rng: np.random.Generator) -> FineHip:
    """A bump of bone at the border of head and neck, or at the fovea."""
    r = fine.radius_mm
    across = np.cross(NECK, rng.standard_normal(3))
    at = across / np.linalg.norm(across) * rng.uniform(0.85, 1.0) * r + NECK * rng.uniform(0.1, 0.6) * r
    offset = fine.points_mm - at.astype(np.float32)
    squeeze = np.linalg.qr(rng.standard_normal((3, 3)))[0] * rng.uniform(0.7, 1.4, 3)
    distance = np.linalg.norm(offset @ squeeze.astype(np.float32), axis=-1)
    size = rng.uniform(2.5, 7)
    new = (distance < size) & ~fine.femur & ~fine.pelvis
    image = np.where(new, rng.uniform(100, 500), fine.image)
    image[new & (distance > size - rng.uniform(0.7, 1.5))] = rng.uniform(*CORTEX_HU)
    near = np.einsum("...c,...c->...", fine.points_mm, fine.points_mm) < (1.04 * r) ** 2
    return replace(fine, image=image.astype(np.float32), femur=fine.femur | new, head=fine.head | (new & near))


def with_islands(fine: FineHip, rng: np.random.Generator) -> FineHip:
    """Add one to three bone islands: small, as dense as cortex, with a ragged edge, anywhere in the head or neck."""
    image = fine.image.copy()
    for _ in range(rng.integers(1, 4)):
        at = rng.standard_normal(3)
        at *= rng.uniform(0, 0.95) * fine.radius_mm / np.linalg.norm(at)
        size = rng.uniform(1.0, 4.5)
        distance = np.linalg.norm(fine.points_mm - at.astype(np.float32), axis=-1)
        distance = distance + rng.uniform(0.1, 0.4) * size * waves(fine.points_mm, rng, (2, 6))
        island = fine.femur & (distance < size)
        image[island] = np.maximum(image[island], rng.uniform(500, 1200))
    return replace(fine, image=image)


def pressed(fine: FineHip, masks: np.ndarray, press_mm: np.ndarray) -> tuple[FineHip, np.ndarray]:
    """Press the head's surface in towards its centre, and open the joint by as much.

    Args:
        fine: the hip.
        masks: bool (m, k, j, i) that go with it.
        press_mm: (k, j, i), how far, by direction from the centre; the same along each radius.
    """
    r = fine.radius_mm
    distance = np.linalg.norm(fine.points_mm, axis=-1)
    part = np.interp(distance / r, [0.35, 0.97, 1.0, 1.0 + 4.0 / r, 2.0], [0, 1, 1, 0, 0])
    pull = (press_mm * part / np.maximum(distance, 1e-3))[..., None] * fine.points_mm  # where the new voxel came from
    axes = fine.points_mm  # canonical steps of the grid are orthogonal; project onto them
    steps = [axes[1, 0, 0] - axes[0, 0, 0], axes[0, 1, 0] - axes[0, 0, 0], axes[0, 0, 1] - axes[0, 0, 0]]
    index = np.indices(distance.shape, dtype=np.float32)
    for n, step in enumerate(steps):
        index[n] += pull @ (step / (step @ step))

    def moved(volume: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(volume.astype(np.float32), index, order=1, mode="nearest")

    head, femur, pelvis, *rest = (moved(mask) > 0.5 for mask in (fine.head, fine.femur, fine.pelvis, *masks))
    new = replace(fine, image=moved(fine.image), head=head, femur=femur, pelvis=pelvis)
    return new, np.array(rest, bool).reshape(masks.shape)


def deformed(fine: FineHip, rng: np.random.Generator) -> FineHip:
    """Give a head another shape: flattened on one side, broad, as after Perthes' disease or in dysplasia."""
    unit = fine.points_mm / np.maximum(np.linalg.norm(fine.points_mm, axis=-1, keepdims=True), 1e-3)
    width = rng.uniform(0.3, 0.9)
    press = rng.uniform(1.0, 6.0) * np.exp(-((1 - unit @ dome(rng, 0.3)) / width))
    press += rng.uniform(0.0, 0.8) * waves(unit * np.float32(fine.radius_mm), rng, (12, 40))
    return pressed(fine, np.zeros((0, *fine.head.shape), bool), np.clip(press, 0, None).astype(np.float32))[0]


DECOYS: tuple[tuple[float, Callable[[FineHip, np.random.Generator], FineHip]], ...] = (
    (0.2, arthritic),
    (0.2, with_islands),
    (0.1, deformed),
)
"""Chance of each kind of decoy, in the order in which they are added."""


def with_decoys(fine: FineHip, rng: np.random.Generator) -> FineHip:
    """Add what is not necrosis, each kind only sometimes."""
    for chance, change in DECOYS:
        if rng.random() < chance:
            fine = change(fine, rng)
    return fine
