"""Procedural hips as images: tissue at each point, intensity for each contrast, and what a scanner does to it."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.labels import AnatomyLabel
from training.phantoms.anatomy import (
    Hip,
    Tissue,
    Waves,
    capsule_distance,
    femur_distance,
    pelvis_distance,
    random_waves,
)

# Rows: the steps along slice, row and column of a canonical image, in canonical axes (lateral, anterior, superior).
PLANES = {
    "coronal": np.array([[0, -1, 0], [0, 0, -1], [-1, 0, 0]], np.float32),
    "axial": np.array([[0, 0, -1], [0, -1, 0], [-1, 0, 0]], np.float32),
    "sagittal": np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]], np.float32),
}

# Range of relative intensity of each tissue; CT in Hounsfield units. Broad on purpose (domain randomisation).
CONTRASTS: dict[str, dict[Tissue, tuple[float, float]]] = {
    "t1": {
        Tissue.AIR: (0.0, 0.02), Tissue.FAT: (0.85, 1.1), Tissue.MUSCLE: (0.26, 0.5),
        Tissue.FEMUR_CORTEX: (0.02, 0.16), Tissue.HEAD_MARROW: (0.62, 1.0), Tissue.FEMUR_MARROW: (0.45, 0.95),
        Tissue.PELVIS_CORTEX: (0.03, 0.18), Tissue.PELVIS_MARROW: (0.38, 0.85), Tissue.CARTILAGE: (0.22, 0.55),
        Tissue.FLUID: (0.1, 0.32), Tissue.BOWEL: (0.1, 0.6), Tissue.CAPSULE: (0.08, 0.3),
    },
    "t2": {
        Tissue.AIR: (0.0, 0.02), Tissue.FAT: (0.5, 0.95), Tissue.MUSCLE: (0.1, 0.3),
        Tissue.FEMUR_CORTEX: (0.01, 0.08), Tissue.HEAD_MARROW: (0.4, 0.8), Tissue.FEMUR_MARROW: (0.35, 0.7),
        Tissue.PELVIS_CORTEX: (0.01, 0.08), Tissue.PELVIS_MARROW: (0.3, 0.7), Tissue.CARTILAGE: (0.25, 0.6),
        Tissue.FLUID: (0.8, 1.3), Tissue.BOWEL: (0.1, 1.0), Tissue.CAPSULE: (0.05, 0.15),
    },
    "stir": {
        Tissue.AIR: (0.0, 0.02), Tissue.FAT: (0.04, 0.2), Tissue.MUSCLE: (0.28, 0.5),
        Tissue.FEMUR_CORTEX: (0.01, 0.08), Tissue.HEAD_MARROW: (0.06, 0.25), Tissue.FEMUR_MARROW: (0.08, 0.3),
        Tissue.PELVIS_CORTEX: (0.01, 0.08), Tissue.PELVIS_MARROW: (0.1, 0.35), Tissue.CARTILAGE: (0.4, 0.7),
        Tissue.FLUID: (0.9, 1.3), Tissue.BOWEL: (0.2, 1.0), Tissue.CAPSULE: (0.05, 0.2),
    },
    "ct": {
        Tissue.AIR: (-1000, -990), Tissue.FAT: (-120, -80), Tissue.MUSCLE: (30, 70),
        Tissue.FEMUR_CORTEX: (600, 1400), Tissue.HEAD_MARROW: (180, 420), Tissue.FEMUR_MARROW: (20, 220),
        Tissue.PELVIS_CORTEX: (500, 1200), Tissue.PELVIS_MARROW: (80, 280), Tissue.CARTILAGE: (20, 90),
        Tissue.FLUID: (0, 30), Tissue.BOWEL: (-400, 60), Tissue.CAPSULE: (30, 80),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Body:
    """Soft tissue around the bones: skin, subcutaneous fat, muscles with fat between them, pelvic organs."""

    width_mm: float
    depth_mm: float
    skin_mm: float
    offset_mm: float
    septa: Waves
    septum: float
    mottle: Waves
    organ: Waves
    marrow: Waves
    red: float
    fluid_mm: float


def random_body(rng: np.random.Generator, hip: Hip) -> Body:
    """Draw the soft tissue that goes with a hip."""
    return Body(
        width_mm=hip.midline_mm + rng.uniform(65, 110),
        depth_mm=rng.uniform(85, 130),
        skin_mm=rng.uniform(8, 45),
        offset_mm=rng.uniform(-15, 15),
        septa=random_waves(rng, 55, 1.0, channels=2, count=10),
        septum=rng.uniform(0.03, 0.22),
        mottle=random_waves(rng, 14, 1.0, count=10),
        organ=random_waves(rng, 45, 1.0, count=10),
        marrow=random_waves(rng, 22, 1.0, count=12),
        red=rng.uniform(0.0, 0.35),
        # One joint in six holds an effusion.
        fluid_mm=rng.uniform(0.0, 3.0) if rng.random() < 0.83 else rng.uniform(3.0, 9.0),
    )


def classify(hip: Hip, body: Body, points: np.ndarray, other: Hip | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Tissue and anatomy label at canonical points of shape (..., 3).

    ``other`` is the hip on the far side of the midline, if it should be there. Labels follow the project's rule:
    the head is the part of the femur inside the sphere enlarged by 4 %.
    """
    p = points.astype(np.float32)
    tissue = np.full(p.shape[:-1], Tissue.FAT, np.uint8)
    label = np.zeros(p.shape[:-1], np.uint8)

    across = (p[..., 0] + hip.midline_mm) / body.width_mm
    along = (p[..., 1] - body.offset_mm) / body.depth_mm
    septa = body.septa(p)
    wobble = 7 * septa[..., 0]
    edge = np.sqrt(across**2 + along**2)
    depth = (1 - edge) * min(body.width_mm, body.depth_mm) + 0.4 * wobble
    muscle = (np.abs(septa).min(-1) > body.septum) & (depth > body.skin_mm)
    inside_pelvis = np.abs(across * body.width_mm) + wobble < hip.midline_mm - 24
    inside_pelvis &= p[..., 2] + wobble > -10
    organ = inside_pelvis & (body.organ(p)[..., 0] > 0.2)
    tissue[muscle] = Tissue.MUSCLE
    tissue[inside_pelvis & (depth > body.skin_mm)] = Tissue.FAT
    tissue[organ & (depth > body.skin_mm)] = Tissue.BOWEL
    tissue[depth < 0] = Tissue.AIR

    _place_hip(hip, body, p, tissue, label)
    if other is not None:
        mirrored = p * np.array([-1, 1, 1], np.float32) - np.array([2 * hip.midline_mm, 0, 0], np.float32)
        _place_hip(other, body, mirrored, tissue, label)
    return tissue, label


