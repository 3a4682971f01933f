"""The task of the two networks of the system on coronal CT: is there necrosis on a slice, and where does it lie?

Stage 1 (a class map network) learns from slices with and without necrosis. A transformer learns little from so few
slices and one answer each, so in training a second layer on the same features outlines the necrosis, too, and where the
map is highest is supervised; the bundle has neither. Stage 2 (any other network) learns to segment, from slices with
necrosis and some without.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ONFHAssistLib.core.statistics import roc_auc
from ONFHAssistLib.imaging.canonical import CT_WINDOW_HU
from ONFHAssistLib.models.networks import build_network
from training.coronal_ct.slices import FIRST_PATIENT, HU_RANGE, NECROSIS, POSITIVE_MM2, Slices, read_slices
from training.learning.batches import pooled_dice
from training.learning.config import Config
from training.learning.losses import segmentation_loss
from training.learning.tasks import Batch, Task

POSITIVE_SHARE = {True: 0.5, False: 0.8}
"""Part of a batch with necrosis, of stage 1 and of stage 2."""
FIELD_PX = 128
"""Of the images of stage 1."""
PLACE_WEIGHT = 0.1
"""Weight of where the class map is highest beside whether there is necrosis."""
SCORED = 320
"""As many validation slices are looked at after each epoch."""
WINDOWED = 0.4
"""Part of the samples seen through an unknown window, as 8-bit pictures are; the others have the window of CT."""


def diagnoses(config: Config) -> bool:
    """Tell whether a config is of stage 1."""
    return ".class_map." in config.network["_target_"]


def make_task(config: Config, first_step: int, device: torch.device, part: slice) -> Task:
    """Return the batches from ``first_step`` on, the loss, and the score on the validation patients.

    Args:
        config: ``training/configs/ct_diagnosis.yaml`` or ``ct_necrosis.yaml``, or a rival's.
        first_step: 0, or where a run goes on.
        device: where the network runs.
        part: of each batch, as several processes share it.
    """
    slices = read_slices(config)
    return task_on(slices.of("training"), slices.of("validation"), config, first_step, device, part)


def task_on(learn: Slices, choose: Slices, config: Config, first_step: int, device: torch.device, part: slice) -> Task:
    """As ``make_task``, on these slices."""
    stage1 = diagnoses(config)

    def batches() -> Iterator[Batch]:
        groups, step = groups_of(learn, config.patch.pixel_mm), first_step
        while True:
            images, labels = batch(learn, groups, config, step)
            yield images[part].to(device), labels[part].to(device)
            step += 1

    kept = _to_score(choose, config, stage1)
    images, labels = plain(choose, kept, config.patch.side_px)

    def score(network: torch.nn.Module) -> float:
        if not stage1:
            target = torch.from_numpy((labels == NECROSIS).astype(np.int64))
            chunks = zip(torch.from_numpy(images).split(16), target.split(16), strict=True)
            return pooled_dice(network, ((x.to(device), y.to(device)) for x, y in chunks))
        with torch.inference_mode():
            maps = [network(x.to(device)).float().mean((1, 2, 3)).cpu() for x in torch.from_numpy(images).split(32)]
        return roc_auc((labels == NECROSIS).any((1, 2)), torch.cat(maps).numpy()).value

    scored = score if len(kept) else None
    if not stage1:
        return Task(batches(), segmentation_loss, scored)
    return Task(batches(), diagnosis_loss, scored, lambda definition: Taught(build_network(definition)), _shipped)


class Taught(nn.Module):
    """A class map network that outlines in training what it diagnoses, by a linear layer on its features."""

    def __init__(self, network: nn.Module) -> None:
        """Put the layer on a network of ``ONFHAssistLib.models.class_map``; one pass finds what its features are."""
        super().__init__()
        self.network = network
        size = FIELD_PX
        with torch.no_grad():
            channels, rows = self._features(torch.zeros(1, 3, size, size)).shape[1:3]
        self.factor = size // rows
        self.pixels = nn.Conv2d(channels, self.factor**2, 1)

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        """Features (n, channels, rows, columns), of a transformer those of its patches."""
        features: Any = self.network.get_submodule("features")(images)
        if isinstance(features, tuple):
            features = features[0].transpose(1, 2)
            features = features.unflatten(2, (int(features.shape[2] ** 0.5), -1))
        return features

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return the maps, in training with the logits (n, 1, s, s) of the outline."""
        if not self.training:
            return self.network(images)
        features = self._features(images)
        weight, bias = (self.network.get_parameter(f"classes.{name}") for name in ("weight", "bias"))
        maps = F.conv2d(features, weight.flatten(1)[:, :, None, None], bias)
        return maps, F.pixel_shuffle(self.pixels(features), self.factor)


