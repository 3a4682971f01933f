"""A scene that is saved with its reviews opens with all of them restored."""

import json

import numpy as np
import pytest
import slicer
from review_parts import CENTRES, GRIDS, add_volume, made_up, paint, to_vtk, with_findings

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.labels import MaskLabel
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.scene import markups, segmentation
from ONFHAssistLib.scene.nodes import find_node
from ONFHAssistLib.scene.restoring import restore
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import NAME, TEXT, SignOff, unpacked
from ONFHAssistLib.scene.volumes import study_from_node

NEAR_MM = 1e-3
"""Files keep about six digits of a matrix."""


def begun(scene, result, name="Image"):
    return Review.begin(scene, add_volume(scene, result.volume, name=name), result)


def ball(review, side, radius_mm):
    return np.linalg.norm(review.result.volume.grid_ras() - CENTRES[side], axis=-1) <= radius_mm


def points(mask):
    """The places of a mask's voxels in the patient, in order: the same however the axes are stored."""
    found = np.round(mask.grid_ras()[mask.array], 2)
    return found[np.lexsort(found.T)]


def same_place(one, other):
    one, other = points(one), points(other)
    return one.shape == other.shape and np.abs(one - other).max(initial=0) <= 0.02


def test_everything_of_a_review_is_there_again(scene, grid, reopened):
    review = begun(scene, made_up(grid, calibrated=True))
    paint(review, "right", "necrosis", ball(review, "right", 14.0))
    paint(review, "left", "head", ball(review, "left", 8.0), value=False)
    node = markups.landmarks_node(review.volume_node)
    node.SetNthControlPointPositionWorld(markups.control_point(node, "right", "teardrop"), 55.0, 13.0, -47.0)
    review.update()
    review.set_sphere("left", Sphere((-85.0, 9.5, -20.5), 23.5))
    review.set_sign_off("right", SignOff("AB", "flagged", "see slice 7"))
    (again,) = restore(reopened())

    assert again.sides == review.sides
    for side in review.sides:
        now, then = again.masks(side).whole(), review.masks(side).whole()
        assert same_place(now.head, then.head) and same_place(now.necrosis, then.necrosis)
        assert now.sphere.centre_ras_mm == pytest.approx(then.sphere.centre_ras_mm, abs=NEAR_MM)
        assert now.sphere.radius_mm == then.sphere.radius_mm
        assert now.landmarks.teardrop_ras_mm == pytest.approx(then.landmarks.teardrop_ras_mm, abs=NEAR_MM)
        assert now.landmarks.acetabular_edge_confidence == 0.9
        assert now.landmarks.teardrop_confidence == (None if side == "right" else 0.8)
        for one, other in ((again.hip(side), review.hip(side)), (again.automatic(side), review.automatic(side))):
            assert one.volume_ratio == pytest.approx(other.volume_ratio, abs=1e-9)
            assert one.ratio_interval == pytest.approx(other.ratio_interval, abs=1e-9)
            assert {n: g.grade for n, g in one.grades.items()} == {n: g.grade for n, g in other.grades.items()}
            assert len(one.slices) == len(other.slices)
    assert again.sign_off("right") == SignOff("AB", "flagged", "see slice 7") and again.sign_off("left") == SignOff()
    assert again.result.models == review.result.models and again.result.source == review.result.source
    assert not again.can_undo and not again.unsaved and again.update() == ()


def test_a_restored_review_goes_on(scene, grid, reopened):
    review = begun(scene, made_up(grid, calibrated=True))
    paint(review, "right", "necrosis", ball(review, "right", 14.0))
    review.update()
    (again,) = restore(reopened())
    assert again.changed("right") and not again.changed("left")
    again.reset("right")
    assert not again.changed("right")
    assert same_place(again.masks("right").whole().necrosis, review.result.masks[0].whole().necrosis)
    assert again.hip("right").ratio_interval == pytest.approx(review.automatic("right").ratio_interval)
    paint(again, "left", "necrosis", ball(again, "left", 14.0))
    assert again.update() == ("left",)
    assert again.undo() and again.undo() and not again.can_undo


def test_segments_have_their_own_label_values_again(scene, reopened):
    begun(scene, made_up())
    (again,) = restore(reopened())
    for label in segmentation.LABELS:
        name = segmentation.segment_id(again.segmentation_node, label)
        assert again.segmentation_node.GetSegmentation().GetSegment(name).GetLabelValue() == label


