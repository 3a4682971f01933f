"""What the training loop needs to know of a task."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ONFHAssistLib.models.networks import build_network
from training.learning.config import Config

Batch = tuple[torch.Tensor, torch.Tensor]


def _itself(network: torch.nn.Module) -> torch.nn.Module:
    return network


@dataclass(frozen=True)
class Task:
    """What ``training.learning.loop`` needs to know of a task.

    Attributes:
        batches: endless; images and targets of this process's part of each batch, on its device.
        loss: of what the network gives in training (logits, or a tuple of tensors) and the targets of a whole batch.
        score: of a network in evaluation mode on the samples that nothing is learned from, higher is better; None
            where no sample is held out.
        build: returns what is trained, of the definition of the config's network: that network, or it with paths that
            only training sees.
        shipped: returns the part of that which becomes the bundle.
    """

    batches: Iterator[Batch]
    loss: Callable[[Any, torch.Tensor], torch.Tensor]
    score: Callable[[torch.nn.Module], float] | None
    build: Callable[[dict[str, Any]], torch.nn.Module] = build_network
    shipped: Callable[[torch.nn.Module], torch.nn.Module] = _itself


TaskMaker = Callable[[Config, int, torch.device, slice], Task]
"""Makes a task of a config, the first step, the device, and this process's part of each batch."""
