"""The task of the S-JIC system for the training loop: mid-coronal slices, their classes, and where the lesions are."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from ONFHAssistLib.models.networks import build_network
from training.jic_coronal.networks import Supervised, loss_of, packed, shipped
from training.jic_coronal.slices import TRAIN, VALIDATION, Slices, read_slices
from training.learning.augment import decode, geometry, intensity
from training.learning.config import Config
from training.learning.tasks import Batch, Task

CHUNK = 64
STRENGTH = 0.5
"""Of the turns and scales in training: hips are upright, and a guessed pixel size may be off by a tenth."""


def make_task(config: Config, first_step: int, device: torch.device, part: slice) -> Task:
    """Return the batches from ``first_step`` on, the loss, and the score: the log likelihood of the validation classes.

    Args:
        config: ``training/configs/jic_coronal.yaml``, maybe with another name, seed or length.
        first_step: 0, or where a run goes on.
        device: where the network runs.
        part: of each batch, as several processes share it.
    """
    slices = read_slices(config)
    learned, validated = slices.of(TRAIN), slices.of(VALIDATION)
    places = config.patch.side_px // stride_of(config)

    def batches() -> Iterator[Batch]:
        step = first_step
        while True:
            images, target = batch(learned, config, step, places)
            yield images[part].to(device), target[part].to(device)
            step += 1

    def score(network: torch.nn.Module) -> float:
        images, classes = plain(validated, config.patch.side_px)
        truth = torch.from_numpy(classes).to(device)
        return -float(F.cross_entropy(torch.from_numpy(logits(network, images, device)).to(device), truth))

    return Task(batches(), loss_of, score, lambda definition: Supervised(build_network(definition)), shipped)


def stride_of(config: Config) -> int:
    """Return how many pixels of the patch a place of the map is wide."""
    from ONFHAssistLib.models.class_map import STEM_STRIDE

    return STEM_STRIDE * int(np.prod(config.network["strides"]))


def batch(slices: Slices, config: Config, step: int, places: int) -> Batch:
    """Draw and change one training batch; the same for every network with the config's seed and this step.

    Classes come about as often as each other, and ``real_share`` of the slices are of real heads.

    Returns:
        images (n, 1, s, s), float32, and the truth as ``networks.packed``.
    """
    patch, options = config.patch, config.training
    generator = torch.Generator().manual_seed(options.seed * 10_000_019 + step)
    rng = np.random.default_rng([options.seed, step])
    drawn = rng.choice(len(slices.images), options.batch, p=weights(slices, options.real_share))
    images, labels = torch.from_numpy(slices.images[drawn]), torch.from_numpy(slices.labels[drawn])
    images, labels = geometry(decode(images)[:, None], labels, patch.side_px, patch.shift_px, generator, STRENGTH)
    images = intensity(images.expand(-1, 3, -1, -1), generator)[:, 1:2]
    classes, ends = torch.from_numpy(slices.classes[drawn].astype(np.int64)), torch.from_numpy(slices.ends[drawn])
    return images, packed(classes, ends, labels, places)


def weights(slices: Slices, real_share: float) -> np.ndarray:
    """Return how often each slice is drawn: float64 (n,), sum 1."""
    found = np.zeros(len(slices.classes))
    for real in (False, True):
        share = real_share if real else 1 - real_share
        for one in np.unique(slices.classes):
            group = (slices.real == real) & (slices.classes == one)
            found[group] = share / max(group.sum(), 1)
    return found / found.sum()


def plain(slices: Slices, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut the network's field out of the middle: images float32 (n, 1, size_px, size_px), and classes int64 (n,)."""
    first = (slices.images.shape[-1] - size_px) // 2
    inner = slice(first, first + size_px)
    images = decode(torch.from_numpy(slices.images[:, inner, inner])).numpy()
    return images[:, None], slices.classes.astype(np.int64)


def logits(network: torch.nn.Module, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Return the logits (n, classes), float32, of images as by `plain`."""
    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(part).to(device)).mean((2, 3))
            for part in np.split(images, range(CHUNK, len(images), CHUNK))
        ]
    return torch.cat(parts).float().cpu().numpy()
