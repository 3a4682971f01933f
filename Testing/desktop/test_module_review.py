"""Reviewing: hips, slices, corrections and points, as a reader's mouse and keys do it."""

from dataclasses import replace

import numpy as np
import pytest
import slicer
from host import pythonqt
from host.segment_editor import paint
from module_parts import add_study, analysed, half_necrosis, made
from PySide6.QtCore import Qt

from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.scene.markups import control_point, landmarks_node
from ONFHAssistLib.scene.tables import AUTOMATIC, RATIO, hip_table, row_of_slice, slice_of_row
from ONFHAssistLib.scene.views import current_slice, masks_shown
from Testing import toy_grading


def centre_of(name):
    node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")
    return np.array([node.GetSliceToRAS().GetElement(row, 3) for row in range(3)])


def percent(widget, side):
    return 100 * widget.panel.review().hip(side).volume_ratio


def test_the_worse_hip_comes_first_and_a_click_switches(host, widget, review):
    assert widget.ui.rightCard.checked  # 25 % against 7 %
    assert widget.ui.rightDetails.visible
    np.testing.assert_allclose(centre_of("Green")[[0, 2]], made.CENTRES["right"][[0, 2]], atol=3)
    host.click(widget.ui.leftCard)
    assert widget.ui.leftCard.checked and not widget.ui.rightCard.checked
    assert widget.ui.leftDetails.visible and not widget.ui.rightDetails.visible
    np.testing.assert_allclose(centre_of("Green")[[0, 2]], made.CENTRES["left"][[0, 2]], atol=3)
    assert widget.ui.segmentEditor.currentSegmentID() == review.segment_id("left", "necrosis")


def test_each_grade_stands_with_its_rule(widget, review):
    text = widget.ui.rightDetails.toPlainText()
    for title in ("Steinberg extent", "JIC class", "Modified Kerboul", "Index of necrotic extent", "CJFH type"):
        assert title in text
    assert "of head volume within 15 to 30 %: moderate" in text
    assert "from the nearest threshold" in text


def test_a_hip_that_is_not_graded_says_why(host, widget, worker):
    analysed(host, widget, worker, *add_study(host, missed=("left",)))
    assert "not graded" in widget.ui.leftCard.text
    host.click(widget.ui.leftCard)
    assert "no femoral head was found" in widget.ui.leftDetails.toPlainText()


def test_the_automatic_ratios_come_into_the_table_with_the_first_correction(host, widget, review):
    """Until then they say what stands beside them, and push the last column out of a narrow panel."""

    def shown(name):
        table = widget.ui.sliceTable.mrmlTableNode().GetTable()
        columns = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
        return not widget.ui.sliceTable.isColumnHidden(columns.index(name))

    assert shown(RATIO) and not shown(AUTOMATIC)
    assert not pythonqt.unwrap(widget.ui.sliceTable).horizontalScrollBar().isVisible()
    erase_half(host, widget, review)
    host.wait_for(lambda: shown(AUTOMATIC), what="the automatic ratios")
    host.key(host.window, Qt.Key_Z, Qt.ControlModifier)
    host.wait_for(lambda: not shown(AUTOMATIC), what="the correction to be gone")


def test_a_click_on_a_slice_jumps_all_views(host, widget, review):
    host.click_cell(widget.ui.sliceTable, 2)
    index = slice_of_row(hip_table(review.volume_node, "right").table, 2)
    assert current_slice(host.scene, review.volume_node) == index
    place = next(s.position_ras_mm for s in review.hip("right").slices if s.index == index)
    assert centre_of("Green")[1] == pytest.approx(place[1], abs=0.01)


def test_brackets_step_through_the_slices_that_matter(host, widget, worker):
    review = analysed(host, widget, worker, *add_study(host, calibrated=True))
    matter = sorted(review.slices_that_matter("right"))
    assert len(matter) > 1
    seen = set()
    for key in [Qt.Key_BracketLeft] * len(matter) + [Qt.Key_BracketRight] * len(matter):
        host.key(host.window, key)
        seen.add(current_slice(host.scene, review.volume_node))
    assert seen == set(matter)
    host.click_cell(widget.ui.sliceTable, 0)
    rows = []
    for _ in matter:
        host.click(widget.ui.nextButton)
        rows.append(
            row_of_slice(hip_table(review.volume_node, "right").table, current_slice(host.scene, review.volume_node))
        )
    assert rows == sorted(rows)  # down the table


