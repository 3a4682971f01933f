"""Samples and batches for the hip finder: whole pelves on its coarse grid."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch.nn import functional as F

from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.imaging.canonical import normalise
from ONFHAssistLib.imaging.hips import COARSE_MM, OUTSIDE, coarse_volume
from training.learning.config import Config, cache_path
from training.learning.losses import heatmap_loss
from training.learning.samples import measured_femora, run_jobs, save_cache
from training.learning.tasks import Batch, Task
from training.phantoms.anatomy import random_hip
from training.phantoms.render import classify, intensities, random_body
from training.real.data import TRAINING_CASES, VALIDATION_CASES, read_case
from training.real.labels import real_heads

SHAPE = (64, 48, 80)
"""Field of the training batches, (superior, anterior, right), in coarse voxels."""
HEAT_SIGMA_MM = 8.0
SCORED_CHANGES = 8
"""As many fixed changes of each held-out pelvis are looked at after each epoch."""


def procedural_pelvis(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Render one pelvis: (SHAPE) float16 normalised, and the head centres (right, left) as (k, j, i) voxels."""
    rng = np.random.default_rng(seed)
    femora = measured_femora()
    right, left = random_hip(rng, femora), random_hip(rng, femora)
    body = random_body(rng, right)
    contrast = str(rng.choice(["t1", "t2", "stir", "ct"], p=[0.5, 0.13, 0.12, 0.25]))
    centre = np.array([right.midline_mm, rng.uniform(-15, 15), rng.uniform(-80, 80)])
    index = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in SHAPE], indexing="ij"), -1)[..., ::-1]
    total = np.zeros(SHAPE, np.float32)
    for _ in range(3):  # jittered positions stand for the averaging over a coarse voxel
        at = (index + rng.uniform(-0.5, 0.5, index.shape)) * COARSE_MM - centre
        tissue, _ = classify(right, body, at, left)
        total += intensities(tissue, at.astype(np.float32), body, contrast, np.random.default_rng([seed, 1]))
    image = total / 3
    if contrast != "ct":
        image = np.abs(image + rng.normal(size=SHAPE) * rng.uniform(0, 0.04))
    heads = np.array([centre, centre * [-1, 1, 1]])
    voxels = heads[:, ::-1] / COARSE_MM + (np.array(SHAPE) - 1) / 2
    return normalise(image, "CT" if contrast == "ct" else "MR").astype(np.float16), voxels