def _shipped(network: nn.Module) -> nn.Module:
    return network.get_submodule("network") if isinstance(network, Taught) else network


def diagnosis_loss(given: torch.Tensor | tuple[torch.Tensor, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the maps' mean, of where the map of a slice with necrosis is high, and the outline's loss.

    Args:
        given: maps (n, 1, h, w), or with the outline's logits (n, 1, s, s), as `Taught` gives them.
        labels: int64 (n, s, s): 1 necrosis, 0 not.
    """
    if isinstance(given, tuple):
        maps, outline = given
        return diagnosis_loss(maps, labels) + segmentation_loss(outline, labels)
    maps = given
    there = (labels == 1).float()
    positive = there.amax((1, 2))
    loss = F.binary_cross_entropy_with_logits(maps.mean((1, 2, 3)), positive)
    wanted = F.adaptive_avg_pool2d(there[:, None], (maps.shape[-2], maps.shape[-1])).flatten(1)
    wanted = wanted / wanted.sum(1, keepdim=True).clamp(min=1e-6)
    place = -(wanted * F.log_softmax(maps.flatten(1), 1)).sum(1)
    return loss + PLACE_WEIGHT * (place * positive).sum() / positive.sum().clamp(min=1)


def groups_of(slices: Slices, pixel_mm: float) -> dict[tuple[bool, bool], np.ndarray]:
    """Return the numbers of the slices that are learned from, by (real, with necrosis)."""
    area, real = slices.necrosis_mm2(pixel_mm), slices.patient >= FIRST_PATIENT["real"]
    return {
        (of_real, positive): np.flatnonzero(
            slices.graded & (real == of_real) & ((area >= POSITIVE_MM2) if positive else (area == 0))
        )
        for of_real in (True, False)
        for positive in (True, False)
    }


def batch(
    slices: Slices, groups: dict[tuple[bool, bool], np.ndarray], config: Config, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw and change one training batch.

    Returns:
        images (n, 3, s, s), float32, and labels (n, s, s), int64: 1 necrosis, 0 not.
    """
    options = config.training
    rng = np.random.default_rng([options.seed, step])
    drawn = []
    for _ in range(options.batch):
        of = bool(rng.random() < options.real_share), bool(rng.random() < POSITIVE_SHARE[diagnoses(config)])
        group = groups[of] if len(groups[of]) else groups[False, of[1]]
        drawn.append(int(group[rng.integers(len(group))]))
    index = np.array(drawn)
    around = slices.neighbours(index)
    images, labels = torch.from_numpy(slices.images[around]), torch.from_numpy(slices.labels[index] == NECROSIS)
    generator = torch.Generator().manual_seed(options.seed * 10_000_019 + step)
    low, high = HU_RANGE
    hounsfield = images.float() * ((high - low) / 255) + low
    hounsfield, target = moved(hounsfield, labels, config.patch.side_px, config.patch.shift_px, generator)
    return seen(hounsfield, generator), target


def plain(slices: Slices, index: np.ndarray, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut the networks' field out of the middle, as the system does it.

    Returns:
        images float32 (n, 3, size_px, size_px), as ``imaging.canonical.normalise`` does it for CT, and labels uint8.
    """
    first = (slices.images.shape[-1] - size_px) // 2
    inner = slice(first, first + size_px)
    (low, high), (dark, bright) = HU_RANGE, CT_WINDOW_HU
    hounsfield = slices.images[slices.neighbours(index)][..., inner, inner] * np.float32((high - low) / 255) + low
    images = (np.clip(hounsfield, dark, bright) - (dark + bright) / 2) / ((bright - dark) / 2)
    return images.astype(np.float32), slices.labels[index][:, inner, inner]


def _to_score(slices: Slices, config: Config, stage1: bool) -> np.ndarray:
    """Validation slices that are looked at: of stage 2 those with necrosis, and a quarter as many without."""
    groups = groups_of(slices, config.patch.pixel_mm)
    positive, negative = (np.concatenate([groups[True, of], groups[False, of]]) for of in (True, False))
    share = 0.5 if stage1 else 0.2
    few = negative[:: max(1, round(len(negative) / max(1.0, len(positive) * share / (1 - share))))]
    every = np.sort(np.concatenate([positive, few]))
    return every[:: -(-len(every) // SCORED) or 1]


def _draw(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand((n, 1, 1, 1), generator=generator) * (high - low) + low


def moved(
    images: torch.Tensor, labels: torch.Tensor, size_px: int, shift_px: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn up to 12 degrees, scale by 0.88 to 1.12, shift and crop: images (n, c, s, s) and labels (n, s, s)."""
    n, stored = len(images), images.shape[-1]
    turn, scale = (_draw(n, low, high, generator).flatten() for low, high in ((-0.21, 0.21), (0.88, 1.12)))
    shift = torch.stack([_draw(n, -2 * shift_px / stored, 2 * shift_px / stored, generator).flatten() for _ in "xy"], 1)
    cos, sin = torch.cos(turn) * scale, torch.sin(turn) * scale
    matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * (size_px / stored)
    theta = torch.cat([matrix, shift[:, :, None]], dim=2)
    grid = F.affine_grid(theta, [n, 1, size_px, size_px], align_corners=False)
    out = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    target = F.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)[:, 0]
    return out, target.long()


def seen(hounsfield: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn HU (n, 3, s, s) into what the network sees: a window, gamma, blur, noise, missing neighbours, cut edges."""
    n, _, size, _ = hounsfield.shape
    unknown = _draw(n, 0, 1, generator) < WINDOWED
    low = torch.where(unknown, _draw(n, -500, -60, generator), CT_WINDOW_HU[0] + _draw(n, -20, 20, generator))
    high = torch.where(unknown, _draw(n, 550, 1500, generator), CT_WINDOW_HU[1] + _draw(n, -40, 40, generator))
    unit = ((hounsfield - low) / (high - low)).clamp(0, 1)
    gamma = torch.where(unknown, torch.exp(_draw(n, -0.35, 0.35, generator)), torch.ones(()))
    images = unit.pow(gamma) * 2 - 1
    blurred = F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    images = torch.lerp(images, blurred, _draw(n, -0.3, 1.0, generator).clamp(min=-0.2))
    images = images + torch.randn(images.shape, generator=generator) * _draw(n, 0, 0.05, generator)
    lost = _draw(n, 0, 1, generator).flatten()
    for channel, chosen in ((0, (lost < 0.05) | (lost > 0.88)), (2, (lost > 0.05) & (lost < 0.1) | (lost > 0.88))):
        images[chosen, channel] = images[chosen, 1]
    # Where the image ends the patch is 0.
    cut = _draw(n, 0, 1, generator).flatten()
    edge = (torch.rand((n,), generator=generator) * 0.16 * size).int().tolist()
    for one, (chance, width) in enumerate(zip(cut.tolist(), edge, strict=True)):
        if chance < 0.04:
            images[one, :, :width] = 0
        elif chance < 0.08:
            images[one, :, size - width :] = 0
        elif chance < 0.12:
            images[one, :, :, size - width :] = 0
    return images