def test_one_click_hides_the_masks(host, widget, review):
    host.click(widget.ui.masksCheckBox)
    assert not masks_shown(review.segmentation_node)
    host.key(host.window, Qt.Key_H)
    assert masks_shown(review.segmentation_node)


def test_the_editor_is_ready_to_paint(host, widget, review):
    editor = widget.ui.segmentEditor
    node = editor.mrmlSegmentEditorNode()
    assert editor.segmentationNode() is review.segmentation_node
    assert editor.sourceVolumeNode() is review.volume_node
    assert node.GetAttribute("BrushAbsoluteDiameter") == "6.0"
    assert node.GetAttribute("BrushDiameterIsRelative") == "0"
    assert node.GetOverwriteMode() == node.OverwriteNone
    assert node.GetMaskSegmentID() == review.segment_id("right", "head")
    editor.setCurrentSegmentID(review.segment_id("right", "head"))
    assert node.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
    editor.setCurrentSegmentID(review.segment_id("left", "necrosis"))
    assert node.GetMaskSegmentID() == review.segment_id("left", "head")


def test_numbers_follow_while_painting_and_the_automatic_value_stays_beside(host, widget, review):
    before = percent(widget, "right")
    head = review.masks("right").whole().head.array
    widget.ui.segmentEditor.setActiveEffectByName("Paint")
    k = int(np.argmax(head.sum(axis=(1, 2))))
    stroke = np.zeros_like(head)
    stroke[k] = True  # far beyond the head: only what lies inside counts
    paint(pythonqt.unwrap(widget.ui.segmentEditor), stroke)
    host.wait_for(lambda: "automatic" in widget.ui.rightCard.text, 0.5, "the new numbers")
    now = review.masks("right").whole().necrosis.array
    assert (now[k] == head[k]).all()
    assert percent(widget, "right") == pytest.approx(100 * now.sum() / head.sum(), abs=0.1)
    assert percent(widget, "right") > before + 5
    assert f"{before:.1f} %" in widget.ui.rightCard.text.split("automatic")[1]


def erase_half(host, widget, review, side="right"):
    segment = review.segment_id(side, "necrosis")
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        half_necrosis(review, side).astype(np.uint8), review.segmentation_node, segment, review.volume_node
    )
    host.wait_for(lambda: review.changed(side), 1.0)


def test_undo_and_redo_go_across_masks_and_points(host, widget, review):
    first = percent(widget, "right")
    erase_half(host, widget, review)
    second = percent(widget, "right")
    assert second < first
    node = landmarks_node(review.volume_node)
    edge = control_point(node, "right", "acetabular edge")
    place = np.array(node.GetNthControlPointPositionWorld(edge))
    node.SetNthControlPointPositionWorld(edge, *(place + [0, 0, 6]))
    host.wait_for(lambda: review.hip("right").landmarks.acetabular_edge_ras_mm[2] > place[2] + 5, 1.0)
    host.key(host.window, Qt.Key_Z, Qt.ControlModifier)
    np.testing.assert_allclose(node.GetNthControlPointPositionWorld(edge), place, atol=0.01)
    assert percent(widget, "right") == second
    assert "Undone" in widget.ui.statusLabel.text
    host.click(widget.ui.correctSection)
    host.click(widget.ui.undoButton)
    assert percent(widget, "right") == first
    assert not widget.ui.undoButton.enabled
    host.key(host.window, Qt.Key_Y, Qt.ControlModifier)
    assert percent(widget, "right") == second


