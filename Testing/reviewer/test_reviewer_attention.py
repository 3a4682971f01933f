"""Where a system looked, as both reviewers show it: one map at a time, for as long as its finding is there."""

from dataclasses import replace

import numpy as np
import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.reviewer.attention import ShownMap
from ONFHAssistLib.reviewer.cards import hip_card
from ONFHAssistLib.reviewer.systems import on_card

VIEWS = ("Red", "Green")


@pytest.fixture
def review(scene):
    """A review of the made-up study in two views, with what another system has found, and a map, of both hips."""
    import slicer
    from review_parts import add_volume, made_up, with_findings

    from ONFHAssistLib.scene.in_view import show_volume
    from ONFHAssistLib.scene.review import Review

    for name in VIEWS:
        composite = slicer.vtkMRMLSliceCompositeNode()
        composite.SetLayoutName(name)
        scene.AddNode(composite)
    result = with_findings(made_up())
    node = add_volume(scene, result.volume)
    show_volume(scene, node)
    return Review.begin(scene, node, result)


@pytest.fixture
def shown():
    """The switch."""
    found = ShownMap()
    yield found
    found.hide()


def over(scene):
    """The one volume that lies over all views; None where none does."""
    from ONFHAssistLib.scene.in_view import COMPOSITE, nodes_of

    counts = {node.GetNumberOfAdditionalLayers() for node in nodes_of(scene, COMPOSITE)}
    (found,) = {node.GetNthLayerVolume(3) for node in nodes_of(scene, COMPOSITE)}
    assert counts == {1 if found else 0}
    return found


def extent_ras(node):
    """Lowest and highest corner of a volume node, RAS in mm."""
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    return bounds.reshape(3, 2).T


def test_only_a_finding_with_a_map_has_the_switch_and_it_begins_off(review, shown):
    assert [found.has_map for found in hip_card(review, "right").findings] == [True, False]
    assert not shown and shown.number(review, "right") is None and over(review.scene) is None


@pytest.mark.parametrize("side", SIDES)
def test_it_leads_to_where_the_map_is_highest_and_lies_over_that_hip(review, shown, side):
    place = shown.turn(review, side, 0)
    attention = on_card(review, side)[0].attention
    i, j, k = np.rint(attention.ijk(np.array(place))).astype(int)
    assert attention.array[k, j, i] == attention.array.max() > 0
    low, high = extent_ras(over(review.scene))
    assert (low < place).all() and (place < high).all()
    assert (low[0] > 0) == (side == "right") and (high[0] < 0) == (side == "left")
    assert shown.turn(review, side, 0) is None and over(review.scene) is None


def test_there_is_one_map_at_a_time_and_each_card_knows_whether_it_is_its_own(review, shown):
    shown.turn(review, "right", 0)
    assert (shown.number(review, "right"), shown.number(review, "left")) == (0, None)
    shown.turn(review, "left", 0)
    assert (shown.number(review, "right"), shown.number(review, "left")) == (None, 0)
    assert review.scene.GetNumberOfNodesByClass("vtkMRMLVectorVolumeNode") == 1


def test_a_map_of_the_patient_has_its_switch_on_both_cards(review, shown):
    of_all = Finding("toy", "A toy", "patient", attention=review.findings("left")[0].attention)
    review = type(review).begin(review.scene, review.volume_node, replace(review.result, findings=(of_all,)))
    shown.turn(review, "right", 0)
    assert shown.number(review, "right") == shown.number(review, "left") == 0
    assert shown.turn(review, "left", 0) is None and not shown


def test_an_empty_map_is_said_to_be_empty(review, shown):
    empty = replace(
        review.findings("left")[0], attention=review.result.volume.like(np.zeros(review.result.volume.shape))
    )
    review = type(review).begin(review.scene, review.volume_node, replace(review.result, findings=(empty,)))
    with pytest.raises(InputError, match="is empty"):
        shown.turn(review, "left", 0)
    assert not shown and over(review.scene) is None


def test_what_a_reader_corrects_leaves_the_map_and_the_map_leaves_nothing_to_undo_or_to_save(review, shown):
    shown.turn(review, "right", 0)
    assert not review.update() and not review.can_undo and not review.unsaved
    review.set_sphere("right", replace(review.hip("right").sphere, radius_mm=21.0))
    shown.follow(review)
    assert shown.number(review, "right") == 0
    assert review.undo() and not review.can_undo
    shown.follow(review)
    assert shown.number(review, "right") == 0


def test_it_goes_when_its_hip_is_graded_anew_and_the_other_hips_map_stays(review, shown):
    from review_parts import made_up, with_findings

    anew = with_findings(made_up())
    shown.turn(review, "right", 0)
    review.replace_hip(anew, "left")
    shown.follow(review)
    assert shown.number(review, "right") == 0
    review.replace_hip(anew, "right")
    shown.follow(review)
    assert not shown and over(review.scene) is None


def test_it_goes_with_a_new_analysis_and_when_the_study_is_left(review, shown):
    shown.turn(review, "right", 0)
    again = type(review).begin(review.scene, review.volume_node, replace(review.result, findings=()))
    shown.follow(again)
    assert not shown and over(review.scene) is None
    shown.follow(None)
    review = type(review).begin(review.scene, review.volume_node, review.result)
    shown.turn(review, "right", 0)
    shown.follow(None)
    assert not shown and over(review.scene) is None


def test_it_goes_along_when_the_image_is_moved(review, shown):
    import slicer
    from review_parts import to_vtk

    shown.turn(review, "right", 0)
    before, motion = extent_ras(over(review.scene)), np.eye(4)
    motion[:3, 3] = (7.0, -5.0, 11.0)
    transform = slicer.vtkMRMLLinearTransformNode()
    review.scene.AddNode(transform)
    transform.SetMatrixTransformToParent(to_vtk(motion))
    review.volume_node.SetAndObserveTransformNodeID(transform.GetID())
    assert review.update()
    shown.follow(review)
    assert np.allclose(extent_ras(over(review.scene)) - before, motion[:3, 3])


def test_a_finding_of_an_opened_scene_shows_its_map_too(review, shown, tmp_path):
    from review_parts import empty_scene

    from ONFHAssistLib.scene.restoring import restore

    place = shown.turn(review, "right", 0)
    review.scene.SetRootDirectory(str(tmp_path))
    assert review.scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene = empty_scene(tmp_path)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    (again,), of_old = restore(scene), extent_ras(over(review.scene))
    assert over(scene) is None and scene.GetNumberOfNodesByClass("vtkMRMLVectorVolumeNode") == 0
    assert np.allclose(shown.turn(again, "right", 0), place) and over(review.scene) is None
    assert np.allclose(extent_ras(over(scene)), of_old)
