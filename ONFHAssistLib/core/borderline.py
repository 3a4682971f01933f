"""When a grade is called borderline: a small error of the masks could change it."""

import math

from ONFHAssistLib.core.gradings import CJFH_UNTOUCHED_TO, STEINBERG_NONE_BELOW
from ONFHAssistLib.core.hip import Grade

BORDERLINE_WITHIN = {"steinberg": 0.03, "jic": 0.05, "kerboul": 10.0, "cjfh": 0.03}
"""Borderline below these margins, in the unit of each grading: 3 percentage points of the head's volume, 5 % of the
weight-bearing portion (about 4 degrees; a third of it is about 25), 10 degrees of arc, 3 percentage points of a
pillar. Conventions of this project, about the size of the difference between two good outlines."""

_LOWEST_THRESHOLD = {"steinberg": STEINBERG_NONE_BELOW, "cjfh": CJFH_UNTOUCHED_TO}


def is_borderline(name: str, grade: Grade) -> bool:
    """Return whether ``grade`` of the grading ``name`` lies close to its nearest threshold.

    Where nothing at all was found (value 0) the lowest threshold, which is next to 0, makes nothing borderline.
    """
    if grade.grade is None or grade.margin is None:
        return False
    if grade.value == 0 and grade.margin >= _LOWEST_THRESHOLD.get(name, math.inf):
        return False
    return grade.margin < BORDERLINE_WITHIN.get(name, 0.0)