def _place_hip(hip: Hip, body: Body, p: np.ndarray, tissue: np.ndarray, label: np.ndarray) -> None:
    """Write one hip's joint and bones into ``tissue`` and ``label`` in place."""
    near = (np.abs(p[..., 0]) < 130) & (p[..., 2] < 140)
    q = p[near]
    q = q + hip.warp(q) - hip.warp(np.zeros((1, 3), np.float32))
    distance = np.linalg.norm(q, axis=-1)
    part, region = tissue[near], label[near]
    joint = distance < hip.radius_mm + hip.cartilage_mm + 0.5
    # The capsule hugs the neck below and lateral of the cup and thins out upwards.
    height = np.clip(q[..., 2] / hip.radius_mm, -1, 1)
    capsule = distance < hip.radius_mm * (1.2 - 0.12 * height) + 2 * body.mottle(q)[..., 0]
    fossa = (distance < hip.radius_mm + 10) & (q[..., 0] < -0.3 * hip.radius_mm)
    part[capsule] = Tissue.CAPSULE
    part[capsule & (distance < hip.radius_mm + body.fluid_mm)] = Tissue.FLUID
    part[fossa] = Tissue.FAT
    part[joint] = Tissue.CARTILAGE
    pelvis = pelvis_distance(hip, q)
    pelvis_cortex = hip.cortex_mm * 1.2
    bone = pelvis < 0
    part[bone] = np.where(pelvis[bone] > -pelvis_cortex, Tissue.PELVIS_CORTEX, Tissue.PELVIS_MARROW)
    region[bone] = AnatomyLabel.HIP_BONE
    femur = femur_distance(hip, q)
    # The cortex is thin over the head and several mm thick along the shaft.
    cortex = hip.cortex_mm * (1 + 2.8 * np.clip((distance - 2.2 * hip.radius_mm) / hip.radius_mm, 0, 1))
    bone = femur < 0
    in_head = distance < hip.radius_mm * 1.04
    marrow = np.where(in_head, Tissue.HEAD_MARROW, Tissue.FEMUR_MARROW)
    part[bone] = np.where(femur[bone] > -cortex[bone], Tissue.FEMUR_CORTEX, marrow[bone])
    region[bone] = np.where(in_head[bone], AnatomyLabel.HEAD, AnatomyLabel.FEMUR)
    tissue[near], label[near] = part, region


