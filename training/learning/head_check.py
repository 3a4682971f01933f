"""Samples and batches for the network that tells femoral heads from other places (``imaging/head_check.py``)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch.nn import functional as F

from ONFHAssistLib.core.geometry import SIDES, Side, Sphere
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import normalise
from ONFHAssistLib.imaging.head_check import DEPTH_MM, OUTSIDE, head_box, middle
from training.learning.config import Config, cache_path
from training.learning.samples import measured_femora, run_jobs, save_cache
from training.learning.tasks import Batch, Task
from training.phantoms.anatomy import random_hip
from training.phantoms.recast import recast
from training.phantoms.render import classify, intensities, random_body
from training.phantoms.strangers import KINDS, stranger
from training.real.data import TRAINING_CASES, VALIDATION_CASES, read_case
from training.real.labels import real_heads
from training.real.marks import images_without_head, marked_heads, read_image

NONE, POSED, MIRRORED = 0, 1, 2
STORED_PX = 48
"""Stored boxes are larger than the network's 32, for shifts and turns."""
HELD_OUT = ("ct_t1_extremities/e010", "ct_t1_extremities/e029", "t2_prostate/p1")
"""Marked images of patients that the network does not learn from, beside VALIDATION_CASES: a knee on CT and MR, a head
cut by the image on CT and MR, and heads cut at the side on T2. They choose the limits."""
AWAY_MM = 12.0
"""A sphere whose middle lies farther than this from a head's is none, however round what it holds is."""
LESION_SHARE = 0.45
"""How often a part of the sphere is painted over as necrosis would."""
PLACES = 50
"""Places away from the heads that are taken from each real image."""


@dataclass(frozen=True)
class Place:
    """A box about a place: image (k, j, i) normalised, the sphere's radius, and NONE or POSED."""

    image: np.ndarray
    radius_mm: float
    kind: int
    real: bool
    held_out: bool


def procedural_place(seed: int, pixel_mm: float) -> Place:
    """Render a head, a place beside it, or a stranger, on the stored grid."""
    rng = np.random.default_rng(seed)
    hip = random_hip(rng, measured_femora())
    body = random_body(rng, hip)
    contrast = str(rng.choice(["t1", "t2", "stir", "ct"], p=[0.35, 0.2, 0.15, 0.3]))
    what = rng.choice(["head", "beside", "stranger"], p=[0.45, 0.2, 0.35])
    offset_mm = (np.arange(STORED_PX) - (STORED_PX - 1) / 2) * pixel_mm
    up, forward, lateral = np.meshgrid(offset_mm, offset_mm, offset_mm, indexing="ij")
    points = np.stack([lateral, forward, up], axis=-1)
    radius, kind = hip.radius_mm, POSED if what == "head" else NONE
    if what == "beside":
        away = rng.normal(size=3)
        points = points + away / np.linalg.norm(away) * rng.uniform(AWAY_MM + 4, 80)
        radius = rng.uniform(14, 32)
    shape, other = str(rng.choice(KINDS)), random_hip(rng, measured_femora()) if rng.random() < 0.6 else None
    total = np.zeros(points.shape[:-1], np.float32)
    for _ in range(3):  # jittered positions stand for the averaging over a coarse voxel
        at = (points + rng.uniform(-0.5, 0.5, points.shape) * pixel_mm).astype(np.float32)
        if what == "stranger":
            tissue = stranger(shape, hip, body, at, np.random.default_rng([seed, 2]))
        else:
            tissue, _ = classify(hip, body, at, other)
        total += intensities(tissue, at, body, contrast, np.random.default_rng([seed, 1]))
    image = total / 3
    if contrast != "ct":
        image = np.abs(image + rng.normal(size=image.shape) * rng.uniform(0, 0.04))
    held_out = seed % 16 == 0
    return Place(normalise(image, "CT" if contrast == "ct" else "MR"), radius, kind, False, held_out)


def real_jobs() -> list[tuple[str, str]]:
    """Return what places are cut from: each marked image, and each training study in three contrasts."""
    images = {head.image for head in marked_heads()} | set(images_without_head())
    return [(name, "as it is") for name in sorted(images)] + [
        (case, contrast) for case in TRAINING_CASES for contrast in ("t1", "t2", "stir")
    ]


def real_places(job: tuple[str, str], pixel_mm: float) -> list[Place]:
    """Cut the heads out of a real image, and places away from them; see ``real_jobs``."""
    name, contrast = job
    rng = np.random.default_rng(list(f"{name} {contrast}".encode()))
    if name not in TRAINING_CASES:
        heads = [(head.side, head.sphere) for head in marked_heads() if head.image == name]
        modality = "CT" if "ct.nii" in name else "MR"
        return _places_of(read_image(name), modality, heads, pixel_mm, name.startswith(HELD_OUT), rng)
    volume = read_case(name)
    if contrast != "t1":
        volume = volume.like(recast(volume.array, float(np.percentile(volume.array, 90)), contrast, rng))
    heads = [(side, real_heads()[name, side]) for side in SIDES]
    return _places_of(volume, "MR", heads, pixel_mm, name in VALIDATION_CASES, rng)


