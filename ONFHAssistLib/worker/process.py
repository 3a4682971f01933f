"""One worker process and the threads that talk to it, so that neither its start nor its pipes keep anybody waiting."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import BinaryIO, NamedTuple, TypedDict

import numpy as np

from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.worker import wire

CLOSE_WITHIN_S = 1.0
"""So long ``close`` waits for the end of a process that it has killed."""
EXIT_WITHIN_S = 1.0
"""So long a process that has closed its standard output may take to exit by itself."""
KILLED = -9
COMPLAINTS = 50
"""So many of the last lines of standard error are kept, to tell why a process has ended."""

OUT_OF_MEMORY = (
    "The analysis was ended by the operating system, most likely because the memory ran out; close other programs or "
    "crop the image to the hips, and analyse again."
)
NOT_UNDERSTOOD = "The analysis process said something that is no result; check the Python it runs in and analyse again."


class Ended(NamedTuple):
    """The last thing heard of a process: what to tell somebody who waits for a result (`client.Failed`)."""

    message: str
    remedy: bool
    details: str = ""


class Process:
    """A worker process, from its start to its end.

    Attributes:
        study: the one that is being analysed; a result is put together with it.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None) -> None:
        """Start the process, in a thread; see ``client.Worker``."""
        self.study: Study | None = None
        self._command, self._environment = command, environment
        self._inbox: SimpleQueue[wire.Message | Ended] = SimpleQueue()
        self._outbox: SimpleQueue[tuple[wire.Message, Sequence[np.ndarray]] | None] = SimpleQueue()
        self._lock = threading.Lock()  # over the next two
        self._popen: subprocess.Popen | None = None
        self._doomed = False
        self._gone = threading.Event()
        threading.Thread(target=self._talk, name="ONFHAssist worker: talk", daemon=True).start()

    def send(self, message: wire.Message, arrays: Sequence[np.ndarray] = ()) -> None:
        """Say something after all that was said before, without waiting for it to be heard."""
        self._outbox.put((message, arrays))

    def heard(self) -> wire.Message | Ended | None:
        """Return what it has said next; None where it has said nothing yet."""
        try:
            return self._inbox.get_nowait()
        except Empty:
            return None

    def kill(self) -> None:
        """End the process and all that it has started, at once, or as soon as it has come into being."""
        with self._lock:
            if self._popen and not self._doomed:
                kill_tree(self._popen.pid)
            self._doomed = True
        self._outbox.put(None)

    def close(self) -> None:
        """Kill, and wait until the process is gone."""
        self.kill()
        self._gone.wait(CLOSE_WITHIN_S)

    def _talk(self) -> None:
        """Start the process and its listeners, and write to it until there is no more to say."""
        try:
            popen = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                **OWN_GROUP,
            )
        except (OSError, ValueError) as error:
            program = Path(self._command[0]).name
            reason = getattr(error, "strerror", None) or "its command cannot be used"
            text = f"The analysis could not be started with {program} ({reason}); check that it is installed."
            self._over(Ended(text, True))
            return
        with self._lock:
            self._popen = popen
            if self._doomed:
                kill_tree(popen.pid)
        assert popen.stdin is not None  # it is a pipe, as the others are
        complaints: deque[str] = deque(maxlen=COMPLAINTS)
        aside = threading.Thread(target=_collect, args=(popen.stderr, complaints), daemon=True)
        aside.start()
        listen = threading.Thread(
            target=self._listen, args=(popen, aside, complaints), name="ONFHAssist worker: listen", daemon=True
        )
        listen.start()
        try:
            while (said := self._outbox.get()) is not None:
                wire.write(popen.stdin, *said)
                del said
        except OSError:  # it has ended, which the listener sees too
            pass
        finally:
            with contextlib.suppress(OSError):
                popen.stdin.close()

    def _listen(self, popen: subprocess.Popen, aside: threading.Thread, complaints: deque[str]) -> None:
        """Pass on what the process says until it ends; put its results together; see it off."""
        assert isinstance(popen.stdout, io.BufferedReader)  # it is a pipe, in bytes
        ready, failed = False, None
        try:
            while (said := wire.read(popen.stdout)) is not None:
                message, arrays = said
                wire.require_answer(message)
                ready = True
                if message["kind"] == "finished":
                    study = self.study
                    if study is None:
                        raise ValueError("a result of no study")
                    message["result"] = wire.unpack_result(message["result"], arrays, study)
                self._inbox.put(message)
                del said, message, arrays
        except (EOFError, OSError):  # it was killed while it spoke
            pass
        except MemoryError:
            failed = Ended(OUT_OF_MEMORY, True)
        except Exception:
            failed = Ended(NOT_UNDERSTOOD, True)
        if failed:
            self.kill()
        try:
            code = popen.wait(None if self._doomed else EXIT_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            code = popen.wait()
        self.kill()  # what it may have left behind
        aside.join(EXIT_WITHIN_S)
        popen.stdout.close()
        details = "\n".join(complaints)
        self._over(failed._replace(details=details) if failed else _why_it_ended(code, ready, details))

    def _over(self, ended: Ended) -> None:
        self._gone.set()
        self._inbox.put(ended)


def _why_it_ended(code: int, ready: bool, details: str) -> Ended:
    """Tell from the exit code, and from what stands on standard error, why a process has ended."""
    if not ready:
        missing = re.findall(r"No module named '?(\w+)", details)
        why = f"the Python package {missing[-1]} is missing" if missing else f"its process ended with code {code}"
        remedy = "install it and analyse again" if missing else "check the Python that it runs in"
        return Ended(f"The analysis could not be started because {why}; {remedy}.", bool(missing), details)
    if code in (KILLED, 128 - KILLED):
        return Ended(OUT_OF_MEMORY, True, details)
    why = f"The analysis ended unexpectedly (code {code}), perhaps because the memory ran out"
    return Ended(f"{why}; close other programs and analyse again.", True, details)


def _collect(stream: BinaryIO, lines: deque[str]) -> None:
    with stream:
        for line in stream:
            lines.append(line.decode("utf-8", "replace").rstrip())


class StartOptions(TypedDict, total=False):
    """What this system's ``subprocess.Popen`` is given besides."""

    creationflags: int
    start_new_session: bool


if sys.platform == "win32":
    OWN_GROUP: StartOptions = {"creationflags": subprocess.CREATE_NO_WINDOW}

    def kill_tree(pid: int) -> None:
        """End a process that was started with ``OWN_GROUP``, and all that it has started."""
        nowhere = subprocess.DEVNULL
        command = ["taskkill", "/T", "/F", "/PID", str(pid)]
        subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, **OWN_GROUP)
else:
    OWN_GROUP: StartOptions = {"start_new_session": True}

    def kill_tree(pid: int) -> None:
        """End a process that was started with ``OWN_GROUP``, and all that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: the second for a group of zombies
            os.killpg(pid, signal.SIGKILL)
