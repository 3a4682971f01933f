"""Train one network: ``python -m training.train training/configs/NAME.yaml``.

To train a network on with reviewed cases: ``python -m training.train training/configs/finetune_necrosis.yaml --data
DatasetNNN_Name --init necrosis`` begins with the weights of a bundle (its name, id or folder) and learns from a data
set or an export of one (``training/curated.py``). One fold of its patients chooses the checkpoint, another one is kept
out; ``training.make_bundle`` makes a bundle of the run as of any other, ``training.calibrate --data`` gives it the
interval of its ratio and ``training.compare --data`` measures it, both with the fold kept out.

On a machine with several GPUs: ``torchrun --nproc_per_node=N -m training.train training/configs/NAME.yaml``. Each
process takes its part of each batch; the samples, and but for rounding the weights, do not depend on their number.

The run lives in ``training/runs/NAME``: the config, TensorBoard logs, and after each epoch (``epoch_steps`` of the
config, 500 unless told) ``checkpoint.pt`` (weights, moving average, optimiser, step) and ``best.pt`` (the same, of the
epoch whose moving average did best on the samples held out). Started again, it goes on from ``checkpoint.pt``; the same
seed gives the same samples, batches and weights on the same kind of machine.
"""

import argparse
import math
import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.flop_counter import FlopCounterMode

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import Bundle
from ONFHAssistLib.models.installed import find_bundle
from ONFHAssistLib.models.networks import build_network
from training.batches import Task
from training.config import read_config
from training.data import ROOT, cache_path

RUNS = ROOT / "training" / "runs"
EPOCH_STEPS = 500
LOG_STEPS = 50


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


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint without running code from it; raises InputError where it is damaged or holds other objects."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"The checkpoint {path} cannot be read as plain weights; move it away.") from error


def train(
    config: dict[str, Any],
    runs: Path = RUNS,
    stop_after: int | None = None,
    data: Path | None = None,
    init: Bundle | None = None,
) -> Path:
    """Train as the config says and return the path of the last checkpoint.

    In a process group (``process_group``) all processes call this with the same arguments; only the first one writes.

    Args:
        config: see ``training/config.py``.
        runs: where the run's folder is made.
        stop_after: end early after this step (the run can be resumed).
        data: folder of the data set that the config tells of (``curated.with_data``).
        init: bundle with the weights to begin with, that the config tells of.

    Raises:
        InputError: the run was made with another config or data set, its checkpoint is damaged, the batch cannot be
            shared by the processes, or the loss is not a number; the last checkpoint is kept.
    """
    from torch.utils.tensorboard import SummaryWriter

    if config["task"] == "steinberg_t1":
        raise InputError("The networks of steinberg_t1 are trained by python -m training.benchmarks.steinberg_t1.")
    if ("data" in config) != (data is not None) or ("init" in config) != (init is not None):
        raise InputError(f"The config {config['name']} is of a run with --data or --init; give the same again.")
    options = config["training"]
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    if options["batch"] % world:
        raise InputError(f"A batch of {options['batch']} cannot be shared by {world} processes; change one of them.")
    share = options["batch"] // world
    folder = runs / config["name"]
    checkpoint, stored = folder / "checkpoint.pt", folder / "config.yaml"
    if checkpoint.is_file() and _recipe(read_config(stored)) != _recipe(config):
        raise InputError(
            f"The run in {folder} was made with another config or data set; move it away or change the config's name."
        )

    device = _device()
    torch.manual_seed(options["seed"])
    network = build_network(config["network"])
    initial: dict[str, torch.Tensor] = {}
    if init is not None:
        from training.curated import initial_weights

        initial = initial_weights(init)
        network.load_state_dict(initial)
    network = network.to(device)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=options["learning_rate"], weight_decay=1e-4)
    done, best = 0, -math.inf
    if checkpoint.is_file():
        state = load_checkpoint(checkpoint, device)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        done, best = state["step"], state.get("best", best)  # version 0.1.0 kept no best one
    task = _make_task(config, done, device, slice(rank * share, (rank + 1) * share), rank, data, init)
    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        stored.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        writer = SummaryWriter(folder, purge_step=done, flush_secs=10)
    model = DistributedDataParallel(network, [device] if device.type == "cuda" else None) if world > 1 else network

    steps, epoch = options["steps"], options.get("epoch_steps", EPOCH_STEPS)
    last = steps if stop_after is None else min(steps, stop_after)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    running, busy_s = None, 0.0
    network.train()
    with Progress(*columns, disable=rank > 0) as progress:
        bar = progress.add_task(config["name"], total=steps, completed=done)
        for step in range(done, last):
            began = time.perf_counter()
            rate = learning_rate(step, steps, options["learning_rate"])
            for group in optimiser.param_groups:
                group["lr"] = rate
            images, target = next(task.batches)
            value = train_step(model, task.loss, images, target, optimiser, options.get("mixed_precision", True))
            if not math.isfinite(value):
                raise InputError(
                    f"The loss is {value} at step {step + 1}; lower learning_rate. The last checkpoint is kept."
                )
            average.update_parameters(network)
            busy_s += time.perf_counter() - began
            if rank:
                continue
            running = value if running is None else 0.98 * running + 0.02 * value
            progress.update(bar, completed=step + 1, description=f"{config['name']} loss {running:.4f}")
            if (step + 1) % LOG_STEPS == 0:
                writer.add_scalar("loss", running, step + 1)
                writer.add_scalar("learning_rate", rate, step + 1)
            if (step + 1) % epoch == 0 or step + 1 == last:
                result = _result(average.module, initial, options)
                score = task.score(result) if task.score else None
                if score is not None:
                    writer.add_scalar("validation", score, step + 1)
                    progress.console.print(f"step {step + 1}: loss {running:.4f}, validation {score:.4f}")
                state = {
                    "step": step + 1,
                    "best": best if score is None else max(best, score),
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "average_network": result.state_dict(),
                    "optimiser": optimiser.state_dict(),
                }
                # Killed in between, the run goes on from the older checkpoint and writes the same best one again.
                if score is not None and score > best:
                    best = score
                    save_checkpoint(folder / "best.pt", state)
                save_checkpoint(checkpoint, state)
    if rank == 0:
        writer.close()
        if last > done:
            print(_speed(network, task, images, target, options, (last - done) / busy_s, device))
    return checkpoint


