"""The section "Training data": it tells of the data set, and a training runs while the window goes on."""

import shutil
import sys
import threading

import numpy as np
import pytest
import slicer
from module_parts import TESTING, half_necrosis

CONFIG = "training/configs/finetune_necrosis.yaml"


def keep(name, value):
    slicer.app.userSettings().setValue(f"ONFHAssist/{name}", str(value))


@pytest.fixture
def cases(host, tmp_path):
    """The folder of the cases, as set on the settings page."""
    keep("CaseFolder", tmp_path / "cases")
    return tmp_path / "cases"


@pytest.fixture
def clone(host, tmp_path):
    """A training environment of the settings, whose training does as the file ``behaviour`` tells."""
    folder = tmp_path / "clone"
    (folder / CONFIG).parent.mkdir(parents=True)
    shutil.copy(TESTING.parent / CONFIG, folder / CONFIG)
    shutil.copy(TESTING / "worker" / "stand_in_training.py", folder / "training" / "train.py")
    keep("TrainingPython", sys.executable)
    keep("TrainingClone", folder)
    return folder


@pytest.fixture
def saved(host, widget, review, cases):
    """A review whose corrected right hip was approved and saved; the left one is a draft."""
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        half_necrosis(review, "right").astype(np.uint8),
        review.segmentation_node,
        review.segment_id("right", "necrosis"),
        review.volume_node,
    )
    host.wait_for(lambda: review.changed("right"), 1.0)
    save(host, widget)
    return review


def save(host, widget, status="Right: approved"):
    host.type(widget.ui.reviewerEdit, "R07")
    host.type(widget.ui.patientEdit, "P-1")
    host.choose(widget.ui.rightStatusBox, status)
    host.click(widget.ui.saveButton)
    assert "Saved to" in widget.ui.savedLabel.text


def opened(host, widget, text):
    """Open the section and wait for what it is to tell."""
    host.click(widget.ui.trainingSection)
    host.wait_for(lambda: text in widget.ui.trainingLabel.text, what=text)


def test_the_section_tells_of_the_data_set_and_follows_a_save(host, widget, saved, cases):
    ui = widget.ui
    opened(host, widget, "Dataset101_FemoralHeadMR: 1 approved, 1 draft")
    lines = ui.trainingLabel.text.splitlines()
    assert lines[1].startswith("Last saved: 20") and "UTC" in lines[1]
    assert lines[2].startswith("Next: ") and "(left)" in lines[2]
    assert any(line.startswith("No approved case is side left") for line in lines)
    host.choose(ui.leftStatusBox, "Left: approved")
    save(host, widget)
    host.wait_for(lambda: "2 approved" in ui.trainingLabel.text, what="the new number")
    assert "Next: " not in ui.trainingLabel.text
    host.picture(ui.trainingSection, "training_data")


def test_without_a_data_set_there_is_nothing_to_train_with(host, widget, cases):
    opened(host, widget, "There is no data set in cases yet")
    assert not widget.ui.fineTuneButton.enabled


def test_without_a_training_environment_the_panel_says_where_to_name_it(host, widget, saved, clone):
    keep("TrainingPython", "")
    opened(host, widget, "1 approved")
    assert "No Python of a training environment is named" in widget.ui.fineTuneLabel.text
    assert "Application Settings" in widget.ui.fineTuneLabel.text
    host.click(widget.ui.fineTuneButton)
    assert "No Python" in widget.ui.fineTuneLabel.text and widget.ui.fineTuneButton.text == "Fine-tune"
    keep("TrainingPython", sys.executable)
    (clone / "behaviour").write_text("good")
    host.click(widget.ui.fineTuneButton)
    host.wait_for(lambda: "The training is done" in widget.ui.fineTuneLabel.text, 20)


def test_a_training_shows_its_progress_and_can_be_cancelled(host, widget, saved, clone, cases):
    ui = widget.ui
    (clone / "behaviour").write_text("slow")
    opened(host, widget, "1 approved")
    host.click(ui.fineTuneButton)
    assert ui.fineTuneButton.text == "Cancel" and ui.fineTuneBar.visible
    host.wait_for(lambda: ui.fineTuneBar.value == 20, 20, "the progress")
    assert ui.fineTuneLabel.text == "Step 300 of 1500, Dice on what is held out 0.812"
    data = (clone / "arguments").read_text().splitlines()[2]
    assert data == str(cases / "Dataset101_FemoralHeadMR")
    host.click(ui.fineTuneButton)
    host.wait_for(lambda: ui.fineTuneButton.text == "Fine-tune", 5)
    assert "cancelled" in ui.fineTuneLabel.text and "⚠" not in ui.fineTuneLabel.text
    assert not ui.fineTuneBar.visible


def test_a_training_that_fails_says_why(host, widget, saved, clone):
    (clone / "behaviour").write_text("no torch")
    opened(host, widget, "1 approved")
    host.click(widget.ui.fineTuneButton)
    host.wait_for(lambda: "⚠ The Python package torch is missing" in widget.ui.fineTuneLabel.text, 20)
    assert widget.ui.fineTuneButton.enabled


def test_the_window_stays_quick_while_a_slow_data_set_is_read(host, widget, saved, cases, monkeypatch, stalls):
    from ONFHAssistLib.curation.reports.overview import overview
    from ONFHAssistLib.desktop import training_data

    held, places = threading.Event(), []

    def slow(folder):
        places.append(threading.current_thread() is threading.main_thread())
        held.wait(10)
        return overview(folder)

    monkeypatch.setattr(training_data, "overview", slow)
    host.click(widget.ui.trainingSection)
    host.spin(0.3)
    assert widget.ui.trainingLabel.text == "Looking …" and places == [False]
    held.set()
    host.wait_for(lambda: "1 approved" in widget.ui.trainingLabel.text)


def test_the_settings_page_keeps_the_training_environment(host, widget):
    slicer.app.startupCompleted.emit()
    panel = slicer.modules.ONFHAssistInstance.settingsPanel
    panel.trainingPython.text, panel.trainingClone.text = "/env/bin/python", "/src/ONFHAssist"
    from ONFHAssistLib.desktop.settings import read_settings

    now = read_settings()
    assert (now.training_python, now.training_clone) == ("/env/bin/python", "/src/ONFHAssist")
