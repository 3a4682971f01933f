"""Values that travel or are kept: what comes back is what was sent, and a message leads to what does not fit."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from ONFHAssistLib.core.plain import UNSET, Unset, from_plain, to_plain


@dataclass(frozen=True)
class Part:
    size_mm: float | None = 1.0
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    parts: dict[str, Part] = field(default_factory=dict)
    box: tuple[tuple[int, int], ...] = ()
    sides: dict[Literal["right", "left"], int] = field(default_factory=dict)
    agent: bool | Unset | None = UNSET


@pytest.mark.parametrize("agent", [True, None, UNSET])
def test_what_is_missing_stays_missing_and_null_stays_null(agent):
    plain = to_plain(Whole(agent=agent))
    assert ("agent" in plain) == (agent is not UNSET)
    assert from_plain(Whole, plain) == Whole(agent=agent)


@pytest.mark.parametrize("text", ["unset", 0])
def test_no_file_can_say_that_something_is_missing(text):
    with pytest.raises(ValueError, match=r"Whole\.agent cannot be"):
        from_plain(Whole, {"agent": text})


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"parts": {"a": {}, "b": {"size_mm": "x"}}}, "Whole.parts.b.size_mm cannot be 'x'."),
        ({"parts": {"a": {"words": ["x", 1]}}}, "Whole.parts.a.words[1] cannot be 1."),
        ({"box": [[1, 2], [3]]}, "Whole.box[1] cannot be [3]."),
        ({"box": [[1, True]]}, "Whole.box[0][1] cannot be True."),
        ({"parts": {"a": {"colour": 1}}}, "Whole.parts.a has no field colour."),
        ({"sides": {"middle": 1}}, "Whole.sides.middle cannot be 'middle'."),
        ([], "Whole cannot be []."),
    ],
)
def test_a_message_leads_to_what_does_not_fit(plain, message):
    with pytest.raises(ValueError) as told:
        from_plain(Whole, plain)
    assert str(told.value) == message


def test_what_is_nested_without_end_does_not_fit_either():
    endless: list = []
    for _ in range(50_000):
        endless = [endless]
    with pytest.raises(ValueError, match=r"Whole\.box\[0\] cannot be \[\[\["):
        from_plain(Whole, {"box": endless})


def test_fields_that_are_not_known_are_left_out_at_any_depth_if_asked():
    assert from_plain(Whole, {"x": 1, "parts": {"a": {"y": 2}}}, others=True) == Whole({"a": Part()})
