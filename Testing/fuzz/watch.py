"""The parent: gives cases to children, and notices those that end, stall or swell."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from Testing.fuzz.seeds import make_seeds
from Testing.fuzz.targets import SHARES

SECONDS = 20.0
"""Of processor time: on a busy machine a case waits for its turn. One that waits for WAITS_S is a hang, too."""
WAITS_S, START_S = 120.0, 600.0
PEAK_BYTES = 2 * 2**30
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finding:
    """``what`` is crash, hang, traceback, files or memory."""

    what: str
    kind: str
    number: int
    detail: str


def fuzz(
    cases: int,
    kinds: Sequence[str],
    first: int = 0,
    children: int = 2,
    keep: str | None = None,
    tell: Callable[[Finding], None] = lambda finding: None,
) -> tuple[list[Finding], int, int]:
    """Run so many cases; returns what was found, how many were run, and the largest peak of memory in bytes."""
    found: list[Finding] = []
    peaks: list[int] = []
    with tempfile.TemporaryDirectory(prefix="onfh-fuzz-") as folder:
        settings = {
            name: str(Path(folder, "settings", name)) for name in ("ONFH_KEYS", "XDG_CACHE_HOME", "XDG_DATA_HOME")
        }
        os.environ |= settings
        seeds = {kind: [str(p) for p in paths] for kind, paths in make_seeds(Path(folder, "seeds")).items()}
        waiting = _cases(cases, kinds, first)
        lock = threading.Lock()

        def work(number: int) -> None:
            place = Path(folder, f"child{number}")
            (place / "outside").mkdir(parents=True)
            (place / "outside" / "precious").write_text("x")
            child = _Child(place, seeds)
            while True:
                with lock:
                    case = next(waiting, None)
                if case is None:
                    break
                answer = child.ask(*case)
                new = list(_findings(*case, answer))
                with lock:
                    peaks.append(int(answer.get("peak", 0)))
                    found.extend(new)
                    for finding in new:
                        tell(finding)
                        if keep:
                            target = Path(keep, f"{finding.what}_{finding.kind}_{finding.number}")
                            with contextlib.suppress(FileNotFoundError):  # it ended before it had its input
                                shutil.copytree(place / "input", target, dirs_exist_ok=True)
            child.end()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(children)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found, len(peaks), max(peaks, default=0)


class _Child:
    """A child process, and another one in its place after it has ended."""

    def __init__(self, place: Path, seeds: dict[str, list[str]]) -> None:
        self._command = [sys.executable, "-m", "Testing.fuzz.child", str(place), json.dumps(seeds)]
        self._process: subprocess.Popen | None = None

    def ask(self, kind: str, number: int) -> dict[str, object]:
        if self._process is None or self._process.poll() is not None:
            self._start()
        process, answers = self._process, self._answers
        with contextlib.suppress(OSError):
            process.stdin.write(f"{kind} {number}\n")
            process.stdin.flush()
        began, spent = time.monotonic(), _processor_s(process.pid)
        while True:
            try:
                answer = answers.get(timeout=SECONDS)
                break
            except Empty:
                if time.monotonic() - began > WAITS_S or _processor_s(process.pid) - spent > SECONDS / 2:
                    self.end()
                    return {"ended": "hang"}
        if answer:
            return json.loads(answer)
        return {"ended": f"exit code {process.wait()}"}

    def end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self._answers: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=_listen, args=(self._process.stdout, self._answers), daemon=True).start()
        if not self._answers.get(timeout=START_S):  # "ready"
            raise RuntimeError(f"A child of the fuzzer does not start; see why with: {shlex.join(self._command)}")


def _processor_s(process: int) -> float:
    """Seconds of a processor that a process has taken."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def _listen(stream, answers: SimpleQueue) -> None:
    for line in stream:
        answers.put(line)
    answers.put("")


def _cases(count: int, kinds: Sequence[str], first: int) -> Iterator[tuple[str, int]]:
    order = [kind for kind in kinds for _ in range(SHARES[kind])]
    for n in range(count):
        turn, at = divmod(n, len(order))
        kind = order[at]
        yield kind, first + turn * SHARES[kind] + order[:at].count(kind)


def _findings(kind: str, number: int, answer: dict) -> Iterator[Finding]:
    done = answer.get("done", "")
    if ended := answer.get("ended"):
        yield Finding("hang" if ended == "hang" else "crash", kind, number, str(ended))
        return
    if answer["error"]:
        yield Finding("traceback", kind, number, f"{done}: {answer['error']}")
    if answer["left"]:
        yield Finding("files", kind, number, f"{done}: {answer['left']}")
    if answer["peak"] > PEAK_BYTES:
        yield Finding("memory", kind, number, f"{done}: {answer['peak'] / 2**30:.1f} GB")
