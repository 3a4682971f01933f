"""Slices for the axial-T1 Steinberg system: procedural hips with painted lesions, one hip a patient.

The study behind the system (PMC11680720, docs/clinical.md) had 261 axial T1 slices, one hip cropped to 256 × 256, of
which 80 % of the patients were trained on. Here a slice is 96 mm wide, so that the head takes about a fifth of it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.imaging.canonical import network_slices, normalise
from training.learning.augment import decode, geometry, intensity
from training.learning.config import Config
from training.learning.samples import (
    MARROW_EDGE_MM,
    PATCH_MARGIN,
    inside_bone_mm,
    measured_femora,
    procedural_hip,
    run_jobs,
    save_cache,
    with_lesion,
)
from training.real.data import CACHE, SAMPLES_VERSION
from training.real.labelled import IGNORE

SLICES = 3
"""Slices of each patient."""
TRAIN_PART = 0.8
LESIONS = 0.75
"""Part of the patients with a lesion: the others keep the threshold honest."""
LARGE_SLICE = 0.35
"""Slices are drawn among those with at least this part of the hip's largest head area."""
LIVING, NECROSIS = 1, 2
"""Values of the labels inside the head; 0 is everything else."""


@dataclass(frozen=True)
class Slices:
    """Slices of several patients.

    Attributes:
        images: uint8 (n, s, s), 128 + 80 x of the normalised intensity x.
        labels: uint8 (n, s, s): 0, LIVING or NECROSIS. Both are larger than the network's field, by
            ``samples.PATCH_MARGIN``, for shifts and turns.
        patient: int (n,).
    """

    images: np.ndarray
    labels: np.ndarray
    patient: np.ndarray

    def of(self, patients: np.ndarray) -> "Slices":
        """Keep the slices of some patients."""
        kept = np.isin(self.patient, patients)
        return Slices(self.images[kept], self.labels[kept], self.patient[kept])


def read_slices(config: Config) -> Slices:
    """Return the slices of ``training/configs/steinberg_t1.yaml``, from the cache or made anew (minutes).

    Without the measured femora (``../shared/data``) all femora are parametric, so the slices are others.
    """
    recipe = json.dumps(
        [SAMPLES_VERSION, config.patch.plain(), config.samples.plain(), len(measured_femora())], sort_keys=True
    )
    path = CACHE / f"{config.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}.npz"
    if not path.is_file():
        _make(path, config)
    with np.load(path) as cache:
        return Slices(cache["images"], cache["labels"], cache["patient"])


def split(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Return the patients to train on (80 %) and those to test on; the same for every network and seed."""
    samples = config.samples
    order = np.random.default_rng([samples.seed, 5]).permutation(samples.procedural)
    first = round(TRAIN_PART * samples.procedural)
    return np.sort(order[:first]), np.sort(order[first:])


def batch(slices: Slices, config: Config, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw and change one training batch; the same for every network with the config's seed and this step.

    Returns:
        images (n, 1, s, s), float32, and labels (n, s, s), int64: 1 head, 0 not, IGNORE outside of the image.
    """
    patch = config.patch
    generator = torch.Generator().manual_seed(config.training.seed * 10_000_019 + step)
    drawn = torch.randint(len(slices.images), (config.training.batch,), generator=generator).numpy()
    images, labels = torch.from_numpy(slices.images[drawn]), torch.from_numpy(slices.labels[drawn])
    images, labels = geometry(decode(images)[:, None], labels, patch.side_px, patch.shift_px, generator)
    # The other networks see three slices; here all three are the same.
    return intensity(images.expand(-1, 3, -1, -1), generator)[:, 1:2], torch.where(
        labels == IGNORE, IGNORE, labels.clamp(max=1)
    )


def plain(slices: Slices, size_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the network's field out of the middle.

    Returns:
        images float32, heads bool and necrosis bool, each (n, size_px, size_px).
    """
    first = (slices.images.shape[-1] - size_px) // 2
    inner = slice(first, first + size_px)
    labels = slices.labels[:, inner, inner]
    images = decode(torch.from_numpy(slices.images[:, inner, inner])).numpy()
    return images, labels > 0, labels == NECROSIS


def _make(path: Path, config: Config) -> None:
    samples, patch = config.samples, config.patch
    jobs = [samples.seed * 1_000_003 + n for n in range(samples.procedural)]
    parts = list(run_jobs(_Patient(patch.side_px, patch.pixel_mm), jobs))
    save_cache(
        path,
        images=np.concatenate([images for images, _ in parts]),
        labels=np.concatenate([labels for _, labels in parts]),
        patient=np.repeat(np.arange(len(parts)), [len(labels) for _, labels in parts]),
    )


@dataclass(frozen=True)
class _Patient:
    """Makes the slices of one patient from a seed: images (n, s, s) and labels (n, s, s), uint8."""

    size_px: int
    pixel_mm: float

    def __call__(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, 2])  # not the stream that drew the hip
        sample = procedural_hip(seed, measured_femora(), "axial", "t1", metal_chance=0.0)
        sample, necrosis = with_lesion(sample, rng, LESIONS)
        size = int(self.size_px * PATCH_MARGIN)

        def cut(array: np.ndarray) -> np.ndarray:
            hip = sample.hip.like(array.astype(np.float32))
            return network_slices(hip, sample.centre_ras_mm, size, self.pixel_mm)[:, 1]

        head = (cut(sample.anatomy == AnatomyLabel.HEAD) > 0.5) & (cut(inside_bone_mm(sample)) > MARROW_EDGE_MM)
        labels = np.where(head, np.where(cut(necrosis) > 0.5, NECROSIS, LIVING), 0).astype(np.uint8)
        area = head.sum(axis=(1, 2))
        drawn = np.sort(rng.choice(np.flatnonzero(area >= LARGE_SLICE * area.max()), SLICES, replace=False))
        images = cut(normalise(sample.hip.volume.array, "MR"))[drawn]
        return np.clip(images * 80 + 128, 0, 255).astype(np.uint8), labels[drawn]
