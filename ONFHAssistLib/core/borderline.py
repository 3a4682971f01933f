"""When a grade is called borderline: what is not known of the masks could change it."""

import math

from ONFHAssistLib.core.gradings import CJFH_UNTOUCHED_TO, STEINBERG_NONE_BELOW, STEINBERG_THRESHOLDS
from ONFHAssistLib.core.results import Grade

BORDERLINE_WITHIN = {"steinberg": 0.03, "jic": 0.05, "kerboul": 10.0, "cjfh": 0.03}
"""How far the value may be off where the grade has no interval of its own, in the unit of each grading: 3 percentage
points of the head's volume, 5 % of the weight-bearing portion (about 4 degrees; a third of it is about 25), 10 degrees
of arc, 3 percentage points of a pillar. Conventions of this project, about the size of the difference between two good
outlines."""

_LOWEST_THRESHOLD = {"steinberg": STEINBERG_NONE_BELOW, "cjfh": CJFH_UNTOUCHED_TO}


def is_borderline(name: str, grade: Grade) -> bool:
    """Return whether ``grade`` of the grading ``name`` could be another one: a threshold lies within its interval.

    Where the grade has no interval, the value give or take BORDERLINE_WITHIN is taken for one. Where nothing at all
    was found (value 0) the lowest threshold, which is next to 0, makes nothing borderline: that a lesion of some size
    may have been missed can be said of every hip.
    """
    if grade.grade is None or grade.margin is None:
        return False
    if grade.interval is not None:
        return bool(thresholds_within(name, grade))
    if grade.value == 0 and grade.margin >= _LOWEST_THRESHOLD.get(name, math.inf):
        return False
    return grade.margin < BORDERLINE_WITHIN.get(name, 0.0)


def thresholds_within(name: str, grade: Grade) -> tuple[float, ...]:
    """Return the thresholds within the interval of ``grade``; only Steinberg's has one."""
    if grade.interval is None or name != "steinberg":
        return ()
    lower, upper = grade.interval
    lowest = _LOWEST_THRESHOLD[name] if grade.value == 0 else 0.0
    return tuple(threshold for threshold in STEINBERG_THRESHOLDS if lower <= threshold <= upper and threshold > lowest)
