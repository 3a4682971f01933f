"""The two hip cards: a button with the grades, and below it the rules behind them. Text in, text out."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from slicer.i18n import tr as _

from ONFHAssistLib.core.findings import PATIENT
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.exchange.finding_words import ABOUT, FindingCard
from ONFHAssistLib.exchange.words import Row, headline, rows

SLICE_LINK = "slice:"
"""Links of a card that jump to a slice begin like this and end with its index."""


@dataclass(frozen=True)
class Card:
    """What is written on one card: plain text for its button, rich text for what opens below it."""

    title: str
    details: str


def side_name(side: Side) -> str:
    """Return "Right hip" or "Left hip", translated."""
    return _("Right hip") if side == "right" else _("Left hip")


def card(
    side: Side, hip: HipResult | None, automatic: HipResult | None = None, found: Iterable[FindingCard] = ()
) -> Card:
    """Write the card of a hip.

    Args:
        side: which hip.
        hip: as it is graded now; None where it is not in the image.
        automatic: as the networks had it, where a reader has changed the hip since; it is shown beside.
        found: what other systems have found of the hip or the patient.
    """
    name = side_name(side)
    if hip is None:
        return Card(f"{name}\n{_('not analysed')}", "")
    others = "".join(map(_finding, found))
    if hip.status != "graded":
        return Card(f"{name}\n{_('not graded')}", f"<p>{escape(hip.reason or '')}</p>{others}")
    now = rows(hip)
    before = {row.title: row for row in rows(automatic)} if automatic else {}
    text, borderline = headline(hip)
    mark = f"   ⚠ {_('borderline')}" if borderline else ""
    lines = [f"{name}:  {text}{mark}", _others(now)]
    if automatic:
        lines.append(_("automatic: {grade}").format(grade=headline(automatic)[0]))
    body = "".join(_row(row, before.get(row.title) if automatic else None) for row in now)
    return Card("\n".join(line for line in lines if line), f"{_look_first(hip)}{body}{_volumes(hip)}{others}")


def _finding(found: FindingCard) -> str:
    """A paragraph of what a system has found: each row, with what the networks or the reader have beside it."""
    lines = [f"<b>{escape(found.title)}</b>" + (f" ({escape(found.about)})" if found.about == ABOUT[PATIENT] else "")]
    for row in found.rows:
        marks = [f"⚠ {_('borderline')}"] if row.borderline else []
        marks += [_("networks: {value}").format(value=escape(row.networks))] if row.networks else []
        told = f"<br/><small>{escape(row.told)}</small>" if row.told else ""
        lines.append(f"{escape(row.title)}: <b>{escape(row.value)}</b> {' · '.join(marks)}{told}")
    lines += [f"<small>{escape(text)}</small>" for text in (found.reason, *found.notes) if text]
    return f"<p>{'<br/>'.join(lines)}</p>"


def _others(found: list[Row]) -> str:
    short = {grading.title: grading.short for grading in GRADINGS.values() if grading.classes and grading.of_lesions}
    given = (row for row in found if row.title in short and row.grade)
    return "  ·  ".join(f"{short[row.title]} {row.grade}{' ⚠' * row.borderline}" for row in given)


def _row(row: Row, automatic: Row | None) -> str:
    grade = f"<b>{escape(row.grade)}</b>" if row.grade else _("no grade")
    marks = [f"⚠ {_('borderline')}"] if row.borderline else []
    if automatic is not None and automatic.grade != row.grade:
        marks.append(_("automatic: {grade}").format(grade=escape(automatic.grade or _("no grade"))))
    return f"<p>{escape(row.title)}: {grade} {' · '.join(marks)}<br/><small>{escape(row.told)}</small></p>"


def _look_first(hip: HipResult) -> str:
    if not hip.look_first:
        return ""
    links = ", ".join(f'<a href="{SLICE_LINK}{index}">{index}</a>' for index in hip.look_first)
    return f"<p>{_('Most uncertain slices: {links}').format(links=links)}</p>"


def _volumes(hip: HipResult) -> str:
    if hip.head_volume_ml is None or hip.necrosis_volume_ml is None:
        return ""
    text = _("Head {head:.1f} ml, necrosis {necrosis:.1f} ml").format(
        head=hip.head_volume_ml, necrosis=hip.necrosis_volume_ml
    )
    return f"<p><small>{text}</small></p>"
