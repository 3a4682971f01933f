"""The task of the network that finds femoral heads on single slices (``imaging/slice_heads.py``)."""

import io
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional as F

from ONFHAssistLib.imaging.slice_heads import OUTSIDE, RADIUS_UNIT_PX
from training.learning.config import Config, cache_path
from training.learning.samples import run_jobs, save_cache
from training.learning.slice_pictures import STORED_PX, Heads, Picture, jobs_of, make_pictures
from training.learning.tasks import Batch, Task

HEAT_RADII = 0.22
"""Standard deviation of a head's bell on the heat map, in its radii."""
SMALLEST_PX, LARGEST_PX = 7.0, 50.0
"""Radii of a head on the network's field: from the whole body's width, to one hip that fills the picture."""
TURN_DEG = 12.0
_HARDLY = 0.05
"""A head that is shown less is none."""
SCORED_CHANGES = 3
"""As many fixed changes of each held-out picture are looked at after each epoch."""
SCORED_MOST = 160
"""Of the held-out pictures so many at the most, evenly spread."""


def augment(picture: Picture, size_px: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turn, zoom, mirror and cut a picture, and change its tones; a mirrored right hip is a left one.

    Returns:
        the image (1, size_px, size_px) and the target (3, size_px, size_px): the heat of the right and of the left
        head, and the logarithm of the nearer one's radius in RADIUS_UNIT_PX where there is heat, else 0; float32.
    """
    image, heads = _moved(picture, size_px, rng)
    outside = image <= OUTSIDE + 0.01
    image = _toned(image, rng)
    image, outside = _cut(image, outside, heads, rng)
    image[outside] = OUTSIDE
    if rng.random() < 0.25:
        _write(image, rng)
    return image[None].astype(np.float32), target_of(heads, size_px)


def target_of(heads: Heads, size_px: int) -> np.ndarray:
    """Return what the network is to say of heads (column, row, radius, shown): see `augment`."""
    target = np.zeros((3, size_px, size_px), np.float32)
    rows, columns = np.indices((size_px, size_px))
    for heat, (column, row, radius, shown) in zip(target[:2], heads, strict=True):
        if shown == 0:
            continue
        bell = shown * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * (HEAT_RADII * radius) ** 2))
        nearer = bell > np.maximum(target[:2].max(axis=0), 0.05)
        heat[:] = bell
        target[2][nearer] = np.log(radius / RADIUS_UNIT_PX)
    return target


def loss_of(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the heat, in which a small head counts as much as a large one, and the radius where heat is.

    Args:
        logits: (n, 3, h, w).
        target: see `augment`, (n, 3, h, w).
    """
    heat, log_radius = target[:, :2], target[:, 2:]
    small = torch.exp(-2 * log_radius).clamp(0.15, 8.0)  # a bell has as many pixels as its radius squared
    entropy = F.binary_cross_entropy_with_logits(logits[:, :2], heat, reduction="none")
    weight = heat.amax(dim=1, keepdim=True) * small
    off = F.smooth_l1_loss(logits[:, 2:], log_radius, reduction="none", beta=0.05)
    return (entropy * (1 + 60 * heat * small)).mean() + 2 * (off * weight).sum() / (weight.sum() + 1)


def read_pictures(config: Config) -> list[Picture]:
    """Read the cache of pictures, made first where it is missing."""
    path = cache_path(config)
    if not path.is_file():
        made = [picture for pictures in run_jobs(make_pictures, jobs_of(config.samples)) for picture in pictures]
        save_cache(
            path,
            images=np.stack([np.clip(p.image * 80 + 128, 0, 255).astype(np.uint8) for p in made]),
            heads=np.stack([p.heads for p in made]),
            real=np.array([p.real for p in made]),
            held_out=np.array([p.held_out for p in made]),
        )
    with np.load(path) as cache:
        columns = [cache[name] for name in ("images", "heads", "real", "held_out")]
    return [Picture(image, heads, bool(real), bool(held)) for image, heads, real, held in zip(*columns, strict=True)]


def make_task(config: Config, first_step: int, device: torch.device, part: slice) -> Task:
    """Return the batches from ``first_step`` on, the loss and the score; makes the sample cache where it is missing.

    The real pictures have the config's ``real_share``. The score is the loss, with its sign turned, on pictures held
    out (real ones where there are any), each changed in fixed ways.
    """
    size_px, options = config.patch.side_px, config.training
    pictures = read_pictures(config)
    learned = [picture for picture in pictures if not picture.held_out]
    groups = {real: [picture for picture in learned if picture.real == real] or learned for real in (True, False)}
    held = [picture for picture in pictures if picture.held_out]
    held = [picture for picture in held if picture.real] or held
    held = held[:: max(1, len(held) // SCORED_MOST)]

    def batches() -> Iterator[Batch]:
        step = first_step
        while True:
            chosen = []
            for n in range(options.batch)[part]:
                rng = np.random.default_rng([options.seed, step, n])
                group = groups[bool(rng.random() < options.real_share)]
                chosen.append(augment(group[rng.integers(len(group))], size_px, rng))
            yield _stacked(chosen, device)
            step += 1

    def score(network: torch.nn.Module) -> float:
        losses = []
        with torch.inference_mode():
            for first in range(0, len(held), 8):
                changed = [
                    augment(picture, size_px, np.random.default_rng([first + n, m]))
                    for n, picture in enumerate(held[first : first + 8])
                    for m in range(SCORED_CHANGES)
                ]
                images, target = _stacked(changed, device)
                losses.append(float(loss_of(network(images).float(), target)))
        return -float(np.mean(losses))

    return Task(batches(), loss_of, score if held else None)


def _stacked(samples: list[tuple[np.ndarray, np.ndarray]], device: torch.device) -> Batch:
    images, targets = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*samples, strict=True))
    return images, targets


def _moved(picture: Picture, size_px: int, rng: np.random.Generator) -> tuple[np.ndarray, Heads]:
    """Turn, zoom, shift and mirror: image (size_px, size_px) and heads on it."""
    heads = _seen(picture)
    shown = [head for head in heads if head[3] > 0]
    aim = np.full(2, (STORED_PX - 1) / 2) + rng.normal(0, 12, 2)
    zoom = size_px / STORED_PX * np.exp(rng.uniform(-0.2, 0.3 if shown else 1.0))  # the picture as it is
    if shown and rng.random() < 0.65:  # or about a head
        place = shown[rng.integers(len(shown))]
        radius = max(place[2], 0.05 * STORED_PX)  # near its pole a head is small
        low = max(SMALLEST_PX, 0.8 * size_px / STORED_PX * radius)
        zoom = np.exp(rng.uniform(np.log(low), np.log(max(LARGEST_PX, low)))) / radius
        # Off the middle of the field as far as it stays in view; the second look has it in the middle.
        reach = max(0.0, size_px / 2 / zoom - 0.6 * radius) * rng.choice([0.15, 1.0])
        aim = place[:2] + rng.uniform(-reach, reach, 2)
    angle = np.radians(np.clip(rng.normal(0, TURN_DEG / 2), -TURN_DEG, TURN_DEG))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    squeeze = np.exp(rng.normal(0, 0.03))
    to_stored = turn @ np.diag([squeeze, 1 / squeeze]) / zoom  # (column, row) on the field -> stored
    if rng.random() < 0.5:
        to_stored = to_stored @ np.diag([-1.0, 1.0])
        heads = heads[::-1].copy()
    middle = np.full(2, (size_px - 1) / 2)
    inverse = np.linalg.inv(to_stored)
    image = (picture.image.astype(np.float32) - 128) / 80 if picture.image.dtype == np.uint8 else picture.image
    if 1 / zoom > 1.2:
        image = ndimage.gaussian_filter(image, 0.42 * (1 / zoom - 1))
    swap = to_stored[::-1, ::-1]
    image = ndimage.affine_transform(
        image, swap, aim[::-1] - swap @ middle[::-1], (size_px, size_px), order=1, cval=OUTSIDE
    )
    for head in heads:
        if head[3] > 0:
            head[:2] = inverse @ (head[:2] - aim) + middle
            head[2] *= zoom
    return image, _in_view(heads, np.zeros(2), np.full(2, size_px - 1))


def _seen(picture: Picture) -> Heads:
    """Return the heads of a stored picture, less shown where the image they were cut from ends in them."""
    image = picture.image if picture.image.dtype == np.uint8 else picture.image * 80 + 128
    inside = image > OUTSIDE * 80 + 128.5
    rows, columns = np.indices(inside.shape)
    heads = picture.heads.copy()
    for head in heads:
        disc = np.hypot(columns - head[0], rows - head[1]) <= head[2]
        part = (disc & inside).sum() / max(np.pi * head[2] ** 2, 1.0)
        head[3] *= np.clip((part - 0.45) / 0.25, 0, 1)
        head[:] = head if head[3] > _HARDLY else 0
    return heads


def _in_view(heads: Heads, low: np.ndarray, high: np.ndarray) -> Heads:
    """Drop heads whose middle is out of view, or so near the border that not much more than a half is seen."""
    for head in heads:
        inside = np.minimum(head[:2] - low, high - head[:2]).min()
        if head[3] > 0:
            head[3] *= np.clip(inside / max(head[2], 1e-6) * 2.5, 0, 1)
            head[:] = head if head[3] > _HARDLY else 0
    return heads


def _toned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another window, curve, bias, blur, noise, and what JPEG leaves of it."""
    size = len(image)
    if rng.random() < 0.5:
        low, high = rng.uniform(-1.1, -0.2), rng.uniform(0.1, 1.2)
        image = np.clip((image - low) / (high - low), 0, 1) * 2 - 1
    if rng.random() < 0.25:  # another contrast: a random curve, mostly rising
        knots = rng.uniform(-1.3, 1.3, 6)
        curve = np.sort(knots) if rng.random() < 0.6 else np.concatenate([[knots.min()], knots[1:]])
        image = np.interp(image, np.linspace(-1.3, 1.3, 6), curve)
    image = (np.clip((image + 1.5) / 3, 0, 1) ** np.exp(rng.normal(0, 0.3))) * 3 - 1.5
    image = image * rng.uniform(0.8, 1.2) + rng.normal(0, 0.1)
    bias = ndimage.zoom(rng.normal(0, 0.15, (4, 4)), size / 4, order=1)
    image = image + bias * (image + 1.3)
    if rng.random() < 0.3:
        image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1.3))
    noise = rng.normal(0, rng.uniform(0, 0.15), image.shape)
    image = image + (ndimage.gaussian_filter(noise, 0.7) * 2 if rng.random() < 0.3 else noise)
    image = np.clip(image, -1.5, 1.5)
    if rng.random() < 0.3:
        kept = io.BytesIO()
        pixels = Image.fromarray(((image + 1.5) * 85).astype(np.uint8))
        pixels.save(kept, "JPEG", quality=int(rng.integers(10, 70)))
        image = np.asarray(Image.open(kept), np.float32) / 85 - 1.5
    return image.astype(np.float32)


def _cut(
    image: np.ndarray, outside: np.ndarray, heads: Heads, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """End the picture before the field does: on both sides, as one that is no square, or on some; heads go with it."""
    size = len(image)
    low, high = np.zeros(2), np.full(2, size - 1.0)
    drawn = rng.random()
    if drawn < 0.4:
        axis, rest = rng.integers(2), rng.uniform(0, 0.35) * size
        low[axis] += rest
        high[axis] -= rest
    elif drawn < 0.7:
        low += (rng.random(2) < 0.4) * rng.uniform(0, 0.4, 2) * size
        high -= (rng.random(2) < 0.4) * rng.uniform(0, 0.4, 2) * size
    low, high = np.round(low), np.round(high)
    columns, rows = (((np.arange(size) < a) | (np.arange(size) > b)) for a, b in zip(low, high, strict=True))
    _in_view(heads, low, high)
    return image, outside | rows[:, None] | columns[None]


def _write(image: np.ndarray, rng: np.random.Generator) -> None:
    """Put marks like letters and arrows near the borders, in place."""
    size = len(image)
    for _ in range(int(rng.integers(1, 12))):
        row, column = rng.integers(size, size=2)
        border = int(rng.integers(2, size // 6))
        if rng.random() < 0.8:
            row, column = (row, rng.choice([border, size - border])) if rng.random() < 0.5 else (border, column)
        high, wide = rng.integers(1, 9, 2)
        image[row : row + high, column : column + wide] = rng.uniform(0.5, 1.5)
