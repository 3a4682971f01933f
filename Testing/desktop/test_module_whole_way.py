"""The whole way on the sample study with the real networks, and the module's life: settings, preflight, reload."""

import sys

import slicer
from host import pythonqt
from module_parts import add_study, half_necrosis
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

STALL_MS = 250.0
"""The window may stall for 100 ms; a machine that runs other tests beside this one needs some room."""


def test_the_self_test_walks_the_whole_way(host, module_widget, stalls):
    sys.modules["ONFHAssist"].ONFHAssistTest().runTest()
    assert stalls.result.slot_processor_ms < STALL_MS


def test_sample_data_needs_no_network(host, module_widget):
    slicer.app.startupCompleted.emit()
    import SampleData

    node = SampleData.SampleDataLogic().downloadSample("ONFHAssist CT")
    host.spin(0.05)
    assert "Axial CT" in module_widget.ui.studyLabel.text
    assert "one hip" in module_widget.ui.studyLabel.text
    assert node


def test_a_sample_opens_as_an_image_even_where_slicer_would_ask_the_reader_of_segmentations_first(host, module_widget):
    slicer.app.startupCompleted.emit()
    import SampleData

    (node,) = SampleData.SampleDataLogic().downloadSample("ONFHAssist T1")
    assert node.GetClassName() == "vtkMRMLScalarVolumeNode"
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_the_settings_page_keeps_folder_reviewer_and_device(host, widget, worker, tmp_path):
    slicer.app.startupCompleted.emit()
    panel = slicer.modules.ONFHAssistInstance.settingsPanel
    panel.folder.currentPath = str(tmp_path / "ours")
    panel.reviewer.text = "R42"
    panel.device.currentIndex = 1
    from ONFHAssistLib.desktop.settings import read_settings

    now = read_settings()
    assert (now.folder, now.reviewer, now.device) == (tmp_path / "ours", "R42", "cpu")
    add_study(host)
    host.click(widget.ui.analyseButton)
    assert worker.asked[0][1].device == "cpu"
    texts = " ".join(label.text() for label in pythonqt.unwrap(panel).findChildren(QLabel))
    assert "mild below 15 %, severe above 30 %" in texts


def test_preflight_lists_what_is_there_and_copies_it(host, widget):
    host.click(widget.ui.preflightSection, position=None)
    widget.ui.preflightSection.collapsed = False
    host.wait_for(lambda: "<table>" in widget.ui.preflightLabel.text, 20)
    for name in ("Python", "Memory", "Disk for reviewed cases", "Model necrosis"):
        assert name in widget.ui.preflightLabel.text
    host.click(widget.ui.copyPreflightButton)
    copied = slicer.app.clipboard().text()
    assert copied.startswith("ONFHAssist ")
    assert "[ok] Model necrosis" in copied


def test_a_reload_goes_on_with_the_review(host, widget, worker, review):
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        half_necrosis(review, "right").astype("uint8"),
        review.segmentation_node,
        review.segment_id("right", "necrosis"),
        review.volume_node,
    )
    host.wait_for(lambda: review.changed("right"), 1.0)
    ratio = review.hip("right").volume_ratio
    widget.onReload()
    host.spin(0.2)
    again = slicer.modules.ONFHAssistWidget
    assert again is not widget
    assert worker.closed
    assert again.panel.review().hip("right").volume_ratio == ratio
    assert "automatic" in again.ui.rightCard.text
    host.key(host.window, Qt.Key_H)
    assert not again.ui.masksCheckBox.checked


def test_keys_and_brush_are_put_away_when_another_module_is_opened(host, widget, review):
    widget.ui.segmentEditor.setActiveEffectByName("Paint")
    widget.exit()
    assert widget.ui.segmentEditor.activeEffect() is None
    host.key(host.window, Qt.Key_H)
    assert widget.ui.masksCheckBox.checked
    widget.enter()
    host.key(host.window, Qt.Key_H)
    assert not widget.ui.masksCheckBox.checked


def test_every_control_says_what_it_does(widget):
    for name in dir(widget.ui):
        control = getattr(widget.ui, name)
        if name.endswith(("Button", "CheckBox", "Edit", "Box", "Selector", "Slider", "Table")):
            assert control.toolTip, name


def test_the_panel_is_no_wider_than_its_place(host, widget, review):
    for section in ("map", "correct", "head", "export"):
        getattr(widget.ui, f"{section}Section").checked = True
    host.spin(0.6)
    assert host.window.panel.widget().minimumSizeHint().width() <= 400
