"""The worker process: ``python -m ONFHAssistLib.worker.serve`` analyses one study after the other (`wire`).

It keeps the networks open, writes no file, and ends when its standard input does: also in the middle of an analysis,
and so with the program that has started it, however that ends.
"""

import contextlib
import io
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from queue import SimpleQueue
from typing import BinaryIO

import numpy as np

from ONFHAssistLib import analysis
from ONFHAssistLib.core.errors import Cancelled, InputError
from ONFHAssistLib.systems.base import Models
from ONFHAssistLib.worker import wire

OUT_OF_MEMORY = (
    "The memory of this computer did not suffice for the analysis; close other programs or crop the image to the hips, "
    "and analyse again."
)
UNEXPECTED = "The analysis failed in a way that was not foreseen; please report it together with its details."


def main() -> None:
    """Serve until standard input ends."""
    _dump_no_core()
    answers = _own_stdout()
    requests: SimpleQueue[tuple[wire.Message, list[np.ndarray]]] = SimpleQueue()
    cancelled: set[int] = set()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests, cancelled), daemon=True).start()
    _say(answers, {"kind": "ready"})
    _serve(requests, answers, cancelled)


def _serve(requests: SimpleQueue, answers: BinaryIO, cancelled: set[int]) -> None:
    models = _Models()
    while True:
        message, arrays = requests.get()
        if message["kind"] == "open":
            with contextlib.suppress(Exception):  # the analysis will meet it again, and tells
                models.get({name: message[name] for name in ("device", "engine", "precision", "systems")})
        elif message["kind"] == "analyse":
            answer, arrays = _analyse(message, arrays, models, answers, cancelled)
            _say(answers, {**answer, "id": message["id"]}, arrays)
        del message, arrays  # not to be held until the next study


class _Models:
    """The networks that were opened last; other options open others in their place."""

    def __init__(self) -> None:
        self._how: wire.Message | None = None
        self._models: Models | None = None

    def are_open(self, how: wire.Message) -> bool:
        return self._how == how

    def get(self, how: wire.Message) -> Models:
        """Return the models for a device, engine, precision and systems (`wire.how`); see ``open_models``."""
        if self._models is None or not self.are_open(how):
            self._how = self._models = None  # the memory of those goes to these
            systems = tuple(how["systems"])
            self._models = analysis.open_models(how["device"], how["engine"], how["precision"], systems)
            self._how = how
        return self._models


def _analyse(
    message: wire.Message, arrays: list[np.ndarray], models: _Models, answers: BinaryIO, cancelled: set[int]
) -> tuple[wire.Message, list[np.ndarray]]:
    number = message["id"]

    def progress(fraction: float, stage: str) -> None:
        _say(answers, {"kind": "progress", "id": number, "fraction": fraction, "stage": stage})

    try:
        study, options = wire.unpack_study(message, arrays)
        how = wire.how(options)
        if not models.are_open(how):
            progress(0.0, "Loading the models")
        opened = models.get(how)
        result = analysis.analyse(study, options, progress, lambda: number in cancelled, opened)
        entry, masks = wire.pack_result(result)
        return {"kind": "finished", "result": entry}, masks
    except Cancelled:
        return {"kind": "stopped"}, []
    except Exception as error:
        return _failure(error), []


def _failure(error: Exception) -> wire.Message:
    """Say in a sentence what went wrong; ``details`` are for a bug report, and ``exhausted`` asks for a new process."""
    exhausted = isinstance(error, MemoryError) or "bad_alloc" in str(error)  # so C++ says it through OpenVINO
    message, details = UNEXPECTED, "".join(traceback.format_exception(error))
    if isinstance(error, InputError):
        message, details = str(error), ""
    elif exhausted:
        message = OUT_OF_MEMORY
    elif isinstance(error, ImportError):
        message = missing_package((error.name or "of its code").partition(".")[0])
    remedy = message != UNEXPECTED
    return {"kind": "failed", "message": message, "remedy": remedy, "details": details, "exhausted": exhausted}


def missing_package(name: str) -> str:
    """Return the sentence about a package that cannot be imported."""
    return f"The Python package {name} is missing or damaged; install it and analyse again."


def _listen(stream: io.BufferedReader, requests: SimpleQueue, cancelled: set[int]) -> None:
    """Take in what is asked while an analysis runs; the end of the stream is the end of the process, at once."""
    with contextlib.suppress(Exception):
        while (said := wire.read(stream)) is not None:
            if said[0]["kind"] == "cancel":
                cancelled.add(said[0]["id"])
            else:
                requests.put(said)
    os._exit(0)


def _say(answers: BinaryIO, message: wire.Message, arrays: Sequence[np.ndarray] = ()) -> None:
    try:
        wire.write(answers, message, arrays)
    except OSError:  # nobody listens any more
        os._exit(0)


def _own_stdout() -> BinaryIO:
    """Keep standard output for messages: whatever libraries print there goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return answers


def _dump_no_core() -> None:
    """A core dump would hold the image."""
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
