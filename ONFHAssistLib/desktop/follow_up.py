"""What has changed between a baseline study and this one: one small table."""

from collections.abc import Iterable
from html import escape

from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.reviewer.follow_up import COLUMNS, NOTHING_IN_COMMON, HipChanges, changes


def change_table(baseline: Iterable[HipResult], now: Iterable[HipResult]) -> str:
    """Return rich text: for each hip that is graded in both studies, the values before, now, and their difference."""
    found = changes(baseline, now)
    if not found:
        return NOTHING_IN_COMMON
    head = "".join(f"<th align='left'>{text}&nbsp;&nbsp;</th>" for text in COLUMNS)
    return f"<table><tr>{head}</tr>{''.join(map(_hip, found))}</table>"


def _hip(found: HipChanges) -> str:
    title = f"<tr><td colspan='{len(COLUMNS)}'><b>{found.title}</b></td></tr>"
    return title + "".join(_line(*cells) for cells in found.lines)


def _line(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell.replace('-', '−'))}&nbsp;&nbsp;</td>" for cell in cells) + "</tr>"