def intensities(
    tissue: np.ndarray, points: np.ndarray, body: Body, contrast: str, rng: np.random.Generator
) -> np.ndarray:
    """Noise-free intensity of each point: one value a tissue, modulated by smooth texture."""
    table = np.zeros(len(Tissue), np.float32)
    for kind, (low, high) in CONTRASTS[contrast].items():
        table[kind] = rng.uniform(low, high)
    # Head and shaft usually look alike on MR.
    if contrast != "ct" and rng.random() < 0.6:
        table[Tissue.FEMUR_MARROW] = table[Tissue.HEAD_MARROW] * rng.uniform(0.75, 1.05)
    # In the old the acetabulum's marrow is as fatty as the head's.
    if contrast != "ct" and rng.random() < 0.35:
        table[Tissue.PELVIS_MARROW] = table[Tissue.HEAD_MARROW] * rng.uniform(0.9, 1.1)
    value = table[tissue]
    texture = body.mottle(points)[..., 0]
    scale = 60.0 if contrast == "ct" else 0.06
    value += np.where(np.isin(tissue, (Tissue.MUSCLE, Tissue.FAT, Tissue.BOWEL)), texture * scale * 0.6, 0)
    marrow = np.isin(tissue, (Tissue.HEAD_MARROW, Tissue.FEMUR_MARROW, Tissue.PELVIS_MARROW))
    grain = body.marrow(points)[..., 0]
    if contrast == "ct":
        value += np.where(marrow, grain * rng.uniform(10, 70), 0)
    else:
        # Red marrow in patches outside the head.
        patch = np.clip(grain - 0.3, 0, 1) * body.red * np.where(tissue == Tissue.HEAD_MARROW, 0.4, 1.0)
        value *= np.where(marrow, 1 - patch + 0.03 * texture, 1.0)
    return value


