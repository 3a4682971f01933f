"""The section of a case of the data set that is under review: what became of it, and what others have drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.desktop.busy import while_busy
from ONFHAssistLib.desktop.case_list import CaseOpener
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.reviewer.cases import case_card
from ONFHAssistLib.scene.review import Review


class CaseCard:
    """Shown where the review is of a case; draws other readings over the images, and takes one over."""

    def __init__(
        self, ui: Any, refresh: Callable[[], None], open_case: CaseOpener, tell: Callable[[str], None]
    ) -> None:
        """``refresh`` writes the numbers anew, ``open_case``: see `CaseOpener`, ``tell`` says what went wrong."""
        self._ui, self._refresh, self._open_case, self.tell = ui, refresh, open_case, tell
        self._review: Review | None = None
        self._opened: OpenCase | None = None
        ui.readingBox.connect("activated(int)", self.compare)
        ui.takeOverButton.connect("clicked()", self.take_over)
        ui.endReadingButton.connect("clicked()", self.end_reading)

    def show(self, review: Review | None) -> None:
        """Fill the section when another review is chosen."""
        opened = review.opened if review else None
        if review is self._review and opened is self._opened:
            return
        if review is not None and review is self._review and opened:  # saved: the readings may be others now
            review.show_reading(opened.side, None)
        self._review, self._opened, ui = review, opened, self._ui
        ui.caseSection.setVisible(opened is not None)
        ui.takeOverButton.enabled = False
        card = case_card(opened)
        if card is None:
            return
        ui.caseLabel.text = f"{card.name}: {card.told}"
        ui.endReadingButton.setVisible(card.independent)
        ui.readingBox.clear()
        ui.readingBox.addItem(_("nothing"))
        ui.readingBox.addItems([reading.words for reading in card.readings])
        for part in (ui.readingBox, ui.readingCaption, ui.takeOverButton):
            part.setVisible(bool(card.readings))
        ui.caseHistoryLabel.text = "\n".join(card.history)
        ui.caseHistoryLabel.setVisible(bool(card.history))

    @guarded
    def compare(self, row: int) -> None:
        """Draw the reading in this row of the list; the first row is nothing."""
        review = self._review
        opened = review.opened if review else None
        if review is None or opened is None:
            return
        masks = None
        if row > 0:
            reading = opened.readings[row - 1]
            masks = while_busy(lambda: opened.masks(reading.number))
        review.show_reading(opened.side, masks)
        self._ui.takeOverButton.enabled = row > 0

    @guarded
    def end_reading(self) -> None:
        """End a second reading: the case is opened with what others have drawn."""
        if self._opened is not None:
            self._open_case(Path(self._opened.folder), self._opened.name, False)

    @guarded
    def take_over(self) -> None:
        """Take the reading that is drawn."""
        review = self._review
        opened = review.opened if review else None
        if review is None or opened is None:
            return
        reading = opened.readings[self._ui.readingBox.currentIndex - 1]
        masks = while_busy(lambda: opened.masks(reading.number))
        review.take_over(opened.side, masks, reading.whose, reading.reviewed)
        self._refresh()
