"""What ``training.gpu_check`` measures, part by part; torch is imported when a part runs."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ONFHAssistLib.analysis import open_models
from ONFHAssistLib.core.study import StudyResult
from training.benchmarks.engines import agreement
from training.benchmarks.speed import cold, timed
from training.learning.config import read_config
from training.real.data import ROOT

POOL = 256
"""So many random patches are drawn from."""

Figures = dict[str, Any]


def study_part(
    name: str, study: Path, device: str, engine: str, precision: str, runs: int, exact: dict[str, StudyResult]
) -> Figures:
    """Seconds of a warm study, agreement with the f32 of both engines, and the card's memory."""
    where = "cpu" if engine == "openvino" else device
    with card_peak(where) as memory:
        models = open_models(where, engine, "auto" if precision == "fp16" else precision)
        figures, result = timed(study, models, runs)
    ran = {network.engine.device for network in models.networks.values()}
    if ran != {where}:
        raise RuntimeError(f"the networks ran on {', '.join(sorted(ran))}, not on {where} alone")
    figures |= {"engine": models["necrosis"].engine.name} | memory
    for other, expected in exact.items():
        heads, necroses, points = agreement(result, expected)
        figures[f"against {other}"] = {
            "head_dice": round(min(heads), 5),
            "necrosis_dice": round(min(necroses), 5) if necroses else None,
            "ratio_points": round(max(points), 3),
        }
    if precision == "f32":
        exact[name.removeprefix("study, ")] = result
    return figures


def command_part(device: str, study: Path, runs: int) -> Figures:
    """Seconds of the command line in a fresh process, with torch."""
    figures = cold(study, runs, ("--device", device, "--engine", "torch"))
    # Not its memory: on Linux the peak of a child begins with that of its parent.
    return {"median_s": figures["median_s"], "seconds": figures["seconds"]}


def matrix_part(precision: str, device: str, size: int, peak: dict[str, float]) -> Figures:
    """TFLOP a second of a product of large matrices."""
    import torch

    from training.learning.speed import peak_flops

    dtype = {"bf16": torch.bfloat16, "f32": torch.float32}[precision]
    with card_peak(device) as memory:
        peak[precision] = peak_flops(torch.device(device), dtype, size if device == "cuda" else min(size, 2048))
    return {"tflop_s": four_digits(peak[precision] / 1e12)} | memory


def training_part(name: str, batch: int, device: str, seconds: float, peak: dict[str, float]) -> Figures:
    """Images a second, share of the peak, memory; a batch that the card has no memory for is halved until it fits."""
    import torch

    while True:
        try:
            return train_for(name, batch, torch.device(device), seconds, peak)
        except torch.OutOfMemoryError:
            if batch <= 16:
                raise
        batch //= 2  # outside of the handler, which holds on to the memory of the one that failed


def train_for(name: str, batch: int, device: Any, seconds: float, peak: dict[str, float]) -> Figures:
    """Train a network of ``training/configs`` on random patches for so long, and at least two steps."""
    import torch

    from ONFHAssistLib.models.networks import build_network
    from training.learning.batches import augmented
    from training.learning.loop import average_of, optimiser_of, train_step
    from training.learning.losses import segmentation_loss
    from training.learning.samples import PATCH_MARGIN
    from training.learning.speed import step_flops
    from training.learning.tasks import Task

    config = read_config(ROOT / "training" / "configs" / f"{name}.yaml")
    config = replace(config, training=replace(config.training, batch=batch))
    definition, stored = config.network, int(config.patch.side_px * PATCH_MARGIN)
    random = torch.Generator().manual_seed(0)
    shape = (POOL, definition["in_channels"], stored, stored)
    images = torch.randint(256, shape, generator=random, dtype=torch.uint8)
    classes = max(2, definition["out_channels"])
    labels = torch.randint(classes, (POOL, stored, stored), generator=random, dtype=torch.uint8)
    groups = (torch.arange(0, POOL, 2), torch.arange(1, POOL, 2))
    with card_peak(device.type) as memory, deterministic(device.type):
        network = build_network(definition).to(device)
        average = average_of(network, config.training.average)
        optimiser = optimiser_of(network, config.training.learning_rate)
        batches = augmented(images, labels, groups, config, 0, device, slice(None))
        mixed = config.training.mixed_precision

        def steps(count: int) -> float:
            began = time.perf_counter()
            for _, (x, y) in zip(range(count), batches, strict=False):
                train_step(network, segmentation_loss, x, y, optimiser, mixed)
                average.update_parameters(network)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            return time.perf_counter() - began

        steps(2)  # the first ones choose kernels
        count = max(2, min(1000, int(2 * seconds / steps(2))))
        images_s = batch * count / steps(count)
    x, y = next(batches)
    some = x[:16], y[:16]  # the arithmetic grows with the images
    task = Task(batches, segmentation_loss, None)
    flop_s = step_flops(network, task, some) / len(some[0]) * images_s
    precision = "bf16" if mixed else "f32"
    figures: Figures = {"batch": batch, "precision": precision}
    figures |= {"images_s": four_digits(images_s), "tflop_s": four_digits(flop_s / 1e12)}
    reached = peak.get(precision)
    return figures | ({"share": four_digits(flop_s / reached)} if reached else {}) | memory


def four_digits(value: float) -> float:
    """Round to four digits that count."""
    return float(f"{value:.4g}")


@contextmanager
def deterministic(device: str) -> Iterator[None]:
    """Calculate as ``training.train`` does on a card."""
    import torch

    torch.use_deterministic_algorithms(device == "cuda", warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def card_peak(device: str) -> Iterator[Figures]:
    """Yield a dictionary that is told ``card_mib``, the most that torch had allocated meanwhile; empty on the CPU."""
    memory: Figures = {}
    if device == "cuda":
        import torch

        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    yield memory
    if device == "cuda":
        memory["card_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
