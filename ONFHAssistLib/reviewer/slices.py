"""The slices of a hip as a list, which of them a reader stands for, and the next one that matters."""

from dataclasses import dataclass

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.exchange.words import percent
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.tables import along_the_body

_SEEN = 5e-4
"""Ratios that differ by less look the same with one digit after the point."""
ALL_COUNT = "All slices count as reviewed. M marks the one in view; then only marked ones count."


@dataclass(frozen=True)
class SliceLine:
    """One slice.

    Attributes:
        index: along k of the image.
        ratio: necrotic share, as shown; "–" where there is no head (any more).
        was: the automatic one where it is another; "".
        grade: Steinberg's, of the slice; "".
        area: of the necrosis and of the head, in mm².
        look: whether it is one of the most uncertain.
        reviewed: whether it is one of those that the reader stands for.
    """

    index: int
    ratio: str
    was: str
    grade: str
    area: str
    look: bool
    reviewed: bool


def slice_lines(review: Review, side: Side) -> list[SliceLine]:
    """Return the slices of a hip, and those that only the networks saw a head in, in their order along the body."""
    hip, automatic, marked = review.hip(side), review.automatic(side), review.reviewed(side) or ()
    now, before = ({s.index: s for s in found.slices} for found in (hip, automatic))

    def line(index: int) -> SliceLine:
        here, there = now.get(index), before.get(index)
        was = there is not None and (here is None or abs(there.ratio - here.ratio) > _SEEN)
        return SliceLine(
            index,
            percent(here.ratio if here else None),
            percent(there.ratio) if there and was else "",
            here.steinberg if here else "",
            f"{here.necrosis_mm2:.0f} of {here.head_mm2:.0f}" if here else "",
            index in hip.look_first,
            index in marked,
        )

    return [line(index) for index in along_the_body(review.result.volume, hip, automatic)]


def reviewed_line(review: Review, side: Side) -> str:
    """Tell how many slices of a hip the reader stands for."""
    marked, slices = review.reviewed(side), review.hip(side).slices
    if marked is None:
        return ALL_COUNT
    count = sum(s.index in marked for s in slices)
    return f"{count} of {len(slices)} slices reviewed; only these are trained with."