def _places_of(
    volume: Volume,
    modality: str,
    heads: list[tuple[Side, Sphere]],
    pixel_mm: float,
    held_out: bool,
    rng: np.random.Generator,
) -> list[Place]:
    def cut(sphere: Sphere, side: Side, kind: int) -> Place:
        image = head_box(volume, modality, sphere, side, STORED_PX, pixel_mm)[0]
        return Place(image, sphere.radius_mm, kind, True, held_out)

    places = [cut(sphere, side, POSED) for side, sphere in heads for _ in range(4)]
    body = np.argwhere(volume.array > np.percentile(volume.array, 50))
    found = 0
    for _ in range(PLACES * 20):
        if found == PLACES:
            break
        if heads and rng.random() < 0.5:  # near a head: trochanter, roof, ischium
            away = rng.normal(size=3)
            middle = np.array(heads[rng.integers(len(heads))][1].centre_ras_mm)
            centre = middle + away / np.linalg.norm(away) * rng.uniform(AWAY_MM, 70)
        else:
            centre = volume.ras(body[rng.integers(len(body))][::-1])
        at = volume.ijk(centre)
        if np.any(at < 0) or np.any(at > np.array(volume.shape[::-1]) - 1):
            continue
        if any(np.linalg.norm(centre - sphere.centre_ras_mm) < AWAY_MM for _, sphere in heads):
            continue
        places.append(cut(Sphere(tuple(centre), float(rng.uniform(14, 32))), SIDES[rng.integers(2)], NONE))
        found += 1
    return places


