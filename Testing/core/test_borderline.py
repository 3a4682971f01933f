"""Which grades are called borderline, with an interval and without one."""

import pytest

from ONFHAssistLib.core.borderline import is_borderline, thresholds_within
from ONFHAssistLib.core.results import Grade


def steinberg(grade, value, interval=None, margin=0.05):
    return Grade(grade, "rule", value, margin, "fraction of head volume", interval=interval)


@pytest.mark.parametrize(
    ("grade", "value", "interval", "within"),
    [
        ("mild", 0.12, (0.09, 0.149), ()),
        ("mild", 0.12, (0.09, 0.151), (0.15,)),
        ("moderate", 0.2, (0.15, 0.29), (0.15,)),  # a bound on the threshold is not beyond it
        ("moderate", 0.22, (0.14, 0.31), (0.15, 0.3)),
        ("severe", 0.4, (0.301, 0.5), ()),
        ("severe", 0.4, (0.299, 0.5), (0.3,)),
        ("mild", 0.03, (0.0, 0.06), (0.001,)),
        ("mild", 0.03, (0.002, 0.06), ()),
    ],
)
def test_a_grade_is_borderline_where_a_threshold_lies_within_its_interval(grade, value, interval, within):
    found = steinberg(grade, value, interval)
    assert thresholds_within("steinberg", found) == within
    assert is_borderline("steinberg", found) is bool(within)


def test_where_nothing_was_found_a_small_lesion_that_may_have_been_missed_makes_nothing_borderline():
    assert not is_borderline("steinberg", steinberg("without ONFH", 0.0, (0.0, 0.02), 0.001))
    missed = steinberg("without ONFH", 0.0, (0.0, 0.2), 0.001)
    assert thresholds_within("steinberg", missed) == (0.15,)
    assert is_borderline("steinberg", missed)


@pytest.mark.parametrize(("margin", "borderline"), [(0.029, True), (0.031, False)])
def test_an_interval_counts_more_than_the_usual_error(margin, borderline):
    assert is_borderline("steinberg", steinberg("mild", 0.15 - margin, None, margin)) is borderline
    narrow = steinberg("mild", 0.15 - margin, (0.15 - margin - 0.01, 0.15 - margin + 0.01), margin)
    assert not is_borderline("steinberg", narrow)
    assert thresholds_within("steinberg", steinberg("mild", 0.13)) == ()
