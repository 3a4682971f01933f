"""The parts of ``training.gpu_check``: what is measured, in which order, until the time is spent."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from ONFHAssistLib import __version__
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.study import StudyResult
from training.benchmarks.gpu_parts import Figures, command_part, matrix_part, study_part, training_part
from training.benchmarks.speed import processor

ENGINES = (("openvino", "f32"), ("torch", "f32"), ("torch", "fp16"), ("torch", "bf16"))
"""fp16 is torch's mixed precision, what ``--precision auto`` means on a card; the first two are compared with."""
NETWORKS = ("anatomy", "necrosis")
FORMS = {
    "median_s": "{:.2f} s",
    "batch": "batch {}",
    "precision": "{}",
    "images_s": "{:.0f} images/s",
    "tflop_s": "{:.3g} TFLOP/s",
    "share": "{:.1%} of the product's",
    "card_mib": "{} MiB of the card",
}

Part = Callable[[], Figures]


@dataclass(frozen=True)
class Size:
    """How much is measured: runs of a study, batches of a training, its seconds, rows of the matrices."""

    runs: int
    cold_runs: int
    batches: tuple[int, int]
    train_s: float
    matrix: int


FULL = Size(runs=7, cold_runs=3, batches=(16, 512), train_s=6.0, matrix=8192)
QUICK = Size(runs=1, cold_runs=1, batches=(2, 4), train_s=0.2, matrix=512)


def machine(device: str) -> Figures:
    """What is measured on; raises InputError where it should be a card and torch finds none."""
    try:
        import torch
    except ImportError:
        raise InputError("torch is not installed; install the extra train.") from None
    about: Figures = {
        "date": datetime.now(UTC).date().isoformat(),
        "onfh_assist": __version__,
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "openvino": version("openvino"),
        "device": device,
    }
    if device == "cpu":
        return about
    if not torch.cuda.is_available():
        raise InputError(
            "torch finds no CUDA card here; run this where a card, its driver and a torch that is built for CUDA are, "
            "or try it out with --device cpu --quick."
        )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as training.train does, before the first calculation
    card = torch.cuda.get_device_properties(0)
    return about | {
        "card": card.name,
        "card_gib": round(card.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        # In torch's f32 the convolutions of a card round to TF32 unless told otherwise.
        "tf32_in_convolutions": torch.backends.cudnn.allow_tf32,
    }


def run_parts(
    todo: dict[str, Part], end: float, keep: Callable[[Figures], None], clock: Callable[[], float] = time.monotonic
) -> Figures:
    """Run one part after another until the clock passes ``end``; one that fails does not keep the others back.

    Returns ``parts``, ``failed`` (why) and ``left_out`` (names); ``keep`` gets them at the start and after each part.
    """
    figures: Figures = {"parts": {}, "failed": {}, "left_out": list(todo)}
    keep(figures)
    for name, part in todo.items():
        if clock() >= end:
            break
        figures["left_out"].remove(name)
        try:
            figures["parts"][name] = measured = part()
            print(f"| {name} | {words(measured)} |", flush=True)
        except Exception as error:  # whatever a card, its driver and its memory can raise
            figures["failed"][name] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
            print(f"| {name} | {figures['failed'][name]} |", flush=True)
        keep(figures)
    return figures


def words(figures: Figures) -> str:
    """Say what a part has measured."""
    said = [form.format(figures[key]) for key, form in FORMS.items() if key in figures]
    for name, other in figures.items():
        if name.startswith("against "):
            dice = [f"{other[key]:.4f}" if other[key] is not None else "–" for key in ("head_dice", "necrosis_dice")]
            said.append(f"{name}: Dice {dice[0]} (head), {dice[1]} (necrosis), ratio {other['ratio_points']} points")
    return "; ".join(said)


def parts(device: str, size: Size, study: Path) -> dict[str, Part]:
    """Return what is measured, by its name, in the order of its worth; later parts compare with earlier ones."""
    exact: dict[str, StudyResult] = {}
    peak: dict[str, float] = {}
    named = {f"study, {engine} {precision}": (engine, precision) for engine, precision in ENGINES}
    if device == "cpu":  # auto is f32 there
        named = {name: choice for name, choice in named.items() if choice[1] != "fp16"}
    todo: dict[str, Part] = {
        name: partial(study_part, name, study, device, engine, precision, size.runs, exact)
        for name, (engine, precision) in named.items()
    }
    todo["command line, cold"] = lambda: command_part(device, study, size.cold_runs)
    for precision in ("bf16", "f32"):
        todo[f"matrices, {precision}"] = partial(matrix_part, precision, device, size.matrix, peak)
    for batch in size.batches:
        for name in NETWORKS:
            todo[f"training, {name}, batch {batch}"] = partial(training_part, name, batch, device, size.train_s, peak)
    return todo
