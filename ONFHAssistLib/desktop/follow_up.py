"""What has changed between a baseline study and this one: one small table."""

from collections.abc import Iterable
from html import escape

from slicer.i18n import tr as _

from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.desktop.cards import side_name
from ONFHAssistLib.exchange.words import GRADINGS, percent, rows

SHOWN = ("steinberg", "jic", "kerboul", "cjfh")


def change_table(baseline: Iterable[HipResult], now: Iterable[HipResult]) -> str:
    """Return rich text: for each hip that is graded in both studies, the values before, now, and their difference."""
    before, after = ({hip.side: hip for hip in hips if hip.status == "graded"} for hips in (baseline, now))
    both = [side for side in SIDES if side in before and side in after]
    if not both:
        return _("The two studies have no graded hip in common.")
    head = "".join(f"<th align='left'>{text}&nbsp;&nbsp;</th>" for text in ("", _("Before"), _("Now"), _("Change")))
    return f"<table><tr>{head}</tr>{''.join(_hip(before[side], after[side]) for side in both)}</table>"


def _hip(before: HipResult, now: HipResult) -> str:
    lines = [f"<tr><td colspan='4'><b>{side_name(now.side)}</b></td></tr>"]
    change = 100 * ((now.volume_ratio or 0) - (before.volume_ratio or 0))
    points = _("{change:+.1f} points").format(change=change)
    lines.append(_line(_("Ratio"), percent(before.volume_ratio), percent(now.volume_ratio), points))
    for title, name in ((_("Necrosis"), "necrosis_volume_ml"), (_("Head"), "head_volume_ml")):
        was, is_ = getattr(before, name) or 0.0, getattr(now, name) or 0.0
        lines.append(_line(title, f"{was:.1f} ml", f"{is_:.1f} ml", f"{is_ - was:+.1f} ml"))
    grades = ({row.title: row.grade for row in rows(hip)} for hip in (before, now))
    was_graded, is_graded = grades
    for title in (GRADINGS[name].title for name in SHOWN):
        was, is_ = was_graded.get(title), is_graded.get(title)
        if was or is_:
            lines.append(_line(title, was or "–", is_ or "–", "" if was == is_ else _("changed")))
    return "".join(lines)


def _line(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell.replace('-', '−'))}&nbsp;&nbsp;</td>" for cell in cells) + "</tr>"
