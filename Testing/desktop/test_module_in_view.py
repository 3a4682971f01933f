"""Whatever the views show, masks, name and numbers belong to it, or are hidden."""

import numpy as np
import pytest
import slicer
from host import pythonqt
from module_parts import add_study, analysed, half_necrosis

from ONFHAssistLib.desktop import layout
from ONFHAssistLib.scene.markups import landmarks_node
from ONFHAssistLib.scene.nodes import review_nodes

SLICES, IN_3D = "vtkMRMLSliceNode", "vtkMRMLViewNode"


def drawn_in(review, kinds=(SLICES, IN_3D)):
    """Names of the views in which anything of a review can be drawn."""
    displays = [node.GetDisplayNode() for node in review_nodes(review.volume_node) if hasattr(node, "GetDisplayNode")]
    views = [node for kind in kinds for node in slicer.util.getNodesByClass(kind)]
    return {v.GetName() for v in views if any(d is not None and d.GetVisibility(v.GetID()) for d in displays)}


def load(host, node):
    """What Slicer does when a volume was loaded: it puts it into all slice views."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    selection.SetActiveVolumeID(node.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection()
    host.spin()


def put_into(host, volume, *names):
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetLayoutName() in names:
            composite.SetBackgroundVolumeID(volume.GetID())
    host.spin()


def in_views():
    return {c.GetBackgroundVolumeID() for c in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")}


def hides_the_numbers(ui):
    nothing = "not analysed" in ui.rightCard.text and "not analysed" in ui.leftCard.text
    return nothing and not ui.hipsSection.enabled and ui.sliceTable.mrmlTableNode() is None


def erase_half(host, review):
    mask = half_necrosis(review, "right").astype(np.uint8)
    segment = review.segment_id("right", "necrosis")
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, review.segmentation_node, segment, review.volume_node)
    host.wait_for(lambda: review.changed("right"), 1.0)


def test_a_second_patient_that_is_loaded_has_no_outlines_name_or_grades_of_the_first(host, widget, review):
    assert drawn_in(review)
    second, _ = add_study(host, name="Second")
    load(host, second)
    assert not drawn_in(review)
    assert widget.ui.volumeSelector.currentNode() is second and widget.panel.volume is second
    assert hides_the_numbers(widget.ui)
    assert widget.ui.segmentEditor.segmentationNode() is None, "a stroke would go into the first patient's masks"


def test_the_eye_of_another_study_does_not_bring_its_outlines_over_this_one(host, widget, review):
    second, _ = add_study(host, name="Second")
    load(host, second)
    review.segmentation_node.GetDisplayNode().SetVisibility(False)
    review.segmentation_node.GetDisplayNode().SetVisibility(True)
    host.spin(0.2)
    assert not drawn_in(review)


def test_masks_that_are_switched_on_in_all_views_stay_out_of_those_of_another_study(host, widget, review):
    second, _ = add_study(host, name="Second")
    put_into(host, second, "Red")
    review.segmentation_node.GetDisplayNode().RemoveAllViewNodeIDs()  # "all views" in the Data module
    host.spin(0.3)
    assert "Red" not in drawn_in(review) and "Green" in drawn_in(review)


def test_a_study_that_was_not_analysed_is_shown_when_it_is_chosen(host, widget, review):
    second, _ = add_study(host, name="Second")
    host.choose(widget.ui.volumeSelector, "Second")
    assert in_views() == {second.GetID()}
    assert not drawn_in(review) and hides_the_numbers(widget.ui)
    host.choose(widget.ui.volumeSelector, "Image")
    assert in_views() == {review.volume_node.GetID()}
    assert {"Red", "Green", "Yellow", "View1"} <= drawn_in(review)
    assert widget.ui.segmentEditor.segmentationNode() is review.segmentation_node


def test_corrections_of_the_study_that_was_left_by_loading_another_one_are_there_again(host, widget, review):
    erase_half(host, review)
    second, _ = add_study(host, name="Second")
    load(host, second)  # asks nothing: nothing is lost
    assert "review of Image is not saved" in widget.ui.statusLabel.text
    load(host, review.volume_node)
    assert widget.panel.review() is review and review.changed("right")
    assert "automatic" in widget.ui.rightCard.text
    assert {"Red", "Green", "Yellow"} <= drawn_in(review)


def test_one_view_that_shows_another_volume_has_no_outlines(host, widget, review):
    second, _ = add_study(host, name="Second")
    put_into(host, second, "Red")
    assert "Red" not in drawn_in(review) and {"Green", "Yellow", "View1"} <= drawn_in(review)
    assert widget.panel.volume is review.volume_node
    put_into(host, review.volume_node, "Red")
    assert "Red" in drawn_in(review)


def test_a_maximised_view_of_another_study_has_the_name_and_numbers_of_that_study(host, widget, review):
    def in_layout(*names):  # as Slicer does when one view is maximised, and when it is not any more
        for node in slicer.util.getNodesByClass(SLICES):
            node.SetMappedInLayout(node.GetLayoutName() in names)
        host.spin()

    in_layout("Red", "Green", "Yellow")
    second, _ = add_study(host, name="Second")
    put_into(host, second, "Red")
    assert widget.panel.review() is review
    in_layout("Red")
    assert widget.panel.volume is second and hides_the_numbers(widget.ui)
    in_layout("Red", "Green", "Yellow")
    assert widget.panel.review() is review and "%" in widget.ui.rightCard.text


def test_an_image_in_front_that_covers_the_study_hides_its_outlines(host, widget, review):
    second, _ = add_study(host, name="Second")
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        composite.SetForegroundVolumeID(second.GetID())
        composite.SetForegroundOpacity(1.0)
    host.spin()
    assert not drawn_in(review) and widget.panel.volume is second
    host.choose(widget.ui.volumeSelector, "Image")
    assert widget.panel.review() is review and {"Red", "Green", "Yellow"} <= drawn_in(review)


def test_each_of_two_reviews_is_drawn_over_its_own_image(host, widget, worker, review):
    second, result = add_study(host, name="Second")
    host.choose(widget.ui.volumeSelector, "Second")
    other = analysed(host, widget, worker, second, result)
    assert {"Red", "Green", "Yellow", "View1"} <= drawn_in(other) and not drawn_in(review)
    load(host, review.volume_node)
    assert widget.panel.review() is review
    assert {"Red", "Green", "Yellow", "View1"} <= drawn_in(review) and not drawn_in(other)
    put_into(host, second, "Red")
    assert drawn_in(other) == {"Red"}
    assert "Red" not in drawn_in(review)


def test_a_result_that_comes_when_another_study_is_in_view_is_not_drawn_over_it(host, widget, worker):
    _, result = add_study(host)
    host.click(widget.ui.analyseButton)
    second, _ = add_study(host, name="Second")
    load(host, second)
    worker.finish(result)
    host.wait_for(lambda: widget.logic.session.reviews, what="the result")
    host.spin()
    assert not drawn_in(widget.logic.session.reviews[0]) and hides_the_numbers(widget.ui)
    assert "other study is done" in widget.ui.statusLabel.text


def test_outlines_that_come_later_are_drawn_in_their_own_views_too(host, widget, review):
    second, _ = add_study(host, name="Second")
    put_into(host, second, "Red")
    erase_half(host, review)  # now there is the dashed outline of what the networks had made
    assert "Red" not in drawn_in(review) and "Green" in drawn_in(review)


def test_landmarks_that_were_deleted_come_back_in_the_views_of_their_own_study_only(host, widget, review):
    second, _ = add_study(host, name="Second")
    put_into(host, second, "Red")
    host.scene.RemoveNode(landmarks_node(review.volume_node))
    host.spin(0.3)
    assert "Red" not in drawn_in(review) and {"Green", "Yellow", "View1"} <= drawn_in(review)


def test_with_another_module_open_the_outlines_still_belong_to_the_image(host, widget, review):
    second, _ = add_study(host, name="Second")
    pythonqt.unwrap(widget.parent).exit()
    chart = host.scene.GetSingletonNode("ONFHAssistPlot", "vtkMRMLPlotViewNode").GetPlotChartNodeID
    assert chart()
    load(host, second)
    assert not drawn_in(review) and not chart(), "the plot is beside the images"
    load(host, review.volume_node)
    assert "Green" in drawn_in(review) and chart()
    load(host, second)
    pythonqt.unwrap(widget.parent).enter()
    host.spin()
    assert widget.panel.volume is second and hides_the_numbers(widget.ui)


@pytest.mark.parametrize("kind", ["vtkMRMLVectorVolumeNode", "vtkMRMLLabelMapVolumeNode", "hidden"])
def test_an_image_that_is_no_study_hides_name_and_numbers(host, widget, review, kind):
    picture = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode" if kind == "hidden" else kind)
    picture.UnRegister(None)
    picture.SetHideFromEditors(kind == "hidden")
    slicer.mrmlScene.AddNode(picture)
    load(host, picture)
    assert widget.panel.volume is None and not drawn_in(review) and hides_the_numbers(widget.ui)
    host.choose(widget.ui.volumeSelector, "Image")
    assert widget.panel.review() is review and "Green" in drawn_in(review)


def test_the_map_of_one_study_does_not_stay_beside_another_one(host, widget, review):
    host.click(widget.ui.mapSection)
    picture = pythonqt.unwrap(widget.ui.mapLabel)
    host.wait_for(lambda: not picture.pixmap().isNull(), 2.0)
    second, _ = add_study(host, name="Second")
    load(host, second)
    assert picture.pixmap().isNull() and not widget.ui.mapCaption.text


@pytest.mark.parametrize("saved", [True, False])
def test_removing_another_study_leaves_the_editor_of_this_one_alone(host, widget, worker, review, saved):
    second, result = add_study(host, name="Second")
    host.choose(widget.ui.volumeSelector, "Second")
    other = analysed(host, widget, worker, second, result)
    host.choose(widget.ui.volumeSelector, "Image")
    widget.ui.segmentEditor.setActiveEffectByName("Paint")
    if not saved:
        erase_half(host, review)
    host.scene.RemoveNode(second)
    host.spin(0.2)
    assert other.closed and not drawn_in_by_segmentation(other)
    assert "removed" not in widget.ui.statusLabel.text
    editor = widget.ui.segmentEditor
    assert editor.segmentationNode() is review.segmentation_node and editor.activeEffect().name == "Paint"


def drawn_in_by_segmentation(review):
    display = review.segmentation_node.GetDisplayNode()
    return [node for node in slicer.util.getNodesByClass(SLICES) if display.GetVisibility(node.GetID())]


def test_a_scene_that_was_saved_in_the_layout_of_a_review_opens_with_views(host, module_widget, monkeypatch):
    monkeypatch.setattr(layout, "REVIEW_LAYOUT", 51999)  # one that no other test has made known
    node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    node.SetViewArrangement(layout.REVIEW_LAYOUT)  # as the scene does, before the module has told what that is
    assert not node.GetCurrentLayoutDescription()
    layout.show_layout(layout.REVIEW_LAYOUT)
    assert node.GetCurrentLayoutDescription() == layout.REVIEW and layout.plot_view() is not None


def test_slicer_knows_the_layouts_before_the_module_is_opened(host, module_widget):
    slicer.app.startupCompleted.emit()
    node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    assert node.IsLayoutDescription(layout.REVIEW_LAYOUT) and node.IsLayoutDescription(layout.FOLLOW_UP_LAYOUT)
