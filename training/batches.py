"""Batches of 2.5D patches for the anatomy and the necrosis network."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from training.augment import decode, geometry, intensity
from training.data import cache_path
from training.losses import segmentation_loss
from training.samples import make_cache


def make_batches(
    config: dict[str, Any], first_step: int
) -> tuple[Iterator[tuple[torch.Tensor, torch.Tensor]], Callable]:
    """Return the batches from ``first_step`` on, and the loss; makes the sample cache where it is missing."""
    patch, options = config["patch"], config["training"]
    path = cache_path(config)
    if not path.is_file():
        make_cache(path, config["task"], patch, config["samples"])
    with np.load(path) as cache:
        images, labels, real = (torch.from_numpy(cache[name]) for name in ("images", "labels", "real"))
    groups = [torch.nonzero(real)[:, 0], torch.nonzero(~real)[:, 0]]
    share = options["real_share"] if len(groups[0]) else 0.0

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        step = first_step
        while True:
            # One generator a step, so that a resumed run sees the same batches.
            generator = torch.Generator().manual_seed(options["seed"] * 10_000_019 + step)
            of_real = torch.rand((options["batch"],), generator=generator) < share
            draws = [torch.randint(max(len(g), 1), (options["batch"],), generator=generator) for g in groups]
            picked = groups[1][draws[1]]
            picked[of_real] = groups[0][draws[0][of_real]]
            x, y = geometry(decode(images[picked]), labels[picked], patch["size_px"], patch["shift_px"], generator)
            yield intensity(x, generator), y
            step += 1

    return batches(), segmentation_loss
