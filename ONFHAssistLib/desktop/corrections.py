"""The steps of the history, and the way back to the automatic result: buttons, and the keys that do the same."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.scene.review import Review


class Corrections:
    """Undo, redo, and the automatic result of a slice or of the hip."""

    def __init__(
        self,
        ui: Any,
        in_view: Callable[[], int | None],
        done: Callable[[], None],
        say: Callable[[str], None],
        tell: Callable[[str], None],
    ) -> None:
        """Wire the buttons.

        Args:
            ui: the panel.
            in_view: returns the index of the slice in view.
            done: called when something was changed.
            say: says what was done.
            tell: see `guarded`.
        """
        self._ui, self._in_view, self._done, self._say, self.tell = ui, in_view, done, say, tell
        self._review: Review | None = None
        self._side: Side | None = None
        for button, action in (
            (ui.undoButton, self.undo),
            (ui.redoButton, self.redo),
            (ui.resetSliceButton, lambda: self.reset(self._in_view())),
            (ui.resetHipButton, lambda: self.reset(None)),
        ):
            button.connect("clicked()", action)

    def show(self, review: Review | None, side: Side | None) -> None:
        """Say what can be done with this hip."""
        self._review, self._side = review, side
        self._ui.undoButton.enabled = review is not None and review.can_undo
        self._ui.redoButton.enabled = review is not None and review.can_redo
        changed = review is not None and side in review.sides and review.changed(side)
        self._ui.resetSliceButton.enabled = self._ui.resetHipButton.enabled = changed

    @guarded
    def undo(self) -> None:
        """Take back the last change."""
        words = self._review.undo() if self._review else None
        self._say(_("Undone: {words}").format(words=words) if words else "")
        self._done()

    @guarded
    def redo(self) -> None:
        """Make the change again that was taken back."""
        words = self._review.redo() if self._review else None
        self._say(_("Done again: {words}").format(words=words) if words else "")
        self._done()

    @guarded
    def reset(self, index: int | None) -> None:
        """Go back to the automatic result, of one slice or (None) of the hip."""
        if self._review is not None and self._side is not None:
            self._review.reset(self._side, index)
            self._done()
