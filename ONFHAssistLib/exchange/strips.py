"""The probabilities of a finding's slices as both reviewers and the report show them: a bar for each, and words."""

from dataclasses import dataclass

import numpy as np

from ONFHAssistLib.core.findings import SliceProbability, Strip
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.exchange.figures import AXIS_ENDS
from ONFHAssistLib.exchange.words import percent

BELOW = ("#2166ac", "#a6c3dd")
ABOVE = ("#f0a35a", "#b84a00")
"""Colours from probability 0 to the threshold, and from there to 1: blue and orange, which people who don't see red or
green can tell apart, darker the farther from the threshold."""


@dataclass(frozen=True)
class Bar:
    """One slice.

    Attributes:
        probability: 0 to 1.
        positive: whether that reaches the threshold.
        colour: ``#rrggbb``.
        told: slice and probability, in words.
        index: of the slice of the input along k; None where it was reformatted.
        at: a point on the slice, RAS in mm, to go to.
    """

    probability: float
    positive: bool
    colour: str
    told: str
    index: int | None
    at: Point


@dataclass(frozen=True)
class StripCard:
    """The slices of a finding, in words and bars.

    Attributes:
        title: what the bars are.
        threshold: from which a slice is positive, 0 to 1.
        told: how many slices are, and which is the first and the highest one.
        ends: where the first and the last slice lie.
        bars: in their order along the body.
        first: number of the first positive bar; None where none is.
        worst: number of the highest bar.
    """

    title: str
    threshold: float
    told: str
    ends: tuple[str, str]
    bars: tuple[Bar, ...]
    first: int | None
    worst: int


def strip_card(strip: Strip) -> StripCard:
    """Put the probabilities of slices into words and bars."""
    positive, bars = strip.positive, tuple(_bar(one, strip) for one in strip.slices)
    first = strip.slices.index(positive[0]) if positive else None
    worst = strip.slices.index(strip.worst)
    count = f"{len(positive)} of {len(strip.slices)} {'slice' if len(strip.slices) == 1 else 'slices'}"
    told = f"{count} at or above the threshold of {percent(strip.threshold, 0)}"
    named = {"first": first, "highest": worst}
    told = "; ".join([told, *(f"{name}: {bars[n].told}" for name, n in named.items() if n is not None)])
    return StripCard(
        f"Probability of {strip.of} on each slice",
        strip.threshold,
        f"{told}.",
        _ends(strip.direction),
        bars,
        first,
        worst,
    )


def _bar(one: SliceProbability, strip: Strip) -> Bar:
    return Bar(
        one.probability,
        one.probability >= strip.threshold,
        colour(one.probability, strip.threshold),
        f"{_name(one, strip)} ({percent(one.probability, 0)})",
        one.index,
        one.position_ras_mm,
    )


def colour(probability: float, threshold: float) -> str:
    """Return the colour of a probability, ``#rrggbb``."""
    positive = probability >= threshold
    ends = ABOVE if positive else BELOW
    low, high = (threshold, 1.0) if positive else (0.0, threshold)
    share = (probability - low) / max(high - low, 1e-6)
    first, last = (np.array([int(end[n : n + 2], 16) for n in (1, 3, 5)]) for end in ends)
    red, green, blue = (int(part) for part in np.rint(first + np.clip(share, 0, 1) * (last - first)))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _name(one: SliceProbability, strip: Strip) -> str:
    """Return the name of a slice: its number, or of one that was reformatted its place, such as "P 12 mm"."""
    if one.index is not None:
        return f"slice {one.index}"
    axis = int(np.argmax(np.abs(strip.direction)))
    place = one.position_ras_mm[axis]
    return f"{AXIS_ENDS[axis][place >= 0][0].upper()} {abs(place):.0f} mm"


def _ends(direction: Point) -> tuple[str, str]:
    axis = int(np.argmax(np.abs(direction)))
    behind, ahead = AXIS_ENDS[axis]
    return (behind, ahead) if direction[axis] > 0 else (ahead, behind)
