"""The one training loop: learning rate, moving average, checkpoints, going on, logging (``training.train``)."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import Bundle
from training.learning import batches, finder, head_check, slice_finder
from training.learning.checkpoint import RUNS, load_checkpoint, save_checkpoint
from training.learning.config import Config, cache_path, read_config
from training.learning.curated import initial_weights, make_cache, mixed
from training.learning.processes import choose_device, rank_and_count, whole
from training.learning.speed import share_of_peak
from training.learning.tasks import Task, TaskMaker

TASKS = {
    "finder": finder,
    "head_check": head_check,
    "slice_finder": slice_finder,
    "anatomy": batches,
    "necrosis": batches,
}
"""Tasks of the project's own networks, and the module of this room that makes each."""
LOG_STEPS = 50


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 2 % of the steps, then a cosine down to 1 % of the peak."""
    warm = max(1, steps // 50)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))


def optimiser_of(network: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    """Return the optimiser of every training."""
    return torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)


def average_of(network: torch.nn.Module, decay: float) -> AveragedModel:
    """Return the moving average of a network's weights, which is what is scored and shipped."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True).eval()


@dataclass
class Run:
    """A training under way: what changes with each step, and what it is made of.

    Attributes:
        config: see ``training/learning/config.py``.
        folder: of the run.
        task: batches, loss, score.
        network: what is trained, see ``Task.build``.
        average: its moving average.
        optimiser: of the network.
        initial: weights that it began with; empty for random ones.
        done: steps.
        best: highest score so far.
    """

    config: Config
    folder: Path
    task: Task
    network: torch.nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    initial: dict[str, torch.Tensor] = field(default_factory=dict)
    done: int = 0
    best: float = -math.inf

    def take(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done, self.best = state["step"], state.get("best", self.best)  # version 0.1.0 kept no best one

    def result(self) -> torch.nn.Module:
        """What is scored and becomes the bundle: the moving average, mixed with what the training began with."""
        average, keep = self.task.shipped(self.average.module), self.config.training.keep_init
        return mixed(average, self.initial, keep) if self.initial and keep else average

    def end_epoch(self) -> float | None:
        """Score the network and write the checkpoints; return the score, None where no sample is held out."""
        result = self.result()
        score = self.task.score(result) if self.task.score else None
        is_best = score is not None and score > self.best
        if score is not None:
            self.best = max(self.best, score)
        state = {
            "step": self.done,
            "best": self.best,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "average_network": result.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        # Killed in between, the run goes on from the older checkpoint and writes the same best one again.
        if is_best:
            save_checkpoint(self.folder / "best.pt", state)
        save_checkpoint(self.folder / "checkpoint.pt", state)
        return score


def train(
    config: Config,
    runs: Path | None = None,
    stop_after: int | None = None,
    data: Path | None = None,
    init: Bundle | None = None,
    make_task: TaskMaker | None = None,
) -> Path:
    """Train as the config says and return the path of the last checkpoint.

    In a process group (``process_group``) all processes call this with the same arguments; only the first one writes.

    Args:
        config: see ``training/learning/config.py``.
        runs: where the run's folder is made; None: RUNS.
        stop_after: end early after this step (the run can be resumed).
        data: folder of the data set that the config tells of (``curated.with_data``).
        init: bundle with the weights to begin with, that the config tells of.
        make_task: of a system; None: the config's task is one of TASKS.

    Raises:
        InputError: the run was made with another config or data set, its checkpoint is damaged, the batch cannot be
            shared by the processes, or the loss is not a number; the last checkpoint is kept.
    """
    if (config.data is None) != (data is None) or (config.init is None) != (init is None):
        raise InputError(f"The config {config.name} is of a run with --data or --init; give the same again.")
    batch, (rank, processes) = config.training.batch, rank_and_count()
    if batch % processes:
        raise InputError(f"A batch of {batch} cannot be shared by {processes} processes; change one of them.")
    folder = (runs or RUNS) / config.name
    checkpoint, stored = folder / "checkpoint.pt", folder / "config.yaml"
    if checkpoint.is_file() and _recipe(read_config(stored)) != _recipe(config):
        raise InputError(
            f"The run in {folder} was made with another config or data set; move it away or change the config's name."
        )
    run = _begin(config, folder, data, init, make_task or _own_task(config.task))
    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        stored.write_text(yaml.safe_dump(config.plain(), sort_keys=False), encoding="utf-8")
    steps = config.training.steps
    _go_on(run, steps if stop_after is None else min(steps, stop_after))
    return checkpoint


def _begin(config: Config, folder: Path, data: Path | None, init: Bundle | None, make_task: TaskMaker) -> Run:
    """Build a run's network, or take it from the run's checkpoint."""
    device, options = choose_device(), config.training
    checkpoint = folder / "checkpoint.pt"
    state = load_checkpoint(checkpoint, device) if checkpoint.is_file() else None
    task = _make_task(config, state["step"] if state else 0, device, data, init, make_task)
    torch.manual_seed(options.seed)
    network = task.build(config.network)
    initial = initial_weights(init) if init else {}
    if initial:
        task.shipped(network).load_state_dict(initial)
    network = network.to(device)
    average = average_of(network, options.average)
    run = Run(config, folder, task, network, average, optimiser_of(network, options.learning_rate), initial)
    if state:
        run.take(state)
    return run


def _go_on(run: Run, last: int) -> None:
    """Train up to a step; log, score and save on the way, in the first process."""
    options, name, first = run.config.training, run.config.name, run.done
    epoch, mixed_precision = options.epoch_steps, options.mixed_precision
    device = next(run.network.parameters()).device
    rank, processes = rank_and_count()
    cards = [device] if device.type == "cuda" else None
    model = DistributedDataParallel(run.network, cards) if processes > 1 else run.network
    run.network.train()
    busy_s = 0.0
    with _Log(run.folder, name, options.steps, first, rank > 0) as log:
        while run.done < last:
            began = time.perf_counter()
            rate = learning_rate(run.done, options.steps, options.learning_rate)
            for group in run.optimiser.param_groups:
                group["lr"] = rate
            batch = next(run.task.batches)
            value = train_step(model, run.task.loss, *batch, run.optimiser, mixed_precision)
            if not math.isfinite(value):
                raise InputError(
                    f"The loss is {value} at step {run.done + 1}; lower learning_rate. The last checkpoint is kept."
                )
            run.average.update_parameters(run.network)
            run.done += 1
            busy_s += time.perf_counter() - began
            if rank == 0:
                log.step(run.done, value, rate)
                if run.done % epoch == 0 or run.done == last:
                    log.epoch(run.done, run.end_epoch())
    if rank == 0 and last > first:
        steps_s = (last - first) / busy_s
        said = [f"{options.batch * steps_s:.0f} images/s"]
        if device.type == "cuda":
            said.append(share_of_peak(run.network, run.task, batch, steps_s, mixed_precision))
        print(*said, sep="; ")


def train_step(
    model: torch.nn.Module,
    loss_of: Callable[[Any, torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    target: torch.Tensor,
    optimiser: torch.optim.Optimizer,
    mixed_precision: bool,
) -> float:
    """Take one step on this process's part of a batch and return the loss; not finite, it changes no weight."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed_precision):
        given = model(images)
    parts = tuple(whole(part.float()) for part in given) if isinstance(given, tuple) else whole(given.float())
    loss = loss_of(parts, whole(target))
    value = loss.item()
    if math.isfinite(value):
        optimiser.zero_grad(set_to_none=True)
        # Of the loss of the whole batch each process has the gradient of its own part; DDP gives their mean.
        (loss * rank_and_count()[1]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return value


class _Log:
    """Progress bar and TensorBoard of the first process; the others keep silent."""

    def __init__(self, folder: Path, name: str, steps: int, done: int, silent: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, disable=silent)
        self._bar = self._progress.add_task(name, total=steps, completed=done)
        self._name, self._running, self._writer = name, math.nan, None
        if not silent:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder, purge_step=done, flush_secs=10)

    def __enter__(self) -> "_Log":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        if self._writer:
            self._writer.close()

    def step(self, done: int, loss: float, rate: float) -> None:
        """Take the loss of a step."""
        self._running = loss if math.isnan(self._running) else 0.98 * self._running + 0.02 * loss
        self._progress.update(self._bar, completed=done, description=f"{self._name} loss {self._running:.4f}")
        if self._writer and done % LOG_STEPS == 0:
            self._writer.add_scalar("loss", self._running, done)
            self._writer.add_scalar("learning_rate", rate, done)

    def epoch(self, done: int, score: float | None) -> None:
        """Take the score of an epoch."""
        if self._writer and score is not None:
            self._writer.add_scalar("validation", score, done)
            self._progress.console.print(f"step {done}: loss {self._running:.4f}, validation {score:.4f}")


def _own_task(name: str) -> TaskMaker:
    if name not in TASKS:
        raise InputError(f"The task {name} is that of a system; train it with python -m training.train.")
    return TASKS[name].make_task


def _make_task(
    config: Config,
    first_step: int,
    device: torch.device,
    data: Path | None,
    init: Bundle | None,
    make_task: TaskMaker,
) -> Task:
    """Make the task; the first process before the others, so that only one makes a missing sample cache."""
    rank, processes = rank_and_count()
    share = config.training.batch // processes
    if rank:
        dist.barrier()
    elif data is not None and not cache_path(config).is_file():
        make_cache(cache_path(config), config, data, init)
    task = make_task(config, first_step, device, slice(rank * share, (rank + 1) * share))
    if dist.is_initialized() and not rank:
        dist.barrier()
    return task


def _recipe(config: Config) -> Config:
    """Return all that must stay the same when a run goes on: everything but its length and its pauses."""
    return replace(config, training=replace(config.training, steps=1, epoch_steps=1))
