"""A volume that is moved, as to register a follow-up, takes its review along."""

import numpy as np
import pytest
from review_parts import CENTRES, GRIDS, add_volume, made_up, paint, to_vtk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.scene import markups
from ONFHAssistLib.scene.overlay import overlay_nodes
from ONFHAssistLib.scene.review import Review

SHIFT = np.array([[1, 0, 0, 30.0], [0, 1, 0, -12.0], [0, 0, 1, 7.0], [0, 0, 0, 1]])


def turned(degrees: float) -> np.ndarray:
    t, matrix = np.deg2rad(degrees), SHIFT.copy()
    matrix[:2, :2] = [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]
    return matrix


def move(scene, matrix, *nodes):
    above = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    above.SetMatrixTransformToParent(to_vtk(matrix))
    for node in nodes:
        node.SetAndObserveTransformNodeID(above.GetID())
    return above


def at(matrix, point):
    return tuple(float(x) for x in matrix[:3, :3] @ np.array(point) + matrix[:3, 3])


@pytest.fixture
def edited(scene):
    """A review with an edit, and the step before it."""
    result = made_up(GRIDS["oblique left-handed"], calibrated=True)
    review = Review.begin(scene, add_volume(scene, result.volume), result)
    ball = np.linalg.norm(result.volume.grid_ras() - CENTRES["right"], axis=-1) <= 14
    paint(review, "right", "necrosis", ball)
    review.update()
    return review


def test_masks_stay_with_the_voxels_and_points_go_with_the_patient(edited):
    review, matrix = edited, turned(15)
    before = {side: review.masks(side).whole() for side in review.sides}
    touched = []
    review.on_touch = lambda: touched.append(1)
    move(review.scene, matrix, review.volume_node)
    assert touched and review.update() == ("right", "left")
    node = markups.landmarks_node(review.volume_node)
    for side, then in before.items():
        now = review.masks(side).whole()
        assert np.array_equal(now.head.array, then.head.array)
        assert np.array_equal(now.necrosis.array, then.necrosis.array)
        assert np.allclose(now.head.ijk_to_ras, matrix @ then.head.ijk_to_ras)
        assert now.sphere.centre_ras_mm == pytest.approx(at(matrix, then.sphere.centre_ras_mm))
        assert markups.read_landmarks(node, side)[1] == pytest.approx(now.sphere.centre_ras_mm)
        assert now.landmarks.teardrop_ras_mm == pytest.approx(at(matrix, then.landmarks.teardrop_ras_mm))
        assert now.landmarks.teardrop_confidence == 0.8
        assert review.hip(side) == grade(now)
    assert review.segmentation_node.GetParentTransformNode() is review.volume_node.GetParentTransformNode()
    assert review.update() == ()


def test_steps_lead_back_in_the_new_place(edited):
    review = edited
    move(review.scene, SHIFT, review.volume_node)
    review.update()
    assert review.undo() == "right necrosis changed"
    assert not review.changed("right") and review.hip("right") == review.automatic("right")
    assert review.hip("right").sphere.centre_ras_mm == pytest.approx(at(SHIFT, CENTRES["right"]))
    assert review.redo() and review.changed("right")
    review.volume_node.SetAndObserveTransformNodeID(None)
    review.update()
    assert review.hip("right").sphere.centre_ras_mm == pytest.approx(tuple(CENTRES["right"]))
    review.reset("right")
    assert np.array_equal(
        review.masks("right").whole().necrosis.array,
        made_up(GRIDS["oblique left-handed"]).masks[0].whole().necrosis.array,
    )


def test_an_edit_right_before_the_move_is_kept(edited):
    review = edited
    ball = np.linalg.norm(review.result.volume.grid_ras() - CENTRES["left"], axis=-1) <= 14
    paint(review, "left", "necrosis", ball)
    move(review.scene, SHIFT, review.volume_node)
    review.update()
    assert review.changed("left")
    assert np.array_equal(
        review.masks("left").whole().necrosis.array & ball, ball & review.masks("left").whole().head.array
    )


def test_moving_the_whole_study_moves_nothing_twice(edited):
    """As a transform that is put on the study in the subject hierarchy: on the review's nodes, too."""
    review = edited
    landmarks, drawn = markups.landmarks_node(review.volume_node), overlay_nodes(review.volume_node, "right")
    move(
        review.scene, SHIFT, review.volume_node, review.segmentation_node, landmarks, drawn.sphere, drawn.portion
    )  # fmt: skip
    review.update()
    centre = at(SHIFT, CENTRES["right"])
    assert review.hip("right").sphere.centre_ras_mm == pytest.approx(centre)
    assert markups.read_landmarks(landmarks, "right")[1] == pytest.approx(centre)
    bounds = np.zeros(6)
    drawn.sphere.GetRASBounds(bounds)
    assert (bounds[::2] + bounds[1::2]) / 2 == pytest.approx(centre, abs=0.1)


def test_hardening_the_transform_changes_nothing_in_the_world(edited):
    review = edited
    move(review.scene, SHIFT, review.volume_node)
    review.update()
    before = {side: (review.hip(side), review.masks(side).whole()) for side in review.sides}
    review.volume_node.HardenTransform()
    review.update()
    ball = (
        np.linalg.norm(review.masks("left").whole().head.grid_ras() - np.array(at(SHIFT, CENTRES["left"])), axis=-1)
        <= 9
    )
    for side, (hip, masks) in before.items():
        assert np.array_equal(review.masks(side).whole().necrosis.array, masks.necrosis.array)
        assert review.hip(side).volume_ratio == hip.volume_ratio
    paint(review, "left", "necrosis", ball)
    assert review.update() == ("left",)
    assert np.array_equal(review.masks("left").whole().necrosis.array & ball, ball)


@pytest.mark.parametrize("matrix", [np.diag([1.1, 1.1, 1.1, 1.0]), np.diag([-1.0, 1.0, 1.0, 1.0])])
def test_a_volume_that_is_scaled_or_mirrored_is_refused_until_that_is_undone(edited, matrix):
    review = edited
    before = review.hip("right")
    above = move(review.scene, matrix, review.volume_node)
    with pytest.raises(InputError, match="undo that, or analyse it again"):
        review.update()
    review.scene.RemoveNode(above)
    assert review.update() == () and review.hip("right") == before


def test_a_volume_put_under_a_transform_that_is_not_linear_is_refused_until_that_is_undone(edited):
    import vtk

    review = edited
    spline = vtk.vtkThinPlateSplineTransform()
    points, moved = vtk.vtkPoints(), vtk.vtkPoints()
    for corner in ((0, 0, 0), (90, 0, 0), (0, 90, 0), (0, 0, 90), (90, 90, 90)):
        points.InsertNextPoint(corner)
        moved.InsertNextPoint(*(x + 5 * (corner[0] > 0) for x in corner))
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(moved)
    above = review.scene.AddNewNodeByClass("vtkMRMLTransformNode")
    above.SetAndObserveTransformToParent(spline)
    review.volume_node.SetAndObserveTransformNodeID(above.GetID())
    with pytest.raises(InputError, match="not linear"):
        review.update()
    review.volume_node.SetAndObserveTransformNodeID(None)
    assert review.update() == ()
