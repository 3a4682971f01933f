"""Signing off: cases are saved, reports exported, and nothing unsaved is lost without a question."""

import csv
import dataclasses

import numpy as np
import pytest
import slicer
from module_parts import add_study, analysed, half_necrosis, made
from PySide6.QtWidgets import QMessageBox

FOLDER = "ONFHAssist/CaseFolder"


@pytest.fixture
def cases(host, tmp_path):
    """The folder of the cases, as set on the settings page."""
    folder = tmp_path / "cases"
    slicer.app.userSettings().setValue(FOLDER, str(folder))
    return folder


@pytest.fixture
def edited(host, widget, review):
    """A review whose right hip was corrected."""
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        half_necrosis(review, "right").astype(np.uint8),
        review.segmentation_node,
        review.segment_id("right", "necrosis"),
        review.volume_node,
    )
    host.wait_for(lambda: review.changed("right"), 1.0)
    return review


def sign(host, widget, reviewer="R07", patient="P-1"):
    host.type(widget.ui.reviewerEdit, reviewer)
    host.type(widget.ui.patientEdit, patient)
    host.choose(widget.ui.rightStatusBox, "Right: approved")


def test_a_reload_takes_no_corrections_for_saved(host, widget, edited):
    widget.onReload()
    host.spin(0.2)
    (again,) = slicer.modules.ONFHAssistWidget.logic.session.reviews
    assert again is not edited and again.unsaved


def test_a_reload_knows_what_was_saved(host, widget, edited, cases):
    sign(host, widget)
    host.click(widget.ui.saveButton)
    widget.onReload()
    host.spin(0.2)
    (again,) = slicer.modules.ONFHAssistWidget.logic.session.reviews
    assert again.changed("right") and not again.unsaved
    again.reset("right")
    assert again.unsaved


def test_save_case_hands_over_what_the_reader_made(host, widget, edited, cases, monkeypatch):
    from ONFHAssistLib.reviewer import signing

    saved = []
    monkeypatch.setattr(signing, "save_case", lambda case, folder: saved.append((case, folder)))
    sign(host, widget)
    host.type(widget.ui.commentEdit, "band hard to see")
    host.click(widget.ui.saveButton)
    right, left = (case for case, _ in saved)
    assert saved[0][1] == cases
    assert (right.side, right.status, left.status) == ("right", "approved", "draft")
    assert (right.reviewer, right.patient_code, right.comment) == ("R07", "P-1", "band hard to see")
    assert right.provenance == {"head": "automatic", "necrosis": "corrected"}
    assert right.result.volume_ratio < right.automatic_result.volume_ratio
    np.testing.assert_array_equal(right.masks.necrosis.array, half_necrosis_of(right))
    assert not edited.unsaved
    assert "Saved to" in widget.ui.savedLabel.text


