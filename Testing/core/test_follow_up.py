"""Two results of the same hips are compared: what has grown, and which class has become another one."""

from dataclasses import replace

import pytest

from ONFHAssistLib.core.follow_up import compare
from ONFHAssistLib.core.results import Grade, HipResult


def hip(side: str, ratio: float, grade: str, **grades: Grade) -> HipResult:
    steinberg = Grade(grade, "rule", ratio)
    return HipResult(
        side,
        "graded",
        head_volume_ml=50.0,
        necrosis_volume_ml=50 * ratio,
        volume_ratio=ratio,
        grades={"steinberg": steinberg, **grades},
    )


def test_a_lesion_that_has_grown_is_told_in_its_own_units():
    (change,) = compare([hip("left", 0.12, "mild")], [hip("left", 0.2, "moderate")])
    assert change.side == "left"
    assert change.amounts["volume_ratio"].difference == pytest.approx(0.08)
    assert change.amounts["necrosis_volume_ml"].difference == pytest.approx(4.0)
    assert change.amounts["head_volume_ml"].difference == 0
    before, now = change.grades["steinberg"]
    assert (before.grade, now.grade) == ("mild", "moderate")


def test_a_grade_that_only_one_study_has_stands_alone():
    jic = Grade("B", "rule", 0.5)
    (change,) = compare([hip("right", 0.1, "mild")], [hip("right", 0.1, "mild", jic=jic)])
    assert change.grades["jic"] == (None, jic)
    (back,) = compare([change.now], [change.before])
    assert back.grades["jic"] == (jic, None)


def test_only_hips_that_are_graded_in_both_are_compared_right_before_left():
    both = [hip("left", 0.1, "mild"), hip("right", 0.3, "moderate")]
    assert [change.side for change in compare(both, both)] == ["right", "left"]
    metal = replace(both[0], status="not graded", reason="metal")
    assert [change.side for change in compare([metal, both[1]], both)] == ["right"]
    assert compare([], both) == ()
