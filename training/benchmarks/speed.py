"""Time one study, warm and cold, beside nnU-Net v2 in the same run: python -m training.benchmarks.speed (Linux).

- warm: read, find, segment, grade, with the models open: from the file to grades; median of 5 after one warm-up.
- cold: ``onfh-assist grade`` as a process of its own, with the report; median of 3, and its peak memory.
- against another checkout of this project, such as that of an earlier version (``--against``), both warm and cold, in
  pairs: seconds on the clock and of the processor, and the ratio of ours to the other's.
- nnU-Net v2 with its own 3d_fullres plan for the training studies and random weights, also warm: read, preprocess,
  the whole volume in its sliding window (step 0.5, no mirroring), resample, write; once, the same number of threads.

The study is ``t1_coronal/case_03``, two hips; where the real data is missing, the sample study, which is then named.
nnU-Net is the extra ``benchmark``. It may live in an environment of its own (``--nnunet-python``); keep torch there at
the CPU build: ``pip install --extra-index-url https://download.pytorch.org/whl/cpu nnunetv2==2.8.1 torch==2.13.0``.
Prints rows for docs/figures.md and writes ``docs/speed.json``. Nothing else should run on the machine; where something
does, the seconds of the processor and the pairs are what counts.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ONFHAssistLib import __version__
from ONFHAssistLib.analysis import analyse, open_models
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.systems.base import Models
from training.benchmarks.pairs import cold_pairs, commit_of, run_command, warm_pairs
from training.real.data import ROOT, TRAINING_CASES, data_folder

RESULTS = ROOT / "docs" / "speed.json"
NNUNET = Path(__file__).with_name("nnunet.py")
PART_OF_OLDER = 0.75
"""We are to take at most this part of the time of version 0.1.0 (commit 023d4e1)."""
TIMES = 40
"""nnU-Net is to take this many times our warm time."""


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nnunet-python", default=sys.executable, help="a Python that has nnunetv2")
    parser.add_argument("--without-nnunet", action="store_true", help="time ours only, and write nothing")
    parser.add_argument(
        "--against", type=Path, metavar="CHECKOUT", help="a checkout of another version to compare with"
    )
    parser.add_argument("--pairs", type=int, default=15, help="with --against: so many warm pairs, and a third cold")
    options = parser.parse_args()
    study, images = studies()
    cores = len(os.sched_getaffinity(0))
    load_before = os.getloadavg()[0]
    results: dict[str, Any] = {
        "study": study.name,
        "hips": 2,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": processor(),
        "cores": cores,
        "load_before": round(load_before, 2),
        "python": platform.python_version(),
        "onfh_assist": __version__,
        "openvino": version("openvino"),
        "warm": warm(study),
        "cold": cold(study),
    }
    print(json.dumps(results, indent=1), flush=True)
    if options.against:
        both = (options.against.resolve(), ROOT)
        results["against"] = {
            "commit": commit_of(options.against),
            "warm": warm_pairs(both, study, cores, options.pairs),
            "cold": cold_pairs(both, study, cores, max(3, options.pairs // 3)),
        }
        print(json.dumps(results["against"], indent=1), flush=True)
    if not options.without_nnunet:
        results["nnunet"] = nnunet(options.nnunet_python, study, images, cores)
        results["ratio"] = round(results["nnunet"]["seconds"] / results["warm"]["median_s"], 1)
        results["processor_ratio"] = round(results["nnunet"]["processor_s"] / results["warm"]["processor_s"], 1)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(results["nnunet"], indent=1))
    print(table(results))


def studies() -> tuple[Path, list[Path]]:
    """The study that is timed, and those that nnU-Net makes its plan for."""
    folder = data_folder()
    if folder is None:
        sample = resource_path("SampleData", "procedural_t1.nii.gz")
        return sample, [sample]
    paths = {case: folder / "t1_coronal" / f"case_{case}_t1.nii.gz" for case in TRAINING_CASES}
    return paths["03"], list(paths.values())


def warm(study: Path, runs: int = 5) -> dict[str, Any]:
    """Seconds of one study with the models open on the CPU, and of its parts."""
    return timed(study, open_models("cpu"), runs)[0]


def timed(study: Path, models: Models, runs: int) -> tuple[dict[str, Any], StudyResult]:
    """Seconds of one study with these models, and of its parts, after a first run that is not counted; the result."""
    rows = []
    for _ in range(1 + runs):
        start, processor = time.perf_counter(), time.process_time()
        read = read_study(study)
        analysing = time.perf_counter()
        result = analyse(read, models=models)
        end = time.perf_counter()
        rows.append((end - start, analysing - start, end - analysing, time.process_time() - processor))
    if [hip.status for hip in result.hips] != ["graded", "graded"]:
        raise RuntimeError(f"Not both hips of {study.name} were graded: the time says nothing.")
    total, read_s, analyse_s, processor_s = (
        round(statistics.median(column), 3) for column in zip(*rows[1:], strict=True)
    )
    seconds = [round(row[0], 3) for row in rows[1:]]
    parts = {"read_s": read_s, "analyse_s": analyse_s, "processor_s": processor_s}
    return {"median_s": total, "seconds": seconds, **parts}, result


def cold(study: Path, runs: int = 3, options: tuple[str, ...] = ("--device", "cpu")) -> dict[str, Any]:
    """Wall seconds and peak memory of the command line, from the start of Python to its end."""
    seconds, memory = [], []
    for _ in range(runs):
        took, usage = run_command(ROOT, study, options)
        seconds.append(round(took, 2))
        memory.append(round(usage.ru_maxrss / 1024))
    return {"median_s": statistics.median(seconds), "seconds": seconds, "peak_mib": max(memory)}


def nnunet(python: str, study: Path, images: list[Path], threads: int) -> dict[str, Any]:
    """Run ``nnunet.py`` and return its figures."""
    command = [python, str(NNUNET), str(study), *map(str, images), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        sys.exit(
            f"nnU-Net did not run with {python} ({''.join(last)}); install the extra benchmark, or name a Python that "
            "has nnunetv2 with --nnunet-python."
        )
    return json.loads(done.stdout.strip().splitlines()[-1])


def processor() -> str:
    """Name of the CPU."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(results: dict[str, Any]) -> str:
    """The rows of docs/figures.md."""
    on = f"`{results['study']}`, {results['cores']} cores"
    warm_s, cold_s = results["warm"]["median_s"], results["cold"]["median_s"]
    memory = results["cold"]["peak_mib"] / 1024
    rows = [
        ("one study of two hips, warm: file to grades", on, "≤ 3 s", f"{warm_s:.2f} s (median of 5)"),
        ("the same, cold process, with the report", on, "≤ 8 s", f"{cold_s:.1f} s, {memory:.2f} GiB (median of 3)"),
    ]
    if "against" in results:
        commit = results["against"]["commit"]
        for name, wanted in (("warm", f"≤ {PART_OF_OLDER}"), ("cold", "")):
            rows.append((f"time as a part of that of {commit}, {name}", on, wanted, _part(results["against"][name])))
    if "nnunet" in results:
        seconds, patches = results["nnunet"]["seconds"], results["nnunet"]["patches"]
        measured = (
            f"{seconds:.0f} s ({patches} patches): {results['ratio']:.0f} times on the clock, "
            f"{results['processor_ratio']:.0f} of the processor"
        )
        rows.append(("nnU-Net v2, 3d_fullres, same machine and run", on, f"≥ {TIMES} times our warm time", measured))
    return "\n".join(f"| {' | '.join(row)} | `python -m training.benchmarks.speed` |" for row in rows)


def _part(pairs: dict[str, Any]) -> str:
    clock, processor = (
        f"{pairs[of]['ratio']:.2f} ({'–'.join(f'{x:.2f}' for x in pairs[of]['quartiles'])})"
        for of in ("clock", "processor")
    )
    return f"{processor} of the processor's, {clock} of the clock's ({pairs['pairs']} pairs)"


if __name__ == "__main__":
    main()
