"""When a grade is called borderline: a small error of the masks could change it.

The margins are conventions of this project, taken from how far masks of good readers and networks differ: about
3 percentage points of the ratio, and about 10 degrees of an arc (a pixel of 0.9 mm on a head of 24 mm is 2 degrees,
the convention for "reaches the surface", 3 mm, is 7 degrees).
"""

from ONFHAssistLib.core.hip import Grade

BORDERLINE_RATIO = 0.03
BORDERLINE_DEG = 10.0


def is_borderline(name: str, grade: Grade) -> bool:
    """Return whether ``grade`` of the grading ``name`` lies close to its nearest threshold.

    A Steinberg ratio of exactly 0 is not borderline, although 0 is near the threshold of 0.1 %: nothing was found.
    """
    if grade.grade is None or grade.margin is None:
        return False
    if name == "steinberg" and not grade.value:
        return False
    return grade.margin < (BORDERLINE_DEG if grade.unit.startswith("deg") or grade.unit == "°" else BORDERLINE_RATIO)
