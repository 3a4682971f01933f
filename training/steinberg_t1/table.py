"""Make the table of the study behind S-T1 on synthetic slices, and measure the bundle that comes of it::

    python -m training.steinberg_t1.table                             # the table, into docs/steinberg_t1.*
    python -m training.make_bundle steinberg_t1 --checkpoint training/runs/steinberg_t1-s-t1-SEED/checkpoint.pt
    python -m training.steinberg_t1.table --bundles training/candidates
    python -m training.make_bundle steinberg_t1 --install --evaluation docs/steinberg_t1.json

S-T1, U-Net and LinkNet learn the same slices with the same seeds, steps, augmentation and cost. Each training is a run
of the training loop, in ``training/runs/steinberg_t1-NETWORK-SEED``, and goes on where it stopped; what is finished is
not done again. At the end it names the S-T1 that did best on the training slices, to make a bundle of. All lesions and
all hips are synthetic: the published figures are of other data and are no yardstick.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.metrics import segmentation_metrics
from ONFHAssistLib.core.necrosis import SMALLEST_LESION_ML, largest_piece
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.systems.steinberg_t1.threshold import extract_necrosis
from training.bundles.card import read_evaluation, write_evaluation
from training.bundles.install import EVALUATION, weights_in
from training.learning import loop
from training.learning.checkpoint import RUNS, load_checkpoint
from training.learning.config import Config, read_config
from training.learning.samples import measured_femora
from training.real.data import ROOT, SAMPLES_VERSION
from training.steinberg_t1.networks import KINDS, gflop, make_network, shipped
from training.steinberg_t1.slices import Slices, plain, read_slices, split
from training.steinberg_t1.task import task_on

CONFIG = ROOT / "training" / "configs" / "steinberg_t1.yaml"
Predict = Callable[[np.ndarray], np.ndarray]
SEEDS = 3
"""As many trainings of each network, with the config's seed and the next ones."""
THICKNESS_MM = (1000 * SMALLEST_LESION_ML) ** (1 / 3)
"""Of a lone slice, where a volume is wanted: the smallest lesion that counts, a cube, just fills it."""
HEAD_FIGURES = ("accuracy", "sensitivity", "specificity", "ppv", "dice")
COLUMNS = {
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "dice": "Dice",
    "grading_accuracy": "grading accuracy",
}
PUBLISHED = {
    "S-T1": {
        "accuracy": 0.9773,
        "sensitivity": 0.9117,
        "specificity": 0.9940,
        "ppv": 0.9698,
        "dice": 0.9334,
        "grading_accuracy": 0.9080,
    },
    "U-Net": {"accuracy": 0.9742, "sensitivity": 0.8919, "specificity": 0.9912, "ppv": 0.9577},
    "LinkNet": {"accuracy": 0.9668, "sensitivity": 0.8867, "specificity": 0.9875, "ppv": 0.9409},
}
"""PMC11680720, as in docs/clinical.md; what is missing was not reported there."""
STATEMENT = (
    "**The data is synthetic**: procedural hips with painted lesions. No image of a patient is in it, and no figure of "
    "this page says how well real osteonecrosis is found. For research use."
)
LESION_STATEMENT = (
    "Three quarters of the hips have a painted lesion; the measured femora that lend their shape to half of the hips "
    "were {femora}."
)


def train(kind: str, seed: int, config: Config, slices: Slices, runs: Path | None = None) -> Path:
    """Train one network with one seed, or go on with it, and return its checkpoint.

    Args:
        kind: one of KINDS.
        seed: of the weights and of the batches.
        config: ``training/configs/steinberg_t1.yaml``.
        slices: of the training patients.
        runs: folder of the runs; this one's is named after the network and the seed.

    Raises:
        InputError: see ``loop.train``.
    """
    own = replace(config, name=f"{config.name}-{kind}-{seed}", training=replace(config.training, seed=seed))
    return loop.train(own, runs, make_task=partial(task_on, slices, kind=kind))


