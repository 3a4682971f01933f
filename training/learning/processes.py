"""The processes that share a training, and the device of each."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from ONFHAssistLib.core.errors import InputError


@contextmanager
def process_group() -> Iterator[int]:
    """Join the processes that ``torchrun`` started, NCCL on CUDA and gloo on the CPU; yields this one's rank."""
    if not dist.is_torchelastic_launched():
        yield 0
        return
    # Long: the first process makes the samples and scores the network while the others wait.
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=timedelta(hours=12))
    try:
        yield dist.get_rank()
    finally:
        dist.destroy_process_group()


def rank_and_count() -> tuple[int, int]:
    """Return the number of this process and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def whole(part: torch.Tensor) -> torch.Tensor:
    """Join the parts of all processes in their order; gradients flow into this process's own part only."""
    if not dist.is_initialized():
        return part
    parts = [torch.empty_like(part) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, part.detach().contiguous())
    parts[dist.get_rank()] = part
    return torch.cat(parts)


def choose_device() -> torch.device:
    """Return the card of this process, else the CPU; raises InputError where there are more processes than cards."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number, cards = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if number >= cards:
        raise InputError(f"There is no GPU for each process; give --nproc_per_node={cards}.")
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    # The same seed gives the same weights: what has no deterministic kernel on CUDA warns once.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    return device
