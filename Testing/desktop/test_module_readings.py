"""Second readings stay what they are: whose they are, and blind until their reader ends them. And nothing unsaved is
lost without a question, whichever study it belongs to."""

import numpy as np
import pytest
import slicer
from module_parts import add_study, analysed, become, choose, erase_half, listed, opened
from PySide6.QtCore import Qt
from test_module_sign_off import sign

FINDINGS = ("mild", "R01", "differ")


def erase_a_bit(host, review):
    """Not as R01 has left it."""
    mask = review.masks("right").whole().necrosis.array.copy()
    mask[np.flatnonzero(mask.any(axis=(1, 2)))[0]] = False
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        mask.astype(np.uint8), review.segmentation_node, review.segment_id("right", "necrosis"), review.volume_node
    )
    host.wait_for(lambda: np.array_equal(review.masks("right").whole().necrosis.array, mask), 1.0)


def last_version(data_set, review):
    return data_set.record(review.opened.name).versions[-1]


@pytest.fixture
def second(host, widget, data_set):
    """The right hip, read anew by R02, who has corrected it."""
    become(host, widget, "R02")
    review = opened(host, widget, "right,", "independentButton")
    erase_a_bit(host, review)
    host.choose(widget.ui.rightStatusBox, "Right: approved")
    return review


def test_a_second_reading_that_somebody_else_signs_is_not_independent(host, widget, data_set, second):
    host.type(widget.ui.reviewerEdit, "R03")
    host.dialogs.expect("begun by R02", "No")
    host.click(widget.ui.saveButton)
    assert len(data_set.record(second.opened.name).versions) == 1
    host.dialogs.expect("does not count as an independent reading", "Yes")
    host.click(widget.ui.saveButton)
    saved = last_version(data_set, second)
    assert (saved.reviewer, saved.independent, saved.adjudicates) == ("R03", False, False)
    assert second.opened.reader == "R02"
    host.type(widget.ui.reviewerEdit, "R02")  # R03 has gone on with it: R02 does not read alone any more
    host.click(widget.ui.saveButton)
    assert not last_version(data_set, second).independent


def test_a_second_reading_that_its_reader_signs_is_independent(host, widget, data_set, second):
    host.click(widget.ui.saveButton)
    saved = last_version(data_set, second)
    assert (saved.reviewer, saved.independent) == ("R02", True)


def test_masks_of_one_reader_that_the_next_one_signs_are_not_independent(host, widget, worker, cases):
    from ONFHAssistLib.curation.reports.overview import data_set_in
    from ONFHAssistLib.curation.store.folder import open_store

    review = analysed(host, widget, worker, *add_study(host))
    erase_half(host, review, "right")
    sign(host, widget, "R01")
    host.click(widget.ui.saveButton)
    sign(host, widget, "R02")
    host.click(widget.ui.saveButton)
    store = open_store(data_set_in(cases))
    right = next(case.case_id for case in store.cases() if case.side == "right")
    kept = [(entry.reviewer, entry.independent) for entry in store.record(right).versions]
    assert kept == [("R01", True), ("R02", False)]


def test_corrections_of_one_reader_in_a_saved_scene_are_not_independent_of_the_next(
    host,
    widget,
    worker,
    cases,
    tmp_path,
):
    review = analysed(host, widget, worker, *add_study(host))
    erase_half(host, review, "right")
    host.type(widget.ui.reviewerEdit, "R01")
    host.key(widget.ui.reviewerEdit, Qt.Key_Return)
    host.click(widget.ui.exportSection)
    host.dialogs.expect("Save as", str(tmp_path / "review.mrb"))
    host.click(widget.ui.sceneButton)
    host.dialogs.expect("lost otherwise", "No")
    host.close_scene()
    slicer.util.loadScene(str(tmp_path / "review.mrb"))
    host.spin(0.3)
    sign(host, widget, "R02")
    again = widget.panel.review()
    assert not again.case("right", "P-1").independent
    assert again.case("left", "P-1").independent  # nobody had touched that one


