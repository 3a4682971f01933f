"""The cards on the panel: of both hips; of a slice or picture, of whom something was found."""

from collections.abc import Callable
from typing import Any

import qt

from ONFHAssistLib.core.findings import PATIENT, About
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.desktop.cards import SLICE_LINK, details, title
from ONFHAssistLib.reviewer.cards import cards, hip_card
from ONFHAssistLib.scene.review import Review

ABOUTS: tuple[About, ...] = (*SIDES, PATIENT)


class HipCards:
    """A button for each hip with its grades, and one for the patient; the chosen one's rules are open below it."""

    def __init__(self, ui: Any, on_side: Callable[[Side], None], on_slice: Callable[[int], None]) -> None:
        """``on_side`` is called when a card, ``on_slice`` when a slice in its text is clicked."""
        self._on_side = on_side
        self._review: Review | None = None
        self._open: About | None = None
        self._cards = {side: getattr(ui, f"{side}Card") for side in ABOUTS}
        self._details = {side: getattr(ui, f"{side}Details") for side in ABOUTS}
        for side in ABOUTS:
            self._cards[side].connect("clicked()", lambda side=side: self._clicked(side))
            browser = self._details[side]
            browser.connect("anchorClicked(QUrl)", lambda url: on_slice(_slice(url.toString())))
            policy = browser.sizePolicy
            policy.setHorizontalPolicy(qt.QSizePolicy.Ignored)  # or it would never become narrower again
            browser.setSizePolicy(policy)

    def show(self, review: Review | None, side: Side | None) -> None:
        """Write the cards as the hips are now; that of ``side`` is open."""
        chosen: About | None = side
        shown = tuple(hip_card(review, one) for one in SIDES)
        if review is not None and not review.sides:
            shown = cards(review)
            known = [card.side for card in shown]
            chosen = self._open = self._open if review is self._review and self._open in known else known[0]
        self._review = review
        for about in ABOUTS:
            card = next((card for card in shown if card.side == about), None)
            text = details(card) if card else ""
            self._cards[about].setVisible(card is not None)
            self._cards[about].text = title(card) if card else ""
            self._cards[about].checked = about == chosen
            self._details[about].setHtml(text)
            self._details[about].setVisible(about == chosen and bool(text))

    def _clicked(self, about: About) -> None:
        if self._review is not None and not self._review.sides:
            self._open = about
            self.show(self._review, None)
        elif about != PATIENT:
            self._on_side(about)


def _slice(link: str) -> int:
    return int(link.removeprefix(SLICE_LINK))
