"""What a reader deletes, or does with Slicer's own modules, has a way back that works."""

import numpy as np
import pytest
import slicer
from host import pythonqt
from host.segment_editor import paint
from module_parts import add_study, analysed, made
from PySide6.QtCore import Qt

from ONFHAssistLib.scene.markups import POINTS, control_point, landmarks_node, read_landmarks


@pytest.fixture
def own_editor(host, review):
    """Slicer's own Segment Editor, as it comes: it overwrites all other segments."""
    node = host.scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    assert node.GetOverwriteMode() == node.OverwriteAllSegments
    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLScene(host.scene)
    editor.setMRMLSegmentEditorNode(node)
    editor.setSegmentationNode(review.segmentation_node)
    editor.setSourceVolumeNode(review.volume_node)
    return editor


def stroke(host, editor, segment, mask):
    editor.setCurrentSegmentID(segment)
    editor.setActiveEffectByName("Paint")
    paint(editor, mask)
    host.spin(0.3)


def slice_of(mask):
    found = np.zeros_like(mask)
    k = int(np.argmax(mask.sum(axis=(1, 2))))
    found[k] = mask[k]
    return found


def test_necrosis_painted_in_slicers_own_editor_does_not_cut_the_head(host, widget, review, own_editor):
    head = review.masks("right").whole().head.array.copy()
    before = review.hip("right").volume_ratio
    stroke(host, own_editor, review.segment_id("right", "necrosis"), slice_of(head))
    now = review.masks("right").whole()
    np.testing.assert_array_equal(now.head.array, head)
    assert (now.necrosis.array & slice_of(head)).sum() == slice_of(head).sum()
    assert review.hip("right").volume_ratio > before


def test_a_head_painted_in_slicers_own_editor_does_not_erase_the_necrosis(host, widget, review, own_editor):
    before = review.masks("right").whole()
    stroke(host, own_editor, review.segment_id("right", "head"), slice_of(before.head.array))
    np.testing.assert_array_equal(review.masks("right").whole().necrosis.array, before.necrosis.array)


def test_a_head_that_an_editor_has_cut_for_necrosis_is_whole_again(host, widget, review):
    """As an effect does that minds no overwrite mode."""
    masks = review.masks("right").whole()
    lesion = masks.necrosis.array | slice_of(masks.head.array)
    with slicer.util.NodeModify(review.segmentation_node):
        for what, mask in (("head", masks.head.array & ~lesion), ("necrosis", lesion)):
            slicer.util.updateSegmentBinaryLabelmapFromArray(
                mask.astype(np.uint8), review.segmentation_node, review.segment_id("right", what), review.volume_node
            )
    host.wait_for(lambda: review.changed("right"), 1.0)
    now = review.masks("right").whole()
    np.testing.assert_array_equal(now.head.array, masks.head.array)
    np.testing.assert_array_equal(now.necrosis.array, lesion)


def test_slicers_own_editor_overwrites_again_on_segments_of_others(host, widget, review, own_editor):
    node = own_editor.mrmlSegmentEditorNode()
    assert node.GetOverwriteMode() == node.OverwriteNone
    other = host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    other.CreateDefaultDisplayNodes()
    own_editor.setSegmentationNode(other)
    assert node.GetOverwriteMode() == node.OverwriteAllSegments


@pytest.mark.parametrize("what", ["head", "necrosis"])
def test_a_deleted_segment_is_there_again_to_paint_in_and_undo_brings_its_mask_back(host, widget, review, what):
    before = review.masks("right").whole()
    widget.ui.segmentEditor.setCurrentSegmentID(review.segment_id("right", what))
    widget.ui.segmentEditor.setActiveEffectByName("Paint")
    review.segmentation_node.GetSegmentation().RemoveSegment(review.segment_id("right", what))
    assert widget.ui.segmentEditor.activeEffect() is None, "the brush would go on in another segment"
    host.wait_for(lambda: review.changed("right"), 1.0)
    host.spin(0.2)
    assert review.segment_id("right", what) and not getattr(review.masks("right").whole(), what).array.any()
    assert widget.ui.segmentEditor.currentSegmentID() == review.segment_id("right", what)
    host.key(host.window, Qt.Key_Z, Qt.ControlModifier)
    for mask in ("head", "necrosis"):
        np.testing.assert_array_equal(getattr(review.masks("right").whole(), mask).array, getattr(before, mask).array)
    display = review.segmentation_node.GetDisplayNode()
    assert display.GetSegmentVisibility(review.segment_id("right", what))


