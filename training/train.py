"""Train one network: ``python -m training.train training/configs/NAME.yaml``.

The run lives in ``training/runs/NAME``: the checkpoint (weights, moving average, optimiser, step), TensorBoard logs
and the config. Started again, it goes on where it stopped; the same seed gives the same samples and batches.
"""

import argparse
import math
import os
from pathlib import Path
from typing import Any

import torch
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.networks import build_network
from training.data import ROOT

RUNS = ROOT / "training" / "runs"


def read_config(path: Path) -> dict[str, Any]:
    """Read a training config; raises InputError where the file, a key or a known task is missing."""
    if not path.is_file():
        raise InputError(f"There is no training config at {path}.")
    config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    missing = {"name", "task", "network", "patch", "samples", "training"} - set(config)
    if missing:
        raise InputError(f"The training config {path} lacks {', '.join(sorted(missing))}.")
    if config["task"] not in ("finder", "anatomy", "necrosis"):
        raise InputError(
            f"The training config {path} has the task {config['task']!r}; give finder, anatomy or necrosis."
        )
    return config


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 2 % of the steps, then a cosine down to 1 % of the peak."""
    warm = max(1, steps // 50)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically; it loads with ``weights_only=True``."""
    partial = path.with_suffix(".part")
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def train(config: dict[str, Any], runs: Path = RUNS, stop_after: int | None = None) -> Path:
    """Train as the config says and return the checkpoint's path.

    Args:
        config: see ``training/configs``.
        runs: where the run's folder is made.
        stop_after: end early after this step (the run can be resumed).
    """
    from torch.utils.tensorboard import SummaryWriter

    if config["task"] == "finder":
        from training.finder import make_batches
    else:
        from training.batches import make_batches
    options = config["training"]
    folder = runs / config["name"]
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, stored = folder / "checkpoint.pt", folder / "config.yaml"
    if checkpoint.is_file() and _recipe(yaml.safe_load(stored.read_text(encoding="utf-8"))) != _recipe(config):
        raise InputError(f"The run in {folder} was made with another config; move it away or change the config's name.")
    stored.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    torch.manual_seed(options["seed"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build_network(config["network"]).to(device)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options["learning_rate"], weight_decay=1e-4)
    done = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        done = state["step"]

    def state_now(step: int) -> dict[str, Any]:
        return {
            "step": step,
            "network": network.state_dict(),
            "average": average.state_dict(),
            "average_network": average.module.state_dict(),
            "optimiser": optimiser.state_dict(),
        }

    steps = options["steps"]
    batches, loss_of = make_batches(config, done)
    writer = SummaryWriter(folder, purge_step=done, flush_secs=10)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    network.train()
    with Progress(*columns) as progress:
        bar = progress.add_task(config["name"], total=steps, completed=done)
        running = None
        last = steps if stop_after is None else min(steps, stop_after)
        for step in range(done, last):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, steps, options["learning_rate"])
            images, target = (x.to(device) for x in next(batches))
            with torch.autocast(device.type, torch.bfloat16, enabled=options.get("mixed_precision", True)):
                logits = network(images)
            loss = loss_of(logits.float(), target)
            value = loss.item()
            if not math.isfinite(value):
                raise InputError(
                    f"The loss is {value} at step {step + 1}; lower learning_rate. The last checkpoint is kept."
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            average.update_parameters(network)
            running = value if running is None else 0.98 * running + 0.02 * value
            progress.update(bar, completed=step + 1, description=f"{config['name']} loss {running:.4f}")
            if (step + 1) % 50 == 0:
                writer.add_scalar("loss", running, step + 1)
            if (step + 1) % 500 == 0 or step + 1 == last:
                save_checkpoint(checkpoint, state_now(step + 1))
    writer.close()
    return checkpoint


def _recipe(config: dict[str, Any]) -> dict[str, Any]:
    """Return all that must stay the same when a run goes on: everything but its length."""
    return config | {"training": {**config["training"], "steps": None}}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    try:
        print(f"Trained: {train(read_config(parser.parse_args().config))}")
    except InputError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
