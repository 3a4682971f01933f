"""What a CUDA card makes of the networks, in 8 minutes: ``python -m training.gpu_check`` (Linux).

Measures, one part after another: seconds of a study by each engine and precision, with Dice of the masks and difference
of the ratio against OpenVINO in f32 and torch in f32; seconds of the command line from its start; what a product of
large matrices reaches; and the training of the anatomy and the necrosis network on random patches (the step of
``training.train`` with its augmentation; no sample cache is needed): images and TFLOP a second, share of what the
product reaches; and the card's memory at each part's peak. No part begins once the time is spent.

The study is that of ``training.benchmarks.speed``. The figures are printed and kept as JSON, after each part anew.
``--device cpu --quick`` tries the script out where there is no card.
"""

import argparse
import json
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
from ONFHAssistLib.core.files import replace_file, require_writable
from ONFHAssistLib.core.hip import StudyResult
from training.benchmarks.gpu_parts import Figures, command_part, matrix_part, study_part, training_part
from training.benchmarks.speed import processor, studies
from training.data import CACHE

BUDGET_S = 420.0
"""No part begins later: the one that has begun by then ends within the 8 minutes."""
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


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--quick", action="store_true", help="few runs and small sizes: the figures say little")
    parser.add_argument(
        "--budget", type=float, default=BUDGET_S, metavar="S", help="no part begins after so many seconds"
    )
    parser.add_argument("--out", type=Path, default=CACHE / "gpu_check.json")
    options = parser.parse_args()
    if not 0 <= options.budget <= BUDGET_S:
        parser.error(f"the budget {options.budget:g} is not one of 0 to {BUDGET_S:.0f} seconds")
    if options.out.is_dir():
        parser.error(f"{options.out} is a folder; name a file with --out")
    start = time.monotonic()
    try:
        about = machine(options.device)
        require_writable(options.out.parent)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    except OSError:
        parser.exit(2, f"Nothing can be written into {options.out.parent}; name another file with --out.\n")
    study = studies()[0]
    about |= {"study": study.name, "quick": options.quick, "budget_s": options.budget}

    def keep(figures: Figures) -> None:
        everything = about | {"seconds": round(time.monotonic() - start, 1)} | figures
        replace_file(options.out, (json.dumps(everything, indent=1) + "\n").encode())

    print("| what | measured |\n|---|---|")
    todo = parts(options.device, QUICK if options.quick else FULL, study)
    figures = run_parts(todo, start + options.budget, keep)
    print(f"\n{time.monotonic() - start:.0f} s; written to {options.out}")
    if figures["left_out"]:
        print(f"The {options.budget:.0f} s are spent; left out: {'; '.join(figures['left_out'])}.")
    if figures["failed"]:
        parser.exit(1, f"Failed: {'; '.join(figures['failed'])}.\n")


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


if __name__ == "__main__":
    main()
