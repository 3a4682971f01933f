"""The landmarks that a reader drags."""

import pytest

slicer = pytest.importorskip("slicer", reason="needs slicer-core")
vtk = pytest.importorskip("vtk")

from ONFHAssistLib.core.geometry import Landmarks, Sphere  # noqa: E402
from ONFHAssistLib.core.volume import Volume  # noqa: E402
from ONFHAssistLib.scene import markups  # noqa: E402
from ONFHAssistLib.scene.nodes import find_node  # noqa: E402
from Testing.exchange.made_up_study import coronal_grid, make_study  # noqa: E402
from Testing.scene.scene_parts import add_volume, make_scene, reopened  # noqa: E402

SPHERE = Sphere((90.0, 10.0, 5.0), 24.0)
FOUND = Landmarks((107.123456789, 10.0, 26.0), (66.0, 10.0, -12.0), 0.8, 0.4)


@pytest.fixture
def node():
    scene = make_scene()
    volume_node = add_volume(scene, make_study().volume)
    found = markups.landmarks_node(volume_node)
    found.keep_alive = scene
    return found


def test_each_side_has_its_three_points_named_and_described(node):
    labels = [node.GetNthControlPointLabel(n) for n in range(node.GetNumberOfControlPoints())]
    assert labels == [
        "Right head centre", "Right acetabular edge", "Right teardrop",
        "Left head centre", "Left acetabular edge", "Left teardrop",
    ]  # fmt: skip
    assert "acetabular roof" in node.GetNthControlPointDescription(4)


def test_landmarks_come_back_exactly_with_their_confidence(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    assert markups.read_landmarks(node, "right") == (FOUND, SPHERE.centre_ras_mm)
    assert markups.read_sphere(node, "right") == SPHERE


def test_the_other_side_stays_as_it_is(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    assert markups.read_landmarks(node, "left") == (Landmarks(), None)
    assert markups.read_sphere(node, "left") is None


def test_a_dragged_point_is_the_readers_and_has_no_confidence(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    node.SetNthControlPointPositionWorld(1, 108.0, 11.0, 25.0)
    landmarks, _ = markups.read_landmarks(node, "right")
    assert landmarks == Landmarks((108.0, 11.0, 25.0), FOUND.teardrop_ras_mm, None, 0.4)


def test_a_dragged_head_centre_moves_the_sphere_and_keeps_its_radius(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    node.SetNthControlPointPositionWorld(0, 91.0, 12.0, 4.0)
    assert markups.read_sphere(node, "right") == Sphere((91.0, 12.0, 4.0), 24.0)


def test_a_new_radius_is_noticed_and_kept(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    events = []
    node.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    markups.set_radius(node, "right", 26.5)
    assert events and markups.read_sphere(node, "right") == Sphere(SPHERE.centre_ras_mm, 26.5)


def test_what_was_not_found_has_no_position_and_can_be_placed(node):
    markups.write_landmarks(node, "left", Landmarks(), SPHERE)
    index = markups.control_point(node, "left", "teardrop")
    assert node.GetNthControlPointPositionStatus(index) == node.PositionUndefined
    node.SetNthControlPointPositionWorld(index, -66.0, 9.0, -12.0)
    assert markups.read_landmarks(node, "left")[0] == Landmarks(None, (-66.0, 9.0, -12.0))


def test_what_is_not_found_any_more_loses_its_position(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    markups.write_landmarks(node, "right", Landmarks(), None)
    assert markups.read_landmarks(node, "right") == (Landmarks(), None)
    assert markups.read_sphere(node, "right") is None


def test_writing_the_same_again_fires_no_event(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    events = []
    node.AddObserver("AnyEvent", lambda _, name: events.append(name))
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    assert events == []


def test_a_renamed_point_is_still_known(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    node.SetNthControlPointLabel(1, "my edge")
    assert markups.read_landmarks(node, "right") == (FOUND, SPHERE.centre_ras_mm)


def test_no_point_can_be_deleted_or_added_by_accident(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    node.RemoveNthControlPoint(2)
    node.AddControlPoint(1.0, 2.0, 3.0)
    assert node.GetNumberOfControlPoints() == 6
    assert markups.read_landmarks(node, "right") == (FOUND, SPHERE.centre_ras_mm)


def test_points_under_a_moved_transform_are_read_where_they_are_seen(node):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    transform = node.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 7.0)
    transform.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert markups.read_sphere(node, "right").centre_ras_mm == pytest.approx((90.0, 10.0, 12.0))


def test_asking_again_gives_the_same_node_and_another_volume_gets_its_own(node):
    scene = node.GetScene()
    volume_node = node.GetNodeReference("ONFHAssistVolume")
    assert markups.landmarks_node(volume_node) is node
    other = add_volume(scene, make_study().volume, "follow-up")
    assert markups.landmarks_node(other) is not node


def test_landmarks_lie_under_the_study_of_the_volume():
    scene = make_scene()
    volume_node = add_volume(scene, Volume(make_study().volume.array, coronal_grid()))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "P-1")
    study = hierarchy.CreateStudyItem(patient, "2026")
    hierarchy.CreateItem(study, volume_node)
    node = markups.landmarks_node(volume_node)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_a_saved_scene_brings_the_landmarks_back_with_their_confidence(node, tmp_path):
    markups.write_landmarks(node, "right", FOUND, SPHERE)
    markups.write_landmarks(node, "left", Landmarks(), None)
    again = reopened(node.GetScene(), tmp_path)
    volume_node = again.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    found = find_node(volume_node, "landmarks", "vtkMRMLMarkupsFiducialNode")
    assert found is not None
    assert markups.landmarks_node(volume_node) is found
    assert markups.read_landmarks(found, "right") == (FOUND, SPHERE.centre_ras_mm)
    assert markups.read_sphere(found, "right") == SPHERE
    assert markups.read_landmarks(found, "left") == (Landmarks(), None)


def test_a_click_can_place_one_missing_point(node):
    scene = node.GetScene()
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert markups.place_landmark(node, "left", "teardrop")
    assert selection.GetActivePlaceNodeID() == node.GetID()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert node.GetControlPointPlacementStartIndex() == 5


def test_placing_without_an_application_says_no(node):
    node.GetScene().RemoveNode(node.GetScene().GetNodeByID("vtkMRMLInteractionNodeSingleton"))
    assert not markups.place_landmark(node, "left", "teardrop")
