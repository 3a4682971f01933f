"""The necrosis network is trained on with the cases of a data set, in the background, in a Python of its own.

`training.train` writes its checkpoints atomically and goes on from the last one, so a training may be killed at any
time. What it says goes to a file that `FineTune.poll` reads: there is no thread, and nothing blocks the caller.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.worker.process import KILLED, OWN_GROUP, StartOptions, kill_tree

BUNDLE = "necrosis"
CONFIG = "training/configs/finetune_necrosis.yaml"
RUNS = "training/runs"
TAIL_BYTES = 4000
"""So much of what a training has said last is looked at to tell why it has failed."""

_STEPS = re.compile(r"\bsteps: *(\d+)")
_STEP = re.compile(r"step (\d+): loss \S+, validation (\d\.\d+)")
_NAME = re.compile(r"^name: *\S+", re.MULTILINE)


@dataclass(frozen=True)
class TrainingPlace:
    """Where trainings run, as the settings name it.

    Attributes:
        python: program of the training environment; "" where none is named.
        clone: folder with the sources of this project; "" where none is named.
        named_in: where both are named, in words, as in "the settings".
    """

    python: str
    clone: str
    named_in: str = "the settings"

    def missing(self, approved: int) -> str:
        """Return in one sentence what a training with so many approved cases lacks; "" where nothing."""
        if not self.python or not self.clone:
            what = "clone of the project" if self.python else "Python of a training environment"
            return f"No {what} is named; name one in {self.named_in}."
        if not os.access(self.python, os.X_OK) or not Path(self.python).is_file():
            return f"{self.python} is no Python that can be run; name another one in {self.named_in}."
        if not (Path(self.clone) / CONFIG).is_file() or not (Path(self.clone) / "training" / "train.py").is_file():
            return f"{self.clone} is not a clone of this project ({CONFIG} is missing); name one in {self.named_in}."
        if not approved:
            return "No case is approved yet, so there is nothing to train with; approve some first."
        return ""


class FineTune:
    """One training after another; no two at once.

    Attributes:
        running: whether the process is there.
        fraction, stage: how far it is, 0 to 1, and what it is doing, in words.
        message: how the last one ended, in one sentence; "".
        failed: whether that was a failure.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """``environment``: all variables of the processes; this process's own without those of its Python if None."""
        self.running, self.failed = False, False
        self.fraction, self.stage, self.message = 0.0, "", ""
        self._environment = dict(os.environ if environment is None else environment)
        for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP"):
            self._environment.pop(name, None)
        self._environment |= {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "TERM": "dumb", "COLUMNS": "200"}
        self._popen: subprocess.Popen | None = None
        self._finalizer: weakref.finalize | None = None
        self._log = ""
        self._read = 0
        self._steps, self._run = 1, ""
        self._cancelled = False

    def start(self, place: TrainingPlace, data: Path | None, approved: int, mark: str) -> None:
        """Start a training, or go on with the one of the same ``mark``.

        Args:
            place: environment and clone.
            data: the data set's folder; None where there is none, and nothing approved.
            approved: number of its approved cases.
            mark: letters and digits that change with its approved cases: each state of it has a run of its own.

        Raises:
            InputError: something is missing, a training runs already, or it could not be started.
        """
        if self.running:
            raise InputError("A training is running; wait for it, or cancel it.")
        if missing := place.missing(approved):
            raise InputError(missing)
        assert data is not None  # there are approved cases in it
        clone = Path(place.clone)
        log = ""
        try:
            config = (clone / CONFIG).read_text(encoding="utf-8")
            self._run = f"{Path(CONFIG).stem}_{mark}"
            own = clone / RUNS / f"{self._run}.yaml"
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(_NAME.sub(f"name: {self._run}", config, count=1), encoding="utf-8")
            handle, log = tempfile.mkstemp(prefix="onfh-fine-tune-", suffix=".log")
            with open(handle, "wb") as output:
                command = ["-m", "training.train", str(own.relative_to(clone)), "--data", os.path.abspath(data)]
                self._popen = subprocess.Popen(
                    [place.python, *command, "--init", BUNDLE],
                    cwd=clone,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **_QUIETLY,
                )
        except (OSError, ValueError) as error:
            _remove(log)
            why = getattr(error, "strerror", None) or "its command cannot be used"
            raise InputError(f"The training could not be started ({why}); look into {place.named_in}.") from error
        _step_back(self._popen.pid)
        self._finalizer = weakref.finalize(self, _end, self._popen, log)
        steps = _STEPS.search(config)
        self._steps = int(steps[1]) if steps else 1
        self._log, self._read, self._cancelled = log, 0, False
        self.running, self.fraction, self.stage = True, 0.0, "Making the samples"
        self.message, self.failed = "", False

    def poll(self) -> bool:
        """Take what the training has said since; return whether an attribute has changed."""
        if not self.running or self._popen is None:
            return False
        code = self._popen.poll()  # before the last lines are read, so that none is missed
        changed = self._take_lines()
        if code is None:
            return changed
        self._over(code)
        return True

    def cancel(self) -> None:
        """End the training with all that it has started; `poll` tells when it is gone."""
        if self.running and self._popen:
            self._cancelled, self.stage = True, "Cancelling"
            kill_tree(self._popen.pid)

    def close(self) -> None:
        """End the training, if there is one; its last checkpoint is kept."""
        if self._finalizer:
            self._finalizer()
        self.running, self.stage = False, ""

    def _take_lines(self) -> bool:
        with open(self._log, "rb") as file:
            file.seek(self._read)
            said, end, _ = file.read().rpartition(b"\n")
        self._read += len(said) + len(end)
        found = _STEP.findall(said.decode("utf-8", "replace"))
        if not found or self._cancelled:
            return False
        step, score = found[-1]
        self.fraction = min(1.0, int(step) / self._steps)
        self.stage = f"Step {step} of {self._steps}, Dice on what is held out {float(score):.3f}"
        return True

    def _over(self, code: int) -> None:
        with open(self._log, "rb") as file:
            file.seek(max(0, os.path.getsize(self._log) - TAIL_BYTES))
            tail = file.read().decode("utf-8", "replace")
        if self._finalizer:
            self._finalizer()  # what it may have left behind
        self.running, self.fraction, self.stage = False, 0.0, ""
        self.failed = bool(code) and not self._cancelled
        if self._cancelled:
            self.message = "The training was cancelled; started again with the same cases, it goes on where it was."
        elif code:
            self.message = _why(code, tail)
        else:
            made = f"python -m training.make_bundle {BUNDLE} --checkpoint {RUNS}/{self._run}/best.pt"
            self.message = f"The training is done; make a bundle of it in the clone, and compare it: {made}"


def _why(code: int, tail: str) -> str:
    """Tell in one sentence why a training has ended, from its exit code and its last lines."""
    if missing := re.findall(r"No module named '?([\w.]+)", tail):
        return (
            f"The Python package {missing[-1]} is missing in the training environment; run "
            '"pip install -e .[train]" there, in the clone.'
        )
    if code in (KILLED, 128 - KILLED) or re.search(r"\bMemoryError|out of memory", tail):
        return "The training was ended, most likely because the memory ran out; close other programs and start again."
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    if code == 2 and lines:  # a sentence of training.train
        return lines[-1]
    return f"The training ended unexpectedly (code {code}); run training.train in a terminal to see why."


def _end(popen: subprocess.Popen, log: str) -> None:
    kill_tree(popen.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(1.0)
    _remove(log)


def _remove(log: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(log)


if sys.platform == "win32":
    _QUIETLY: StartOptions = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.IDLE_PRIORITY_CLASS}

    def _step_back(pid: int) -> None:
        """The process was started with the lowest priority."""
else:
    _QUIETLY: StartOptions = OWN_GROUP

    def _step_back(pid: int) -> None:
        """Give a process that has just been started the lowest priority; what it starts inherits that."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, 19)
