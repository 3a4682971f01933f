"""Cases of the data set in the panel: opened again, read anew, compared, settled, withdrawn; slices that count."""

import dataclasses

import numpy as np
import pytest
import slicer
from module_parts import become, choose, erase_half, listed, made, opened

from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import save_case


def test_the_list_shows_what_waits_first_and_is_found_by_words(host, widget, data_set):
    lines = listed(host, widget)
    assert ["left, mild, JIC C1, draft" in lines[0], "right, mild, approved" in lines[1], len(lines)] == [True, True, 2]
    host.type(widget.ui.caseFilterEdit, "approved R01")
    (line,) = listed(host, widget)
    assert "right" in line
    host.type(widget.ui.caseFilterEdit, "")
    host.picture(widget.ui.trainingSection, "case_list")


def test_a_case_is_opened_corrected_and_saved_as_a_further_version(host, widget, data_set):
    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    ui = widget.ui
    assert review.opened.name == ui.volumeSelector.currentNode().GetName()
    assert ui.caseSection.visible and "right hip, drawn by R01" in ui.caseLabel.text
    assert not ui.patientEdit.enabled and ui.rightStatusBox.currentText == "Right: approved"
    assert not ui.leftStatusBox.enabled and "not analysed" in ui.leftCard.text
    host.picture(ui.ONFHAssist, "case_open")
    erase_half(host, review, "right")
    host.click(ui.saveButton)
    assert "Saved to" in ui.savedLabel.text and not review.unsaved
    record = data_set.record(review.opened.name)
    assert [entry.reviewer for entry in record.versions] == ["R01", "R01"] and check(data_set) == ()
    assert record.versions[1].models == record.versions[0].models != []


def test_a_second_reader_reads_anew_and_a_third_settles_it(host, widget, data_set):
    ui = widget.ui
    become(host, widget, "R02")
    second = opened(host, widget, "right,", "independentButton")
    assert "read anew" in ui.caseLabel.text and not ui.readingBox.visible and not ui.caseHistoryLabel.visible
    assert not second.changed("right") and ui.rightStatusBox.currentText == "Right: draft"
    host.choose(ui.rightStatusBox, "Right: approved")
    host.click(ui.saveButton)
    assert data_set.cases()[1].needs_adjudication
    assert not any(said in line for line in listed(host, widget) for said in ("mild", "R01", "differ")), "read unseen"

    become(host, widget, "R03")
    review = opened(host, widget, "right,")
    host.wait_for(lambda: any("readers differ" in line for line in listed(host, widget)), what="the difference")
    assert review is not second and "R01 and R02 differ" in ui.caseLabel.text
    assert [ui.readingBox.itemText(n).split(",")[0] for n in range(ui.readingBox.count)][:3] == [
        "nothing",
        "R01",
        "R02",
    ]
    assert "R02" in ui.caseHistoryLabel.text and not ui.takeOverButton.enabled
    before = review.masks("right").necrosis.array.sum()
    theirs = second.masks("right").necrosis.array.sum()
    host.choose(ui.readingBox, ui.readingBox.itemText(2))
    assert ui.takeOverButton.enabled and not review.unsaved
    host.picture(ui.ONFHAssist, "case_adjudicated")
    host.click(ui.takeOverButton)
    assert review.masks("right").necrosis.array.sum() == theirs != before and review.unsaved
    widget.panel.undo()
    assert review.masks("right").necrosis.array.sum() == before and "taken over from R02" in ui.statusLabel.text
    widget.panel.redo()
    host.choose(ui.rightStatusBox, "Right: approved")
    host.click(ui.saveButton)
    record = data_set.record(review.opened.name)
    assert record.versions[-1].adjudicates and not record.needs_adjudication
    host.wait_for(lambda: not any("readers differ" in line for line in listed(host, widget)))


def test_the_next_case_is_one_click_away(host, widget, data_set):
    listed(host, widget)
    host.click(widget.ui.nextCaseButton)
    host.spin()
    first = widget.panel.review()
    assert first.opened.side == "left" and widget.ui.leftStatusBox.enabled
    host.choose(widget.ui.leftStatusBox, "Left: approved")
    host.click(widget.ui.saveButton)
    host.wait_for(lambda: "2 approved" in widget.ui.trainingLabel.text)
    assert not widget.ui.followingCaseButton.enabled


def test_unsaved_corrections_of_a_case_are_not_lost_by_opening_it_again(host, widget, data_set):
    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    erase_half(host, review, "right")
    mask = review.masks("right").whole().necrosis.array
    assert opened(host, widget, "right,") is review
    host.dialogs.expect("Save it now?", "No")
    other = opened(host, widget, "left,")
    assert other.opened.side == "left" and review.unsaved
    assert opened(host, widget, "right,") is review
    assert np.array_equal(review.masks("right").whole().necrosis.array, mask)


def test_a_case_opened_twice_is_there_once(host, widget, data_set):
    first = opened(host, widget, "right,")
    second = opened(host, widget, "right,")
    assert first.closed and second is not first
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 1


