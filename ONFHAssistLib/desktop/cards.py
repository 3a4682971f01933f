"""The card of a hip as text for its button, and rich text for what opens below it."""

import base64
from html import escape

from slicer.i18n import tr as _

from ONFHAssistLib.core.grid import Point, as_point
from ONFHAssistLib.exchange.draw_png import png
from ONFHAssistLib.exchange.drawings import strip_bar
from ONFHAssistLib.exchange.finding_words import FindingCard
from ONFHAssistLib.exchange.strips import Bar, StripCard
from ONFHAssistLib.reviewer.attention import SWITCH
from ONFHAssistLib.reviewer.cards import GradeLine, HipCard

SLICE_LINK = "slice:"
"""Links of a card that jump to a slice begin like this and end with its index,"""
PLACE_LINK = "place:"
"""those that jump to a place with its coordinates, RAS in mm,"""
LOOK_LINK = "look:"
"""and those that show where a system looked, or hide it, with the number of its finding on the card."""
STRIP_PX = 280
"""Width of all bars together."""


def title(card: HipCard) -> str:
    """Return the text of a card's button."""
    if not card.graded:
        return f"{card.title}\n{card.headline}"
    first = f"{card.title}:  {card.headline}{_borderline(card.borderline, '   ')}"
    return "\n".join(line for line in (first, card.others, card.automatic) if line)


def details(card: HipCard, looked: int | None = None) -> str:
    """Return the rich text below the button; "" where there is nothing to tell.

    ``looked`` is the number of the finding whose map is shown.
    """
    links = ", ".join(f'<a href="{SLICE_LINK}{index}">{index}</a>' for index in card.look_first)
    return "".join(
        (
            f"<p>{escape(card.reason)}</p>" if card.reason else "",
            f"<p>{_('Most uncertain slices: {links}').format(links=links)}</p>" if links else "",
            *map(_line, card.lines),
            f"<p><small>{escape(card.volumes)}</small></p>" if card.volumes else "",
            *(_finding(found, n, n == looked) for n, found in enumerate(card.findings)),
        )
    )


def target(link: str) -> int | Point:
    """Return the slice or the place that a link of `details` leads to."""
    if link.startswith(PLACE_LINK):
        return as_point(float(x) for x in link.removeprefix(PLACE_LINK).split(","))
    return int(link.removeprefix(SLICE_LINK))


def _line(line: GradeLine) -> str:
    marks = [_borderline(line.borderline)] * line.borderline
    marks += [_("automatic: {grade}").format(grade=escape(line.automatic))] if line.automatic else []
    grade = " · ".join((f"<b>{escape(line.grade)}</b>", *marks))
    return f"<p>{escape(line.title)}: {grade}<br/><small>{escape(line.told)}</small></p>"


def _finding(found: FindingCard, number: int, looked: bool) -> str:
    """A paragraph of what a system has found: each row, with what the networks or the reader have beside it."""
    lines = [f"<b>{escape(found.heading)}</b>"]
    for row in found.rows:
        marks = [_borderline(row.borderline)] * row.borderline
        marks += [_("networks: {value}").format(value=escape(row.networks))] if row.networks else []
        told = f"<br/><small>{escape(row.told)}</small>" if row.told else ""
        lines.append(f"{escape(row.title)}: {' · '.join((f'<b>{escape(row.value)}</b>', *marks))}{told}")
    lines += [_strip(found.strip)] if found.strip else []
    lines += [f'<a href="{LOOK_LINK}{number}">{"☑" if looked else "☐"} {_(SWITCH)}</a>'] if found.has_map else []
    lines += [f"<small>{escape(text)}</small>" for text in found.sentences]
    return f"<p>{'<br/>'.join(lines)}</p>"


def _strip(card: StripCard) -> str:
    """The probability on each slice: a bar for each to click, and links to the first positive and the highest one."""
    wide = max(3, min(12, STRIP_PX // len(card.bars)))
    bars = "".join(
        _to_place(bar, f'<img src="data:image/png;base64,{_letters(png(strip_bar(card, n), wide))}" height="48"/>')
        for n, bar in enumerate(card.bars)
    )
    named = ((_("First positive slice"), card.first), (_("Highest slice"), card.worst))
    links = " · ".join(_to_place(card.bars[n], words) for words, n in named if n is not None)
    ends = f"{escape(card.ends[0])} → {escape(card.ends[1])}"
    return f"{escape(card.title)}, {ends}:<br/>{bars}<br/>{links}<br/><small>{escape(card.told)}</small>"


def _to_place(bar: Bar, shown: str) -> str:
    place = ",".join(f"{x:.3f}" for x in bar.at)
    return f'<a href="{PLACE_LINK}{place}" title="{escape(bar.told)}">{shown}</a>'


def _letters(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _borderline(borderline: bool, before: str = "") -> str:
    return f"{before}⚠ {_('borderline')}" if borderline else ""
