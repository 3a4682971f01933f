"""The module's self test, inside a running Slicer: the sample study from the volume to a saved case, by its buttons."""

import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

import numpy as np
import slicer

from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.desktop import install
from ONFHAssistLib.desktop.samples import T1_SAMPLE, register_sample_data
from ONFHAssistLib.desktop.settings import FOLDER, REVIEWER
from ONFHAssistLib.exchange.segments import segments

WITHIN_S = 120.0
"""The first analysis on a slow machine opens the networks from a cold disk."""


def walk(case: unittest.TestCase) -> None:
    """Load, analyse, read the numbers, edit, undo, save; fails the test case where something is not as it should be."""
    import SampleData

    lacking = install.missing()
    if lacking and slicer.app.testingEnabled():  # Slicer installs nothing then
        case.skipTest(f"not installed: {', '.join(lacking)}")
    register_sample_data()
    volume = SampleData.SampleDataLogic().downloadSample(T1_SAMPLE)
    volume = volume[0] if isinstance(volume, list) else volume
    slicer.util.selectModule("ONFHAssist")
    widget = slicer.modules.ONFHAssistWidget
    ui, panel = widget.ui, widget.panel
    ui.volumeSelector.setCurrentNode(volume)
    case.assertTrue(ui.analyseButton.enabled, ui.studyLabel.text)

    ui.analyseButton.click()
    _wait(case, lambda: "%" in ui.leftCard.text or panel.session.run.failed)
    review = panel.review()
    case.assertIsNotNone(review, ui.statusLabel.text)

    right, left = review.hip("right"), review.hip("left")
    case.assertEqual(right.grades["steinberg"].grade, "without ONFH")
    case.assertEqual(left.grades["steinberg"].grade, "moderate")
    case.assertAlmostEqual(left.volume_ratio, 0.24, delta=0.05)  # the lesion that was painted into it
    case.assertIn("Moderate", ui.leftCard.text)
    names = {segments()[label].name for label in (MaskLabel.LEFT_HEAD, MaskLabel.LEFT_NECROSIS)}
    segmentation = review.segmentation_node.GetSegmentation()
    found = {segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())}
    case.assertLessEqual(names, found)

    ui.leftCard.click()
    segment = review.segment_id("left", "necrosis")
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(review.segmentation_node, segment, volume)
    half = np.array(mask)
    half[half.shape[0] // 2 :] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(half, review.segmentation_node, segment, volume)
    _wait(case, lambda: review.changed("left"))
    case.assertLess(review.hip("left").volume_ratio, left.volume_ratio)
    case.assertIn("automatic", ui.leftCard.text)
    ui.undoButton.click()
    case.assertEqual(review.hip("left").volume_ratio, left.volume_ratio)

    with tempfile.TemporaryDirectory() as folder:
        settings = slicer.app.userSettings()
        before = {key: settings.value(key) for key in (FOLDER, REVIEWER)}
        settings.setValue(FOLDER, str(Path(folder) / "cases"))
        try:
            ui.reviewerEdit.text, ui.patientEdit.text = "SELFTEST", "sample"
            ui.saveButton.click()
        finally:
            for key, value in before.items():
                settings.setValue(key, value) if value else settings.remove(key)
        case.assertFalse(review.unsaved, ui.savedLabel.text)
        case.assertTrue(any((Path(folder) / "cases").rglob("*.json")))


def _wait(case: unittest.TestCase, condition: Callable[[], bool]) -> None:
    """Let the window live on until something is true."""
    end = time.monotonic() + WITHIN_S
    while not condition():
        case.assertLess(time.monotonic(), end, "nothing has happened for too long")
        slicer.app.processEvents()
        time.sleep(0.005)
