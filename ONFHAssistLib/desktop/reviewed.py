"""Which slices the reader stands for: the others are not trained with."""

from collections.abc import Callable
from typing import Any

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.reviewer.slices import reviewed_line
from ONFHAssistLib.scene.review import Review


class ReviewedSlices:
    """The line below the table of slices."""

    def __init__(
        self, ui: Any, in_view: Callable[[], int | None], refresh: Callable[[], None], tell: Callable[[str], None]
    ) -> None:
        """``in_view`` returns the index of the slice in view; ``refresh`` writes the table; ``tell``: see `guarded`."""
        self._ui, self._in_view, self._refresh, self.tell = ui, in_view, refresh, tell
        self._review: Review | None = None
        self._side: Side | None = None
        ui.reviewedButton.connect("clicked()", self.turn)
        ui.allReviewedButton.connect("clicked()", self.all)

    def show(self, review: Review | None, side: Side | None) -> None:
        """Tell how many slices of a hip are marked."""
        hip = review.hip(side) if review is not None and side is not None and side in review.sides else None
        known = hip is not None and hip.segmented
        self._review, self._side = (review, side) if known else (None, None)
        marked = review.reviewed(hip.side) if review is not None and hip is not None and known else None
        self._ui.reviewedButton.enabled = known
        self._ui.allReviewedButton.enabled = marked is not None
        self._ui.reviewedLabel.text = reviewed_line(review, hip.side) if review and hip and known else ""

    @guarded
    def turn(self) -> None:
        """Mark the slice in view, or take its mark away."""
        index = self._in_view()
        if self._review is not None and self._side is not None and index is not None:
            self._review.turn_reviewed(self._side, index)
            self._refresh()

    @guarded
    def all(self) -> None:
        """Let all slices count."""
        if self._review is not None and self._side is not None:
            self._review.set_reviewed(self._side, None)
            self._refresh()
