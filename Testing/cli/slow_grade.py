"""Run the command line with an analysis that takes a minute; prints a line on stderr once it is at the stage asked for.

python slow_grade.py STAGE ARGUMENTS... with STAGE one of: reading, importing, analysing, cooperating, writing
"""

import sys
import time
from pathlib import Path

import ONFHAssistLib.analysis
import ONFHAssistLib.exchange.write
import ONFHAssistLib.imaging.picture
from ONFHAssistLib import cli
from ONFHAssistLib.core.errors import Cancelled

sys.path.insert(0, str(Path(__file__).parent))
from conftest import made_up_result

stage = sys.argv[1]


def wait() -> None:
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)


def analyse(study, options, progress, cancelled, models):
    if stage == "analysing":
        wait()
    if stage == "cooperating":  # a library swallows the interruption; the analysis then asks whether to go on
        try:
            wait()
        except KeyboardInterrupt:
            if cancelled():
                raise Cancelled from None
    return made_up_result()


def read_study(path, series=None, below=True):
    try:
        wait()
    except KeyboardInterrupt:
        if stage == "importing":  # what a library that is loaded just then may make of it
            raise ImportError from None
        raise


ONFHAssistLib.analysis.analyse = analyse
if stage in ("reading", "importing"):
    ONFHAssistLib.imaging.picture.read_study = read_study
if stage == "writing":
    # The masks lie in the staging folder already when the third file is asked for.
    publish = ONFHAssistLib.exchange.write.publish
    ONFHAssistLib.exchange.write.publish = lambda folder, writers, **options: publish(
        folder, {**writers, "slices.csv": lambda path: wait()}, **options
    )
sys.exit(cli.main(sys.argv[2:]))
