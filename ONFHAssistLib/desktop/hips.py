"""The cards on the panel: of both hips; of a slice or picture, of whom something was found."""

from collections.abc import Callable
from typing import Any

import qt

from ONFHAssistLib.core.findings import PATIENT, About
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.desktop.cards import LOOK_LINK, details, target, title
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.reviewer.attention import ShownMap
from ONFHAssistLib.reviewer.cards import cards, hip_card
from ONFHAssistLib.scene.review import Review

ABOUTS: tuple[About, ...] = (*SIDES, PATIENT)


class HipCards:
    """A button for each hip with its grades, and one for the patient; the chosen one's rules are open below it."""

    def __init__(
        self,
        ui: Any,
        on_side: Callable[[Side], None],
        on_place: Callable[[int | Point], None],
        tell: Callable[[str], None],
    ) -> None:
        """``on_side`` is called when a card, ``on_place`` when a slice or place in its text is clicked.

        ``tell`` is called with a sentence where something goes wrong.
        """
        self.tell = tell
        self._on_side, self._on_place = on_side, on_place
        self._review: Review | None = None
        self._open: About | None = None
        self._looked = ShownMap()
        self._cards = {about: getattr(ui, f"{about}Card") for about in ABOUTS}
        self._details = {about: getattr(ui, f"{about}Details") for about in ABOUTS}
        for about in ABOUTS:
            self._cards[about].connect("clicked()", lambda about=about: self._clicked(about))
            browser = self._details[about]
            browser.connect("anchorClicked(QUrl)", lambda url: self._follow(url.toString()))
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
            chosen = self._open if review is self._review and self._open in known else known[0]
        self._review, self._open = review, chosen
        self._looked.follow(review)
        for about in ABOUTS:
            card = next((card for card in shown if card.side == about), None)
            looked = self._looked.number(review, about) if review is not None else None
            text = details(card, looked) if card else ""
            self._cards[about].setVisible(card is not None)
            self._cards[about].text = title(card) if card else ""
            self._cards[about].checked = about == chosen
            self._details[about].setHtml(text)
            self._details[about].setVisible(about == chosen and bool(text))

    def stop(self) -> None:
        """Show no map of a system any more."""
        self._looked.hide()

    def _clicked(self, about: About) -> None:
        if self._review is not None and not self._review.sides:
            self._open = about
            self.show(self._review, None)
        elif about != PATIENT:
            self._on_side(about)

    @guarded
    def _follow(self, link: str) -> None:
        if not link.startswith(LOOK_LINK):
            self._on_place(target(link))
        elif self._review is not None and self._open is not None:
            place = self._looked.turn(self._review, self._open, int(link.removeprefix(LOOK_LINK)))
            self.show(self._review, None if self._open == PATIENT else self._open)
            if place is not None:
                self._on_place(place)