def test_the_empty_necrosis_of_a_sound_hip_that_was_deleted_can_be_painted(host, widget, worker):
    node, result = add_study(host)
    review = analysed(host, widget, worker, node, result)
    widget.panel.go_to_hip("left")
    empty = np.zeros(result.volume.array.shape, np.uint8)
    segment = review.segment_id("left", "necrosis")
    slicer.util.updateSegmentBinaryLabelmapFromArray(empty, review.segmentation_node, segment, node)
    host.wait_for(lambda: review.hip("left").volume_ratio == 0, 1.0)
    review.segmentation_node.GetSegmentation().RemoveSegment(segment)
    host.spin(0.3)
    editor = widget.ui.segmentEditor
    assert editor.currentSegmentID() == review.segment_id("left", "necrosis")
    editor.setActiveEffectByName("Paint")
    paint(editor, review.masks("left").whole().head.array)
    host.wait_for(lambda: review.hip("left").volume_ratio > 0.9, 1.0)


def test_deleted_landmarks_come_back_by_themselves(host, widget, review):
    before = read_landmarks(landmarks_node(review.volume_node), "right")
    host.scene.RemoveNode(landmarks_node(review.volume_node))
    host.spin(0.3)
    nodes = [n for n in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") if n.GetName() == "Landmarks"]
    assert len(nodes) == 1 and read_landmarks(nodes[0], "right") == before
    assert not review.changed("right")


@pytest.mark.parametrize("how_many", ["one", "all"])
def test_points_that_were_deleted_can_be_had_back(host, widget, review, how_many):
    node = landmarks_node(review.volume_node)
    before = review.hip("right").landmarks
    node.SetFixedNumberOfControlPoints(False)
    if how_many == "one":
        node.RemoveNthControlPoint(control_point(node, "right", "teardrop"))
    else:
        node.RemoveAllControlPoints()
    host.wait_for(lambda: review.changed("right"), 1.0)
    assert node.GetNumberOfControlPoints() == 2 * len(POINTS)
    assert read_landmarks(node, "right")[1] == pytest.approx(made.CENTRES["right"], abs=0.5), "a head has a centre"
    host.key(host.window, Qt.Key_Z, Qt.ControlModifier)
    assert review.hip("right").landmarks == before and read_landmarks(node, "right")[0] == before


def test_a_head_centre_whose_place_was_taken_is_there_again(host, widget, review):
    node = landmarks_node(review.volume_node)
    node.UnsetNthControlPointPosition(control_point(node, "right", "head centre"))
    host.spin(0.3)
    assert read_landmarks(node, "right")[1] is not None and not review.changed("right")


@pytest.mark.parametrize("what", ["Teardrop", "Head centre"])
def test_placing_a_landmark_that_is_given_up_changes_nothing(host, widget, review, what):
    before = read_landmarks(landmarks_node(review.volume_node), "right")
    host.click(widget.ui.correctSection)
    host.choose(widget.ui.landmarkBox, what)
    host.click(widget.ui.landmarkButton)
    host.spin(0.3)  # the numbers do not follow a point that is being placed
    assert not review.changed("right") and not review.can_undo
    slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()
    host.spin(0.3)
    assert read_landmarks(landmarks_node(review.volume_node), "right") == before
    assert not review.changed("right") and not review.can_undo


def test_a_hip_whose_segment_was_deleted_can_still_be_gone_to(host, widget, review):
    host.click(widget.ui.leftCard)
    review.segmentation_node.GetSegmentation().RemoveSegment(review.segment_id("right", "necrosis"))
    host.click(widget.ui.rightCard)
    assert widget.ui.rightCard.checked and widget.ui.rightDetails.visible


def test_slicer_does_not_crash_when_the_scene_is_closed_with_the_brush_in_hand(host, widget, review):
    """Its editor does not let go of the brush then, and its views call the brush when they come anew."""
    editor = pythonqt.unwrap(widget.ui.segmentEditor)
    widget.ui.segmentEditor.setActiveEffectByName("Paint")
    assert editor.property("_observes_views")
    host.close_scene()
    assert not editor.property("_observes_views")
