"""Which hips are suggested first, and why."""

from dataclasses import replace

import pytest
from reviewed_hip import Hip

from ONFHAssistLib.core.results import Grade, HipResult
from ONFHAssistLib.curation.reports.next_cases import Candidate, Remembered, approved_kinds, graded, suggest, unread

SURE = Candidate("a", "right", "coronal", "T1", "mild", "A", 0.1, (0.09, 0.11))
HAS = [{"grade": "mild", "jic": "A", "plane": "coronal", "sequence": "T1", "side": "right"}] * 10


def order(*candidates, approved=HAS):
    return [each.candidate.where for each in suggest(candidates, approved, 10)]


def test_an_uncertain_hip_goes_before_a_certain_one():
    wide = replace(SURE, where="wide", interval=(0.1, 0.35))
    border = replace(SURE, where="border", borderline=True)
    assert order(SURE, wide, border) == ["border", "wide", "a"]
    found = {each.candidate.where: each.reason for each in suggest([SURE, wide, border], HAS, 3)}
    assert found["wide"] == "Its ratio is uncertain (10 to 35 %)."
    assert found["border"] == "Its grade could be another one."
    assert found["a"] == "Nothing speaks for it but that it is unread."


def test_a_hip_that_the_networks_could_not_grade_is_uncertain():
    failed = Candidate("failed", "right", "coronal", "T1", problem="no femoral head was found.")
    first = suggest([SURE, failed], HAS, 1)[0]
    assert first.candidate is failed and "could not grade it (no femoral head was found)" in first.reason
    assert failed.uncertainty == 1.0


def test_what_the_set_lacks_goes_first_and_the_reason_says_what():
    severe = replace(SURE, where="severe", grade="severe", jic="C2")
    axial = replace(SURE, where="axial", plane="axial")
    assert order(SURE, axial, severe) == ["severe", "axial", "a"]
    reasons = [each.reason for each in suggest([severe, axial], HAS, 2)]
    assert reasons == [
        "The set has no approved hip that is severe or JIC C2.",
        "The set has no approved hip that is axial.",
    ]
    few = [*HAS, HAS[0] | {"plane": "axial"}]
    assert suggest([axial], few, 1)[0].reason == "The set has only 1 approved that is axial."


def test_what_was_suggested_counts_as_if_the_set_had_it():
    severe = [replace(SURE, where=f"severe {n}", grade="severe") for n in range(3)]
    axial = replace(SURE, where="axial", plane="axial")
    assert order(*severe, axial)[:2] in (["severe 2", "axial"], ["axial", "severe 2"])


def test_where_readers_differ_comes_first():
    failed = Candidate("failed", "left", "axial", "T2", problem="none")
    assert order(failed, replace(SURE, where="differ", differ=True)) == ["differ", "failed"]


def test_drafts_and_flagged_cases_wait_and_approved_ones_do_not(store):
    store.save(Hip().case())
    store.save(Hip("left").case(status="draft"))
    store.save(Hip(seed=1).case("other", status="flagged"))
    store.save(Hip("left", seed=1, lesion_mm=0).case("other"))
    waiting = unread(store, store.cases())
    assert sorted((each.side, each.status) for each in waiting) == [("left", "draft"), ("right", "flagged")]
    assert all(each.plane == "coronal" and each.sequence == "T1" for each in waiting)
    assert sorted(str(fields["grade"]) for fields in approved_kinds(store.cases())) == ["moderate", "without ONFH"]
    best = suggest(waiting, approved_kinds(store.cases()), 5)
    assert len(best) == 2 and best[0].score >= best[1].score
    assert suggest([], [], 5) == []


def test_a_graded_hip_becomes_a_candidate():
    grades = {"steinberg": Grade("mild", "rule", 0.149, 0.001, interval=(0.12, 0.2)), "jic": Grade("B", "rule")}
    hip = HipResult("left", "graded", volume_ratio=0.149, ratio_interval=(0.12, 0.2), grades=grades)
    found = graded("folder/study", {"plane": "axial", "sequence": "T2"}, hip)
    assert (found.side, found.plane, found.sequence, found.grade, found.jic) == ("left", "axial", "T2", "mild", "B")
    assert found.borderline and found.interval == (0.12, 0.2) and found.status == "new"
    refused = graded("x", {}, HipResult("right", "not graded", "There is metal in the right hip."))
    assert refused.uncertainty == 1.0 and refused.grade is None


def test_what_the_networks_made_of_a_study_is_remembered_without_its_place(store, tmp_path):
    models = [{"sha256": "abc"}]
    kept = Remembered(store, models)
    assert kept.get("1234", "x") is None
    kept.put("1234", [replace(SURE, where="patients/Doe Jane")])
    again = Remembered(store, models).get("1234", "moved")
    assert again == [replace(SURE, where="moved")]
    assert Remembered(store, [{"sha256": "other"}]).get("1234", "x") is None
    cached = [path.read_bytes() for path in (tmp_path / "cache").rglob("*next.json")]
    assert cached and not any(b"Doe" in content for content in cached)


@pytest.mark.parametrize("content", ["{", "[]", '{"models": ["abc"]}', '{"models": ["abc"], "studies": {"1234": [3]}}'])
def test_a_damaged_memory_counts_for_nothing(store, tmp_path, content):
    kept = Remembered(store, [{"sha256": "abc"}])
    kept.put("1234", [SURE])
    next((tmp_path / "cache").rglob("*next.json")).write_text(content)
    assert Remembered(store, [{"sha256": "abc"}]).get("1234", "x") is None
