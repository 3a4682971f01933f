"""The two hip cards on the panel."""

from collections.abc import Callable
from typing import Any

import qt

from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.desktop.cards import LOOK_LINK, details, target, title
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.reviewer.attention import ShownMap
from ONFHAssistLib.reviewer.cards import hip_card
from ONFHAssistLib.scene.review import Review


class HipCards:
    """A button for each hip with its grades; the chosen one's rules are open below it."""

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
        self._on_place = on_place
        self._review: Review | None = None
        self._chosen: Side | None = None
        self._looked = ShownMap()
        self._cards = {side: getattr(ui, f"{side}Card") for side in SIDES}
        self._details = {side: getattr(ui, f"{side}Details") for side in SIDES}
        for side in SIDES:
            self._cards[side].connect("clicked()", lambda side=side: on_side(side))
            browser = self._details[side]
            browser.connect("anchorClicked(QUrl)", lambda url: self._clicked(url.toString()))
            policy = browser.sizePolicy
            policy.setHorizontalPolicy(qt.QSizePolicy.Ignored)  # or it would never become narrower again
            browser.setSizePolicy(policy)

    def show(self, review: Review | None, chosen: Side | None) -> None:
        """Write both cards as the hips are now."""
        self._review, self._chosen = review, chosen
        self._looked.follow(review)
        for side in SIDES:
            card = hip_card(review, side)
            text = details(card, self._looked.number(review, side) if review is not None else None)
            self._cards[side].text = title(card)
            self._cards[side].checked = side == chosen
            self._details[side].setHtml(text)
            self._details[side].setVisible(side == chosen and bool(text))

    def stop(self) -> None:
        """Show no map of a system any more."""
        self._looked.hide()

    @guarded
    def _clicked(self, link: str) -> None:
        if not link.startswith(LOOK_LINK):
            self._on_place(target(link))
        elif self._review is not None and self._chosen is not None:
            number = int(link.removeprefix(LOOK_LINK))
            place = self._looked.turn(self._review, self._chosen, number)
            self.show(self._review, self._chosen)
            if place is not None:
                self._on_place(place)
