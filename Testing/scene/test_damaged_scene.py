"""Scenes and drafts from elsewhere: whatever they hold is refused with a sentence, or taken up with the rest as it was.

What grows without end or never comes back, such as a sphere as large as a room, would show here as a test that does.
"""

import base64
import json
import zlib
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from review_parts import CORONAL, Grid, add_volume, made_up, with_findings

from ONFHAssistLib.core import measure
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.outside import parse_json
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.scene.hip_state import automatic_of
from ONFHAssistLib.scene.markups import landmarks_node, read_sphere
from ONFHAssistLib.scene.nodes import find_node
from ONFHAssistLib.scene.restoring import restore
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import (
    CASE,
    DRAWN_BY,
    NAME,
    REVIEWED,
    SIGN_OFF,
    TEXT,
    SignOff,
    kept_case,
    packed,
    packed_state,
    unpacked,
    unpacked_state,
)
from Testing.damage import WHOLE, apart_from, damaged

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")
SMALL = Grid(CORONAL, (6.0, 6.0, 12.0))
NO_JSON = ("x", "[" * 600 + "]" * 600, "[" * 100_000, '"\\ud800"', '{"x": 1e999}', "[null]", '{"status": {}}', "-1")


def small():
    """A small study with one hip in all details, and one that was not found."""
    return with_findings(made_up(SMALL, missed=("left",), calibrated=True))


def as_file(plain):
    return parse_json(json.dumps(plain).encode())


def as_kept():
    """A small study, and what is kept of it."""
    study = small()
    return study, as_file(packed(study, automatic_of(study)))


def begun(scene):
    study = small()
    return Review.begin(scene, add_volume(scene, study.volume), study)


def same_hip(one, other, side="right"):
    return one.hip(side) == other.hip(side) and np.array_equal(one.masks(side).head.array, other.masks(side).head.array)


def test_what_the_networks_made_is_taken_up_as_it_was_or_refused(monkeypatch):
    monkeypatch.setattr(measure, "REFORMATTED_STEP_MM", 12.0)  # it is measured some hundred times
    study, sound = as_kept()
    taken = refused = 0
    for path, plain in islice(damaged(sound), 0, None, 2):  # in each place every other value
        try:
            again = as_file(packed(*unpacked(as_file(plain), study.volume)))
        except ValueError:
            refused += 1
            continue
        taken += 1
        assert apart_from(again, path) == apart_from(sound, path), path
    assert taken > 100 and refused > 500


def test_how_a_reader_left_a_hip_is_taken_up_as_it_was_or_refused():
    study = small()
    (start,) = (one.state for one in automatic_of(study).values())
    sound = as_file(packed_state(start))
    taken = refused = 0
    for path, plain in damaged(sound):
        try:
            again = as_file(packed_state(unpacked_state(plain, start.automatic, study.volume.shape)))
        except ValueError:
            refused += 1
            continue
        taken += 1
        assert apart_from(again, path) == apart_from(sound, path), path
    assert taken > 5 and refused > 100


def _bits(content):
    return base64.b64encode(zlib.compress(content)).decode()


def _in_hip(**entries):
    return lambda plain: plain["automatic"]["right"].update(entries)


def _in_finding(**entries):
    return lambda plain: plain["automatic"]["right"]["findings"][0]["finding"].update(entries)


def _in_mask(**entries):
    return lambda plain: plain["automatic"]["right"]["findings"][0]["finding"]["masks"][0].update(entries)


