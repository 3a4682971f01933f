"""The analysis as a reader sees it: idle, running, or stopping; one at a time, in the worker process."""

import logging
from collections.abc import Callable
from enum import Enum

from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.worker.client import Failed, Finished, Progress, Stopped, Worker

CANCELLED = "Cancelled; nothing was changed."
RUNNING = "An analysis is running; wait for it, or cancel it."


class Phase(Enum):
    """What can be done: start, cancel, or nothing until the worker has stopped."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPING = "stopping"


class Run:
    """Starts, follows and stops one analysis after another in a warm worker.

    Nothing here runs by itself: while it is not `idle`, its owner calls `poll` every few hundredths of a second.

    Attributes:
        phase: where it stands.
        fraction, stage: how far it is, 0 to 1, and what it is doing, in words.
        message: how the last one ended, where that was not with a result; one sentence, or "".
        failed: whether ``message`` tells of a failure.
    """

    def __init__(self, worker: Worker, on_change: Callable[[], None]) -> None:
        """Take a worker; ``on_change`` is called whenever an attribute has changed."""
        self.phase = Phase.IDLE
        self.fraction, self.stage, self.message, self.failed = 0.0, "", "", False
        self._reason = ""
        self._worker = worker
        self._on_change = on_change
        self._on_result: Callable[[StudyResult], None] = lambda result: None

    def start(self, study: Study, options: AnalysisOptions, on_result: Callable[[StudyResult], None]) -> None:
        """Start an analysis; ``on_result`` gets its result unless it fails or is cancelled.

        Raises:
            InputError: another one is running.
        """
        self.require_idle()
        self._worker.analyse(study, options)
        self._on_result = on_result
        self._set(Phase.RUNNING, 0.0, "Starting")

    def cancel(self, reason: str = CANCELLED) -> None:
        """Ask for the end; what has been found until then is dropped. ``reason`` is told when it is reached."""
        if self.phase is Phase.RUNNING:
            self._reason = reason
            self._worker.cancel()
            self._set(Phase.STOPPING, self.fraction, "Cancelling")

    def poll(self) -> None:
        """Take what the worker has said since."""
        for event in self._worker.poll():
            if isinstance(event, Progress) and self.phase is Phase.RUNNING:
                self._set(Phase.RUNNING, event.fraction, event.stage)
            elif isinstance(event, Finished) and self.phase is Phase.RUNNING:
                self._end("")
                self._on_result(event.result)
            elif isinstance(event, Failed) and self.phase is Phase.RUNNING:
                self._end(event.message, failed=True)
            elif isinstance(event, Finished | Failed | Stopped) and self.phase is not Phase.IDLE:
                self._end(self._reason)

    def close(self) -> None:
        """End the worker with all that it started."""
        self.phase = Phase.IDLE
        self._worker.close()

    @property
    def idle(self) -> bool:
        """Whether an analysis may be started."""
        return self.phase is Phase.IDLE

    @property
    def can_cancel(self) -> bool:
        """Whether there is something to cancel."""
        return self.phase is Phase.RUNNING

    def require_idle(self) -> None:
        """Raise InputError while an analysis is running."""
        if not self.idle:
            raise InputError(RUNNING)

    def say(self, message: str, failed: bool = False) -> None:
        """Put a sentence where the end of an analysis is told."""
        self.message, self.failed = message, failed
        self._on_change()

    def _end(self, message: str, failed: bool = False) -> None:
        self.message, self.failed = message, failed
        self._set(Phase.IDLE, 0.0, "", keep_message=True)
        if failed:
            logging.info("ONFHAssist: an analysis has failed")

    def _set(self, phase: Phase, fraction: float, stage: str, keep_message: bool = False) -> None:
        if not keep_message:
            self.message, self.failed = "", False
        self.phase, self.fraction, self.stage = phase, fraction, stage
        self._on_change()
