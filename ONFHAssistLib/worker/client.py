"""Analyses in a process of its own: ask, look now and then for what has happened, cancel at any time.

There is no window in here and no event loop: a timer of Qt or a task of asyncio calls `Worker.poll`.
"""

import os
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.worker import wire
from ONFHAssistLib.worker.process import Ended, Process

HANG_AFTER_S = 180.0
"""The longest stage of an analysis takes seconds; the first opening of the networks on a slow disk perhaps a minute."""
SERVE = "ONFHAssistLib.worker.serve"
ANSWER_WITHIN_S = 0.7
"""So long a worker may take to stop by itself when it is asked to, and stay warm."""
GONE_WITHIN_S = 0.2
"""So long the system may take to end the processes that were killed, before they are no longer waited for."""
DEFAULTS = AnalysisOptions()
RUNNING = "An analysis is running; wait for its end or cancel it, and analyse then."


@dataclass(frozen=True)
class Progress:
    """How far an analysis is: 0 to 1, and the stage in words."""

    fraction: float
    stage: str


@dataclass(frozen=True)
class Finished:
    """An analysis is done; ``result`` is what ``analyse`` returns, to the last bit."""

    result: StudyResult


@dataclass(frozen=True)
class Failed:
    """An analysis has ended without a result; the next one is possible at once.

    Attributes:
        message: one sentence.
        remedy: whether the sentence says what the user can do; otherwise only a bug report helps.
        details: for a bug report, without anything about a patient; may be empty.
    """

    message: str
    remedy: bool
    details: str = ""


@dataclass(frozen=True)
class Stopped:
    """An analysis was cancelled, and nothing of it runs any more."""


Event = Progress | Finished | Failed | Stopped


def serve_command(python: str) -> list[str]:
    """Return the command of a worker in a Python, such as ``sys.executable`` or Slicer's ``PythonSlicer``."""
    # -P: a file named numpy.py in the user's folder must not be imported in place of the library. The path is in the
    # command itself, as a launcher may set PYTHONPATH anew.
    root = str(Path(__file__).resolve().parents[2])
    start = f"import runpy, sys; sys.path.insert(0, {root!r}); runpy.run_module({SERVE!r}, run_name='__main__')"
    return [python, "-P", "-c", start]


def serve_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which a worker finds this library: ``base``, or this process's own, and PYTHONPATH."""
    environment = dict(os.environ if base is None else base)
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH", "")]))
    return environment


@dataclass
class _Task:
    """The analysis that runs. Times are those of ``time.monotonic``."""

    number: int
    heard_at: float
    cancelled_at: float | None = None
    killed_at: float | None = None


class Worker:
    """One worker process, started when it is needed, kept warm, and started anew after any failure.

    Call it from one thread. No method waits for the process, but for ``close``.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        hang_after_s: float = HANG_AFTER_S,
    ) -> None:
        """Remember how to start a worker.

        Args:
            command: see ``serve_command``; may be a launcher that starts the actual process.
            environment: all variables of the process, see ``serve_environment``; None for those of this process.
            hang_after_s: an analysis from which nothing is heard for so long is given up.
        """
        self._command = list(command)
        self._environment = None if environment is None else dict(environment)
        self._hang_after_s = hang_after_s
        self._process: Process | None = None
        self._finalizer: weakref.finalize | None = None
        self._opened: wire.Message | None = None
        self._task: _Task | None = None
        self._number = 0

    @property
    def running(self) -> bool:
        """Whether an analysis is running, or about to be stopped."""
        return self._task is not None

    def warm_up(self, options: AnalysisOptions = DEFAULTS) -> None:
        """Start the process and let it open the networks, see ``open_models``; does nothing where that has been done.

        What goes wrong there is told by the next analysis.

        Args:
            options: device, engine, precision and systems count.
        """
        if self.running:
            return
        self.poll()
        how = wire.how(options)
        if self._process is None or self._opened != how:
            self._opened = how
            self._started().send({"kind": "open", **how})

    def analyse(self, study: Study, options: AnalysisOptions = DEFAULTS) -> None:
        """Start an analysis; the array of the study must stay as it is until it has ended.

        Raises:
            InputError: an analysis is running.
        """
        if self.running:
            raise InputError(RUNNING)
        self.poll()  # the process may have ended since
        entries, arrays = wire.pack_study(study, options)
        self._number += 1
        self._task = _Task(self._number, time.monotonic())
        self._opened = wire.how(options)
        process = self._started()
        process.study = study
        process.send({"kind": "analyse", "id": self._number, **entries}, arrays)

    def cancel(self) -> None:
        """Stop the analysis that runs, if any: within a second ``poll`` returns `Stopped`."""
        if self._task and self._task.cancelled_at is None and self._process:
            self._task.cancelled_at = time.monotonic()
            self._process.send({"kind": "cancel", "id": self._task.number})

    def poll(self) -> list[Event]:
        """Return what has happened since the last call; to be called about ten times a second while ``running``."""
        events: list[Event] = []
        while self._process and (message := self._process.heard()) is not None:
            events += self._understand(message)
        task = self._task
        if task and self._process:
            now = time.monotonic()
            if task.killed_at is None:
                asked_to_stop = task.cancelled_at is not None and now - task.cancelled_at > ANSWER_WITHIN_S
                if asked_to_stop or now - task.heard_at > self._hang_after_s:
                    self._process.kill()
                    task.killed_at = now
            elif now - task.killed_at > GONE_WITHIN_S:
                events += self._end(self._hung())
        return events

    def close(self) -> None:
        """End the process and all that it has started, and wait until it is gone; may be called again."""
        self._task = None
        if process := self._forget_process():
            process.close()

    def _started(self) -> Process:
        if self._process is None:
            self._process = Process(self._command, self._environment)
            self._finalizer = weakref.finalize(self, Process.close, self._process)
        return self._process

    def _understand(self, message: wire.Message | Ended) -> list[Event]:
        task = self._task
        if isinstance(message, Ended):
            return self._end(self._hung() if task and task.killed_at is not None else Failed(*message))
        if task is None or message.get("id") != task.number:
            return []
        task.heard_at = time.monotonic()
        if message["kind"] == "progress":
            return [] if task.cancelled_at is not None else [Progress(message["fraction"], message["stage"])]
        if message["kind"] == "failed":
            if message["exhausted"]:
                self._forget_process()
            return self._outcome(task, Failed(message["message"], message["remedy"], message["details"]))
        return self._outcome(task, Finished(message["result"]) if message["kind"] == "finished" else Stopped())

    def _outcome(self, task: _Task, event: Event) -> list[Event]:
        """End the analysis; one that was cancelled counts as such, whatever has become of it."""
        self._task = None
        if task.killed_at is not None:  # it may have finished in that very moment
            self._forget_process()
        if self._process:
            self._process.study = None
        return [event if task.cancelled_at is None else Stopped()]

    def _end(self, failed: Failed) -> list[Event]:
        self._forget_process()
        return self._outcome(self._task, failed) if self._task else []

    def _forget_process(self) -> Process | None:
        """Kill the process, if there is one, without waiting for its end; the next one is a new one."""
        process, self._process, self._opened = self._process, None, None
        if self._finalizer:
            self._finalizer.detach()
        if process:
            process.kill()
        return process

    def _hung(self) -> Failed:
        text = f"The analysis has given no sign of life for {self._hang_after_s:.0f} seconds and was ended"
        return Failed(f"{text}; close other programs and analyse again.", True)
