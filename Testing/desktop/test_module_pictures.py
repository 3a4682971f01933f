"""Pictures and single slices on the panel: what Slicer has loaded as a volume of one slice."""

import numpy as np
import pytest
import slicer
import vtk
from module_parts import add_study, analysed
from PySide6 import QtCore
from vtk.util.numpy_support import numpy_to_vtk

from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.table import open_table
from ONFHAssistLib.scene.finding_masks import MASKS, SEGMENTATION
from ONFHAssistLib.scene.nodes import find_node
from ONFHAssistLib.systems import chosen
from ONFHAssistLib.systems.base import Case, Models
from Testing import toy_system


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Before the panel is built: it knows of the system then."""
    toy_system.install(tmp_path / "toy", monkeypatch)


def add_flat(host, file="", colours=False, name="Flat"):
    """One slice as Slicer loads it: PNG lies axially, with pixels of 1 mm."""
    values = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
    values = np.stack([values, values // 2, values // 4], axis=-1) if colours else values
    image = vtk.vtkImageData()
    image.SetDimensions(80, 60, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(values.reshape(60 * 80, -1).squeeze(), deep=True))
    node = host.scene.AddNewNodeByClass(f"vtkMRML{'Vector' if colours else 'Scalar'}VolumeNode", name)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
    node.SetIJKToRASMatrix(matrix)
    if file:
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(file)
    node.SetAndObserveImageData(image)
    node.CreateDefaultDisplayNodes()
    host.spin(0.05)
    return node


def found_in(widget) -> StudyResult:
    """What the system finds in the study that is chosen."""
    study = widget.panel._look.study
    (system,) = chosen(("toy",))
    models = Models({}, {"toy_risk": open_table(load_bundle("toy_risk"))})
    found = system.run(Case(study), models, (), lambda fraction, stage: None)
    return StudyResult(study.volume, study.source, (), (), findings=found)


@pytest.mark.parametrize(
    ("file", "says"), [("/a/hip.png", "a picture, which no system here reads"), ("", "one slice only; load the whole")]
)
def test_without_a_system_for_it_one_slice_is_refused_in_a_sentence(host, widget, file, says):
    add_flat(host, file)
    assert says in widget.ui.studyLabel.text and not widget.ui.analyseButton.enabled


@pytest.mark.parametrize(
    ("file", "colours", "form", "says"),
    [
        ("/a/hip.PNG", False, "picture", "Picture, 80 × 60 pixels of a size that is not known."),
        ("", True, "picture", "Picture, 80 × 60 pixels of a size that is not known."),
        ("/a/hip.nii.gz", False, "slice", "Axial T1, one slice, 1.0 × 1.0 × 1.0 mm."),
    ],
)
def test_a_picture_is_analysed_by_what_can_read_it(toy, host, widget, worker, file, colours, form, says):
    node = add_flat(host, file, colours)
    assert widget.ui.volumeSelector.currentNode() is node
    assert widget.ui.studyLabel.text == says and "in volumes only" in widget.ui.warningLabel.text
    boxes = widget.panel._systems._boxes
    assert boxes["toy"].checked and boxes["toy"].enabled and not boxes["networks"].enabled
    assert "reads a volume" in boxes["networks"].toolTip and boxes["networks"].toolTip.endswith("another image.")
    host.click(widget.ui.analyseButton)
    study, options = worker.asked[-1]
    assert study.form == form and options.systems == ("toy",) and study.volume.array.shape == (1, 60, 80)
    luma = 0.299 + 0.587 / 2 + 0.114 / 4 if colours else 1
    assert study.volume.array[0, 30, 40] == pytest.approx(70 * luma, abs=0.5)


def test_its_findings_stand_on_cards_and_over_the_image(toy, host, widget, worker):
    node = add_flat(host, "/a/hip.png")
    review = analysed(host, widget, worker, node, found_in(widget))
    ui = widget.ui
    assert ui.rightCard.visible and ui.patientCard.visible and not ui.leftCard.visible
    assert ui.rightCard.text.startswith("Right hip") and "Toy stage: III" in ui.rightCard.text
    assert "It is a square." in ui.rightDetails.toPlainText()
    host.click(ui.patientCard)
    assert ui.patientDetails.visible and not ui.rightDetails.visible
    assert "Probability of collapse: 62.2 %" in ui.patientDetails.toPlainText()
    for section in ("slices", "map", "correct", "signOff"):
        assert not getattr(ui, f"{section}Section").enabled
    assert ui.hipsSection.enabled and ui.exportSection.enabled
    composites = [
        one for one in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode") if one.GetBackgroundVolumeID()
    ]
    assert composites and not any(one.GetNumberOfAdditionalLayers() for one in composites)
    host.click(ui.rightCard)
    ui.rightDetails.anchorClicked.emit(QtCore.QUrl("look:0"))
    assert all(one.GetNumberOfAdditionalLayers() == 1 for one in composites)
    assert "☑" in ui.rightDetails.toPlainText()
    marked = find_node(node, MASKS, SEGMENTATION)
    assert review.volume_node is node and widget.panel.session.in_view() is node
    ui.masksCheckBox.toggle()
    assert not marked.GetDisplayNode().GetVisibility()
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView


def test_a_volume_after_a_picture_has_its_views_hips_and_systems_again(toy, host, widget, worker):
    picture = add_flat(host, "/a/hip.png")
    analysed(host, widget, worker, picture, found_in(widget))
    node, result = add_study(host)
    widget.ui.volumeSelector.setCurrentNode(node)
    host.spin(0.05)
    assert slicer.app.layoutManager().layout != slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
    review = analysed(host, widget, worker, node, result)
    assert worker.asked[-1][1].systems == ("networks",)
    assert review.sides and widget.ui.leftCard.visible and not widget.ui.patientCard.visible
    assert widget.ui.correctSection.enabled and "in volumes only" not in widget.ui.warningLabel.text


def test_one_damaged_review_of_an_opened_scene_is_told_and_the_other_is_there(host, widget, worker, tmp_path):
    from ONFHAssistLib.scene.state import NAME, TEXT

    reviews = [analysed(host, widget, worker, *add_study(host, name=name)) for name in ("One",)]
    node, result = add_study(host, name="Two")
    widget.ui.volumeSelector.setCurrentNode(node)
    host.spin(0.05)
    reviews.append(analysed(host, widget, worker, node, result))
    find_node(reviews[0].volume_node, NAME, TEXT).SetText("{")
    session = widget.panel.session
    for review in reviews:
        review.close()
    session.restore()
    host.spin(0.05)
    assert [review.volume_node.GetName() for review in session.reviews if not review.closed] == ["Two"]
    assert "One: The review that is kept in this scene cannot be read" in widget.ui.statusLabel.text
