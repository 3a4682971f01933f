"""Time a study when asked to: ``python training/benchmarks/timer.py STUDY --threads N``, run and kept by ``pairs.py``.

It imports nothing of ``training``, so that it measures any version of the library: the one that PYTHONPATH names. The
models are opened once. After each line on stdin it reads and analyses the study and prints one line of JSON: seconds on
the clock and of the processor, from the file to grades.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from ONFHAssistLib.analysis import analyse, open_models
from ONFHAssistLib.imaging.read import read_study


def main() -> None:
    """Open the models, then answer until stdin is closed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    models = open_models("cpu", threads=options.threads)
    for _ in sys.stdin:
        clock, processor = time.perf_counter(), time.process_time()
        result = analyse(read_study(options.study), models=models)
        figures = {
            "clock_s": time.perf_counter() - clock,
            "processor_s": time.process_time() - processor,
            "hips": [hip.status for hip in result.hips],
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
