"""A study under review: what a reader does to the masks and points, and what the numbers make of it."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import slicer
from review_parts import CENTRES, CORONAL, GRIDS, Grid, add_volume, made_up, paint, ratio, to_vtk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.scene import markups
from ONFHAssistLib.scene.nodes import ROLE
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import SignOff, unpacked

FINE = Grid(CORONAL, (1.0, 1.0, 3.0))
"""Volumes of balls and cones are right to about 1 % on it."""


def begun(scene, result, name: str = "Image") -> Review:
    return Review.begin(scene, add_volume(scene, result.volume, name=name), result)


def ball(review, centre, radius_mm: float) -> np.ndarray:
    at = review.result.volume.grid_ras()
    return np.linalg.norm(at - np.array(centre), axis=-1) <= radius_mm


def layer(review, index: int) -> np.ndarray:
    where = np.zeros(review.result.volume.array.shape, bool)
    where[index] = True
    return where


def same_masks(one, other) -> bool:
    one, other = one.whole(), other.whole()
    return np.array_equal(one.head.array, other.head.array) and np.array_equal(one.necrosis.array, other.necrosis.array)


def masks_of(result, side):
    return next(masks.whole() for masks in result.masks if masks.side == side)


def test_a_result_is_in_the_scene_as_it_was_analysed(scene, grid):
    result = made_up(grid)
    review = begun(scene, result)
    assert review.sides == ("right", "left")
    for hip, masks in zip(result.hips, result.masks, strict=True):
        assert review.hip(hip.side) == review.automatic(hip.side) == hip
        assert same_masks(review.masks(hip.side), masks)
        assert review.masks(hip.side).probability is not None
    assert not (review.update() or review.can_undo or review.can_redo or review.unsaved)
    assert review.segmentation_node.GetSegmentation().GetNumberOfSegments() == 4
    assert review.segment_id("left", "necrosis") == "left_necrosis"


def test_numbers_follow_an_edit_to_the_analytic_truth(scene):
    """A ball of 12 mm inside the head is (12/24)^3 = 1/8 of it; nothing else is left of the cone."""
    review = begun(scene, made_up(FINE))
    everywhere = np.ones(review.result.volume.array.shape, bool)
    paint(review, "right", "necrosis", everywhere, value=False)
    assert review.update() == ("right",)
    assert review.hip("right").volume_ratio == 0
    assert review.hip("right").grades["steinberg"].grade == "without ONFH"
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 12.0))
    assert review.update() == ("right",)
    hip = review.hip("right")
    assert hip.volume_ratio == pytest.approx(1 / 8, abs=0.002)
    assert hip.necrosis_volume_ml == pytest.approx(4 / 3 * np.pi * 12**3 / 1000, rel=0.02)
    assert hip.grades["steinberg"].grade == "mild"
    assert review.automatic("right").volume_ratio == pytest.approx(ratio("right"), abs=0.003)
    assert review.hip("left") == review.automatic("left")


def test_what_is_measured_after_an_edit_is_what_the_masks_give(scene, grid):
    """The review measures a crop and leaves out what cannot matter; the numbers are those of the whole masks."""
    review = begun(scene, made_up(grid, calibrated=True))
    rng = np.random.default_rng(5)
    for number in range(8):
        side, what = ("right", "left")[number % 2], ("necrosis", "head", "necrosis", "necrosis")[number // 2]
        centre = CENTRES[side] + rng.uniform(-20, 20, 3)
        paint(review, side, what, ball(review, centre, rng.uniform(5, 15)), value=number % 3 != 0)
        review.update()
        assert review.hip(side) == grade(review.masks(side))


def test_the_interval_belongs_to_the_networks_mask_only(scene):
    review = begun(scene, made_up(FINE, calibrated=True))
    assert review.hip("right").ratio_interval is not None
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 8.0))
    review.update()
    assert review.hip("right").ratio_interval is None and review.automatic("right").ratio_interval is not None
    review.undo()
    assert review.hip("right").ratio_interval == review.automatic("right").ratio_interval


def test_necrosis_painted_outside_of_the_head_is_cut_off_in_the_segment_too(review):
    head = review.masks("right").whole().head.array
    everywhere = np.ones(head.shape, bool)
    paint(review, "right", "necrosis", everywhere)
    review.update()
    assert np.array_equal(review.masks("right").whole().necrosis.array, head)
    assert review.hip("right").volume_ratio == 1.0
    shown = slicer.util.arrayFromSegmentInternalBinaryLabelmap(review.segmentation_node, "right_necrosis")
    assert (shown > 0).sum() == head.sum()
    assert review.update() == ()


def test_painting_necrosis_never_changes_the_head(review):
    before = review.masks("right").whole().head.array.copy()
    paint(review, "right", "necrosis", ball(review, CENTRES["right"] + [20, 0, 0], 15.0))
    review.update()
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 18.0), value=False)
    review.update()
    assert np.array_equal(review.masks("right").whole().head.array, before)


def test_erasing_head_takes_the_necrosis_there_with_it(review):
    index = review.hip("right").grades["steinberg"].details["mid_slice"]["index"]
    before = review.masks("right").whole()
    paint(review, "right", "head", layer(review, index), value=False)
    review.update()
    after = review.masks("right").whole()
    assert before.necrosis.array[index].any() and not after.necrosis.array[index].any()
    rest = np.arange(len(before.head.array)) != index
    assert np.array_equal(after.necrosis.array[rest], before.necrosis.array[rest])
    shown = slicer.util.arrayFromSegmentInternalBinaryLabelmap(review.segmentation_node, "right_necrosis")
    assert (shown > 0).sum() == after.necrosis.array.sum()


def test_painting_head_beyond_the_first_one_counts(review):
    paint(review, "left", "head", ball(review, CENTRES["left"], 30.0))
    review.update()
    assert np.array_equal(
        review.masks("left").whole().head.array,
        review.masks("left").whole().head.array | ball(review, CENTRES["left"], 30.0),
    )
    assert review.hip("left").head_volume_ml == pytest.approx(4 / 3 * np.pi * 30**3 / 1000, rel=0.05)


def test_fifty_steps_of_any_kind_lead_back_to_exactly_the_first_masks_and_forth_again(scene):
    review = begun(scene, made_up(GRIDS["oblique left-handed"], calibrated=True))
    rng = np.random.default_rng(3)
    node = markups.landmarks_node(review.volume_node)
    seen = []
    for number in range(70):
        side = ("right", "left")[int(rng.integers(2))]
        kind = number % 5
        if kind == 4:
            index = markups.control_point(node, side, ("head centre", "acetabular edge", "teardrop")[number % 3])
            node.SetNthControlPointPositionWorld(index, *(CENTRES[side] + rng.uniform(-30, 30, 3)))
        elif kind == 3 and review.changed(side):
            review.reset(side)
        else:
            what = "head" if kind == 2 else "necrosis"
            where = ball(review, CENTRES[side] + rng.uniform(-15, 15, 3), rng.uniform(4, 12))
            paint(review, side, what, where ^ ball(review, CENTRES[side], 3.0 + number / 10), value=kind != 1)
        review.update()
        seen.append({side: review.masks(side).whole() for side in review.sides})
    steps = 0
    while review.can_undo:
        assert review.undo()
        steps += 1
    assert steps >= 50
    for masks in review.result.masks:
        assert same_masks(review.masks(masks.side), masks)
        assert review.hip(masks.side) == review.automatic(masks.side)
        assert not review.changed(masks.side)
        assert markups.read_landmarks(node, masks.side) == (masks.landmarks, masks.sphere.centre_ras_mm)
    assert not review.unsaved and review.update() == ()
    while review.can_redo:
        assert review.redo()
    assert all(same_masks(review.masks(side), masks) for side, masks in seen[-1].items())


def test_undo_also_takes_back_what_was_not_read_yet(review):
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 10.0))
    assert review.undo() == "right necrosis changed"
    assert same_masks(review.masks("right"), masks_of(review.result, "right"))


def test_a_stroke_after_an_undo_leaves_nothing_to_redo(review):
    for radius in (6.0, 9.0):
        paint(review, "right", "necrosis", ball(review, CENTRES["right"], radius))
        review.update()
    review.undo()
    paint(review, "left", "necrosis", ball(review, CENTRES["left"], 6.0))
    assert review.redo() is None and not review.can_redo
    assert review.changed("left")


def test_a_hip_goes_back_to_the_automatic_result(review):
    paint(review, "right", "head", ball(review, CENTRES["right"] + [0, 0, 20], 12.0), value=False)
    node = markups.landmarks_node(review.volume_node)
    node.SetNthControlPointPositionWorld(markups.control_point(node, "right", "teardrop"), 50.0, 12.0, -50.0)
    review.update()
    assert review.changed("right")
    review.reset("right")
    assert not review.changed("right") and review.hip("right") == review.automatic("right")
    assert markups.read_landmarks(node, "right")[0] == masks_of(review.result, "right").landmarks
    assert review.undo() == "right hip: back to the automatic result"
    assert review.changed("right")


def test_one_slice_goes_back_to_the_automatic_result_and_the_others_stay(review):
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 14.0))
    review.update()
    edited, start = review.masks("right").whole(), masks_of(review.result, "right")
    index = review.hip("right").grades["steinberg"].details["mid_slice"]["index"]
    review.reset("right", index)
    now = review.masks("right").whole()
    assert np.array_equal(now.necrosis.array[index], start.necrosis.array[index])
    rest = np.arange(len(now.head.array)) != index
    assert np.array_equal(now.necrosis.array[rest], edited.necrosis.array[rest])
    assert review.hip("right") == grade(now)


def test_a_dragged_landmark_grades_anew_at_once_and_has_no_confidence_any_more(scene):
    """The cone of 30 degrees ends 30 degrees lateral: at the edge (C2) once the edge is dragged there."""
    review = begun(scene, made_up(FINE))
    assert review.hip("left").grades["jic"].grade != "C2"
    node = markups.landmarks_node(review.volume_node)
    edge = CENTRES["left"] + 27.0 * np.array([-np.sin(np.deg2rad(27)), 0, np.cos(np.deg2rad(27))])
    node.SetNthControlPointPositionWorld(markups.control_point(node, "left", "acetabular edge"), *edge)
    assert review.update() == ("left",)
    hip = review.hip("left")
    assert hip.landmarks.acetabular_edge_ras_mm == pytest.approx(tuple(edge))
    assert hip.landmarks.acetabular_edge_confidence is None and hip.landmarks.teardrop_confidence == 0.8
    assert hip.grades["jic"].grade == "C2"
    assert same_masks(review.masks("left"), masks_of(review.result, "left"))
    assert review.undo() == "left landmarks changed" and review.hip("left") == review.automatic("left")


def test_the_sphere_is_moved_and_resized_without_touching_the_masks(review):
    node = markups.landmarks_node(review.volume_node)
    markups.set_radius(node, "right", 26.0)
    assert review.update() == ("right",)
    assert review.hip("right").sphere.radius_mm == 26.0
    moved = Sphere((90.0, 10.0, -22.0), 25.0)
    review.set_sphere("right", moved)
    assert review.hip("right").sphere == review.masks("right").sphere == moved
    assert markups.read_sphere(node, "right") == moved
    assert same_masks(review.masks("right"), masks_of(review.result, "right"))
    assert review.hip("right") == grade(review.masks("right"))


def test_a_landmark_that_is_taken_away_leaves_no_jic_class_and_a_head_keeps_its_centre(review):
    node = markups.landmarks_node(review.volume_node)
    node.UnsetNthControlPointPosition(markups.control_point(node, "right", "teardrop"))
    node.UnsetNthControlPointPosition(markups.control_point(node, "right", "head centre"))
    review.update()
    assert review.hip("right").grades["jic"].grade is None
    assert "teardrop" in review.hip("right").grades["jic"].rule
    assert review.hip("right").sphere == masks_of(review.result, "right").sphere
    assert markups.read_landmarks(node, "right")[1] == masks_of(review.result, "right").sphere.centre_ras_mm


def test_landmarks_that_were_deleted_come_back(review):
    scene = review.scene
    scene.RemoveNode(markups.landmarks_node(review.volume_node))
    assert review.update() == ()
    node = markups.landmarks_node(review.volume_node)
    assert markups.read_landmarks(node, "right")[0] == masks_of(review.result, "right").landmarks
    touched = []
    review.on_touch = lambda: touched.append(1)
    node.SetNthControlPointPositionWorld(markups.control_point(node, "right", "teardrop"), 50.0, 12.0, -50.0)
    assert touched and review.update() == ("right",)


def test_a_missed_hip_is_segmented_from_a_click_on_its_centre(scene):
    review = begun(scene, made_up(missed=("left",)))
    assert (review.sides, review.hip("left").status) == (("right", "left"), "not graded")
    with pytest.raises(InputError, match="left head is not marked"):
        review.seed("left")
    with pytest.raises(InputError, match="left hip is not segmented"):
        review.masks("left").whole()
    node = markups.landmarks_node(review.volume_node)
    node.SetNthControlPointPositionWorld(markups.control_point(node, "left", "head centre"), -85.0, 9.0, -20.0)
    review.update()
    seed = review.seed("left")
    assert (seed.side, seed.centre_ras_mm, seed.radius_mm) == ("left", (-85.0, 9.0, -20.0), None)
    review.replace_hip(made_up(sides=("left",)), "left")
    assert review.hip("left").volume_ratio == pytest.approx(ratio("left"), abs=0.01)
    assert review.segment_id("left", "head") == "left_head" and not review.changed("left")
    assert {hip.side: hip.status for hip in review.study_result().hips} == {"right": "graded", "left": "graded"}
    assert review.undo() == "left hip segmented anew"
    assert review.hip("left").status == "not graded"
    assert review.segmentation_node.GetSegmentation().GetNumberOfSegments() == 2
    assert review.redo() and review.hip("left").status == "graded"


def test_a_hip_that_was_found_wrong_is_replaced_and_the_new_one_is_the_automatic_one(review):
    other = made_up()
    narrow = replace(masks_of(other, "right"), sphere=Sphere(tuple(CENTRES["right"]), 20.0))
    inside = np.linalg.norm(other.volume.grid_ras() - CENTRES["right"], axis=-1) <= 20
    narrow = replace(narrow, head=other.volume.like(inside), necrosis=other.volume.like(inside & False))
    found = replace(other, masks=(narrow,), hips=(grade(narrow),))
    review.set_sphere("right", Sphere(tuple(CENTRES["right"]), 20.0))
    assert review.seed("right").radius_mm == 20.0
    review.replace_hip(found, "right")
    assert review.automatic("right") == review.hip("right") == grade(narrow)
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 10.0))
    review.update()
    review.reset("right")
    assert same_masks(review.masks("right"), narrow)
    with pytest.raises(InputError, match="left hip could not be segmented"):
        review.replace_hip(found, "left")


def test_a_deleted_segment_counts_as_empty_says_so_and_comes_back_with_undo(review):
    review.segmentation_node.GetSegmentation().RemoveSegment("right_necrosis")
    with pytest.raises(InputError, match="right necrosis was deleted"):
        review.segment_id("right", "necrosis")
    assert review.update() == ("right",)
    assert review.hip("right").volume_ratio == 0
    review.undo()
    assert review.segment_id("right", "necrosis") == "right_necrosis"
    assert same_masks(review.masks("right"), masks_of(review.result, "right"))


def test_an_empty_segment_that_was_deleted_comes_back_with_the_automatic_result(scene):
    review = begun(scene, made_up())
    paint(review, "left", "necrosis", np.ones(review.result.volume.array.shape, bool), value=False)
    review.update()
    review.segmentation_node.GetSegmentation().RemoveSegment("left_necrosis")
    review.update()
    review.reset("left")
    assert review.segment_id("left", "necrosis") == "left_necrosis"


def test_an_empty_head_is_not_graded_with_the_reason_and_nothing_is_lost(review):
    paint(review, "right", "head", np.ones(review.result.volume.array.shape, bool), value=False)
    assert review.update() == ("right",)
    hip = review.hip("right")
    assert hip.status == "not graded" and "empty" in hip.reason and hip.grades == {}
    result = review.study_result()
    assert [masks.side for masks in result.masks] == ["left"]
    paint(review, "right", "head", ball(review, CENTRES["right"], 20.0))
    review.update()
    assert review.hip("right").status == "graded" and review.hip("right").volume_ratio == 0
    review.undo()
    review.undo()
    assert same_masks(review.masks("right"), masks_of(review.result, "right"))


def test_hidden_and_renamed_segments_are_measured_as_before(review):
    node = review.segmentation_node
    node.GetDisplayNode().SetSegmentVisibility("right_necrosis", False)
    node.GetSegmentation().GetSegment("right_necrosis").SetName("lesion")
    assert review.update() == () and review.hip("right") == review.automatic("right")
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 12.0))
    assert review.update() == ("right",)


def test_a_segment_of_the_readers_own_is_left_alone(review):
    segmentation = review.segmentation_node.GetSegmentation()
    segmentation.AddEmptySegment("cyst", "Cyst")
    assert review.update() == ()
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 12.0))
    review.update()
    review.undo()
    assert segmentation.GetSegment("cyst").GetName() == "Cyst"


def test_touches_are_reported_and_own_writing_is_not(review):
    touched = []
    review.on_touch = lambda: touched.append(1)
    paint(review, "right", "necrosis", ball(review, CENTRES["right"] + [24, 0, 0], 12.0))
    assert touched
    touched.clear()
    review.update()  # writes the clipped segment
    review.undo()
    review.reset("right")
    review.set_sphere("right", Sphere((90.0, 10.0, -22.0), 25.0))
    review.hip("left"), review.study_result(), review.slices_that_matter("left")
    assert not touched
    review.segmentation_node.Modified()  # as undo by others does
    assert touched


def test_what_others_undo_is_read_too(review):
    """Slicer's own undo puts the former label map back and fires the node's Modified only."""
    segment = review.segmentation_node.GetSegmentation().GetSegment("right_necrosis")
    labelmap = segment.GetRepresentation("Binary labelmap")
    former = slicer.vtkOrientedImageData()
    former.DeepCopy(labelmap)
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 14.0))
    review.update()
    labelmap.DeepCopy(former)
    touched = []
    review.on_touch = lambda: touched.append(1)
    review.segmentation_node.Modified()
    assert touched and review.update() == ("right",)
    assert same_masks(review.masks("right"), masks_of(review.result, "right"))


def test_a_mask_that_a_script_replaces_is_read_too(review):
    """`updateSegmentBinaryLabelmapFromArray` gives the segment another label map and fires SegmentModified only."""
    segment = review.segmentation_node.GetSegmentation().GetSegment("right_necrosis")
    former = slicer.vtkOrientedImageData()
    former.DeepCopy(segment.GetRepresentation("Binary labelmap"))
    former.GetPointData().GetScalars().Fill(0)
    touched = []
    review.on_touch = lambda: touched.append(1)
    segment.AddRepresentation("Binary labelmap", former)
    assert touched and review.update() == ("right",)
    assert review.hip("right").volume_ratio == 0


@pytest.mark.parametrize(
    ("gone", "reason"), [("volume_node", "volume"), ("segmentation_node", "segmentation"), (None, "scene")]
)
def test_removing_nodes_or_closing_the_scene_ends_the_review_with_a_sentence(review, gone, reason):
    reasons = []
    review.on_gone = reasons.append
    if gone:
        review.scene.RemoveNode(getattr(review, gone))
    else:
        review.scene.Clear(0)
    assert len(reasons) == 1 and reason in reasons[0]
    assert review.closed and review.update() == ()


def test_a_closed_review_reports_nothing_and_leaves_its_nodes(review):
    heard = []
    review.on_touch = review.on_gone = lambda *_: heard.append(1)
    review.close()
    review.close()
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 12.0))
    review.scene.RemoveNode(review.volume_node)
    assert not heard and review.segmentation_node.GetScene() is review.scene


def own_nodes(scene):
    return [node for node in map(scene.GetNthNode, range(scene.GetNumberOfNodes())) if node.GetAttribute(ROLE)]


def test_removing_a_review_leaves_the_scene_as_it_was(scene):
    result = made_up()
    volume = add_volume(scene, result.volume)
    Review.begin(scene, volume, result).remove()
    before = scene.GetNumberOfNodes()
    Review.begin(scene, volume, result).remove()
    assert own_nodes(scene) == [] and scene.GetNumberOfNodes() == before
    assert volume.GetScene() is scene


@pytest.mark.parametrize("why", ["removed", "moved", "cropped"])
def test_a_result_of_a_volume_that_is_gone_or_changed_is_refused_and_leaves_nothing(scene, why):
    result = made_up()
    volume = add_volume(scene, result.volume)
    if why == "removed":
        scene.RemoveNode(volume)
    elif why == "moved":
        volume.SetOrigin(1.0, 2.0, 3.0)
    else:
        volume.GetImageData().SetDimensions(3, 4, 5)
    with pytest.raises(InputError, match="volume was"):
        Review.begin(scene, volume, result)
    assert own_nodes(scene) == []


def test_a_failure_while_nodes_are_built_leaves_nothing(scene, monkeypatch):
    from ONFHAssistLib.scene import tables

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(tables, "update_table", fails)
    result = made_up()
    volume = add_volume(scene, result.volume)
    with pytest.raises(MemoryError):
        Review.begin(scene, volume, result)
    assert own_nodes(scene) == [] and not scene.IsBatchProcessing()


def test_analysing_a_volume_again_replaces_its_review(scene):
    result = made_up()
    volume = add_volume(scene, result.volume)
    first = Review.begin(scene, volume, result)
    number = len(own_nodes(scene))
    reasons = []
    first.on_gone = reasons.append
    second = Review.begin(scene, volume, result)
    assert len(own_nodes(scene)) == number and len(reasons) == 1 and first.closed and not second.closed


def test_a_follow_up_and_its_baseline_are_reviewed_side_by_side(scene):
    baseline = begun(scene, made_up(GRIDS["coronal"]), "2024")
    follow_up = begun(scene, made_up(GRIDS["axial left-handed"]), "2026")
    paint(follow_up, "right", "necrosis", ball(follow_up, CENTRES["right"], 14.0))
    assert follow_up.update() == ("right",) and baseline.update() == ()
    assert follow_up.changed("right") and not baseline.changed("right")
    reasons = []
    follow_up.on_gone = reasons.append
    baseline.remove()
    assert not reasons and follow_up.update() == ()
    follow_up.undo()
    assert follow_up.hip("right") == follow_up.automatic("right")


def test_a_volume_that_is_renamed_stays_under_review(review):
    review.volume_node.SetName("something else")
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 12.0))
    assert review.update() == ("right",)


def test_under_a_linear_transform_results_are_in_the_world_and_edits_land_where_they_are_drawn(scene):
    result = made_up(GRIDS["oblique"])
    matrix = np.eye(4)
    matrix[:3, 3] = (40.0, -15.0, 8.0)
    back = np.linalg.inv(matrix)
    node = add_volume(scene, Volume(result.volume.array, back @ result.volume.ijk_to_ras))
    above = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    above.SetMatrixTransformToParent(to_vtk(matrix))
    node.SetAndObserveTransformNodeID(above.GetID())
    review = Review.begin(scene, node, result)
    assert review.segmentation_node.GetParentTransformNode() is above
    assert review.hip("right").sphere.centre_ras_mm == pytest.approx(tuple(CENTRES["right"]))
    points = markups.landmarks_node(node)
    index = markups.control_point(points, "right", "head centre")
    assert tuple(points.GetNthControlPointPositionWorld(index)) == pytest.approx(tuple(CENTRES["right"]))
    paint(review, "right", "necrosis", ball(review, CENTRES["right"] + [10, 0, 0], 10.0))
    review.update()
    painted = review.masks("right").whole().necrosis.array & ~masks_of(result, "right").necrosis.array
    at = review.masks("right").whole().necrosis.grid_ras()[painted]
    assert np.linalg.norm(at - (CENTRES["right"] + [10, 0, 0]), axis=1).max() <= 10.0
    assert review.hip("right") == grade(review.masks("right"))


def test_slices_that_matter_are_those_to_look_at_first_the_worst_the_middle_and_the_edited_ones(scene):
    review = begun(scene, made_up(FINE, calibrated=True))
    hip = review.hip("right")
    known = {
        *hip.look_first,
        *(hip.grades["steinberg"].details[name]["index"] for name in ("worst_slice", "mid_slice")),
    }
    assert set(review.slices_that_matter("right")) == known
    edited = next(s.index for s in hip.slices if s.index not in known)
    paint(review, "right", "head", layer(review, edited), value=False)
    review.update()
    found = review.slices_that_matter("right")
    assert set(found) >= known | {edited}
    along = [review.result.volume.ras(np.array([0, 0, k]))[1] for k in found]
    assert along == sorted(along) or along == sorted(along, reverse=True)
    assert review.slices_that_matter("left") != found


def test_next_goes_down_the_table_of_slices_whichever_way_the_series_counts(scene, grid):
    from ONFHAssistLib.scene import tables, views

    review = begun(scene, made_up(grid, calibrated=True))
    table = tables.hip_table(review.volume_node, "right").table
    matter = review.slices_that_matter("right")
    steps = [views.next_slice(matter, None, 1)]
    while (index := views.next_slice(matter, steps[-1], 1)) != steps[-1]:
        steps.append(index)
    rows = [tables.row_of_slice(table, index) for index in steps]
    assert len(rows) == len(matter) > 1 and rows == sorted(rows)


def test_a_case_has_masks_grades_and_provenance_of_before_and_after(review):
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 14.0))
    review.set_sign_off("right", SignOff("AB", "approved", "looks right"))
    case = review.case("right")
    assert (case.reviewer, case.status, case.comment, case.patient_code) == (
        "AB",
        "approved",
        "looks right",
        "HOSP-4711",
    )
    assert dict(case.provenance) == {"head": "automatic", "necrosis": "corrected"}
    assert same_masks(case.masks, review.masks("right")) and same_masks(
        case.automatic, masks_of(review.result, "right")
    )
    assert case.result == review.hip("right") and case.automatic_result == review.automatic("right")
    assert case.result.volume_ratio != case.automatic_result.volume_ratio
    assert case.identifiers == ("HOSP-4711", "20260131") and case.study_date == date(2026, 1, 31)
    assert review.unsaved
    review.mark_saved("right")
    assert not review.unsaved
    review.undo()
    assert review.unsaved


def test_no_node_of_a_review_names_the_patient(review):
    review.set_sign_off("right", SignOff("AB", "draft", ""))
    for node in own_nodes(review.scene):
        text = f"{node.GetName()} {node.GetAttributeNames()} {node.GetText() if hasattr(node, 'GetText') else ''}"
        assert "4711" not in text and "Image" not in text


def test_the_study_goes_out_as_it_is_now(review):
    paint(review, "left", "necrosis", ball(review, CENTRES["left"], 14.0))
    review.update()
    out = review.study_result()
    assert [hip.side for hip in out.hips] == ["right", "left"]
    assert out.hips[1].volume_ratio > review.automatic("left").volume_ratio
    assert same_masks(out.masks[1], review.masks("left"))
    assert out.volume is review.result.volume and out.source == review.result.source


def test_a_hip_that_other_networks_segmented_anew_names_them(review):
    newer = ({**review.result.models[0], "version": "0.3.0"},)
    anew = replace(made_up(sides=("right",)), models=newer)
    review.replace_hip(anew, "right")
    for side in review.sides:
        review.set_sign_off(side, SignOff("R1", "draft"))
    versions = [model["version"] for model in review.study_result().models]
    assert versions == ["0.3.0", "0.2.0"]
    assert review.case("right").models == newer and review.case("left").models == review.result.models
    review.undo()
    assert review.case("right").models == review.result.models


def not_sought(result):
    """The same study where nobody has looked for necrosis, as on CT."""
    masks = tuple(
        replace(
            one, necrosis=one.necrosis.like(np.zeros_like(one.necrosis.array)), probability=None, not_sought="on CT"
        )
        for one in result.masks
    )
    return replace(result, masks=masks, hips=tuple(map(grade, masks)))


def test_where_nobody_looked_for_necrosis_there_is_no_number_until_a_reader_draws_one(scene, tmp_path):
    review = begun(scene, not_sought(made_up()))
    assert review.sides == ("right", "left") and review.hip("right").status == "not graded"
    paint(review, "right", "head", ball(review, CENTRES["right"], 20.0))
    paint(review, "right", "head", ~ball(review, CENTRES["right"], 20.0), value=False)
    review.update()
    assert review.hip("right").status == "not graded" and review.hip("right").reason == "on CT"
    paint(review, "right", "necrosis", ball(review, CENTRES["right"], 10.0))
    review.update()
    assert review.hip("right").volume_ratio == pytest.approx(1 / 8, abs=0.02)
    assert [masks.side for masks in review.study_result().masks] == ["right", "left"]
    review.reset("right")
    assert review.hip("right").status == "not graded"
    _, automatic = unpacked(review.made(), review.result.volume)
    assert automatic["right"].result.status == "not graded" and automatic["right"].result.reason == "on CT"
