"""Where a system looked, over the slice views: in colours as the views have them, beside what a reader has there."""

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs slicer-core")

from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

from ONFHAssistLib.core.volume import Volume  # noqa: E402
from ONFHAssistLib.exchange.finding_figures import TINT, TINT_SHARE  # noqa: E402
from ONFHAssistLib.scene import in_view  # noqa: E402
from ONFHAssistLib.scene.attention import AttentionLayer, highest_place  # noqa: E402
from ONFHAssistLib.scene.nodes import remove_review  # noqa: E402
from Testing.scene.scene_parts import VIEWS, add_volume, make_scene, reopened, view  # noqa: E402

SIZE = 40
GREY = 100
PLACE = np.array([[-1.0, 0, 0, 20], [0, -1, 0, 20], [0, 0, 2, -4], [0, 0, 0, 1]])
"""Axial: columns to the left, rows to the back, so that a view shows them as the array has them."""


def image(slices: int) -> Volume:
    return Volume(np.full((slices, SIZE, SIZE), GREY, np.int16), PLACE)


def ramp(volume: Volume) -> Volume:
    """0 at the border and in the first slices; rising from 0.05 to 1 from left to right in the last slice."""
    found = np.zeros(volume.shape, np.float32)
    found[-1, 10:30, 10:30] = np.linspace(0.05, 1, 20)
    return volume.like(found)


@pytest.fixture
def scene():
    found = make_scene()
    found.colours = slicer.vtkMRMLColorLogic()  # the greys of an image; alive as long as the scene
    found.colours.SetMRMLScene(found)
    return found


@pytest.fixture
def layer():
    found = AttentionLayer()
    yield found
    found.hide()


def opened(scene, volume: Volume, name: str = "Image"):
    node = add_volume(scene, volume, name)
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 255)
    return node


def composite(scene, name: str = "Red"):
    return next(node for node in in_view.nodes_of(scene, in_view.COMPOSITE) if node.GetLayoutName() == name)


def layers(scene, name: str) -> list[str]:
    """The names of the volumes that a view has above background, foreground and label map."""
    one = composite(scene, name)
    return [one.GetNthLayerVolume(3 + n).GetName() for n in range(one.GetNumberOfAdditionalLayers())]


def tinted(scene) -> set[str]:
    """The views over which a map lies."""
    return {name for name in VIEWS if layers(scene, name)}


def pixels(scene, volume: Volume, k: int) -> np.ndarray:
    """What the axial view shows of a slice, a pixel for each voxel: (row, column, red green blue)."""
    node, logic, application = view(scene, "Red"), slicer.vtkMRMLSliceLogic(), slicer.vtkMRMLApplicationLogic()
    application.SetMRMLScene(scene)
    logic.SetMRMLApplicationLogic(application)
    logic.SetMRMLScene(scene)
    logic.SetSliceNode(node)
    node.SetDimensions(SIZE, SIZE, 1)
    node.SetFieldOfView(SIZE, SIZE, 1)
    node.JumpSliceByCentering(*volume.ras(np.array([SIZE // 2, SIZE // 2 - 1, k])))  # a pixel centre on each voxel
    logic.UpdatePipeline()
    output = logic.GetImageDataConnection()
    output.GetProducer().Update()
    shown = output.GetProducer().GetOutputDataObject(output.GetIndex())
    return vtk_to_numpy(shown.GetPointData().GetScalars()).reshape(SIZE, SIZE, -1)[::-1, :, :3].astype(float)


@pytest.mark.parametrize("slices", [5, 1])
def test_the_tint_is_as_dense_as_the_map_is_high_and_nothing_is_tinted_where_it_is_0(scene, layer, slices):
    volume = image(slices)
    node, attention = opened(scene, volume), ramp(volume)
    in_view.show_volume(scene, node)
    untouched = pixels(scene, volume, slices - 1)
    layer.show(node, attention)
    shown = pixels(scene, volume, slices - 1)
    share = TINT_SHARE * attention.array[-1][..., None]
    assert np.abs(shown - (untouched * (1 - share) + np.array(TINT) * share)).max() <= 2.5, "as in the report"
    assert np.array_equal(shown[0], untouched[0]) and len(np.unique(shown[20, 10:30, 2])) > 15
    layer.hide()
    assert np.array_equal(pixels(scene, volume, slices - 1), untouched)


def test_it_lies_where_its_volume_is_shown_and_follows_it_from_view_to_view(scene, layer):
    one, other = (opened(scene, image(5), name) for name in "AB")
    in_view.show_volume(scene, one)
    in_view.show_in(composite(scene, "Green"), other)
    layer.show(one, ramp(image(5)))
    assert tinted(scene) == {"Red", "Yellow"}
    in_view.show_in(composite(scene, "Green"), one)
    in_view.show_in(composite(scene, "Red"), other)
    assert tinted(scene) == {"Green", "Yellow"}
    layer.show(other, ramp(image(5)))
    assert tinted(scene) == {"Red"}
    layer.hide()
    assert tinted(scene) == set() and scene.GetNumberOfNodesByClass("vtkMRMLVectorVolumeNode") == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLVectorVolumeDisplayNode") == 0


def test_what_the_reader_has_in_front_stays_there(scene, layer):
    node, fused, another = (opened(scene, image(5), name) for name in ("MR", "PET", "CT"))
    in_view.show_volume(scene, node)
    red = composite(scene)
    red.SetForegroundVolumeID(fused.GetID())
    red.SetForegroundOpacity(0.25)
    red.SetNthLayerVolumeID(3, another.GetID())
    red.SetNthLayerOpacity(3, 0.4)
    layer.show(node, ramp(image(5)))
    assert layers(scene, "Red") == ["CT", "Where the system looked"]
    assert (red.GetForegroundVolumeID(), red.GetForegroundOpacity()) == (fused.GetID(), 0.25)
    assert in_view.main_volume(scene) is node
    layer.hide()
    assert layers(scene, "Red") == ["CT"] and red.GetNthLayerOpacity(3) == 0.4
    assert (red.GetForegroundVolumeID(), red.GetForegroundOpacity()) == (fused.GetID(), 0.25)


def test_no_list_and_no_saved_scene_has_it_and_nothing_of_it_is_undone(scene, layer, tmp_path):
    node = opened(scene, image(5))
    in_view.show_volume(scene, node)
    layer.show(node, ramp(image(5)))
    tint = composite(scene).GetNthLayerVolume(3)
    assert tint.GetHideFromEditors() and not tint.GetUndoEnabled() and not in_view.is_study(tint)
    again = reopened(scene, tmp_path)
    assert tinted(scene) == set(VIEWS), "it stays where it is"
    for kind in ("vtkMRMLVectorVolumeNode", "vtkMRMLVectorVolumeDisplayNode"):
        assert again.GetNumberOfNodesByClass(kind) == 0
    assert [one.GetNumberOfAdditionalLayers() for one in in_view.nodes_of(again, in_view.COMPOSITE)] == 3 * [0]


def test_it_goes_with_the_review_and_with_the_scene(scene, layer):
    node = opened(scene, image(5))
    in_view.show_volume(scene, node)
    layer.show(node, ramp(image(5)))
    remove_review(node)
    assert tinted(scene) == set()
    layer.hide()
    layer.show(node, ramp(image(5)))
    scene.Clear(1)
    layer.hide()
    layer.hide()


def test_the_highest_place_is_in_the_middle_of_a_plateau():
    volume = image(5)
    found = ramp(volume).array.copy()
    found[1, 11:14, 21:28] = 2.0
    assert np.allclose(highest_place(volume.like(found)), volume.ras(np.array([24, 12, 1])))