def augment(place: Place, size_px: int, pixel_mm: float, rng: np.random.Generator) -> tuple[torch.Tensor, int]:
    """Turn, scale, shift, mirror and cut a stored box, and change its contrast: (2, s, s, s) and its kind."""
    turn = Rotation.from_euler("xyz", rng.normal(0, 9, 3), degrees=True).as_matrix()
    scale = float(rng.uniform(0.87, 1.15))
    kind, flip = place.kind, np.eye(3)
    if rng.random() < 0.3:
        flip = np.diag([1.0, 1.0, -1.0])
        kind = MIRRORED if kind == POSED else kind
    matrix = turn @ flip * (scale * size_px / STORED_PX)  # output (k, j, i) -> input, both -1 .. 1
    shift = rng.normal(0, 1.2 / pixel_mm, 3) * 2 / STORED_PX
    theta = np.concatenate([matrix[::-1, ::-1], shift[:, None]], 1).astype(np.float32)
    grid = F.affine_grid(torch.from_numpy(theta)[None], [1, 1, *[size_px] * 3], align_corners=False)
    source = torch.from_numpy(place.image.astype(np.float32))[None, None]
    outside = F.grid_sample((source < OUTSIDE + 0.01).float(), grid, mode="nearest", align_corners=False)[0, 0] > 0.5
    image = F.grid_sample(source, grid, align_corners=False)[0, 0]
    gamma = float(np.exp(rng.normal(0, 0.25)))
    image = ((image + 1.5) / 3).clamp(0, 1) ** gamma * 3 - 1.5
    image = image * float(rng.uniform(0.8, 1.2)) + float(rng.normal(0, 0.1))
    coarse = torch.from_numpy(rng.normal(0, 0.12, (1, 1, 3, 3, 3)).astype(np.float32))
    image = image + F.interpolate(coarse, size=[size_px] * 3, mode="trilinear")[0, 0] * (image + 1)
    points_mm = np.stack(np.meshgrid(*[(np.arange(size_px) - (size_px - 1) / 2) * pixel_mm] * 3, indexing="ij"), -1)
    depth_mm = place.radius_mm / scale + rng.normal(0, 1.0) - np.linalg.norm(points_mm, axis=-1)
    if rng.random() < LESION_SHARE:
        tone, weight = dead_part(depth_mm, points_mm, rng)
        image = image + torch.from_numpy((weight * (tone - image.numpy())).astype(np.float32))
    image = image + torch.from_numpy(rng.normal(0, rng.uniform(0, 0.12), image.shape).astype(np.float32))
    if rng.random() < 0.4:  # thick slices along one axis
        axis, step = int(rng.integers(3)), int(rng.integers(2, 4))
        image = image.index_select(axis, torch.arange(size_px) // step * step)
    if rng.random() < 0.5:  # the field of view ends near the sphere
        axis, rest = int(rng.integers(3)), int(rng.integers(2, size_px // 3))
        beyond = torch.arange(size_px) < rest
        beyond = beyond if rng.random() < 0.5 else beyond.flip(0)
        outside = outside | beyond.reshape([-1 if a == axis else 1 for a in range(3)])
    image[outside] = OUTSIDE
    depth = torch.from_numpy(np.clip(depth_mm / DEPTH_MM, -1.5, 1.5).astype(np.float32))
    return torch.stack([image, depth]), kind


def dead_part(depth_mm: np.ndarray, points_mm: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a part of a sphere that has lost its signal or gained some, from a small cap to nearly all of it.

    Heads and other places get it alike, so that a dead part says nothing of what it lies in, and a head that is full
    of necrosis remains one.

    Args:
        depth_mm: (k, j, i), how far inside the sphere.
        points_mm: (k, j, i, 3) from the middle: up, forward, lateral.
        rng: the only source of chance.

    Returns:
        The normalised intensity there and its weight, 0 to 1, both (k, j, i).
    """
    towards = rng.normal((1.0, 0.4, 0.0), 0.6)  # most lie in the upper front part (docs/clinical.md)
    coarse = torch.from_numpy(rng.normal(0, 4.0, (2, 1, 4, 4, 4)).astype(np.float32))
    border, grain = F.interpolate(coarse, size=depth_mm.shape, mode="trilinear").numpy()[:, 0]
    inside = points_mm @ (towards / np.linalg.norm(towards)) + depth_mm.max() * rng.uniform(-0.6, 0.9) + border
    weight = np.clip(np.minimum(inside, depth_mm) / 3.0 + 0.5, 0, 1)
    tone = rng.uniform(-1.2, 1.2) + grain * rng.uniform(0, 0.1)
    if rng.random() < 0.5:  # the band about it is dark, or bright where fat is suppressed
        tone = np.where(inside < rng.uniform(3, 6), rng.choice([-1.2, 1.0]), tone)
    return tone, weight * rng.uniform(0.6, 1.0)


def middle_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the mean of the eight voxels in the middle; ``target``: (n,)."""
    return F.cross_entropy(middle(logits), target, label_smoothing=0.02)


@dataclass(frozen=True)
class _Job:
    """Makes the places of one job in a worker process: a seed, or a real image."""

    pixel_mm: float

    def __call__(self, job: int | tuple[str, str]) -> list[Place]:
        if isinstance(job, int):
            return [procedural_place(job, self.pixel_mm)]
        return real_places(job, self.pixel_mm)


def read_places(config: Config) -> list[Place]:
    """Read the cache of places, made first where it is missing."""
    path, samples, pixel_mm = cache_path(config), config.samples, config.patch.pixel_mm
    if not path.is_file():
        jobs: list = real_jobs() if samples.real else []
        jobs += [samples.seed * 1_000_003 + n for n in range(samples.procedural)]
        made = [place for places in run_jobs(_Job(pixel_mm), jobs) for place in places]
        names = ("radius_mm", "kind", "real", "held_out")
        images = np.stack([place.image for place in made]).astype(np.float16)
        columns = {name: np.array([getattr(place, name) for place in made]) for name in names}
        save_cache(path, images=images, **columns)
    with np.load(path) as cache:
        stored = [cache[name] for name in ("images", "radius_mm", "kind", "real", "held_out")]
    return [
        Place(image, float(radius), int(kind), bool(real), bool(held))
        for image, radius, kind, real, held in zip(*stored, strict=True)
    ]


def make_task(config: Config, first_step: int, device: torch.device, part: slice) -> Task:
    """Return the batches from ``first_step`` on, the loss and the score; makes the sample cache where it is missing.

    A third of each batch are heads, and the real ones have the config's ``real_share``. The score is the mean of the
    balanced accuracy of head against none on the places held out, each changed in fixed ways.
    """
    size_px, pixel_mm, options = config.patch.side_px, config.patch.pixel_mm, config.training
    places = read_places(config)
    groups = {
        (real, head): [p for p in places if p.real == real and (p.kind == POSED) == head and not p.held_out]
        for real in (True, False)
        for head in (True, False)
    }
    held = [p for p in places if p.held_out]

    def batches() -> Iterator[Batch]:
        step = first_step
        while True:
            chosen = []
            for n in range(options.batch)[part]:
                rng = np.random.default_rng([options.seed, step, n])
                group = groups[bool(rng.random() < options.real_share), bool(rng.random() < 0.45)]
                group = group or [p for p in places if not p.held_out]
                chosen.append(augment(group[rng.integers(len(group))], size_px, pixel_mm, rng))
            yield torch.stack([x for x, _ in chosen]).to(device), torch.tensor([k for _, k in chosen], device=device)
            step += 1

    def score(network: torch.nn.Module) -> float:
        probabilities = held_out_probabilities(network, held, size_px, pixel_mm, device)
        heads = np.array([p.kind == POSED for p in held])
        right = (probabilities > 0.5) == heads
        return float((right[heads].mean() + right[~heads].mean()) / 2)

    return Task(batches(), middle_loss, score if held else None)


def held_out_probabilities(
    network: torch.nn.Module, places: list[Place], size_px: int, pixel_mm: float, device: torch.device
) -> np.ndarray:
    """Return the probability of a head for each place, changed in a way that depends on its number alone."""
    found = []
    with torch.inference_mode():
        for first in range(0, len(places), 16):
            changed = [
                augment(place, size_px, pixel_mm, np.random.default_rng([first + n, 5]))[0]
                for n, place in enumerate(places[first : first + 16])
            ]
            logits = network(torch.stack(changed).to(device)).float()
            found.append(1 - torch.softmax(middle(logits), 1)[:, NONE].cpu().numpy())
    return np.concatenate(found)
