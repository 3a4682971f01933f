"""Corrections that are in no case yet are asked about before they are lost or left."""

from collections.abc import Callable
from typing import Literal

import qt
import slicer
from slicer.i18n import tr as _

Answer = Literal["save", "go on", "stay"]


def ask(can_stay: bool, lost: bool) -> Answer:
    """Ask whether to save the review first.

    Args:
        can_stay: whether what is about to happen can still be called off.
        lost: whether the corrections are gone afterwards, or only out of sight.
    """
    what = (
        _("Its corrections are lost otherwise.")
        if lost
        else _("Otherwise it stays in the scene, unsaved, and goes on when its volume is chosen again.")
    )
    buttons = qt.QMessageBox.Yes | qt.QMessageBox.No | (qt.QMessageBox.Cancel if can_stay else 0)
    answer = slicer.util.messageBox(
        _("The review has changed since it was saved as a case. Save it now? {what}").format(what=what),
        windowTitle="ONFHAssist",
        icon=qt.QMessageBox.Question,
        standardButtons=buttons,
    )
    return {qt.QMessageBox.Yes: "save", qt.QMessageBox.Cancel: "stay"}.get(answer, "go on")


class ExitQuestion(qt.QObject):
    """Stands before the closing of Slicer's window: an event filter that asks ``may_close``."""

    def __init__(self, may_close: Callable[[], bool]) -> None:
        """Ask this function whether the window may be closed."""
        qt.QObject.__init__(self)
        self._may_close = may_close

    def eventFilter(self, _watched, event) -> bool:
        """Swallow the closing where the user wants to stay."""
        if event.type() == qt.QEvent.Close and not self._may_close():
            event.ignore()
            return True
        return False