def acquire(image: np.ndarray, contrast: str, rng: np.random.Generator, pixel_mm: float) -> np.ndarray:
    """What a scanner adds: point spread, bias field, noise, ghosts. ``image``: (slice, row, column)."""
    sigma = rng.uniform(0.25, 0.8) / pixel_mm
    image = ndimage.gaussian_filter(image, (0, sigma, sigma))
    if contrast == "ct":
        noise = ndimage.gaussian_filter(rng.normal(size=image.shape), (0, 0.7, 0.7)) * rng.uniform(5, 60)
        return (image + noise).astype(np.float32)
    k, j, i = np.meshgrid(*[np.linspace(-1, 1, n) for n in image.shape], indexing="ij")
    c = rng.normal(size=6) * 0.15
    bias = np.exp(c[0] * k + c[1] * j + c[2] * i + c[3] * i * j + c[4] * (j**2) + c[5] * (i**2))
    image = image * bias
    if rng.random() < 0.25:
        shift = int(rng.integers(8, max(9, image.shape[1] // 3)))
        image = image + rng.uniform(0.02, 0.1) * np.roll(image, shift, axis=int(rng.integers(1, 3)))
    level = rng.uniform(0.005, 0.05)
    real, imaginary = image + rng.normal(size=image.shape) * level, rng.normal(size=image.shape) * level
    return np.hypot(real, imaginary).astype(np.float32)


def implant(
    image: np.ndarray, points: np.ndarray, radius_mm: float, contrast: str, rng: np.random.Generator
) -> np.ndarray:
    """Put a screw along the femoral neck: on CT metal with streaks, on MR a signal void with a bright rim.

    Args:
        image: (slice, row, column), without noise.
        points: (slice, row, column, 3), canonical positions in mm.
        radius_mm: of the femoral head.
        contrast: as in CONTRASTS.
        rng: place, size and strength.
    """
    tip = rng.uniform(-0.6, 0.4, 3) * radius_mm
    entry = np.array([2.3, -0.4, -1.6]) * radius_mm + rng.normal(0, 5, 3)
    screw_mm = rng.uniform(2.5, 5.0)
    distance = capsule_distance(points, tip, entry, screw_mm, screw_mm)
    if contrast != "ct":
        void_mm = rng.uniform(3, 12)
        rim = np.exp(-(((distance - void_mm) / 2) ** 2)) * rng.uniform(0.2, 1.2)
        return np.where(distance < void_mm, 0, image * (1 + rim)).astype(np.float32)
    middle = points - (tip + entry) / 2
    angle = np.arctan2(middle[..., 1], middle[..., 0])
    fading = np.exp(-np.clip(distance, 0, None) / 30)
    streaks = np.cos(rng.integers(3, 9) * angle + rng.uniform(0, 6)) * fading * rng.uniform(50, 400)
    return np.where(distance < 0, rng.uniform(2500, 3500), image + streaks).astype(np.float32)


def trabeculae(
    image: np.ndarray, points: np.ndarray, femur: np.ndarray, radius_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Add the denser trabeculae of a sound proximal femur to a CT image; without them they would pass for sclerosis.

    The primary compressive group is a column from the medial cortex of the neck up to the top of the head, with rarer
    bone beside it (Singh et al., JBJS Am 1970;52:457); the subchondral bone of the upper pole is denser, too.

    Args:
        image: (slice, row, column), HU without noise.
        points: (slice, row, column, 3), canonical positions in mm.
        femur: where the femur is, boolean.
        radius_mm: of the femoral head.
        rng: place, width and strength.
    """
    axis = np.array([-0.25, 0.0, 0.97]) + rng.normal(0, 0.12, 3)
    axis /= np.linalg.norm(axis)
    offset = points - rng.normal(0, 0.12, 3) * radius_mm
    along = offset @ axis
    across = np.sqrt(np.maximum(np.einsum("...c,...c->...", offset, offset) - along**2, 0))
    width = rng.uniform(0.25, 0.6) * radius_mm
    column = np.exp(-((across / width) ** 2)) * np.clip(1 + along / (3 * radius_mm), 0, 1)
    depth = radius_mm - np.linalg.norm(points, axis=-1)
    shell = np.exp(-np.clip(depth, 0, None) / rng.uniform(1.5, 5)) * np.clip(offset[..., 2] / radius_mm, 0, 1)
    change = rng.uniform(0, 300) * column + rng.uniform(0, 350) * shell - rng.uniform(0, 90)
    marrow = femur * np.clip((600 - image) / 150, 0, 1)
    return (image + marrow * change).astype(np.float32)


def slice_points(
    plane: str, count: int, spacing_mm: float, size_px: int, pixel_mm: float, rotation: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """Canonical positions of a stack centred on the head: (count, size_px, size_px, 3), in mm."""
    axes = PLANES[plane] @ rotation.T.astype(np.float32)
    k = (np.arange(count, dtype=np.float32) - (count - 1) / 2) * spacing_mm
    r = (np.arange(size_px, dtype=np.float32) - (size_px - 1) / 2) * pixel_mm
    return (
        k[:, None, None, None] * axes[0]
        + r[None, :, None, None] * axes[1]
        + r[None, None, :, None] * axes[2]
        + shift.astype(np.float32)
    )


def render_stack(
    hip: Hip,
    body: Body,
    points: np.ndarray,
    thickness_mm: np.ndarray,
    contrast: str,
    seed: int | list[int],
    other: Hip | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Render a stack with partial volume through the slice.

    Args:
        points: (slice, row, column, 3) canonical positions of the voxel centres.
        thickness_mm: (3,) vector across one slice; averaged over 3 positions along it.
        seed: fixes the intensities, so that the sub-slices agree.

    Returns:
        the intensities (slice, row, column), without the scanner's part, and the anatomy labels of the centres.
    """
    total = np.zeros(points.shape[:-1], np.float32)
    label = np.zeros(points.shape[:-1], np.uint8)
    for step in (-1 / 3, 0.0, 1 / 3):
        at = points + np.float32(step) * thickness_mm.astype(np.float32)
        tissue, region = classify(hip, body, at, other)
        total += intensities(tissue, at, body, contrast, np.random.default_rng(seed))
        if step == 0.0:
            label = region
    return total / 3, label
