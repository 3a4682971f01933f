"""Choosing a study: what the panel takes by itself, says of it, and refuses."""

import numpy as np
import pytest
import slicer
import vtk
from module_parts import MODULE, add_study, made


def test_without_a_volume_the_panel_says_what_to_do(widget):
    assert "No volume is chosen" in widget.ui.studyLabel.text
    assert not widget.ui.analyseButton.enabled
    assert not widget.ui.hipsSection.enabled


def test_a_volume_that_is_loaded_is_taken_and_described(host, widget):
    node, _ = add_study(host)
    assert widget.ui.volumeSelector.currentNode() is node
    assert widget.ui.studyLabel.text.startswith("Coronal")
    assert "18 slices, 2.0 × 2.0 × 5.0 mm, wide enough for both hips" in widget.ui.studyLabel.text
    assert widget.ui.analyseButton.enabled


def test_the_study_of_a_scene_that_is_opened_is_described_once_its_image_is_there(host, widget):
    image = made.made_up().volume
    host.scene.StartState(host.scene.ImportState)
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Image")
    widget._parameterNode.volume = node  # as the scene has kept it
    host.spin(0.2)  # Slicer shows its progress, and lets timers run, before it reads the images
    slicer.util.updateVolumeFromArray(node, image.array)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(image.ijk_to_ras.ravel())
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    host.scene.EndState(host.scene.ImportState)
    host.spin(0.2)
    assert widget.panel.volume is node
    assert widget.ui.studyLabel.text.startswith("Coronal") and widget.ui.analyseButton.enabled


def test_a_second_volume_does_not_push_the_first_one_aside(host, widget):
    first, _ = add_study(host)
    add_study(host, name="Second")
    assert widget.ui.volumeSelector.currentNode() is first


def test_the_volume_in_view_is_taken_when_the_module_is_opened(host, worker):

    add_study(host, name="First")
    second, _ = add_study(host, name="Second")
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(second.GetID())
    assert host.load(MODULE).ui.volumeSelector.currentNode() is second


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.tile(np.arange(3, dtype=np.int16), (18, 45, 45)), "label map"),
        (np.full((18, 45, 135), 7.0), "same value"),
        (np.zeros((18, 45, 135, 3), np.uint8), "colour"),
        (np.arange(45 * 135.0).reshape(1, 45, 135), "one slice"),
    ],
)
def test_what_is_no_grey_image_of_slices_is_refused_in_one_sentence(host, widget, array, sentence):
    volume = made.GRIDS["coronal"].volume()
    made.add_volume(host.scene, _Image(array, volume.ijk_to_ras))
    host.spin(0.05)
    assert sentence in widget.ui.studyLabel.text
    assert "\n" not in widget.ui.studyLabel.text
    assert not widget.ui.analyseButton.enabled


def test_a_volume_under_a_warp_is_refused_and_under_a_turn_is_not(host, widget):
    node, _ = add_study(host)
    turn, warp = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode"), None
    turned = vtk.vtkTransform()
    turned.RotateZ(10)
    turn.SetMatrixTransformToParent(turned.GetMatrix())
    node.SetAndObserveTransformNodeID(turn.GetID())
    choose_again(host, widget, node)
    assert widget.ui.analyseButton.enabled
    warp = host.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    node.SetAndObserveTransformNodeID(warp.GetID())
    choose_again(host, widget, node)
    assert "not linear" in widget.ui.studyLabel.text
    assert not widget.ui.analyseButton.enabled


def test_warnings_stand_below_the_study(host, widget):
    add_study(host)
    assert widget.ui.warningLabel.visible
    assert "unknown sequence" in widget.ui.warningLabel.text


def choose_again(host, widget, node):
    widget.ui.volumeSelector.setCurrentNode(None)
    widget.ui.volumeSelector.setCurrentNode(node)
    host.spin(0.05)


class _Image:
    """An array with a place, not checked as a Volume is."""

    def __init__(self, array, ijk_to_ras):
        self.array, self.ijk_to_ras = array, ijk_to_ras


def test_the_notice_of_research_use_is_not_greyed(widget):
    assert "not for diagnosis" in widget.ui.researchLabel.text.lower() and widget.ui.researchLabel.enabled