def test_what_other_systems_have_found_is_kept_too(scene, grid, reopened):
    review = begun(scene, with_findings(made_up(grid)))
    (again,) = restore(reopened())
    out, before = again.study_result(), review.study_result()
    assert [found.about for found in out.findings] == [found.about for found in before.findings]
    assert out.findings[-1] == before.findings[-1]
    for now, then in zip(out.findings, before.findings, strict=True):
        assert now.grades == then.grades and now.figures == then.figures
        for one, other in zip(now.masks, then.masks, strict=True):
            assert (one.name, one.label, one.color) == (other.name, other.label, other.color)
            assert same_place(one.volume, other.volume)
        if then.attention is not None:
            assert now.attention.array.sum() == pytest.approx(then.attention.array.sum())
            assert now.attention.array.dtype == np.float32
        if then.strip is not None:  # the same slices of the image, whatever their numbers are now
            assert [s.probability for s in now.strip.slices] == [s.probability for s in then.strip.slices]
            for s, before_s in zip(now.strip.slices, then.strip.slices, strict=True):
                assert s.position_ras_mm == pytest.approx(before_s.position_ras_mm)
                assert out.volume.ijk(np.array(s.position_ras_mm))[2] == pytest.approx(s.index, abs=1e-3)
        ratios = {round(float(s.position_ras_mm[1] + s.position_ras_mm[2]), 2): s.ratio for s in then.slices}
        assert [s.index for s in now.slices] == sorted(s.index for s in now.slices)
        for s in now.slices:
            assert s.ratio == ratios[round(float(s.position_ras_mm[1] + s.position_ras_mm[2]), 2)]
            marked = next(mask.volume for mask in now.masks if mask.label == 102)
            assert (marked.array[s.index].any()) == (s.necrosis_mm2 > 0)


def test_a_strip_in_slices_that_the_volume_does_not_have_is_refused(scene):
    review = begun(scene, with_findings(made_up()))
    plain = review.made()
    plain["automatic"]["right"]["findings"][0]["finding"]["strip"]["slices"][1]["index"] = 10**6
    with pytest.raises(ValueError, match="does not have"):
        unpacked(plain, study_from_node(review.volume_node).volume)


def as_0_1_0_kept_it(plain, result=None):
    """What version 0.1.0 wrote of the same review: one place in each hip for one other system."""
    del plain["findings"]
    for hip in plain["automatic"].values():
        del hip["findings"]
        hip["threshold"] = hip["threshold_result"] = None
        if result is not None:
            hip["threshold"], hip["threshold_result"] = dict(hip), result
    for hip in plain["missed"]:
        hip["threshold"] = None
    return json.loads(json.dumps(plain))


def test_what_an_older_version_kept_opens(scene):
    review = begun(scene, made_up(missed=("left",)))
    plain = as_0_1_0_kept_it(review.made())
    again, automatic = unpacked(plain, study_from_node(review.volume_node).volume)
    assert again.findings == () and automatic["right"].findings == () and again.hips[1].status == "not graded"


def test_what_an_older_version_kept_of_its_other_system_is_a_finding(scene):
    review = begun(scene, made_up())
    grade = {"grade": "mild", "rule": "x", "value": 0.1, "margin": 0.05, "unit": "", "details": {}, "interval": None}
    result = {"threshold": -0.2, "contrast": 0.4, "contrast_from": 0.22, "passed": True, "head_volume_ml": 1.0}
    result |= {"necrosis_volume_ml": 0.1, "volume_ratio": 0.1, "slices": [], "grade": grade}
    result |= {"head_dice": 1.0, "necrosis_dice": None}
    again, _ = unpacked(as_0_1_0_kept_it(review.made(), result), study_from_node(review.volume_node).volume)
    assert [found.about for found in again.findings] == ["right", "left"]
    for found, masks in zip(again.findings, review.result.masks, strict=True):
        assert (found.value("threshold"), found.value("contrast"), found.value("passed")) == (-0.2, 0.4, True)
        assert np.array_equal(found.masks[1].volume.array, masks.whole().necrosis.array)
        assert found.value("volume_ratio") == pytest.approx(masks.necrosis.array.sum() / masks.head.array.sum())


def test_a_hip_that_was_segmented_anew_is_restored_as_such(scene, reopened):
    review = begun(scene, made_up(missed=("left",)))
    review.replace_hip(made_up(sides=("left",)), "left")
    (again,) = restore(reopened())
    assert again.hip("left") == again.automatic("left") and again.hip("left").status == "graded"
    review.undo()
    (earlier,) = restore(reopened())
    assert earlier.hip("left").status == "not graded" and earlier.hip("left").reason == "no femoral head was found"


def test_several_studies_are_restored_each_with_its_own(scene, reopened):
    first = begun(scene, made_up(GRIDS["coronal"]), "one")
    second = begun(scene, made_up(GRIDS["axial left-handed"], sides=("left",)), "two")
    paint(second, "left", "necrosis", ball(second, "left", 14.0))
    second.update()
    opened = reopened()
    found = {review.volume_node.GetName(): review for review in restore(opened)}
    assert set(found) == {"one", "two"}
    assert found["one"].sides == first.sides and found["two"].sides == ("left",)
    assert found["two"].changed("left") and not found["one"].changed("left")
    assert restore(opened, known=list(found.values())) == []


