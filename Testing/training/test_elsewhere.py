"""Places without a head, and the counts of what is found."""

import numpy as np
import pytest

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.volume import Volume
from training.measuring import elsewhere
from training.real.data import NO_DATA, data_folder

GRID = Volume(np.zeros((20, 60, 60), np.uint8), np.diag([2.0, 2.0, 5.0, 1.0]))


@pytest.mark.parametrize(("low_mm", "reaches"), [(49.0, True), (73.0, True), (75.0, False)])
def test_a_box_counts_as_beside_the_head_only_where_its_sphere_does_not_reach_into_it(low_mm, reaches):
    """The sphere of 24 mm lies about x = 50 mm: it ends at 74."""
    low, high = np.array([low_mm / 2, 0, 0]), np.array([60, 60, 20])
    assert elsewhere._reaches(GRID, Sphere((50.0, 60.0, 50.0), 24.0), low, high) == reaches


def found(image="a_t1.nii.gz", **more):
    row = {"image": image, "side": "left", "whole": True, "status": "graded", "segmented": True, "centre_mm": 1.0}
    return row | {"ratio": 0.0, "steinberg": "without ONFH"} | more


def test_whole_and_cut_heads_mr_and_ct_are_counted_apart():
    rows = [
        found(),
        found(centre_mm=4.0, steinberg="mild", ratio=0.03),
        found("b_ct.nii.gz", status="not graded", ratio=None, steinberg=None),
        found("c_ct.nii.gz", ratio=0.2, steinberg="severe"),
        found(status="not graded", segmented=False, centre_mm=9.0),
        found(whole=False),
        found(whole=False, status="not graded", segmented=False),
    ]
    summary = elsewhere.summarise_heads(rows)
    assert (summary["whole"], summary["found"], summary["near"]) == (5, 4, 3)
    assert (summary["cut"], summary["cut_graded"]) == (2, 1)
    assert (summary["mr_found"], summary["mr_without_onfh"], summary["ct_with_number"]) == (2, 1, 1)


def test_answers_are_counted_for_each_kind_of_place():
    rows = [{"kind": "crop", "number": n, "what": "x", "answer": a} for n, a in enumerate(["none", "asks", "graded"])]
    rows += [{"kind": "crop", "number": 9, "answer": "no such place"}, {"kind": "image", "number": 0, "answer": "none"}]
    summary = elsewhere.summarise_nowhere(rows)
    assert summary["crop"] == {"places": 3, "graded": 1, "asks": 1, "none": 1}
    assert summary["image"]["none"] == 1 and [r["answer"] for r in summary["rows"]] == ["asks", "graded"]


def test_a_wrong_grade_in_noise_counts_as_unwarned_unless_it_is_warned_of():
    rows = [
        {"level": 0.06, "status": "graded", "steinberg": "without ONFH", "warned": False},
        {"level": 0.06, "status": "graded", "steinberg": "mild", "warned": True},
        {"level": 0.06, "status": "graded", "steinberg": "severe", "warned": False},
        {"level": 0.06, "status": "not graded", "steinberg": None, "warned": True},
    ]
    counts = {"heads": 4, "without_onfh": 1, "wrong": 2, "wrong_without_warning": 1, "not_graded": 1}
    assert elsewhere.summarise_noise(rows)["6%"] == counts


@pytest.mark.parametrize("number", range(8))
def test_procedural_knees_and_shoulders_are_images_of_their_contrast(number, monkeypatch):
    monkeypatch.setattr(elsewhere, "measured_femora", list)
    name, study = elsewhere._stranger(number)
    array = study.volume.array
    assert name.startswith(("knee", "shoulder")[number % 2]) and study.source["modality"] in ("MR", "CT")
    assert np.isfinite(array).all() and (array.min() < -500) == (study.source["modality"] == "CT")
    assert np.min(np.array(array.shape[::-1]) * study.volume.spacing_mm) > 40


@pytest.mark.skipif(data_folder() is None, reason=NO_DATA)
def test_crops_of_real_studies_lie_beside_their_heads():
    name, study = elsewhere._crop(0)
    assert name and min(study.volume.array.shape) > 3