def test_a_case_is_analysed_again_by_the_networks_and_stays_the_case(host, widget, worker, data_set):
    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    host.dialogs.expect("replaced by a new automatic result", "OK")
    host.click(widget.ui.analyseButton)
    study, options = worker.asked[-1]
    assert options.sides == ("right",) and study.volume.array.shape == review.result.volume.array.shape
    automatic = review.result.masks[0]
    newer = ({"name": "necrosis", "version": "0.3.0", "sha256": 64 * "b", "engine": "none", "device": "CPU"},)
    worker.finish(dataclasses.replace(review.result, masks=(automatic,), models=newer))
    host.wait_for(lambda: widget.panel.review() is not review, what="the result")
    host.spin()
    again = widget.panel.review()
    assert again.opened == review.opened and widget.ui.caseSection.visible
    host.choose(widget.ui.rightStatusBox, "Right: draft")
    host.click(widget.ui.saveButton)
    assert "Saved to" in widget.ui.savedLabel.text
    assert data_set.record(again.opened.name).versions[-1].models[0].version == "0.3.0"


def test_the_other_hip_of_a_case_is_refused_in_a_sentence(host, widget, data_set):
    opened(host, widget, "right,")
    host.click(widget.ui.headSection)
    host.click(widget.ui.leftHeadButton)
    host.place_point(made.CENTRES["right"])
    host.spin()
    assert "right hip only" in widget.ui.statusLabel.text


def test_a_wrong_patient_code_is_put_right_with_a_reason(host, widget, data_set):
    name = next(case.case_id for case in data_set.cases() if case.side == "right")
    patient = data_set.record(name).patient
    choose(host, widget, "right,")
    host.dialogs.expect("right patient code", "P-12")  # P-1 is what is put right, and no other patient
    host.dialogs.expect("Why was the code", "typed wrong")
    host.click(widget.ui.renameButton)
    assert "the patient's code is changed" in widget.ui.caseListLabel.text
    assert data_set.record(name).patient != patient
    assert check(data_set) == ()
    choose(host, widget, "right,")
    host.dialogs.expect("right patient code", "")
    host.click(widget.ui.renameButton)
    assert "changed" in widget.ui.caseListLabel.text


def test_a_case_is_withdrawn_with_a_reason(host, widget, data_set):
    choose(host, widget, "right,")
    host.dialogs.expect("Why is", "fracture seen later")
    host.click(widget.ui.withdrawButton)
    assert "withdrawn" in widget.ui.caseListLabel.text
    host.wait_for(lambda: any("right, mild, withdrawn" in line for line in listed(host, widget)))
    assert check(data_set) == ()
    choose(host, widget, "right,")
    host.dialogs.expect("Why is", "again")
    host.click(widget.ui.withdrawButton)
    assert "withdrawn already" in widget.ui.caseListLabel.text