def _moved_finding(plain):
    plain["findings"].append(plain["automatic"]["right"]["findings"].pop())


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (_in_hip(sphere={"centre_ras_mm": [88.0, 12.0, -24.0], "radius_mm": 1e6}), "10 to 40 mm"),
        (_in_hip(sphere={"centre_ras_mm": [88.0, 12.0, -24.0], "radius_mm": -24.0}), "10 to 40 mm"),
        (_in_hip(sphere={"centre_ras_mm": [88.0, 1e300, -24.0], "radius_mm": 24.0}), "kilometres away"),
        (_in_hip(sphere={"centre_ras_mm": [float("nan"), 0.0, 0.0], "radius_mm": 24.0}), "no number"),
        (_in_hip(landmarks={"teardrop_ras_mm": [1e9, 0.0, 0.0]}), "kilometres away"),
        (_in_hip(landmarks={"teardrop_ras_mm": [60.0, 0.0, 0.0], "teardrop_confidence": 7.0}), "confidence"),
        (_in_hip(calibration={"certain": 1e300, "possible": 0.3, "sequences": ["T1"]}), "calibration"),
        (_in_hip(calibration={"certain": 0.7, "possible": 0.3, "sequences": ["T1"], "head_mm": 24.0}), "calibration"),
        (_in_hip(head=_bits(b"")), "another shape"),
        (_in_hip(head=_bits(bytes(10**8))), "another shape"),
        (_in_hip(head="no base64!"), "base64"),
        (_in_hip(box=[[0, 1], [0, 2], [0, 4]], head=_bits(b"\0"), necrosis=_bits(b"\0"), probability=None), "no head"),
        (_in_hip(box=[[0, 99], [0, 99], [0, 99]]), "box"),
        (_in_finding(about="left"), "another hip"),
        (_in_finding(probabilities={"collapse": 7.0}), "0 to 1"),
        (_in_mask(label=1), "label"),
        (_in_mask(color="red"), "colour"),
        (_in_mask(title="two\nlines"), "name"),
        (_moved_finding, "twice"),
        (lambda plain: plain["automatic"].update(middle=plain["automatic"]["right"]), "'middle'"),
        (lambda plain: plain["automatic"].update(left=plain["automatic"]["right"]), "twice"),
        (lambda plain: plain["missed"].append(plain["missed"][0]), "twice"),
        (lambda plain: plain["missed"][0].update(status="graded", volume_ratio=0.4), "no masks"),
        (lambda plain: plain["missed"][0].update(sphere={"centre_ras_mm": [0, 0, 0], "radius_mm": 1e6}), "10 to 40 mm"),
        (lambda plain: plain.update(shape=[1, 2, 3]), "another grid"),
        (lambda plain: plain["ijk_to_ras"][0].__setitem__(0, 1e200), "kilometres away"),
    ],
)
def test_what_no_analysis_says_is_refused_before_it_is_measured(monkeypatch, lie, why):
    study, plain = as_kept()
    monkeypatch.setattr("ONFHAssistLib.scene.kept.grade", lambda *_: pytest.fail("it is measured"))
    lie(plain)
    with pytest.raises(ValueError, match=why):
        unpacked(plain, study.volume)


def test_a_slice_that_the_image_does_not_have_is_none_of_a_finding():
    study, plain = as_kept()
    plain["automatic"]["right"]["findings"][0]["finding"]["slices"][0]["index"] = 99
    with pytest.raises(ValueError, match="slices"):
        unpacked(plain, study.volume)


def test_facts_of_the_image_that_were_not_kept_are_taken_from_it():
    study, plain = as_kept()
    plain["source"] = {"sequence": "T1"}
    source = unpacked(plain, study.volume)[0].source
    assert source["sequence"] == "T1" and source["plane"] == "coronal" and source["modality"] == "unknown"


@pytest.mark.parametrize("content", WHOLE)
def test_a_scene_with_another_text_in_place_of_its_review_is_refused(scene, content):
    review = begun(scene)
    review.close()
    find_node(review.volume_node, NAME, TEXT).SetText(content)
    with pytest.raises(InputError, match=r"cannot be read \(.+\); analyse the volume again\.$"):
        restore(scene)
    assert not Review.begin(scene, review.volume_node, review.result).unsaved


@pytest.mark.parametrize("name", [f"{SIGN_OFF}.right", f"{REVIEWED}.right", f"{DRAWN_BY}.right", CASE])
def test_a_scene_with_a_damaged_attribute_is_refused_or_opens_with_all_the_rest(scene, name):
    review = begun(scene)
    review.close()
    node = find_node(review.volume_node, NAME, TEXT)
    refused = 0
    for text in (*NO_JSON, b"\xff\xfe", "[99]", '["AB", 1]', '{"folder": "x", "name": 1}'):
        node.SetAttribute(name, text)
        try:
            (again,) = restore(scene)
        except InputError as error:
            assert str(error).endswith("; analyse the volume again.")
            refused += 1
            continue
        assert same_hip(again, review)
        assert again.sign_off("right") == SignOff()
        again.close()
    assert refused or name.startswith(SIGN_OFF)
    assert Review.begin(scene, review.volume_node, review.result).reviewed("right") is None


def test_a_case_that_a_scene_keeps_comes_back(scene):
    review = begun(scene)
    case = OpenCase("/data", "onfh-0001-right", "right", "AB", readers=("AB", "CD"))
    review.renew(case)
    assert kept_case(review.volume_node) == case


