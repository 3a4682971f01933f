"""Corrections that are in no case yet are asked about before they are lost or left."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.desktop.sign_off import SignOffForm
from ONFHAssistLib.scene.review import Review

Answer = Literal["save", "go on", "stay"]


def ask(name: str, can_stay: bool, lost: bool) -> Answer:
    """Ask whether to save the review first.

    Args:
        name: of the study, as its volume is named in the scene.
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
        _("The review of {name} has changed since it was saved as a case. Save it now? {what}").format(
            name=name, what=what
        ),
        windowTitle="ONFHAssist",
        icon=qt.QMessageBox.Question,
        standardButtons=buttons,
    )
    answers: dict[int, Answer] = {qt.QMessageBox.Yes: "save", qt.QMessageBox.Cancel: "stay"}
    return answers.get(answer, "go on")


class Leaving:
    """Asks before reviews that are not saved are lost, or before the one in the panel is left."""

    def __init__(
        self,
        form: SignOffForm,
        reviews: Callable[[], Sequence[Review]],
        current: Callable[[], Review | None],
        show: Callable[[Review], None],
    ) -> None:
        """Take what is needed to ask.

        Args:
            form: signs and saves the review that the panel shows.
            reviews: returns all that are open.
            current: returns the one that the panel shows.
            show: lets the panel show another one.
        """
        self._form, self._reviews, self._current, self._show = form, reviews, current, show

    def may_leave(self, can_stay: bool, lost: bool) -> bool:
        """Ask about what is not saved; return whether to go on.

        Args:
            can_stay: see `ask`.
            lost: every review of the scene is about to be lost; else only the one in the panel goes out of sight.
        """
        current = self._current()
        others = [review for review in self._reviews() if review is not current] if lost else []
        return all(self.may_leave_one(review, can_stay, lost) for review in [current, *others] if review is not None)

    def may_leave_one(self, review: Review, can_stay: bool, lost: bool) -> bool:
        """Ask about one review, which the panel shows then; return whether to go on."""
        self._form.keep()
        with suppress(InputError):  # its volume was changed: what was read before that can still be saved
            review.update()
        if review.closed or not review.unsaved:
            return True
        if review is not self._current():
            self._show(review)
        answer = ask(review.volume_node.GetName(), can_stay, lost)
        if answer != "save":
            return answer == "go on"
        while not self._form.save(True):  # the form may be out of sight, and with it what it tells
            text = _("The case was not saved. {why}").format(why=self._form.told)
            if not slicer.util.confirmRetryCloseDisplay(text, windowTitle="ONFHAssist"):
                return False
        return True


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
