"""When a grade is called borderline: what is not known of the masks could change it."""

from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.results import Grade


def is_borderline(name: str, grade: Grade) -> bool:
    """Return whether ``grade`` of the grading ``name`` could be another one: a threshold lies within its interval.

    Where the grade has no interval, the value give or take `Grading.borderline_within` is taken for one. Where nothing
    at all was found (value 0) the lowest threshold, which is next to 0, makes nothing borderline: that a lesion of some
    size may have been missed can be said of every hip. A grading that only a system knows has no borderline.
    """
    grading = GRADINGS.get(name)
    if grading is None or grade.grade is None or grade.margin is None:
        return False
    if grade.interval is not None:
        return bool(thresholds_within(name, grade))
    if grade.value == 0 and grading.thresholds and grade.margin >= min(grading.thresholds):
        return False
    return grade.margin < grading.borderline_within


def thresholds_within(name: str, grade: Grade) -> tuple[float, ...]:
    """Return the thresholds within the interval of ``grade``; none where it has no interval."""
    if grade.interval is None or name not in GRADINGS:
        return ()
    lower, upper = grade.interval
    thresholds = GRADINGS[name].thresholds
    lowest = min(thresholds, default=0.0) if grade.value == 0 else 0.0
    return tuple(threshold for threshold in thresholds if lower <= threshold <= upper and threshold > lowest)