def test_under_a_linear_transform_all_comes_back_to_its_place(scene, reopened):
    result = made_up(GRIDS["oblique"])
    shift = np.eye(4)
    shift[:3, 3] = (40.0, -15.0, 8.0)
    node = add_volume(scene, Volume(result.volume.array, np.linalg.inv(shift) @ result.volume.ijk_to_ras))
    above = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    above.SetMatrixTransformToParent(to_vtk(shift))
    node.SetAndObserveTransformNodeID(above.GetID())
    review = Review.begin(scene, node, result)
    paint(review, "right", "necrosis", ball(review, "right", 14.0))
    review.update()
    (again,) = restore(reopened())
    assert same_place(again.masks("right").whole().necrosis, review.masks("right").whole().necrosis)
    assert again.hip("right").sphere.centre_ras_mm == pytest.approx(tuple(CENTRES["right"]), abs=NEAR_MM)


def test_a_segment_that_was_deleted_stays_empty(scene, reopened):
    review = begun(scene, made_up())
    review.segmentation_node.GetSegmentation().RemoveSegment("right_necrosis")
    review.update()
    (again,) = restore(reopened())
    assert again.hip("right").volume_ratio == 0 and again.automatic("right").volume_ratio > 0.2


def test_the_patient_is_not_in_the_file(scene):
    review = begun(scene, made_up())
    review.set_sign_off("right", SignOff("AB", "draft", "c"))
    text = find_node(review.volume_node, NAME, TEXT).GetText()
    assert "HOSP" not in text and "4711" not in text and "patient" not in text


@pytest.mark.parametrize("how", ["cut off", "of a later version", "another grid"])
def test_what_cannot_be_read_is_said_in_one_sentence_and_loses_nothing(scene, how):
    review = begun(scene, made_up())
    review.close()
    node = find_node(review.volume_node, NAME, TEXT)
    if how == "cut off":
        node.SetText(node.GetText()[:-40])
    elif how == "of a later version":
        node.SetText(json.dumps({**json.loads(node.GetText()), "schema": "onfh-assist-review/99"}))
    else:
        review.volume_node.SetSpacing(1.1, 1.1, 1.1)
    with pytest.raises(InputError, match="cannot be read"):
        restore(scene)
    assert review.segmentation_node.GetSegmentation().GetNumberOfSegments() == 4
    assert review.segmentation_node.GetScene() is scene


def test_a_scene_without_reviews_restores_none(scene):
    add_volume(scene, made_up().volume)
    scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert restore(scene) == []


def test_a_segmentation_saved_by_itself_has_everything_to_be_read_again(scene, tmp_path):
    review = begun(scene, made_up(GRIDS["oblique left-handed"]))
    storage, path = slicer.vtkMRMLSegmentationStorageNode(), str(tmp_path / "masks.seg.nrrd")
    storage.SetFileName(path)
    assert storage.WriteData(review.segmentation_node)
    again = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert storage.ReadData(again)
    for masks in (hip.whole() for hip in review.result.masks):
        for label, mask in zip(segmentation.labels_of(masks.side), (masks.head, masks.necrosis), strict=True):
            found = segmentation.read_mask(again, review.volume_node, label)
            assert np.array_equal(found.within(mask.whole), mask.array)
    assert MaskLabel.LEFT_NECROSIS == 4
    assert review.update() == ()  # saving joins and renumbers the label maps: nothing has changed


def test_a_draft_in_plain_values_is_taken_up_again(scene):
    """What the browser keeps between two visits."""
    review = begun(scene, made_up(missed=("left",)))
    review.replace_hip(made_up(sides=("left",)), "left")
    paint(review, "left", "necrosis", ball(review, "left", 14.0))
    review.set_sphere("right", Sphere((88.5, 12.0, -24.0), 24.5))
    made, now = json.loads(json.dumps(review.made())), json.loads(json.dumps(review.now()))
    before = {side: review.masks(side).whole() for side in review.sides}
    hips = {side: review.hip(side) for side in review.sides}
    scene.Clear(0)

    volume = add_volume(scene, made_up().volume)
    result, automatic = unpacked(made, study_from_node(volume).volume)
    assert set(automatic) == {"right", "left"}
    again = Review.begin(scene, volume, result)
    assert not again.changed("left")
    again.take_up(now)
    for side in again.sides:
        assert np.array_equal(again.masks(side).whole().head.array, before[side].head.array)
        assert np.array_equal(again.masks(side).whole().necrosis.array, before[side].necrosis.array)
        assert again.hip(side) == hips[side]
    assert again.undo() == "draft taken up" and not again.changed("left")
    with pytest.raises(InputError, match="draft of this study cannot be read"):
        again.take_up({"left": {**now["left"], "head": "????"}})
