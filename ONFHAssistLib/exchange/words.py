"""What a person reads about the grades: margins, intervals and notes in plain words."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from ONFHAssistLib.core.borderline import is_borderline, thresholds_within
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.necrosis import COVERAGE
from ONFHAssistLib.core.results import Grade, HipResult

INTERVAL = (
    f"Interval: set so that the true ratio of {100 * COVERAGE:.0f} % of the hips with painted lesions lies within it "
    "(see the models), and widened by the doubt about the head's outline."
)


@dataclass(frozen=True)
class Row:
    """One line of a hip's card: one grade, or several that are not given for the same reason.

    Attributes:
        title: name of the grading or gradings.
        grade: the class as shown, or None.
        rule: the rule that fired, or why there is no grade.
        margin: interval, or distance to the nearest threshold, in words; or "".
        borderline: whether that is small.
        notes: further sentences.
    """

    title: str
    grade: str | None
    rule: str
    margin: str
    borderline: bool
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Return rule, margin and notes as sentences."""
        return " ".join(_sentence(text) for text in (self.rule, self.margin, *self.notes) if text)


def headline(hip: HipResult) -> tuple[str, bool]:
    """Return extent and ratio of a graded hip, such as "Moderate (B), 23.4 %", and whether that is borderline."""
    first = next((row for row in rows(hip) if row.title == GRADINGS["steinberg"].title), None)
    return f"{(first and first.grade) or '–'}, {percent(hip.volume_ratio)}", bool(first and first.borderline)


def borderline_rule(by_interval: bool) -> str:
    """Say when a grade is called borderline; ``by_interval``: where the ratio has an interval, and what that is."""
    near = {name: grading.borderline_in_words for name, grading in GRADINGS.items() if grading.borderline_within}
    said = {name: f"{words} ({GRADINGS[name].short})" for name, words in near.items()}
    if not by_interval:
        return f"Borderline: within {_listed(said.values(), 'or')} of a threshold."
    others = _listed((words for name, words in said.items() if name != "steinberg"), "or")
    ratio = f"the {100 * COVERAGE:.0f} % interval of the ratio holds a threshold ({GRADINGS['steinberg'].short})"
    return f"Borderline: {ratio}, within {others} of a threshold. {INTERVAL}"


def rows(hip: HipResult) -> list[Row]:
    """Return the lines of a hip's card, Steinberg first."""
    order = [(name, hip.grades[name]) for name in GRADINGS if name in hip.grades]
    found = []
    for reason, group in groupby(order, key=lambda item: _not_given(item[1])):
        if reason is not None:
            titles = ", ".join(GRADINGS[name].title for name, _ in group)
            found.append(Row(titles, None, reason, "", False))
        else:
            found += [_row(name, grade, hip) for name, grade in group]
    return found


def percent(fraction: float | None, digits: int = 1) -> str:
    """Show a fraction as per cent."""
    return "–" if fraction is None else f"{100 * fraction:.{digits}f} %"


def share_in_words(ratio: float) -> str:
    """Return a slice's necrotic share, with a digit after the point where it is small."""
    return percent(ratio, 0 if ratio >= 0.0995 or ratio == 0 else 1)


def _not_given(grade: Grade) -> str | None:
    return grade.rule if grade.grade is None and grade.value is None else None


def interval(name: str, grade: Grade, hip: HipResult) -> str:
    """Return the interval of a grade in words, with the thresholds in it and where to look first; or ""."""
    if grade.interval is None:
        return ""
    low, high = grade.interval
    text = f"{100 * COVERAGE:.0f} % interval {percent(low)} to {percent(high)}"
    across = _listed([f"{100 * threshold:g} %" for threshold in thresholds_within(name, grade)])
    if across and hip.look_first:
        slices = "slice" if len(hip.look_first) == 1 else "slices"
        return f"{text}, across {across}: look first at {slices} {_listed(map(str, hip.look_first))}"
    return f"{text}, across {across}" if across else text


def _listed(words: Iterable[str], last_by: str = "and") -> str:
    """Join "a", "b", "c" to "a, b and c"."""
    *most, last = [*words] or [""]
    return f"{', '.join(most)} {last_by} {last}" if most else last


def _row(name: str, grade: Grade, hip: HipResult) -> Row:
    grading, margin = GRADINGS[name], ""
    words = "" if grade.margin is None else grading.margin_in_words(grade.margin)
    if words and grade.value != 0:  # 0: nothing was found, nothing is close
        margin = f"{words} from the nearest threshold"
    if grade.interval:
        margin = interval(name, grade, hip)
    return Row(
        grading.title,
        shown_grade(name, grade),
        grade.rule,
        margin,
        is_borderline(name, grade),
        grading.notes(grade),
    )


def shown_grade(name: str, grade: Grade) -> str:
    """Return the class of a grade as it is shown, or its value; "–" where it has neither."""
    if grade.grade is None:
        return "–" if grade.value is None else f"{grade.value:.1f}"
    shown = GRADINGS[name].shown if name in GRADINGS else {}
    return shown.get(grade.grade, str(grade.grade))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
