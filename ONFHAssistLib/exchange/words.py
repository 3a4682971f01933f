"""What a person reads about the grades: names of the gradings, margins and notes in plain words."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ONFHAssistLib.core.borderline import is_borderline, thresholds_within
from ONFHAssistLib.core.necrosis import COVERAGE
from ONFHAssistLib.core.results import Grade, HipResult


@dataclass(frozen=True)
class Grading:
    """How a grading is named, and where its definition comes from."""

    title: str
    source: str


GRADINGS = {
    "steinberg": Grading("Steinberg extent", "Steinberg, Hayken, Steinberg, J Bone Joint Surg Br 1995;77:34"),
    "jic": Grading(
        "JIC class", "Sugano et al., J Orthop Sci 2002;7:601; collapse: Kuroda et al., Bone Joint Res 2019;8:451"
    ),
    "kerboul": Grading("Modified Kerboul", "Ha et al., J Bone Joint Surg Am 2006;88 Suppl 3:35"),
    "necrotic_index": Grading(
        "Index of necrotic extent",
        "Koo, Kim, J Bone Joint Surg Br 1995; modified: Cherian et al., J Bone Joint Surg Am 2003;85:309",
    ),
    "cjfh": Grading("CJFH type", "Li Zirong et al., 2012"),
}
"""Every grading in the order in which it is shown."""
STEINBERG_LETTERS = {"mild": "A", "moderate": "B", "severe": "C"}

_MARGINS: dict[str, Callable[[float], str]] = {
    "steinberg": lambda margin: f"{100 * margin:.1f} percentage points",
    "jic": lambda margin: f"{100 * margin:.1f} % of the portion",
    "kerboul": lambda margin: f"{margin:.0f}°",
    "cjfh": lambda margin: f"{100 * margin:.1f} % of the pillar",
}


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


def _listed(words: Iterable[str]) -> str:
    """Join "a", "b", "c" to "a, b and c"."""
    *most, last = [*words] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _row(name: str, grade: Grade, hip: HipResult) -> Row:
    words, margin = _MARGINS.get(name), ""
    if words and grade.margin is not None and grade.value != 0:  # 0: nothing was found, nothing is close
        margin = f"{words(grade.margin)} from the nearest threshold"
    if grade.interval:
        margin = interval(name, grade, hip)
    return Row(
        GRADINGS[name].title,
        shown_grade(name, grade),
        grade.rule,
        margin,
        is_borderline(name, grade),
        _notes(name, grade),
    )


def shown_grade(name: str, grade: Grade) -> str:
    """Return the class of a grade as it is shown, or its value; "–" where it has neither."""
    if grade.grade is None:
        return "–" if grade.value is None else f"{grade.value:.1f}"
    if name == "steinberg":
        letter = STEINBERG_LETTERS.get(str(grade.grade))
        words = str(grade.grade)[0].upper() + str(grade.grade)[1:]
        return f"{words} ({letter})" if letter else words
    return str(grade.grade)


def _notes(name: str, grade: Grade) -> tuple[str, ...]:
    details = grade.details
    if name == "steinberg":
        slices = (("Worst slice", details.get("worst_slice")), ("Mid-slice", details.get("mid_slice")))
        return tuple(_slice_note(title, measured) for title, measured in slices if measured and measured["ratio"])
    if name == "jic" and "collapse_context" in details:
        return (details["collapse_context"],)
    if name == "kerboul" and "risk" in details:
        return (f"Risk class by the sum of both arcs: {details['risk']} (Ha 2006).",)
    if name == "necrotic_index" and details.get("modified_index") is not None:
        return (f"Modified index, with the largest arcs of all slices: {details['modified_index']:.0f}.",)
    return ()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def _slice_note(title: str, measured: dict[str, Any]) -> str:
    return f"{title} (index {measured['index']}): {percent(measured['ratio'])}, {measured['steinberg']}."
