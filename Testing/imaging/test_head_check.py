"""Whether what was found is a femoral head: the shipped network on the sample study, and what its answers lead to."""

from functools import cache

import numpy as np
import pytest
from hip_phantom import anatomy_network, finder_network, network

from ONFHAssistLib import analysis
from ONFHAssistLib.core.geometry import SIDES, HeadSeed, Sphere
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.head_check import OUTSIDE, HeadCheck, check_head, head_box, middle
from ONFHAssistLib.imaging.locate import locate_hips
from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.systems.base import Models
from Testing.imaging.test_locate import pelvis


@cache
def sample():
    study = read_study(resource_path("SampleData", "procedural_t1.nii.gz"))
    models = analysis.open_models("cpu", threads=1)
    return study, models, {hip.side: hip.sphere for hip in analysis.analyse(study, models=models).hips}


@pytest.mark.parametrize("side", SIDES)
def test_the_heads_of_the_sample_study_are_heads_of_their_side(side):
    study, models, spheres = sample()
    found = check_head(study.volume, "MR", spheres[side], side, models["head_check"])
    assert found.answer == "head" and found.as_posed > 0.9
    other = SIDES[1 - SIDES.index(side)]
    assert check_head(study.volume, "MR", spheres[side], other, models["head_check"]).as_posed < 0.1


@pytest.mark.parametrize("away_mm", [(45.0, 0.0, -45.0), (-35.0, 0.0, 45.0), (0.0, 45.0, -40.0)])
def test_a_sphere_beside_the_head_is_not_taken_for_it(away_mm):
    study, models, spheres = sample()
    beside = Sphere(tuple(np.array(spheres["right"].centre_ras_mm) + away_mm), spheres["right"].radius_mm)
    assert check_head(study.volume, "MR", beside, "right", models["head_check"]).answer != "head"


def test_the_box_has_the_same_content_for_both_sides_and_says_what_is_outside():
    x = np.arange(60.0)
    matrix = np.diag([3.0, 3.0, 3.0, 1.0])
    volume = Volume(np.broadcast_to(10 + x, (60, 60, 60)).astype(np.float32), matrix)  # brighter to the right
    sphere = Sphere((90.0, 90.0, 90.0), 24.0)
    right, left = (head_box(volume, "MR", sphere, side, 32, 3.0) for side in SIDES)
    np.testing.assert_allclose(right[0], left[0][..., ::-1], atol=0.05)
    assert right[0, 0, 0, -1] > right[0, 0, 0, 0]  # away from the midline is the right of a right hip
    assert right[1, 16, 16, 16] == 1.5 and right[1, 0, 0, 0] == -1.5
    edge = head_box(volume, "MR", Sphere((0.0, 90.0, 90.0), 24.0), "right", 32, 3.0)
    assert (edge[0, :, :, :15] == OUTSIDE).all() and (edge[0, :, :, 17:] > OUTSIDE).all()


def test_only_the_middle_counts():
    logits = np.zeros((3, 4, 4, 4))
    logits[:, 1:3, 1:3, 1:3] = 5.0
    np.testing.assert_array_equal(middle(logits), [5.0, 5.0, 5.0])


@pytest.mark.parametrize(("head", "answer"), [(0.96, "head"), (0.5, "unsure"), (0.19, "none")])
def test_there_are_three_answers(head, answer):
    assert HeadCheck(head, 1.0).answer == answer


def says(none: float, posed: float, mirrored: float):
    """A head check that always has these probabilities."""
    logits = np.log([none, posed, mirrored])[None, :, None, None, None]
    return network(
        lambda batch: np.broadcast_to(logits, (len(batch), 3, *batch.shape[2:])), "head_check",
        size_px=[32, 32, 32], pixel_mm=3.0,
    )  # fmt: skip


def test_what_is_no_head_is_not_found_and_what_may_be_one_is_for_a_reader():
    image, networks = pelvis("axial", "left"), (finder_network(), anatomy_network())
    none = locate_hips(image, "CT", *networks, says(0.9, 0.05, 0.05))
    assert none.heads == {} and none.doubts == {}
    unsure = locate_hips(image, "CT", *networks, says(0.5, 0.45, 0.05))
    assert unsure.heads == {} and unsure.doubts["left"].reason == "only 50% sure to be a femoral head"
    sure = locate_hips(image, "CT", *networks, says(0.01, 0.98, 0.01))
    assert set(sure.heads) == {"left"} and sure.doubts == {}


def surer_on_the_right(batch):
    """A head check that is sure of the first place that it is asked about, and half sure of the others."""
    surer_on_the_right.asked += 1
    odds = [0.01, 0.98, 0.01] if surer_on_the_right.asked == 1 else [0.5, 0.49, 0.01]
    logits = np.log(odds)[None, :, None, None, None]
    return np.broadcast_to(logits, (len(batch), 3, *batch.shape[2:]))


def test_a_doubtful_head_beside_a_sure_one_of_the_other_side_is_taken_for_its_pair():
    """A head full of necrosis looks less like one; two doubtful places may be two knees."""
    surer_on_the_right.asked = 0
    check = network(surer_on_the_right, "head_check", size_px=[32, 32, 32], pixel_mm=3.0)
    image, networks = pelvis("axial", "right", "left"), (finder_network(), anatomy_network())
    found = locate_hips(image, "CT", *networks, check)
    assert set(found.heads) == {"right", "left"} and found.doubts == {}
    assert found.heads["right"][0] > found.heads["left"][0]
    both = locate_hips(image, "CT", *networks, says(0.5, 0.49, 0.01))
    assert both.heads == {} and set(both.doubts) == {"right", "left"}


def test_a_single_head_that_looks_like_one_of_the_other_side_is_for_a_reader():
    found = locate_hips(pelvis("axial", "left"), "CT", finder_network(), anatomy_network(), says(0.02, 0.03, 0.95))
    assert found.heads == {} and "looks like a right one" in found.doubts["left"].reason


def test_a_doubtful_head_is_not_graded_and_its_place_is_said():
    study, models, spheres = sample()
    doubtful = Models({**models.networks, "head_check": says(0.5, 0.4, 0.1)})
    result = analysis.analyse(study, models=doubtful)
    reasons = [hip.reason for hip in result.hips if hip.reason and "sure to be a femoral head" in hip.reason]
    assert len(reasons) == 2 and "mm RAS" in reasons[0] and not result.masks
    side = result.hips[0].side
    given = analysis.AnalysisOptions(sides=(side,), heads=(HeadSeed(side, spheres[side].centre_ras_mm),))
    assert analysis.analyse(study, given, models=doubtful).hips[0].status == "graded"
