"""A worker around a stand-in analysis, and what a timer does with it."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.worker.client import Progress, Worker, serve_environment

STAND_IN = Path(__file__).parent / "stand_in.py"
TICK_S = 0.05


def made_up_study(shape=(4, 6, 8)) -> Study:
    """A study with a patient, who must stay where he is."""
    volume = Volume(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), np.diag([1.0, 2.0, 5.0, 1.0]))
    return Study(volume, {"modality": "MR"}, {"name": "Doe^Jane"}, (Notice("read", "Of Doe^Jane."),))


def until_event(worker: Worker, within_s: float = 20.0) -> list:
    """Poll as a timer does until the analysis has ended; return all events, the last one of which says how."""
    events, start = [], time.monotonic()
    while worker.running:
        assert time.monotonic() - start < within_s, f"nothing after {within_s} s but {events}"
        events += worker.poll()
        time.sleep(TICK_S)
    return events


def until_progress(worker: Worker, stage: str = "Thinking") -> list:
    """Poll until the analysis has come to a stage."""
    events, start = [], time.monotonic()
    while not any(isinstance(event, Progress) and event.stage == stage for event in events):
        assert worker.running and time.monotonic() - start < 20, events
        events += worker.poll()
        time.sleep(0.01)
    return events


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def until_gone(pid: int, within_s: float) -> None:
    """Wait for the end of a process that is not ours to wait for."""
    start = time.monotonic()
    while is_alive(pid):
        assert time.monotonic() - start < within_s, f"process {pid} still runs after {within_s} s"
        time.sleep(0.02)


@pytest.fixture
def stand_in(tmp_path):
    """``stand_in(behaviour)`` gives a Worker; ``stand_in.pids()`` the processes that were started."""
    workers, started = [], tmp_path / "pids"

    def make(behaviour: str = "behaves", **options) -> Worker:
        command = [sys.executable, str(STAND_IN), behaviour, str(started)]
        workers.append(Worker(command, serve_environment(), **options))
        return workers[-1]

    make.pids = lambda: [int(line) for line in started.read_text().split()] if started.exists() else []
    yield make
    for worker in workers:
        worker.close()
