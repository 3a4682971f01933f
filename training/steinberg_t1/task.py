"""The task of the S-T1 system for the training loop: single slices, and the two more paths of its network."""

from collections.abc import Iterator

import torch

from training.learning.config import Config
from training.learning.tasks import Batch, Task
from training.steinberg_t1.networks import Given, loss_of, make_network, shipped
from training.steinberg_t1.slices import Slices, batch, read_slices, split


def make_task(config: Config, first_step: int, device: torch.device, part: slice, kind: str = "s-t1") -> Task:
    """Return the batches from ``first_step`` on, the loss, and the network that is trained; no sample is held out.

    Args:
        config: ``training/configs/steinberg_t1.yaml``, maybe with another name, seed or length.
        first_step: 0, or where a run goes on.
        device: where the network runs.
        part: of each batch, as several processes share it.
        kind: one of ``networks.KINDS``.
    """
    learn, _ = split(config)
    return task_on(read_slices(config).of(learn), config, first_step, device, part, kind)


def task_on(
    slices: Slices, config: Config, first_step: int, device: torch.device, part: slice, kind: str = "s-t1"
) -> Task:
    """As ``make_task``, on these slices."""

    def batches() -> Iterator[Batch]:
        step = first_step
        while True:
            images, labels = batch(slices, config, step)
            yield images[part].to(device), labels[part].to(device)
            step += 1

    def loss(given: Given, labels: torch.Tensor) -> torch.Tensor:
        return loss_of(given, labels, config.patch.pixel_mm)

    return Task(batches(), loss, None, lambda _: make_network(kind, config), shipped)