def train_step(
    model: torch.nn.Module,
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    target: torch.Tensor,
    optimiser: torch.optim.Optimizer,
    mixed_precision: bool,
) -> float:
    """Take one step on this process's part of a batch and return the loss; not finite, it changes no weight."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed_precision):
        logits = model(images)
    loss = loss_of(_whole(logits.float()), _whole(target))
    value = loss.item()
    if math.isfinite(value):
        optimiser.zero_grad(set_to_none=True)
        # Of the loss of the whole batch each process has the gradient of its own part; DDP gives their mean.
        (loss * (dist.get_world_size() if dist.is_initialized() else 1)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return value


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


def peak_flops(device: torch.device, dtype: torch.dtype, size: int = 8192, repeats: int = 10) -> float:
    """Measure how many floating-point operations a second a product of two square matrices reaches on a device."""
    one = torch.randn(size, size, device=device, dtype=dtype)
    for count in (1, repeats):  # the first one warms up
        _wait(device)
        began = time.perf_counter()
        for _ in range(count):
            one @ one
        _wait(device)
        seconds = time.perf_counter() - began
    return repeats * 2 * size**3 / seconds


def step_flops(network: torch.nn.Module, task: Task, images: torch.Tensor, target: torch.Tensor) -> int:
    """Count the floating-point operations of one step forward and back on these images."""
    with FlopCounterMode(display=False) as counter:
        task.loss(network(images), target).backward()
    return counter.get_total_flops()


def _speed(
    network: torch.nn.Module,
    task: Task,
    images: torch.Tensor,
    target: torch.Tensor,
    options: dict[str, Any],
    steps_s: float,
    device: torch.device,
) -> str:
    """Say how many images a second were trained on, and on CUDA the share of the peak that one card reached."""
    text = f"{options['batch'] * steps_s:.0f} images/s"
    if device.type == "cuda":
        dtype = torch.bfloat16 if options.get("mixed_precision", True) else torch.float32
        reached = step_flops(network, task, images, target) * steps_s
        share = reached / peak_flops(device, dtype)
        text += f"; {reached / 1e12:.1f} TFLOP/s on each card, {share:.1%} of what a product of large matrices reaches"
    return text


def _make_task(
    config: dict[str, Any],
    first_step: int,
    device: torch.device,
    part: slice,
    rank: int,
    data: Path | None,
    init: Bundle | None,
) -> Task:
    """Make the task; the first process before the others, so that only one makes a missing sample cache."""
    if config["task"] == "finder":
        from training.finder import make_task
    elif config["task"] == "head_check":
        from training.head_check import make_task
    else:
        from training.batches import make_task
    if rank:
        dist.barrier()
    elif data is not None and not cache_path(config).is_file():
        from training.curated import make_cache

        make_cache(cache_path(config), config, data, init)
    task = make_task(config, first_step, device, part)
    if dist.is_initialized() and not rank:
        dist.barrier()
    return task


def _result(average: torch.nn.Module, initial: dict[str, torch.Tensor], options: dict[str, Any]) -> torch.nn.Module:
    """What is scored and becomes the bundle: the moving average, mixed with what the training began with."""
    if not initial or not options.get("keep_init"):
        return average
    from training.curated import mixed

    return mixed(average, initial, options["keep_init"])


def _whole(part: torch.Tensor) -> torch.Tensor:
    """Join the parts of all processes in their order; gradients flow into this process's own part only."""
    if not dist.is_initialized():
        return part
    parts = [torch.empty_like(part) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, part.detach().contiguous())
    parts[dist.get_rank()] = part
    return torch.cat(parts)


def _device() -> torch.device:
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


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _recipe(config: dict[str, Any]) -> dict[str, Any]:
    """Return all that must stay the same when a run goes on: everything but its length and its pauses."""
    return config | {"training": {**config["training"], "steps": None, "epoch_steps": None}}


def _fold_or_none(text: str) -> int | None:
    return None if text == "none" else int(text)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, metavar="DIR", help="data set of reviewed cases, or an export of one")
    parser.add_argument("--init", metavar="BUNDLE", help="name, id or folder of the bundle to begin with")
    parser.add_argument("--fold", type=int, default=0, help="of the data set: chooses the checkpoint (default: 0)")
    parser.add_argument(
        "--keep-out",
        type=_fold_or_none,
        default=4,
        help="fold that is kept out for training.calibrate and training.compare, or none (default: 4)",
    )
    options = parser.parse_args()
    try:
        config = read_config(options.config)
        init = find_bundle(options.init) if options.init else None
        if options.data:
            from training.curated import cautions, with_data

            config = with_data(config, options.data, init, options.fold, options.keep_out)
            if config["task"] == "necrosis" and os.environ.get("RANK", "0") == "0":
                for line in cautions(options.data):
                    print(line)
        elif init:
            from training.curated import with_init

            config = with_init(config, init)
        with process_group() as rank:
            checkpoint = train(config, data=options.data, init=init)
    except InputError as error:
        parser.exit(2, f"{error}\n" if os.environ.get("RANK", "0") == "0" else None)
    if rank == 0:
        print(f"Trained: {checkpoint}")


if __name__ == "__main__":
    main()
