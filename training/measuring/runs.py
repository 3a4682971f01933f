"""Measuring case by case in several processes, with the networks that are measured; what is measured is kept."""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib import analysis
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.systems import HEAD_BUNDLES, OWN
from ONFHAssistLib.systems.base import Models
from training.real.data import CACHE, ROOT

KEPT = CACHE / "evaluation"
BUNDLES = (*HEAD_BUNDLES, "necrosis")


@cache
def open_models(systems: tuple[str, ...] = (OWN,)) -> Models:
    """Open the bundles of systems on one thread of the CPU, once in each process: the processes share the cores."""
    return analysis.open_models("cpu", systems=systems, threads=1)


def weights(names: tuple[str, ...] = BUNDLES) -> dict[str, str]:
    """Return the SHA-256 of the weights that are measured, by the name of the bundle."""
    return {name: load_bundle(name).metadata["onfh_assist"]["sha256"]["model.safetensors"] for name in names}


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Median, quartiles, extremes and count."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    numbers = {"median": middle, "q1": low, "q3": high, "min": min(values), "max": max(values)}
    return {name: round(float(x), digits) for name, x in numbers.items()} | {"n": len(values)}


def measure(section: str, function: Callable[..., Any], jobs: list[tuple], processes: int) -> list[Any]:
    """Return ``function(*job)`` for each job, in their order, measured in processes of one thread each.

    Args:
        section: names the file in which results are kept until models or code change.
        function: at the top level of a module; what it returns is JSON-ready.
        jobs: arguments, JSON-ready too.
        processes: how many.
    """
    path = KEPT / f"{section}-{_measured_with()}.jsonl"
    names = [json.dumps(job) for job in jobs]
    kept = _read_kept(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"  # what the processes inherit: they share the cores
    with (
        path.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        asked = {pool.submit(function, *job): name for name, job in zip(names, jobs, strict=True) if name not in kept}
        for future in as_completed(asked):
            name, result = asked[future], future.result()
            kept[name] = result
            file.write("\n" + json.dumps([name, result]))  # begins a line of its own, whatever was cut off before
            file.flush()
            print(len(names) - sum(n not in kept for n in names), "of", len(names), name, result, flush=True)
    return [kept[name] for name in names]


def _read_kept(path: Path) -> dict[str, Any]:
    """Read what an earlier run has measured; a line that was cut off when it was killed does not count."""
    kept = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            name, result = json.loads(line)
        except ValueError:
            continue
        kept[name] = result
    return kept


def _measured_with() -> str:
    """Return a checksum of the models, their calibration, and the code that measures."""
    calibrations = [load_bundle(name).metadata["onfh_assist"].get("calibration") for name in BUNDLES]
    digest = hashlib.sha256(json.dumps([weights(), calibrations], sort_keys=True).encode())
    rooms = [ROOT / "ONFHAssistLib", ROOT / "training" / "measuring", ROOT / "training" / "phantoms"]
    for path in (path for room in rooms for path in sorted(room.rglob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
