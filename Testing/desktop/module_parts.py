"""What the tests of the module need: a made-up study whose numbers are known, and an analysis that does as told."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import slicer

from ONFHAssistLib.worker.client import Failed, Finished, Progress, Stopped, Worker, serve_environment

TESTING = Path(__file__).resolve().parents[1]
MODULE = TESTING.parent / "ONFHAssist" / "ONFHAssist.py"


def _load(path: Path):
    spec = importlib.util.spec_from_file_location(f"for_desktop_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


made = _load(TESTING / "scene" / "review_parts.py")
"""`made.made_up()` is a StudyResult, `made.ratio(side)` its true ratio, `made.CENTRES`, `made.RADIUS_MM` its heads."""


def add_study(host, sides=("right", "left"), missed=(), name="Image", calibrated=False):
    """Load a made-up study's image: its volume node, and the result that the analysis is to have."""
    result = made.made_up(sides=sides, missed=missed, calibrated=calibrated)
    node = made.add_volume(host.scene, result.volume, name=name)
    node.CreateDefaultDisplayNodes()
    host.spin(0.05)
    return node, result


class ToldWorker:
    """A worker without a process: it says what the test lets it say."""

    def __init__(self):
        self.asked, self.running, self.closed, self._said = [], False, False, []

    def analyse(self, study, options):
        self.asked.append((study, options))
        self.running = True

    def progress(self, fraction, stage):
        self._said.append(Progress(fraction, stage))

    def finish(self, result):
        self._said.append(Finished(result))

    def fail(self, message):
        self._said.append(Failed(message, True))

    def cancel(self):
        self._said.append(Stopped())

    def poll(self):
        said, self._said = self._said, []
        if any(isinstance(event, Finished | Failed | Stopped) for event in said):
            self.running = False
        return said

    def warm_up(self, *how, **more):
        pass

    def close(self):
        self.closed, self.running = True, False


def misbehaving(*behaviour) -> Worker:
    """A real worker process that misbehaves as asked for."""
    return Worker([sys.executable, str(TESTING / "worker" / "stand_in.py"), *behaviour], serve_environment())


def analysed(host, widget, worker, node, result):
    """Press Analyse, let the analysis end with a result, and return the review."""
    before = widget.panel.review()
    host.click(widget.ui.analyseButton)
    worker.finish(result)
    host.wait_for(lambda: widget.panel.review() not in (None, before), what="the result")
    host.spin()  # the panel is filled in the next turn of the event loop
    assert widget.panel.review().volume_node is node
    return widget.panel.review()


def half_necrosis(review, side):
    """The necrosis of a hip without its posterior half of slices, as a reader might leave it: bool, (k, j, i)."""
    mask = review.masks(side).whole().necrosis.array.copy()
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    mask[filled[len(filled) // 2] :] = False
    return mask


def erase_half(host, review, side):
    """Erase half of a hip's necrosis, as a tool of the editor does."""
    mask = half_necrosis(review, side)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        mask.astype(np.uint8), review.segmentation_node, review.segment_id(side, "necrosis"), review.volume_node
    )
    host.wait_for(lambda: np.array_equal(review.masks(side).whole().necrosis.array, mask), 1.0)


def become(host, widget, reviewer):
    """Another reader sits down."""
    slicer.app.userSettings().setValue("ONFHAssist/Reviewer", reviewer)
    widget.ui.reviewerEdit.text = reviewer


def listed(host, widget):
    """Open the section; return what the list shows."""
    if widget.ui.trainingSection.collapsed:
        host.click(widget.ui.trainingSection)
    host.wait_for(lambda: widget.ui.caseList.count, what="the list")
    return [widget.ui.caseList.item(row).text() for row in range(widget.ui.caseList.count)]


def choose(host, widget, text):
    """Click on the line that holds a text."""
    lines = listed(host, widget)
    widget.ui.caseList.setCurrentRow(next(n for n, line in enumerate(lines) if text in line))


def opened(host, widget, text, button="openCaseButton"):
    """Open a case; return its review."""
    choose(host, widget, text)
    host.click(getattr(widget.ui, button))
    assert not widget.ui.caseListLabel.visible, widget.ui.caseListLabel.text
    host.spin()
    return widget.panel.review()
