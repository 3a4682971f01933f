"""What has changed between a baseline study and this one: one small table."""

from collections.abc import Iterable
from html import escape

from slicer.i18n import tr as _

from ONFHAssistLib.core.follow_up import HipChange, compare
from ONFHAssistLib.core.gradings import GRADINGS
from ONFHAssistLib.core.results import Grade, HipResult
from ONFHAssistLib.desktop.cards import side_name
from ONFHAssistLib.exchange.words import percent, shown_grade


def change_table(baseline: Iterable[HipResult], now: Iterable[HipResult]) -> str:
    """Return rich text: for each hip that is graded in both studies, the values before, now, and their difference."""
    changes = compare(baseline, now)
    if not changes:
        return _("The two studies have no graded hip in common.")
    head = "".join(f"<th align='left'>{text}&nbsp;&nbsp;</th>" for text in ("", _("Before"), _("Now"), _("Change")))
    return f"<table><tr>{head}</tr>{''.join(map(_hip, changes))}</table>"


def _hip(change: HipChange) -> str:
    lines = [f"<tr><td colspan='4'><b>{side_name(change.side)}</b></td></tr>"]
    ratio = change.amounts["volume_ratio"]
    points = _("{change:+.1f} points").format(change=100 * ratio.difference)
    lines.append(_line(_("Ratio"), percent(change.before.volume_ratio), percent(change.now.volume_ratio), points))
    for title, name in ((_("Necrosis"), "necrosis_volume_ml"), (_("Head"), "head_volume_ml")):
        one = change.amounts[name]
        lines.append(_line(title, f"{one.before:.1f} ml", f"{one.now:.1f} ml", f"{one.difference:+.1f} ml"))
    for name, grading in GRADINGS.items():
        was, is_ = map(_class, (name, name), change.grades.get(name, (None, None)))
        if grading.classes and (was or is_):
            lines.append(_line(grading.title, was or "–", is_ or "–", "" if was == is_ else _("changed")))
    return "".join(lines)


def _class(name: str, grade: Grade | None) -> str:
    return "" if grade is None or grade.grade is None else shown_grade(name, grade)


def _line(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell.replace('-', '−'))}&nbsp;&nbsp;</td>" for cell in cells) + "</tr>"