def real_pelvis(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one real training study on the coarse grid, with its head centres as (k, j, i) voxels."""
    coarse = coarse_volume(read_case(case), "MR")
    centres = np.array([real_heads()[case, side].centre_ras_mm for side in SIDES])
    return coarse.array.astype(np.float16), coarse.ijk(centres)[:, ::-1]


def augment(image: np.ndarray, heads: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn, scale, shift, mirror, cut the field of view and change the contrast of one pelvis.

    Args:
        image: (k, j, i) normalised; any size.
        heads: (2, 3), both heads as (k, j, i).

    Returns:
        the image (1, *SHAPE) and the heat map (1, *SHAPE) of both heads.
    """
    size, shape = np.array(image.shape), np.array(SHAPE)
    turn = Rotation.from_euler("xyz", rng.normal(0, [7, 7, 9]), degrees=True).as_matrix()
    scale = rng.uniform(0.85, 1.2) * rng.uniform(0.94, 1.06, 3)
    matrix = turn * scale  # output voxel offset -> input voxel offset, (k, j, i)
    target = heads.mean(0) + rng.normal(0, 6, 3) if rng.random() < 0.9 else rng.uniform(0, size)
    flip = np.diag([1.0, 1.0, -1.0]) if rng.random() < 0.5 else np.eye(3)
    matrix = matrix @ flip
    moved = (heads - target) @ np.linalg.inv(matrix).T + (shape - 1) / 2
    # grid_sample wants (x, y, z) in -1 .. 1 of the input.
    to_unit = 2 / size
    theta = (to_unit[:, None] * matrix * (shape / 2)[None])[::-1, ::-1]
    offset = ((target - (size - 1) / 2) * to_unit)[::-1]
    theta = torch.from_numpy(np.concatenate([theta, offset[:, None]], 1).astype(np.float32))[None]
    grid = F.affine_grid(theta, [1, 1, *SHAPE], align_corners=False)
    source = torch.from_numpy(image.astype(np.float32))[None, None] - OUTSIDE
    out = F.grid_sample(source, grid, align_corners=False)[0] + OUTSIDE

    if rng.random() < 0.4:  # another contrast: a random curve, mostly rising
        knots = rng.uniform(-1.5, 1.5, 6)
        curve = np.sort(knots) if rng.random() < 0.6 else np.concatenate([[knots.min()], knots[1:]])
        out = torch.from_numpy(np.interp(out.numpy(), np.linspace(-1.5, 1.5, 6), curve).astype(np.float32))
    gamma = float(np.exp(rng.normal(0, 0.3)))
    out = ((out + 1.5) / 3).clamp(0, 1) ** gamma * 3 - 1.5
    out = out * rng.uniform(0.8, 1.2) + rng.normal(0, 0.1)
    coarse = torch.from_numpy(rng.normal(0, 0.15, (1, 1, 3, 3, 3)).astype(np.float32))
    out = out + F.interpolate(coarse, size=SHAPE, mode="trilinear")[0] * (out + 1)
    out = out + torch.from_numpy(rng.normal(0, rng.uniform(0, 0.12), SHAPE).astype(np.float32))
    if rng.random() < 0.3:  # thick slices along one axis
        axis = int(rng.integers(3))
        index = torch.arange(SHAPE[axis]) // 2 * 2
        out = out.index_select(axis + 1, index)
    low, high = np.zeros(3), shape.astype(float)
    if rng.random() < 0.65:
        around = moved[rng.integers(2)] if rng.random() < 0.75 else rng.uniform(0, shape)
        low = np.where(rng.random(3) < 0.7, around - rng.uniform(3, 30, 3), low)
        high = np.where(rng.random(3) < 0.7, around + rng.uniform(3, 30, 3), high)
    axes = [np.arange(n) for n in SHAPE]
    seen = [(a >= lo) & (a < hi) for a, lo, hi in zip(axes, low, high, strict=True)]
    out[0][torch.from_numpy(~(seen[0][:, None, None] & seen[1][:, None] & seen[2]))] = OUTSIDE

    heat = np.zeros((1, *SHAPE), np.float32)
    for head in moved:
        # A head whose centre is out of view, or nearly, is not to be found.
        if np.all(head > np.maximum(low, 0) + 1) and np.all(head < np.minimum(high, shape) - 2):
            bells = [
                np.exp(-(((a - h) * COARSE_MM) ** 2) / (2 * HEAT_SIGMA_MM**2)) for a, h in zip(axes, head, strict=True)
            ]
            heat[0] = np.maximum(heat[0], bells[0][:, None, None] * bells[1][:, None] * bells[2])
    return out, torch.from_numpy(heat)


def make_task(config: Config, first_step: int, device: torch.device, part: slice) -> Task:
    """Return the batches from ``first_step`` on, the loss and the score; makes the sample cache where it is missing.

    The score is the loss on the held-out pelves with its sign turned: the real ones of ``VALIDATION_CASES``, or every
    tenth procedural one where no real ones are trained on, each changed in ``SCORED_CHANGES`` ways that stay the same.

    Args:
        config: see ``training/learning/config.py``.
        first_step: 0, or where a run goes on.
        device: where the network runs.
        part: of each batch, as several processes share it.
    """
    samples, options = config.samples, config.training
    path = cache_path(config)
    # First: without the real data the cache would be made without the measured femora too.
    cases = TRAINING_CASES if options.real_share else ()
    real = [real_pelvis(case) for case in cases if case not in VALIDATION_CASES]
    held = [real_pelvis(case) for case in cases if case in VALIDATION_CASES]
    if not path.is_file():
        seeds = [samples.seed * 1_000_003 + n for n in range(samples.procedural)]
        made = list(run_jobs(procedural_pelvis, seeds))
        save_cache(path, images=np.stack([m[0] for m in made]), heads=np.stack([m[1] for m in made]))
    with np.load(path) as cache:
        procedural = list(zip(cache["images"], cache["heads"], strict=True))
    if not real:
        held, procedural = procedural[9::10], [p for n, p in enumerate(procedural) if n % 10 != 9]

    def batches() -> Iterator[Batch]:
        step = first_step
        while True:
            chosen = []
            for n in range(options.batch)[part]:
                rng = np.random.default_rng([options.seed, step, n])
                group = real if rng.random() < options.real_share else procedural
                image, heads = group[rng.integers(len(group))]
                chosen.append(augment(image, heads, rng))
            yield _stacked(chosen, device)
            step += 1

    def score(network: torch.nn.Module) -> float:
        losses = []
        with torch.inference_mode():
            for n, pelvis in enumerate(held):
                changed = [augment(*pelvis, np.random.default_rng([n, m])) for m in range(SCORED_CHANGES)]
                images, heat = _stacked(changed, device)
                losses.append(float(heatmap_loss(network(images).float(), heat)))
        return -float(np.mean(losses))

    return Task(batches(), heatmap_loss, score if held else None)


def _stacked(samples: list[tuple[torch.Tensor, torch.Tensor]], device: torch.device) -> Batch:
    return torch.stack([image for image, _ in samples]).to(device), torch.stack([heat for _, heat in samples]).to(
        device
    )