def half_necrosis_of(case):
    mask = case.automatic.necrosis.array.copy()
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    mask[filled[len(filled) // 2] :] = False
    return mask


def test_cases_are_written_to_the_folder_of_the_settings(host, widget, edited, cases):
    sign(host, widget)
    host.click(widget.ui.saveButton)
    assert "Saved to" in widget.ui.savedLabel.text
    assert any(cases.rglob("*.json"))


def test_the_reviewer_is_kept_for_the_next_time(host, widget, review, cases):
    sign(host, widget)
    host.click(widget.ui.saveButton)
    assert slicer.util.settingsValue("ONFHAssist/Reviewer", "") == "R07"


def test_without_a_reviewer_the_panel_says_what_is_missing(host, widget, review, cases):
    sign(host, widget, reviewer="")
    host.click(widget.ui.saveButton)
    assert "reviewer's code is missing" in widget.ui.savedLabel.text
    assert not cases.exists()


def test_the_patient_code_comes_from_dicom_where_it_is_known(widget, review):
    assert widget.ui.patientEdit.text == "HOSP-4711"  # of the made-up study


def test_a_patient_code_that_was_cleared_on_the_screen_is_not_replaced_by_the_one_of_the_header(
    host, widget, review, cases
):
    sign(host, widget)
    widget.ui.patientEdit.text = ""
    host.click(widget.ui.saveButton)
    assert "no patient code" in widget.ui.savedLabel.text and not cases.exists()


def test_a_patient_code_stays_with_its_study_and_goes_to_no_other(host, widget, worker, review, cases):
    host.type(widget.ui.patientEdit, "P-15")
    second, result = add_study(host, name="Second")
    host.choose(widget.ui.volumeSelector, "Second")
    analysed(host, widget, worker, second, result)
    assert widget.ui.patientEdit.text == "HOSP-4711"
    host.choose(widget.ui.volumeSelector, "Image")
    assert widget.ui.patientEdit.text == "P-15"


def test_what_is_signed_is_what_the_form_shows_at_the_click(host, widget, review, cases, monkeypatch):
    """Also where no field has told that it was changed."""
    from ONFHAssistLib.reviewer import signing

    saved = []
    monkeypatch.setattr(signing, "save_case", lambda case, folder: saved.append(case))
    ui = widget.ui
    ui.reviewerEdit.text, ui.patientEdit.text, ui.commentEdit.text = "R07", "P07", "thin band"
    ui.rightStatusBox.setCurrentIndex(1)
    ui.leftStatusBox.setCurrentIndex(2)
    host.click(ui.saveButton)
    assert [(c.status, c.reviewer, c.patient_code, c.comment) for c in saved] == [
        ("approved", "R07", "P07", "thin band"),
        ("flagged", "R07", "P07", "thin band"),
    ]


@pytest.mark.parametrize(
    ("code", "how"), [("P", "is the beginning"), ("P065", "begins with"), ("P05", "differs by one")]
)
def test_a_code_that_is_almost_another_patients_is_asked_about(host, widget, worker, review, cases, code, how):
    sign(host, widget, patient="P06")
    host.click(widget.ui.saveButton)
    other, result = add_study(host, name="Another patient")
    slicer.util.arrayFromVolume(other)[0, 0, 0] += 1  # another image
    result = dataclasses.replace(result, volume=result.volume.like(slicer.util.arrayFromVolume(other).copy()))
    host.choose(widget.ui.volumeSelector, "Another patient")
    analysed(host, widget, worker, other, result)
    files = sorted(cases.rglob("cases/*.json"))
    sign(host, widget, patient=code)
    host.dialogs.expect(how, "No")
    host.click(widget.ui.saveButton)
    assert sorted(cases.rglob("cases/*.json")) == files and not widget.ui.patientEdit.text
    assert "Nothing was saved" in widget.ui.savedLabel.text
    sign(host, widget, patient=code)
    host.dialogs.expect(how, "Yes")
    host.click(widget.ui.saveButton)
    assert len(list(cases.rglob("cases/*.json"))) == len(files) + 2
    host.click(widget.ui.saveButton)  # known by now: not asked again
    assert "Saved to" in widget.ui.savedLabel.text


def test_a_folder_that_cannot_be_written_to_is_one_sentence_and_nothing_is_lost(host, widget, edited, tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    slicer.app.userSettings().setValue(FOLDER, str(blocked / "cases"))
    sign(host, widget)
    host.click(widget.ui.saveButton)
    assert "choose another folder" in widget.ui.savedLabel.text
    assert "\n" not in widget.ui.savedLabel.text
    assert edited.unsaved
    assert edited.changed("right")


def test_another_study_is_opened_after_a_question(host, widget, edited):
    second, _ = add_study(host, name="Second")
    host.dialogs.expect("Save it now?", "Cancel")
    host.choose(widget.ui.volumeSelector, "Second")
    assert widget.ui.volumeSelector.currentNode() is edited.volume_node
    host.dialogs.expect("Save it now?", "No")
    host.choose(widget.ui.volumeSelector, "Second")
    assert widget.panel.volume is second
    host.choose(widget.ui.volumeSelector, "Image")  # nothing was lost
    assert widget.panel.review() is edited
    assert edited.changed("right")


def test_another_study_is_opened_after_saving(host, widget, edited, cases):
    add_study(host, name="Second")
    sign(host, widget)
    host.dialogs.expect("Save it now?", "Yes")
    host.choose(widget.ui.volumeSelector, "Second")
    assert widget.ui.volumeSelector.currentNode().GetName() == "Second"
    assert not edited.unsaved
    assert any(cases.rglob("*.json"))


def test_a_save_that_fails_keeps_the_reader_where_the_work_is(host, widget, edited, cases):
    add_study(host, name="Second")
    sign(host, widget, reviewer="")
    host.dialogs.expect("Save it now?", "Yes")
    host.dialogs.expect("Reviewer (a code", "")  # the form is out of sight, far down on the panel
    host.dialogs.expect("reviewer's code is missing", "Close")
    host.choose(widget.ui.volumeSelector, "Second")
    assert widget.ui.volumeSelector.currentNode() is edited.volume_node
    assert "reviewer's code is missing" in widget.ui.savedLabel.text


def test_closing_the_scene_asks_and_saves(host, widget, edited, cases):
    sign(host, widget)
    host.dialogs.expect("lost otherwise", "Yes")
    host.close_scene()
    assert any(cases.rglob("*.json"))
    assert not widget.ui.hipsSection.enabled


def test_closing_the_scene_asks_for_what_is_missing_in_the_form(host, widget, edited, cases):
    host.type(widget.ui.patientEdit, "P-1")
    host.dialogs.expect("lost otherwise", "Yes")
    host.dialogs.expect("Reviewer (a code", "R07")
    host.close_scene()
    assert any(cases.rglob("*.json"))


def test_a_save_that_fails_while_the_scene_closes_can_be_tried_again(host, widget, edited, cases):
    sign(host, widget)
    cases.write_text("in the way")

    def make_room(box):
        cases.unlink()
        box.button(QMessageBox.StandardButton.Retry).click()

    host.dialogs.expect("lost otherwise", "Yes")
    host.dialogs.expect("The case was not saved", make_room)
    host.close_scene()
    assert any(cases.rglob("*.json"))


def test_leaving_slicer_asks_first(host, widget, edited):
    host.dialogs.expect("lost otherwise", "Cancel")
    assert not host.window.close()
    host.dialogs.expect("lost otherwise", "No")
    assert host.window.close()


def test_what_is_saved_is_not_asked_about(host, widget, review):
    add_study(host, name="Second")
    host.choose(widget.ui.volumeSelector, "Second")
    host.close_scene()
    assert host.window.close()


@pytest.mark.parametrize(
    ("button", "name", "start"),
    [("htmlButton", "report.html", b"<!DOCTYPE html>"), ("csvButton", "slices.csv", b"side,index")],
)
def test_reports_are_written_where_the_user_says(host, widget, edited, tmp_path, button, name, start):
    host.click(widget.ui.exportSection)
    host.dialogs.expect("Save as", str(tmp_path / name))
    host.click(getattr(widget.ui, button))
    content = (tmp_path / name).read_bytes()
    assert content.strip().startswith(start)
    assert name in widget.ui.exportLabel.text
    assert b"HOSP-4711" not in content


def test_the_table_has_the_corrected_numbers(host, widget, edited, tmp_path):
    host.click(widget.ui.exportSection)
    host.dialogs.expect("Save as", str(tmp_path / "slices.csv"))
    host.click(widget.ui.csvButton)
    with open(tmp_path / "slices.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["side"] == "right"]
    written = sum(float(row["necrosis_mm2"]) for row in rows)
    assert written == pytest.approx(sum(s.necrosis_mm2 for s in edited.hip("right").slices), abs=0.1)


def test_an_export_that_cannot_be_written_is_one_sentence(host, widget, review, tmp_path):
    (tmp_path / "file").write_text("")
    host.click(widget.ui.exportSection)
    host.dialogs.expect("Save as", str(tmp_path / "file" / "slices.csv"))
    host.click(widget.ui.csvButton)
    assert "choose another folder" in widget.ui.exportLabel.text


def test_the_scene_opens_again_with_all_of_it(host, widget, edited, tmp_path):
    host.choose(widget.ui.leftStatusBox, "Left: flagged")
    ratio = edited.hip("right").volume_ratio
    automatic = edited.automatic("right").volume_ratio
    host.click(widget.ui.exportSection)
    host.dialogs.expect("Save as", str(tmp_path / "review.mrb"))
    host.click(widget.ui.sceneButton)
    assert "review.mrb" in widget.ui.exportLabel.text
    host.dialogs.expect("lost otherwise", "No")
    host.close_scene()
    slicer.util.loadScene(str(tmp_path / "review.mrb"))
    host.spin(0.3)
    again = widget.panel.review()
    assert again is not None and again is not edited
    assert again.hip("right").volume_ratio == pytest.approx(ratio)
    assert again.automatic("right").volume_ratio == pytest.approx(automatic)
    assert "automatic" in widget.ui.rightCard.text
    assert widget.ui.leftStatusBox.currentText == "Left: flagged"


def test_a_baseline_stands_beside_with_the_change(host, widget, worker, review):
    add_study(host, name="Follow-up")
    host.choose(widget.ui.volumeSelector, "Follow-up")
    smaller = made.made_up()
    analysed(host, widget, worker, widget.ui.volumeSelector.currentNode(), smaller)
    host.click(widget.ui.exportSection)
    host.choose(widget.ui.baselineSelector, "Image")
    assert widget.ui.changeLabel.visible
    for word in ("Right hip", "Left hip", "+0.0 points"):
        assert word in widget.ui.changeLabel.text
    host.choose(widget.ui.baselineSelector, "None")
    assert not widget.ui.changeLabel.visible


def test_the_head_is_as_large_in_the_view_of_the_baseline_once_that_has_its_size(host, widget, worker, review):
    add_study(host, name="Follow-up")
    host.choose(widget.ui.volumeSelector, "Follow-up")
    now = analysed(host, widget, worker, widget.ui.volumeSelector.currentNode(), made.made_up())
    widget.panel.compare_with(review.volume_node)
    for tag in ("ONFHAssistBaseline", "Green"):  # as Slicer leaves a view that was still narrow
        node = host.scene.GetSingletonNode(tag, "vtkMRMLSliceNode")
        node.SetDimensions(600, 400, 1)
        node.SetFieldOfView(900, 600, 1)
    host.spin(0.1)
    for tag, shown in (("ONFHAssistBaseline", review), ("Green", now)):
        height = host.scene.GetSingletonNode(tag, "vtkMRMLSliceNode").GetFieldOfView()[1]
        assert height == pytest.approx(4.4 * shown.hip(widget.panel.side).sphere.radius_mm)


def test_each_study_is_drawn_in_its_own_views(host, widget, worker, review):
    add_study(host, name="Follow-up")
    host.choose(widget.ui.volumeSelector, "Follow-up")
    now = analysed(host, widget, worker, widget.ui.volumeSelector.currentNode(), made.made_up())
    host.click(widget.ui.exportSection)
    host.choose(widget.ui.baselineSelector, "Image")
    own = host.scene.GetSingletonNode("ONFHAssistBaseline", "vtkMRMLSliceNode").GetID()
    before, after = (r.segmentation_node.GetDisplayNode() for r in (review, now))
    assert (before.IsDisplayableInView(own), after.IsDisplayableInView(own)) == (True, False)
    green = host.scene.GetSingletonNode("Green", "vtkMRMLSliceNode").GetID()
    assert (before.IsDisplayableInView(green), after.IsDisplayableInView(green)) == (False, True)
    host.choose(widget.ui.baselineSelector, "None")
    assert after.IsDisplayableInView(own)
    host.click(widget.ui.layoutButton) if widget.ui.layoutButton.visible else widget.panel.arrange()
    views = [n.GetID() for c in ("vtkMRMLSliceNode", "vtkMRMLViewNode") for n in slicer.util.getNodesByClass(c)]
    assert not any(before.IsDisplayableInView(view) for view in views)  # also where somebody switches it on
