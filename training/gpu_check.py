"""What a CUDA card makes of the networks, in 8 minutes: ``python -m training.gpu_check`` (Linux).

Measures, one part after another: seconds of a study by each engine and precision, with Dice of the masks and difference
of the ratio against OpenVINO in f32 and torch in f32; seconds of the command line from its start; what a product of
large matrices reaches; and the training of the anatomy and the necrosis network on random patches (the step of
``training.train`` with its augmentation; no sample cache is needed): images and TFLOP a second, share of what the
product reaches; and the card's memory at each part's peak. No part begins once the time is spent.

The study is that of ``training.benchmarks.speed``. The figures are printed and kept as JSON, after each part anew.
``--device cpu --quick`` tries the script out where there is no card.
"""

import argparse
import json
import time
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file, require_writable
from training.benchmarks.gpu import FULL, QUICK, machine, parts, run_parts
from training.benchmarks.gpu_parts import Figures
from training.benchmarks.speed import studies
from training.real.data import CACHE

BUDGET_S = 420.0
"""No part begins later: the one that has begun by then ends within the 8 minutes."""


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--quick", action="store_true", help="few runs and small sizes: the figures say little")
    parser.add_argument(
        "--budget", type=float, default=BUDGET_S, metavar="S", help="no part begins after so many seconds"
    )
    parser.add_argument("--out", type=Path, default=CACHE / "gpu_check.json")
    options = parser.parse_args()
    if not 0 <= options.budget <= BUDGET_S:
        parser.error(f"the budget {options.budget:g} is not one of 0 to {BUDGET_S:.0f} seconds")
    if options.out.is_dir():
        parser.error(f"{options.out} is a folder; name a file with --out")
    start = time.monotonic()
    try:
        about = machine(options.device)
        require_writable(options.out.parent)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    except OSError:
        parser.exit(2, f"Nothing can be written into {options.out.parent}; name another file with --out.\n")
    study = studies()[0]
    about |= {"study": study.name, "quick": options.quick, "budget_s": options.budget}

    def keep(figures: Figures) -> None:
        everything = about | {"seconds": round(time.monotonic() - start, 1)} | figures
        replace_file(options.out, (json.dumps(everything, indent=1) + "\n").encode())

    print("| what | measured |\n|---|---|")
    todo = parts(options.device, QUICK if options.quick else FULL, study)
    figures = run_parts(todo, start + options.budget, keep)
    print(f"\n{time.monotonic() - start:.0f} s; written to {options.out}")
    if figures["left_out"]:
        print(f"The {options.budget:.0f} s are spent; left out: {'; '.join(figures['left_out'])}.")
    if figures["failed"]:
        parser.exit(1, f"Failed: {'; '.join(figures['failed'])}.\n")


if __name__ == "__main__":
    main()
