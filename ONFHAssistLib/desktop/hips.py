"""The two hip cards on the panel."""

from collections.abc import Callable
from typing import Any

import qt

from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.desktop.cards import details, target, title
from ONFHAssistLib.reviewer.cards import hip_card
from ONFHAssistLib.scene.review import Review


class HipCards:
    """A button for each hip with its grades; the chosen one's rules are open below it."""

    def __init__(self, ui: Any, on_side: Callable[[Side], None], on_place: Callable[[int | Point], None]) -> None:
        """``on_side`` is called when a card, ``on_place`` when a slice or place in its text is clicked."""
        self._cards = {side: getattr(ui, f"{side}Card") for side in SIDES}
        self._details = {side: getattr(ui, f"{side}Details") for side in SIDES}
        for side in SIDES:
            self._cards[side].connect("clicked()", lambda side=side: on_side(side))
            browser = self._details[side]
            browser.connect("anchorClicked(QUrl)", lambda url: on_place(target(url.toString())))
            policy = browser.sizePolicy
            policy.setHorizontalPolicy(qt.QSizePolicy.Ignored)  # or it would never become narrower again
            browser.setSizePolicy(policy)

    def show(self, review: Review | None, chosen: Side | None) -> None:
        """Write both cards as the hips are now."""
        for side in SIDES:
            card = hip_card(review, side)
            text = details(card)
            self._cards[side].text = title(card)
            self._cards[side].checked = side == chosen
            self._details[side].setHtml(text)
            self._details[side].setVisible(side == chosen and bool(text))