def test_dragging_a_landmark_regrades_at_once(host, widget, review):
    before = review.hip("right").grades["jic"].value
    node = landmarks_node(review.volume_node)
    edge = control_point(node, "right", "acetabular edge")
    place = np.array(node.GetNthControlPointPositionWorld(edge))
    node.SetNthControlPointPositionWorld(edge, *(place + [0, 0, -10]))
    host.wait_for(lambda: review.hip("right").grades["jic"].value != before, 0.5)
    assert "automatic" in widget.ui.rightCard.text


def test_a_landmark_that_is_dragged_with_a_rest_is_one_step_back(host, widget, review):
    before = review.hip("right").grades["jic"].value
    node = landmarks_node(review.volume_node)
    edge = control_point(node, "right", "acetabular edge")
    place = np.array(node.GetNthControlPointPositionWorld(edge))
    node.InvokeCustomModifiedEvent(node.PointStartInteractionEvent)  # as Slicer's views do
    for down_mm in (4, 8):
        node.SetNthControlPointPositionWorld(edge, *(place - [0, 0, down_mm]))
        host.spin(0.3)
        assert not review.can_undo
    node.InvokeCustomModifiedEvent(node.PointEndInteractionEvent)
    host.wait_for(lambda: review.hip("right").grades["jic"].value != before, 0.5)
    host.click(widget.ui.correctSection)
    host.click(widget.ui.undoButton)
    assert np.allclose(node.GetNthControlPointPositionWorld(edge), place)
    assert not review.can_undo


def test_back_to_the_automatic_result_for_a_slice_and_for_the_hip(host, widget, review):
    first = percent(widget, "right")
    host.click(widget.ui.correctSection)
    assert not widget.ui.resetHipButton.enabled
    erase_half(host, widget, review)
    less = percent(widget, "right")
    automatic = review.automatic("right").slices
    gone = next(s for s in automatic if s.necrosis_mm2 and not now_at(review, s.index).necrosis_mm2)
    widget.panel.go_to_slice(gone.index)
    host.click(widget.ui.resetSliceButton)
    assert now_at(review, gone.index).necrosis_mm2 == pytest.approx(gone.necrosis_mm2)
    assert less < percent(widget, "right") < first
    host.click(widget.ui.resetHipButton)
    assert percent(widget, "right") == first
    assert "automatic" not in widget.ui.rightCard.text


def now_at(review, index):
    return next(s for s in review.hip("right").slices if s.index == index)


def test_a_click_on_a_missed_head_starts_from_there(host, widget, worker):
    node, result = add_study(host, missed=("left",))
    review = analysed(host, widget, worker, node, result)
    host.click(widget.ui.headSection)
    host.click(widget.ui.leftHeadButton)
    assert widget.ui.leftHeadButton.checked
    click_in_a_view(host, made.CENTRES["left"])
    host.wait_for(lambda: len(worker.asked) == 2)
    options = worker.asked[1][1]
    assert options.sides == ("left",)
    np.testing.assert_allclose(options.heads[0].centre_ras_mm, made.CENTRES["left"], atol=0.1)
    assert options.heads[0].radius_mm is None
    assert not widget.ui.leftHeadButton.checked
    worker.finish(made.made_up(sides=("left",)))
    host.wait_for(lambda: review.hip("left").status == "graded")
    assert widget.panel.side == "left"
    assert 100 * made.ratio("left") == pytest.approx(percent(widget, "left"), abs=1.5)
    assert host.scene.GetFirstNodeByName("Head centre") is None
    host.key(host.window, Qt.Key_Z, Qt.ControlModifier)
    assert review.hip("left").status == "not graded"


def test_a_head_can_be_clicked_on_when_none_was_found(host, widget, worker):
    _, result = add_study(host)
    host.click(widget.ui.analyseButton)
    worker.fail("No femoral head was found in this image; give an image of the hip.")
    host.wait_for(lambda: widget.logic.session.run.failed)
    host.click(widget.ui.headSection)
    host.click(widget.ui.radiusCheckBox)
    widget.ui.radiusSlider.value = 22.0
    host.click(widget.ui.rightHeadButton)
    click_in_a_view(host, made.CENTRES["right"])
    host.wait_for(lambda: len(worker.asked) == 2)
    assert worker.asked[1][1].sides == ("right", "left")
    assert worker.asked[1][1].heads[0].radius_mm == 22.0
    worker.finish(result)
    host.wait_for(lambda: widget.panel.review() is not None)


