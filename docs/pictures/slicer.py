"""Take docs/images/slicer.png anew: the module with the sample study, analysed.

    Slicer --no-splash --additional-module-paths ONFHAssist --python-script docs/pictures/slicer.py

What the analysis needs must be installed in that Slicer (press Analyse once). The window is closed afterwards.
"""

import sys
import time
from pathlib import Path

import ctk
import qt
import slicer

ROOT = Path(sys.argv[0] if sys.argv[0].endswith("slicer.py") else __file__).resolve().parents[2]
OUT = ROOT / "docs" / "images" / "slicer.png"
SIZE = (1440, 900)
WAIT_S = 120


def wait(until, what: str) -> None:
    """Let the window work until something has happened."""
    end = time.monotonic() + WAIT_S
    while not until():
        if time.monotonic() > end:
            print(f"{what} did not happen within {WAIT_S} s.", file=sys.stderr)
            slicer.util.exit(1)
        slicer.app.processEvents()
        time.sleep(0.02)


def settle(seconds: float) -> None:
    """Let views and timers catch up."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end, "Time")


def main() -> None:
    """Analyse the sample study, and grab the window."""
    window = slicer.util.mainWindow()
    window.resize(*SIZE)
    slicer.util.selectModule("ONFHAssist")
    slicer.util.loadVolume(str(ROOT / "Resources" / "SampleData" / "procedural_t1.nii.gz"), {"name": "Sample study"})
    settle(2)
    ui = slicer.modules.ONFHAssistWidget.ui
    ui.analyseButton.click()
    wait(lambda: "%" in ui.leftCard.text, "The analysis")
    settle(4)
    OUT.parent.mkdir(exist_ok=True)
    if not ctk.ctkWidgetsUtils.grabWidget(window).save(str(OUT)):
        print(f"{OUT} could not be written.", file=sys.stderr)
        slicer.util.exit(1)
    print(OUT)
    slicer.util.exit(0)


qt.QTimer.singleShot(1000, main)