def test_slices_are_marked_as_reviewed_by_a_key_and_the_others_are_not_trained_with(host, widget, data_set):
    from ONFHAssistLib.scene.tables import REVIEWED

    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    ui = widget.ui
    assert ui.reviewedLabel.text.startswith("All slices count as reviewed") and not ui.allReviewedButton.enabled
    slices = [one.index for one in review.hip("right").slices]
    middle = slices[len(slices) // 2]
    widget.panel.go_to_slice(middle)
    host.click(ui.reviewedButton)
    assert review.reviewed("right") == (middle,) and ui.reviewedLabel.text.startswith(f"1 of {len(slices)} slices")
    table = ui.sliceTable.mrmlTableNode().GetTable()
    column = next(n for n in range(table.GetNumberOfColumns()) if table.GetColumnName(n) == REVIEWED)
    assert not ui.sliceTable.isColumnHidden(column)
    host.picture(ui.slicesSection, "reviewed_slices")
    host.click(ui.saveButton)
    assert data_set.record(review.opened.name).versions[-1].reviewed_slices is not None
    host.click(ui.allReviewedButton)
    assert review.reviewed("right") is None and review.unsaved and ui.sliceTable.isColumnHidden(column)


def test_a_case_that_another_computer_has_removed_is_a_sentence(host, widget, data_set):
    choose(host, widget, "right,")
    name = next(case.case_id for case in data_set.cases() if case.side == "right")
    (data_set.folder / "cases" / f"{name}.json").unlink()
    host.click(widget.ui.openCaseButton)
    assert "has no case" in widget.ui.caseListLabel.text and widget.panel.review() is None


def test_a_case_goes_on_from_a_saved_scene(host, widget, data_set, tmp_path):
    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    name = review.opened.name
    host.click(widget.ui.exportSection)
    host.dialogs.expect("Save as", str(tmp_path / "case.mrb"))
    host.click(widget.ui.sceneButton)
    host.close_scene()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    host.spin(0.3)
    again = widget.panel.review()
    assert again.opened.name == name and widget.ui.caseSection.visible
    host.click(widget.ui.saveButton)
    assert "Saved to" in widget.ui.savedLabel.text and len(data_set.record(name).versions) == 2


def test_the_settings_folder_may_be_another_one_by_now(host, widget, data_set, tmp_path):
    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    slicer.app.userSettings().setValue("ONFHAssist/CaseFolder", str(tmp_path / "elsewhere"))
    host.click(widget.ui.saveButton)
    assert len(data_set.record(review.opened.name).versions) == 2 and not (tmp_path / "elsewhere").exists()


def test_an_installed_network_is_chosen_for_the_next_analysis_and_the_shipped_one_again(
    host, widget, worker, cases, tmp_path, monkeypatch
):
    import json
    import shutil

    from ONFHAssistLib.core.resources import resource_path
    from ONFHAssistLib.models.installed import install, models

    monkeypatch.setenv("ONFH_BUNDLES", str(tmp_path / "bundles"))
    (tmp_path / "bundles").mkdir()
    copy = shutil.copytree(resource_path("Bundles", "necrosis"), tmp_path / "necrosis")
    metadata = json.loads((copy / "configs" / "metadata.json").read_text())
    metadata["version"] = "0.9.0"
    metadata["changelog"]["0.9.0"] = "Fine-tuned."
    (copy / "configs" / "metadata.json").write_text(json.dumps(metadata))
    install(copy)
    host.click(widget.ui.trainingSection)
    box = widget.ui.networkBox
    assert box.count == 2 and "shipped" in box.currentText
    host.choose(box, box.itemText(1))
    assert "The next analysis takes necrosis-0.9.0" in widget.ui.networkLabel.text and worker.closed
    assert [model.version for model in models() if model.name == "necrosis" and model.in_use] == ["0.9.0"]
    host.choose(box, box.itemText(0))
    assert [model.shipped for model in models() if model.name == "necrosis" and model.in_use] == [True]


def test_a_study_saved_from_its_image_can_be_opened_by_a_second_reader(host, widget, worker, cases):
    """The image of a case is a part of the study's; nothing but the hip is there."""
    result = made.made_up()
    masks = result.masks[0]
    from ONFHAssistLib.curation.case.reviewed import ReviewedCase

    case = ReviewedCase(
        "P-9", result.volume, masks, result.hips[0], "R01", "approved", masks, result.hips[0],
        source=result.source, models=result.models,
    )  # fmt: skip
    save_case(case, cases)
    review = opened(host, widget, "right,")
    assert review.hip("right").volume_ratio == pytest.approx(result.hips[0].volume_ratio, abs=1e-9)
    assert widget.ui.studyLabel.text.startswith("Coronal T1, ")  # as the data set knows


def test_corrections_of_a_reloaded_scene_are_not_thrown_away_by_opening_the_case(host, widget, data_set, tmp_path):
    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    erase_half(host, review, "right")
    mask = review.masks("right").whole().necrosis.array.copy()
    host.click(widget.ui.exportSection)
    host.dialogs.expect("Save as", str(tmp_path / "case.mrb"))
    host.click(widget.ui.sceneButton)
    host.dialogs.expect("lost otherwise", "No")
    host.close_scene()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    host.spin(0.3)
    again = opened(host, widget, "right,")
    assert np.array_equal(again.masks("right").whole().necrosis.array, mask) and again.unsaved


def test_a_typed_comment_is_not_lost_by_opening_the_case_again(host, widget, data_set):
    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    host.type(widget.ui.commentEdit, "look at the rim")
    assert opened(host, widget, "right,") is review and widget.ui.commentEdit.text == "look at the rim"


def test_the_second_reading_of_one_reader_is_not_shown_to_the_next(host, widget, data_set):
    become(host, widget, "R02")
    second = opened(host, widget, "right,", "independentButton")
    erase_half(host, second, "right")
    become(host, widget, "R03")
    host.dialogs.expect("Save it now?", "No")
    third = opened(host, widget, "right,", "independentButton")
    assert third is not second and not third.changed("right")


def test_what_somebody_saved_meanwhile_is_told_after_the_save(host, widget, data_set):
    from ONFHAssistLib.curation.store.open_case import open_case

    become(host, widget, "R01")
    review = opened(host, widget, "right,")
    _, case = open_case(data_set.folder, review.opened.name, "R02", independent=True)
    data_set.save(dataclasses.replace(case, reviewer="R02", status="approved"))
    erase_half(host, review, "right")
    host.click(widget.ui.saveButton)
    assert "saved by R02 since it was opened" in widget.ui.caseLabel.text
    assert data_set.record(review.opened.name).needs_adjudication


def test_next_asks_for_the_code_of_a_second_reader_where_none_is_given(host, widget, data_set):
    become(host, widget, "")
    choose(host, widget, "right,")
    host.dialogs.expect("Reviewer (a code", "R09")
    host.click(widget.ui.independentButton)
    host.spin()
    assert widget.panel.review().opened.reader == "R09" and widget.ui.reviewerEdit.text == "R09"
