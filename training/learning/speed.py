"""How fast a training is, beside what the machine can do."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from training.learning.tasks import Batch, Task


def peak_flops(device: torch.device, dtype: torch.dtype, size: int = 8192, repeats: int = 10) -> float:
    """Measure how many floating-point operations a second a product of two square matrices reaches on a device."""
    one = torch.randn(size, size, device=device, dtype=dtype)
    for count in (1, repeats):  # the first one warms up
        wait(device)
        began = time.perf_counter()
        for _ in range(count):
            one @ one
        wait(device)
        seconds = time.perf_counter() - began
    return repeats * 2 * size**3 / seconds


def step_flops(network: torch.nn.Module, task: Task, batch: Batch) -> int:
    """Count the floating-point operations of one step forward and back on these images."""
    images, target = batch
    with FlopCounterMode(display=False) as counter:
        task.loss(network(images), target).backward()
    return counter.get_total_flops()


def share_of_peak(network: torch.nn.Module, task: Task, batch: Batch, steps_s: float, mixed_precision: bool) -> str:
    """Say what one card reached in a training with so many steps a second, and which share of its peak that is."""
    dtype = torch.bfloat16 if mixed_precision else torch.float32
    reached = step_flops(network, task, batch) * steps_s
    share = reached / peak_flops(batch[0].device, dtype)
    return f"{reached / 1e12:.1f} TFLOP/s on each card, {share:.1%} of what a product of large matrices reaches"


def wait(device: torch.device) -> None:
    """Wait until a device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
