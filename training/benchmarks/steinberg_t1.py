"""Make the table of the study behind S-T1 on synthetic slices: ``python -m training.benchmarks.steinberg_t1``.

S-T1, U-Net and LinkNet learn the same slices with the same seeds, steps, augmentation and cost. Each training lies in
``training/runs/steinberg_t1`` and goes on where it stopped; what is finished is not done again. The table goes to
``docs/steinberg_t1.md`` and ``docs/steinberg_t1.json``. All lesions and all hips are synthetic: the published figures
are of other data and are no yardstick.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ONFHAssistLib.core.errors import InputError
from training.data import ROOT, SAMPLES_VERSION
from training.steinberg_t1 import Slices, batch, plain, read_slices, split
from training.steinberg_t1_networks import KINDS, gflop, loss_of, make_network, shipped
from training.train import RUNS, learning_rate, load_checkpoint, save_checkpoint

CONFIG = Path(__file__).with_suffix(".yaml")
CHECKPOINT_STEPS = 100
AVERAGE = 0.99
"""Decay of the moving average of the weights, which is what is measured and shipped."""


def train(kind: str, seed: int, config: dict[str, Any], slices: Slices, folder: Path) -> Path:
    """Train one network with one seed, or go on with it, and return its checkpoint.

    Args:
        kind: one of KINDS.
        seed: of the weights and of the batches.
        config: ``steinberg_t1.yaml``.
        slices: of the training patients.
        folder: of the runs.

    Raises:
        InputError: the checkpoint there is of another config, or is damaged.
    """
    path, options = folder / f"{kind}-{seed}.pt", config["training"]
    recipe = json.dumps([SAMPLES_VERSION, config], sort_keys=True)
    torch.manual_seed(seed)
    network = make_network(kind, config).train()
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
    optimiser = torch.optim.AdamW(network.parameters(), lr=options["learning_rate"], weight_decay=1e-4)
    done = 0
    if path.is_file():
        state = load_checkpoint(path)
        if state["recipe"] != recipe:
            raise InputError(f"The run {path} was made with another config or other samples; move it away.")
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        done = state["step"]
    steps = options["steps"]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task(f"{kind} {seed}", total=steps, completed=done)
        for step in range(done, steps):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, steps, options["learning_rate"])
            loss = loss_of(network, *batch(slices, config, seed, step))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            average.update_parameters(network)
            progress.update(bar, completed=step + 1, description=f"{kind} {seed} loss {loss.item():.3f}")
            if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == steps:
                folder.mkdir(parents=True, exist_ok=True)
                state = {
                    "recipe": recipe,
                    "step": step + 1,
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "average_network": shipped(average.module).state_dict(),
                    "optimiser": optimiser.state_dict(),
                }
                save_checkpoint(path, state)
    return path


def main() -> None:
    """Train what is not trained yet, then measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of steinberg_t1.md and .json")
    options = parser.parse_args()
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    folder = RUNS / config["name"]
    slices = read_slices(config)
    learn, test = split(config)
    try:
        for seed in config["training"]["seeds"]:
            for kind in KINDS:
                train(kind, seed, config, slices.of(learn), folder)
    except InputError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