def test_a_scene_with_a_sphere_of_no_head_has_that_of_the_networks(scene):
    review = begun(scene)
    review.close()
    node = landmarks_node(review.volume_node)
    for radius in ("-24", "0", "nan", "inf", "x", "[24]", "1e999", b"\xff", "1e6"):
        node.SetAttribute("ONFHAssist.RightRadiusMm", radius)
        assert read_sphere(node, "right") is None
    (again,) = restore(scene)
    assert same_hip(again, review) and not again.changed("right")


def test_a_landmark_that_lies_nowhere_is_not_placed(scene):
    review = begun(scene)
    review.close()
    node = landmarks_node(review.volume_node)
    for index, at in enumerate([(1e300, 0.0, 0.0), (float("nan"), 0.0, 0.0), (0.0, -1e7, 0.0)]):
        node.SetNthControlPointPosition(index, *at)
    (again,) = restore(scene)
    landmarks = again.hip("right").landmarks
    assert landmarks.teardrop_ras_mm is None and landmarks.acetabular_edge_ras_mm is None
    assert again.hip("right").sphere == review.hip("right").sphere


@pytest.mark.parametrize("text", ["x", "[" * 600 + "]" * 600, "[1, 2]", "[1e300, 0, 0, 0.9]"], ids=len)
def test_a_landmark_whose_note_is_damaged_lies_where_it_is(scene, text):
    review = begun(scene)
    review.close()
    landmarks_node(review.volume_node).SetAttribute("ONFHAssist.RightTeardrop", text)
    (again,) = restore(scene)
    then, now = review.hip("right").landmarks, again.hip("right").landmarks
    assert now == replace(then, teardrop_ras_mm=now.teardrop_ras_mm, teardrop_confidence=None)
    assert now.teardrop_ras_mm == pytest.approx(then.teardrop_ras_mm, abs=1e-3)


@pytest.mark.parametrize("spacing_mm", [1e-9, 1e9])
def test_a_volume_that_is_no_body_is_refused(scene, spacing_mm):
    review = begun(scene)
    review.close()
    review.volume_node.SetSpacing(*[spacing_mm] * 3)
    with pytest.raises(InputError, match="spacing"):
        restore(scene)


def test_one_damaged_review_of_a_scene_costs_itself_and_no_other(scene):
    study = small()
    reviews = [Review.begin(scene, add_volume(scene, study.volume, name=name), study) for name in ("1", "2", "3")]
    for review in reviews:
        review.close()
    find_node(reviews[1].volume_node, NAME, TEXT).SetText("{")
    told = []
    found = restore(scene, damaged=told.append)
    assert [review.volume_node.GetName() for review in found] == ["1", "3"]
    assert all(same_hip(review, reviews[0]) for review in found)
    (sentence,) = told
    assert sentence.startswith("2: The review that is kept") and sentence.endswith("analyse the volume again.")


def test_a_review_that_a_scene_lists_twice_is_one(scene):
    review = begun(scene)
    review.close()
    again = scene.AddNewNodeByClass(TEXT)
    node = find_node(review.volume_node, NAME, TEXT)
    again.CopyContent(node)
    again.SetAttribute("ONFHAssist.Role", NAME)
    again.SetNodeReferenceID("ONFHAssistVolume", review.volume_node.GetID())
    assert len(restore(scene)) == 1


def test_a_draft_that_is_none_is_told_of_and_changes_nothing(scene):
    review = begun(scene)
    sound = as_file(review.now())
    for now in ({"right": None}, {"right": []}, {"left": sound["right"]}, {"right": {**sound["right"], "head": ""}}):
        with pytest.raises(InputError, match=r"^The draft of this study cannot be read \(.+\); start from"):
            review.take_up(now)
    assert not review.changed("right") and not review.can_undo


def test_a_draft_with_an_erased_head_is_taken_up(scene):
    review = begun(scene)
    review.segmentation_node.GetSegmentation().RemoveSegment("right_head")
    review.update()
    now = as_file(review.now())
    review.reset("right")
    review.take_up(now)
    assert not review.masks("right").head.array.any() and "empty" in review.hip("right").reason


def test_a_draft_with_another_sphere_is_taken_up_with_it(scene):
    review = begun(scene)
    sphere = Sphere((88.5, 12.0, -24.0), 24.5)
    review.set_sphere("right", sphere)
    now = as_file(review.now())
    review.reset("right")
    review.take_up(now)
    assert review.hip("right").sphere == sphere