def in_torch(network: torch.nn.Module) -> Predict:
    """Let a network be called as the engines are: float32 (n, 1, s, s) in, logits of the same shape out."""
    network.eval()

    def predict(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return torch.cat([network(part) for part in torch.from_numpy(images).split(8)]).numpy()

    return predict


def measure(predict: Predict, slices: Slices, config: Config) -> dict[str, float]:
    """Measure one network on slices: the means of each slice's figures over its whole 256 × 256 pixels (fractions).

    Args:
        predict: an engine, or `in_torch`.
        slices: of patients that were not trained on.
        config: ``training/configs/steinberg_t1.yaml``.

    Returns:
        accuracy, sensitivity, specificity, ppv and dice of the head, and grading_accuracy: the part of the slices whose
        Steinberg class, by the threshold inside the network's head, is that of the truth. A figure that a slice does
        not have (ppv without a single pixel called head) is left out of its mean.
    """
    images, heads, necrosis = plain(slices, config.patch.side_px)
    called = predict(images[:, None])[:, 0] > 0
    figures = [
        segmentation_metrics(slice_volume(one, config), slice_volume(truth, config))
        for one, truth in zip(called, heads, strict=True)
    ]
    found = {name: _mean(getattr(figure, name) for figure in figures) for name in HEAD_FIGURES}
    found["grading_accuracy"] = grading_accuracy(images, called, heads, necrosis, config)
    return found


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def grading_accuracy(
    images: np.ndarray, called: np.ndarray, heads: np.ndarray, necrosis: np.ndarray, config: Config
) -> float:
    """Return the part (0 to 1) of the slices that get the Steinberg class of their truth.

    Args:
        images: normalised (n, rows, columns).
        called: the heads that were found, bool; the largest piece of each counts.
        heads: the true ones.
        necrosis: the true one.
        config: for the size of a pixel.
    """
    right = 0
    for image, one, head, dead in zip(images, called, heads, necrosis, strict=True):
        ratio, own = 0.0, largest_piece(one)
        if own.any():
            found = extract_necrosis(slice_volume(image, config), own[None])
            ratio = found.necrosis.sum() / own.sum()
        right += steinberg_grade(ratio) == steinberg_grade(dead.sum() / head.sum())
    return right / len(images)


def slice_volume(slice_: np.ndarray, config: Config) -> Volume:
    """Put one slice (rows, columns) into a Volume; THICKNESS_MM is what makes its pixels voxels."""
    pixel_mm = config.patch.pixel_mm
    return Volume(slice_[None], np.diag([pixel_mm, pixel_mm, THICKNESS_MM, 1.0]))


def summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return mean and standard deviation (n - 1) over the seeds of each figure of each kind of network.

    Args:
        runs: each with ``kind``, ``seed`` and the figures of ``measure``.
    """
    found = {}
    for kind in dict.fromkeys(run["kind"] for run in runs):
        own = [run for run in runs if run["kind"] == kind]
        values = {name: [run[name] for run in own] for name in (*HEAD_FIGURES, "grading_accuracy")}
        found[kind] = {name: (float(np.mean(v)), float(np.std(v, ddof=1))) for name, v in values.items()}
    return found


def markdown(content: dict[str, Any]) -> str:
    """Return the table as Markdown, from what is in the JSON."""

    def row(title: str, cells: list[str]) -> str:
        return f"| {' | '.join([title, *cells])} |"

    def shown(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.2f}"

    head = row("", list(COLUMNS.values())) + "\n" + row("---", ["---"] * len(COLUMNS))
    own = [
        row(KINDS[kind], [f"{100 * mean:.2f} ± {100 * sd:.2f}" for mean, sd in (figures[name] for name in COLUMNS)])
        for kind, figures in content["summary"].items()
    ]
    published = [row(name, [shown(figures.get(key)) for key in COLUMNS]) for name, figures in PUBLISHED.items()]
    data, cost = content["data"], content["cost"]
    costs = ", ".join(f"{KINDS[kind].split(' (')[0]} {c['gflop']:.2f} GFLOP" for kind, c in cost.items())
    order = ", ".join(KINDS[kind].split(" (")[0] for kind in content["order_by_dice"])
    return f"""# S-T1, U-Net and LinkNet on synthetic axial T1 slices

{content["statement"]}

Written by `python -m training.steinberg_t1.table`; all runs: [steinberg_t1.json](steinberg_t1.json). Per cent,
mean ± standard deviation over {len(content["seeds"])} seeds, each figure the mean over {data["test_slices"]} slices of
{data["test_patients"]} patients (procedural hips) that were not trained on.

{head}
{chr(10).join(own)}

The first five columns are of the head, over all 256 × 256 pixels of a slice; the last is how often the slice gets its
Steinberg class, by the threshold inside the head that the network found. With the true heads the same threshold grades
{100 * content["grading_accuracy_with_true_heads"]:.2f} % of the slices rightly. By the mean Dice the order is
{order}; a difference that is smaller than the spread over the seeds is none.

All three learned the same {data["training_slices"]} slices of {data["training_patients"]} patients with the same
seeds, augmentation, {content["steps"]} steps of {content["batch"]} slices and cost in use ({costs} a slice
of 256 × 256, where a multiplication with its addition counts as 2; S-T1's two paths exist in training only).
{data["statement"]}

## Published figures: of other data, not comparable

The study behind S-T1 (PMC11680720) reports these, in per cent, on its own 261 slices of patients with osteonecrosis.
They are of other data: neither may be set beside the table above as if both were measured on the same patients.

{head}
{chr(10).join(published)}
"""


def make_table(config: Config, learn: Slices, test: Slices) -> dict[str, Any]:
    """Train what is not trained yet, measure it, and return the content of ``steinberg_t1.json``."""
    first = config.training.seed
    seeds = list(range(first, first + SEEDS))
    runs: list[dict[str, Any]] = []
    cost = {}
    for seed in seeds:
        for kind in KINDS:
            path = train(kind, seed, config, learn)
            network = shipped(make_network(kind, config))
            network.load_state_dict(load_checkpoint(path)["average_network"])
            run = {"kind": kind, "seed": seed, **measure(in_torch(network), test, config)}
            run["training_dice"] = measure(in_torch(network), learn, config)["dice"]
            runs.append(run)
            parameters = sum(p.numel() for p in network.parameters())
            cost[kind] = {"gflop": gflop(network, config.patch.side_px), "parameters": parameters}
    images, heads, necrosis = plain(test, config.patch.side_px)
    table = summary(runs)
    own = [run for run in runs if run["kind"] == "s-t1"]
    return {
        "research_use": "For research use only.",
        "statement": STATEMENT,
        "data": _data(learn, test, config),
        "steps": config.training.steps,
        "batch": config.training.batch,
        "seeds": seeds,
        "cost": cost,
        "summary": table,
        "order_by_dice": sorted(table, key=lambda kind: -table[kind]["dice"][0]),
        "grading_accuracy_with_true_heads": grading_accuracy(images, heads, heads, necrosis, config),
        "shipped_seed": max(own, key=lambda run: run["training_dice"])["seed"],
        "runs": runs,
        "published": {"statement": "Of other data: not comparable.", "source": "PMC11680720", "figures": PUBLISHED},
    }


def _data(learn: Slices, test: Slices, config: Config) -> dict[str, Any]:
    _, heads, necrosis = plain(test, config.patch.side_px)
    return {
        "statement": LESION_STATEMENT.format(femora=len(measured_femora())),
        "training_patients": len(set(learn.patient.tolist())),
        "training_slices": len(learn.patient),
        "test_patients": len(set(test.patient.tolist())),
        "test_slices": len(test.patient),
        "classes_of_the_test_slices": _counts(heads, necrosis),
        "samples_version": SAMPLES_VERSION,
    }


def main() -> None:
    """Train what is not trained yet, then measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of steinberg_t1.md and .json")
    parser.add_argument("--bundles", type=Path, help="measure the bundle in this folder instead, for its model card")
    options = parser.parse_args()
    try:
        config = read_config(CONFIG)
        slices = read_slices(config)
        learn, test = (slices.of(patients) for patients in split(config))
        if options.bundles:
            measure_bundle(options.bundles, test, config)
            return
        content = make_table(config, learn, test)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    # What was measured of the shipped bundle stays; it names its weights.
    older = read_evaluation(options.out / "steinberg_t1.json")
    content |= {name: part for name, part in older.items() if name == config.name}
    text = markdown(content)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    documents = {"steinberg_t1.json": json.dumps(content, indent=1, ensure_ascii=False) + "\n", "steinberg_t1.md": text}
    for name, document in documents.items():
        replace_file(options.out / name, document.encode())
    run = RUNS / f"{config.name}-s-t1-{content['shipped_seed']}"
    print(f"The one to ship: python -m training.make_bundle {config.name} --checkpoint {run / 'checkpoint.pt'}")


def measure_bundle(bundles: Path, test: Slices, config: Config) -> None:
    """Measure ``bundles/steinberg_t1`` and add its figures to ``bundles/evaluation.json``, for ``make_bundle``."""
    bundle = load_bundle(bundles / config.name)
    section = {
        "models": weights_in(bundles, [bundle.name]),
        "slices": len(test.patient),
        "patients": len(set(test.patient.tolist())),
        **measure(open_engine(bundle, "cpu"), test, config),
    }
    path = bundles / EVALUATION.name
    write_evaluation(path, read_evaluation(path) | {config.name: section})
    print(json.dumps(section, indent=1))


def _counts(heads: np.ndarray, necrosis: np.ndarray) -> dict[str, int]:
    grades = [steinberg_grade(dead.sum() / head.sum()) for head, dead in zip(heads, necrosis, strict=True)]
    return {grade: grades.count(grade) for grade in ("without ONFH", "mild", "moderate", "severe")}


if __name__ == "__main__":
    main()