def test_after_a_second_reading_is_saved_nothing_tells_what_others_have_found(host, widget, data_set, second):
    host.click(widget.ui.saveButton)
    assert data_set.cases()[1].needs_adjudication
    host.spin(0.3)
    ui = widget.ui
    said = [*listed(host, widget), ui.trainingLabel.text, ui.caseLabel.text, ui.savedLabel.text, ui.caseListLabel.text]
    assert not any(word in line for word in FINDINGS for line in said), said
    first = listed(host, widget)[0]
    host.type(ui.caseFilterEdit, "differ")
    host.spin()
    assert ui.caseList.count == 0, "the filter would tell in which cases readers differ"
    ui.caseFilterEdit.text = ""
    assert listed(host, widget)[0] == first and "left" in first, "the order would tell it"


def test_looking_at_another_study_does_not_end_a_second_reading(host, widget, data_set, second):
    host.click(widget.ui.saveButton)
    add_study(host, name="Another")
    host.choose(widget.ui.volumeSelector, "Another")
    host.spin(0.3)
    assert not any(word in line for word in FINDINGS for line in [*listed(host, widget), widget.ui.trainingLabel.text])


def test_a_second_reading_ends_when_its_reader_ends_it(host, widget, data_set, second):
    host.click(widget.ui.saveButton)
    host.click(widget.ui.endReadingButton)
    host.spin()
    now = widget.panel.review()
    assert now is not second and second.closed and not now.opened.independent
    assert "R01 and R02 differ" in widget.ui.caseLabel.text
    host.wait_for(lambda: any("readers differ" in line for line in listed(host, widget)), what="the list")
    assert "where readers differ" not in widget.ui.trainingLabel.text or "R01" in widget.ui.caseHistoryLabel.text
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 1
    assert not widget.ui.endReadingButton.visible


def test_a_second_reading_that_is_not_saved_is_not_ended_without_a_question(host, widget, data_set, second):
    host.dialogs.expect("lost otherwise", "Cancel")
    host.click(widget.ui.endReadingButton)
    assert widget.panel.review() is second and not second.closed
    choose(host, widget, "right,")
    host.dialogs.expect("lost otherwise", "Yes")
    host.click(widget.ui.openCaseButton)  # who looks at the others' masks ends it, too
    host.spin()
    assert second.closed and not widget.panel.review().opened.independent
    assert last_version(data_set, widget.panel.review()).independent


def test_what_a_case_was_opened_with_is_not_there_while_it_is_read_anew(host, widget, data_set):
    become(host, widget, "R01")
    seen = opened(host, widget, "right,")
    become(host, widget, "R02")
    unseen = opened(host, widget, "right,", "independentButton")
    assert seen.closed and slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == [unseen.volume_node]
    become(host, widget, "R03")
    third = opened(host, widget, "right,", "independentButton")
    assert unseen.closed and slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == [third.volume_node]


@pytest.fixture
def left_behind(host, widget, review):
    """Study A was corrected, then B was chosen."""
    erase_half(host, review, "right")
    add_study(host, name="Second")
    host.dialogs.expect("Save it now?", "No")
    host.choose(widget.ui.volumeSelector, "Second")
    return review


def test_closing_the_scene_asks_about_the_study_that_is_not_in_view(host, widget, cases, left_behind):
    host.dialogs.expect("The review of Image has changed", "Yes")
    host.close_scene()
    assert len([path for path in cases.rglob("cases/*.json")]) == 2


def test_leaving_slicer_asks_about_every_study_and_leads_to_the_one_that_is_asked_about(
    host, widget, worker, left_behind
):
    other = analysed(host, widget, worker, widget.ui.volumeSelector.currentNode(), left_behind.result)
    erase_half(host, other, "right")
    host.dialogs.expect("The review of Second has changed", "No")
    host.dialogs.expect("The review of Image has changed", "Cancel")
    assert not host.window.close()
    assert widget.panel.review() is left_behind
    assert widget.ui.volumeSelector.currentNode() is left_behind.volume_node
    assert np.any(left_behind.masks("right").whole().necrosis.array)
    host.dialogs.expect("The review of Image has changed", "No")
    host.dialogs.expect("The review of Second has changed", "No")
    assert host.window.close()
