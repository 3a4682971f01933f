"""Stop `onfh-assist grade` at random instants, and see that it ends as it should and leaves nothing behind.

python Testing/cli/signals.py [COUNT] [--seed N]

The sample study is graded COUNT times; each run gets Ctrl-C or SIGTERM at an instant between its start and a little
after its usual end. It may have been stopped (exit code 130, or 143 where a shell would see SIGTERM) and has then left
no file, or it was done (0) and has left the whole report. Prints one line for each run that did neither, then the sum.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "SampleData" / "procedural_t1.nii.gz"
COMMAND = (sys.executable, "-c", "import sys; from ONFHAssistLib.cli import main; sys.exit(main())", "grade")
REPORT = {"report.html", "report.json", "masks.nii.gz", "masks.seg.nrrd", "slices.csv"}
SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)
"""A shell shows the death by a signal (negative here) as 128 and its number."""


def started(place: Path) -> subprocess.Popen:
    """Grade the sample study into ``place``; it is at work when this returns."""
    place.joinpath("temporary").mkdir()
    return subprocess.Popen(
        [*COMMAND, str(SAMPLE), "--out", str(place / "deep" / "report")],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(place / "temporary")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def left(place: Path) -> set[str]:
    """Return the files that lie below a folder."""
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if not path.is_dir()}


def verdict(process: subprocess.Popen, said: str, place: Path) -> tuple[str, str]:
    """Return "stopped", "done" or "WRONG", and what is wrong."""
    code, files = process.returncode, left(place)
    whole = {f"deep/report/{name}" for name in REPORT}
    try:
        os.killpg(process.pid, 0)
        return "WRONG", "a process of it still runs"
    except ProcessLookupError:
        pass
    if code == 0:
        return ("done", "") if files == whole else ("WRONG", f"done, with the files {sorted(files)}")
    if code not in STOPPED:
        return "WRONG", f"exit code {code}: {said[-300:]}"
    if files and (files != whole or "nothing was written" in said):  # a stop after the report is one that is told
        return "WRONG", f"exit code {code}, with the files {sorted(files)}: {said[-300:]}"
    return "stopped", ""


def main() -> int:
    """Run it; the exit code is 1 where any run has gone wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance, sum_, codes = random.Random(given.seed), Counter(), Counter()
    usual_s = 0.0
    for number in range(-1, given.count):  # the first one is not stopped, and tells how long one takes
        with tempfile.TemporaryDirectory(prefix="onfh-signals-") as folder:
            begun, process = time.monotonic(), started(Path(folder))
            sent, after_s = chance.choice(SIGNALS), chance.uniform(0, 1.1 * usual_s)
            if number >= 0:
                try:
                    process.wait(after_s)
                except subprocess.TimeoutExpired:
                    process.send_signal(sent)
            try:
                said = process.communicate(timeout=120)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                said = "it hangs: " + process.communicate()[1]
            found, wrong = verdict(process, said, Path(folder))
            if number < 0:
                usual_s = time.monotonic() - begun
                print(f"one run: {usual_s:.1f} s, {found} {wrong}", flush=True)
                continue
            sum_[found] += 1
            codes[process.returncode] += 1
            codes["Traceback"] += "Traceback" in said
            if wrong or "Traceback" in said:
                print(f"{number}: {sent.name} after {after_s:.2f} s: {wrong or said}", flush=True)
    print(f"{given.count} runs: {dict(sum_)}; exit codes {dict(codes)}")
    return int(bool(sum_["WRONG"]))


if __name__ == "__main__":
    sys.exit(main())
