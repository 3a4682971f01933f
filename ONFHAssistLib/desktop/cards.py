"""The card of a hip as text for its button, and rich text for what opens below it."""

from html import escape

from slicer.i18n import tr as _

from ONFHAssistLib.exchange.finding_words import FindingCard
from ONFHAssistLib.reviewer.cards import GradeLine, HipCard

SLICE_LINK = "slice:"
"""Links of a card that jump to a slice begin like this and end with its index."""


def title(card: HipCard) -> str:
    """Return the text of a card's button."""
    if not card.graded:
        return f"{card.title}\n{card.headline}"
    first = f"{card.title}:  {card.headline}{_borderline(card.borderline, '   ')}"
    return "\n".join(line for line in (first, card.others, card.automatic) if line)


def details(card: HipCard) -> str:
    """Return the rich text below the button; "" where there is nothing to tell."""
    links = ", ".join(f'<a href="{SLICE_LINK}{index}">{index}</a>' for index in card.look_first)
    return "".join(
        (
            f"<p>{escape(card.reason)}</p>" if card.reason else "",
            f"<p>{_('Most uncertain slices: {links}').format(links=links)}</p>" if links else "",
            *map(_line, card.lines),
            f"<p><small>{escape(card.volumes)}</small></p>" if card.volumes else "",
            *map(_finding, card.findings),
        )
    )


def _line(line: GradeLine) -> str:
    marks = [_borderline(line.borderline)] * line.borderline
    marks += [_("automatic: {grade}").format(grade=escape(line.automatic))] if line.automatic else []
    grade = " · ".join((f"<b>{escape(line.grade)}</b>", *marks))
    return f"<p>{escape(line.title)}: {grade}<br/><small>{escape(line.told)}</small></p>"


def _finding(found: FindingCard) -> str:
    """A paragraph of what a system has found: each row, with what the networks or the reader have beside it."""
    lines = [f"<b>{escape(found.heading)}</b>"]
    for row in found.rows:
        marks = [_borderline(row.borderline)] * row.borderline
        marks += [_("networks: {value}").format(value=escape(row.networks))] if row.networks else []
        told = f"<br/><small>{escape(row.told)}</small>" if row.told else ""
        lines.append(f"{escape(row.title)}: {' · '.join((f'<b>{escape(row.value)}</b>', *marks))}{told}")
    lines += [f"<small>{escape(text)}</small>" for text in found.sentences]
    return f"<p>{'<br/>'.join(lines)}</p>"


def _borderline(borderline: bool, before: str = "") -> str:
    return f"{before}⚠ {_('borderline')}" if borderline else ""
