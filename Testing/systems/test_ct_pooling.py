"""Slices of a hip to one value: every rule against counts made by hand, on thick and on thin slices."""

import pytest

from ONFHAssistLib.systems.coronal_ct.pooling import RULES, decision_of, pool, pool_patient

SLICES = [0.1, 0.9, 0.8, 0.2, 0.7, 0.6, 0.65, 0.1]


def test_each_rule_gives_what_is_counted_by_hand():
    assert pool(SLICES, "maximum", 3.0) == 0.9
    assert pool(SLICES, "mean of the top three", 3.0) == pytest.approx(0.8)
    assert pool(SLICES, "longest run", 3.0, run_from=0.5) == 9.0
    assert pool(SLICES, "longest run", 3.0, run_from=0.75) == 6.0


def test_a_hip_without_a_suspicious_slice_has_no_run():
    assert pool([0.1, 0.2], "longest run", 3.0) == 0.0


def test_thin_slices_of_the_same_hip_give_the_same_value():
    thin = [value for value in SLICES for _ in range(3)]
    for rule in RULES:
        assert pool(thin, rule, 1.0) == pytest.approx(pool(SLICES, rule, 3.0))


def test_fewer_than_three_slices_are_averaged_as_they_are():
    assert pool([0.4, 0.6], "mean of the top three", 3.0) == pytest.approx(0.5)


def test_the_patient_is_as_the_worse_hip():
    assert pool_patient([0.2, 0.7]) == 0.7


def test_no_slice_and_another_rule_are_refused():
    with pytest.raises(ValueError, match="without slices"):
        pool([], "maximum", 3.0)
    with pytest.raises(ValueError, match="not one of"):
        pool([0.5], "median", 3.0)


def test_the_decision_is_read_from_the_metadata_of_a_bundle():
    decision = {"rule": "maximum", "slice_from": 0.4, "hip_from": 0.6, "run_from": 0.5, "measured_on": "100 hips"}
    assert decision_of({"decision": decision}).hip_from == 0.6
