"""Time two checkouts of this project on one study, in turn: what else the machine does then slows both alike.

Both run the same Python with the same packages and the same number of threads; only the library differs. Seconds of the
processor stand beside those on the clock, which on a busy machine tell more of the others' work than of ours.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

TIMER = Path(__file__).with_name("timer.py")
Times = tuple[float, float]
"""Seconds on the clock and of the processor."""


def warm_pairs(checkouts: tuple[Path, Path], study: Path, threads: int, pairs: int) -> dict[str, Any]:
    """Time both with their models open, from the file to grades; the first run of each is not counted."""
    timers = [_Timer(checkout, study, threads) for checkout in checkouts]
    try:
        for timer in timers:
            timer()
        return compared(timed_in_turn((timers[0], timers[1]), pairs))
    finally:
        for timer in timers:
            timer.close()


def cold_pairs(checkouts: tuple[Path, Path], study: Path, threads: int, pairs: int) -> dict[str, Any]:
    """Time ``onfh-assist grade`` of both as processes of their own, with the report."""
    older, newer = (partial(_cold, checkout, study, threads) for checkout in checkouts)
    return compared(timed_in_turn((older, newer), pairs))


def timed_in_turn(both: tuple[Callable[[], Times], Callable[[], Times]], pairs: int) -> list[tuple[Times, Times]]:
    """Run both ``pairs`` times; each second pair begins with the other one."""
    rows = []
    for n in range(pairs):
        order = (0, 1) if n % 2 == 0 else (1, 0)
        times = {which: both[which]() for which in order}
        rows.append((times[0], times[1]))
    return rows


def compared(rows: list[tuple[Times, Times]]) -> dict[str, Any]:
    """Return the medians of both, and median and quartiles of the pairs' ratios (the second over the first)."""
    result: dict[str, Any] = {"pairs": len(rows)}
    for n, name in enumerate(("clock", "processor")):
        first, second = (np.array([pair[which][n] for pair in rows]) for which in (0, 1))
        low, middle, high = np.percentile(second / first, [25, 50, 75])
        result[name] = {
            "median_s": [round(float(np.median(times)), 3) for times in (first, second)],
            "ratio": round(float(middle), 3),
            "quartiles": [round(float(low), 3), round(float(high), 3)],
        }
    return result


def commit_of(checkout: Path) -> str:
    """Return the commit that is checked out in a folder."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class _Timer:
    """A process of a checkout that times the study when asked to."""

    def __init__(self, checkout: Path, study: Path, threads: int) -> None:
        command = [sys.executable, str(TIMER), str(study), "--threads", str(threads)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment(checkout, threads)
        )

    def __call__(self) -> Times:
        assert self._process.stdin and self._process.stdout  # they are pipes
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("A timed process has ended; its error stands above.")
        found = json.loads(answer)
        if found["hips"] != ["graded", "graded"]:
            raise RuntimeError("Not both hips were graded: the time says nothing.")
        return found["clock_s"], found["processor_s"]

    def close(self) -> None:
        self._process.communicate()


def _cold(checkout: Path, study: Path, threads: int) -> Times:
    seconds, usage = run_command(checkout, study, ("--device", "cpu"), _environment(checkout, threads))
    return seconds, usage.ru_utime + usage.ru_stime


def run_command(
    checkout: Path, study: Path, options: tuple[str, ...], environment: dict[str, str] | None = None
) -> tuple[float, resource.struct_rusage]:
    """Grade a study by the command line of a checkout: its seconds from the start of Python to its end, its use."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "ONFHAssistLib.cli", "grade", str(study), *options]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--out", f"{out}/report"],
            cwd=checkout,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            raise RuntimeError(f"The command failed in {checkout}: {' '.join(command)}")
        return seconds, usage


def _environment(checkout: Path, threads: int) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": str(threads)}