def test_placing_is_given_up_without_a_trace(host, widget, worker):
    add_study(host)
    before = host.scene.GetNumberOfNodes()
    host.click(widget.ui.headSection)
    host.click(widget.ui.rightHeadButton)
    host.click(widget.ui.rightHeadButton)
    host.click(widget.ui.leftHeadButton)
    slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()
    host.spin(0.05)
    assert not widget.ui.leftHeadButton.checked
    assert host.scene.GetNumberOfNodes() == before


def test_the_sphere_is_resized_and_the_hip_segmented_again_from_it(host, widget, worker, review):
    host.click(widget.ui.headSection)
    assert widget.ui.radiusSlider.value == pytest.approx(made.RADIUS_MM)
    host.click(widget.ui.radiusCheckBox)
    widget.ui.radiusSlider.value = 20.0
    host.spin(0.05)
    assert review.hip("right").sphere.radius_mm == 20.0
    host.click(widget.ui.sphereButton)
    seed = worker.asked[-1][1].heads[0]
    assert (seed.side, seed.radius_mm) == ("right", 20.0)


def test_a_landmark_is_placed_by_a_click(host, widget, review):
    host.click(widget.ui.correctSection)
    host.choose(widget.ui.landmarkBox, "Teardrop")
    host.click(widget.ui.landmarkButton)
    place = made.CENTRES["right"] + [-10, 0, -30]
    node = landmarks_node(review.volume_node)
    node.SetNthControlPointPositionWorld(control_point(node, "right", "teardrop"), *place)
    slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()
    host.wait_for(lambda: review.changed("right"), 1.0)
    np.testing.assert_allclose(review.hip("right").landmarks.teardrop_ras_mm, place, atol=0.01)
    assert not widget.ui.landmarkButton.checked


def test_a_segment_that_is_deleted_can_be_had_back(host, widget, review):
    review.segmentation_node.GetSegmentation().RemoveSegment(review.segment_id("right", "necrosis"))
    host.wait_for(lambda: review.changed("right"), 1.0)
    assert "Without ONFH" in widget.ui.rightCard.text
    host.click(widget.ui.correctSection)
    host.click(widget.ui.resetHipButton)
    assert review.segment_id("right", "necrosis")
    assert "Moderate" in widget.ui.rightCard.text


def test_the_segmentation_is_deleted_and_the_module_stays_usable(host, widget, worker, review):
    host.scene.RemoveNode(review.segmentation_node)
    host.spin(0.2)
    assert "segmentation of the review was removed" in widget.ui.statusLabel.text
    assert not widget.ui.hipsSection.enabled
    analysed(host, widget, worker, review.volume_node, review.result)


def test_the_map_is_drawn_when_its_section_is_opened(host, widget, review):
    host.click(widget.ui.mapSection)
    host.wait_for(lambda: not pythonqt.unwrap(widget.ui.mapLabel).pixmap().isNull(), 2.0)
    assert "Right hip" in widget.ui.mapCaption.text


def click_in_a_view(host, place):
    """What a click does while a place mode is on: the active list gets a point, and the mode ends."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    node = host.scene.GetNodeByID(selection.GetActivePlaceNodeID())
    node.AddControlPoint(*place)
    slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()
    host.spin(0.05)


def test_a_grading_that_is_added_by_one_entry_stands_on_the_card(host, widget, worker, monkeypatch):
    toy_grading.install(monkeypatch)
    node, result = add_study(host)
    hips = tuple(grade(masks) for masks in result.masks)
    analysed(host, widget, worker, node, replace(result, hips=hips))
    card = next(getattr(widget.ui, f"{hip.side}Details").toPlainText() for hip in hips if hip.grades["halves"].grade)
    for text in ("Toy halves: small half", "By halves: small half", "toy points from the nearest threshold"):
        assert text in card
