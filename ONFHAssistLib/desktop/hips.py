"""The two hip cards on the panel."""

from collections.abc import Callable
from typing import Any

import qt

from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.desktop.cards import SLICE_LINK, card
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.systems import cards_of


class HipCards:
    """A button for each hip with its grades; the chosen one's rules are open below it."""

    def __init__(self, ui: Any, on_side: Callable[[Side], None], on_slice: Callable[[int], None]) -> None:
        """``on_side`` is called when a card, ``on_slice`` when a slice in its text is clicked."""
        self._cards = {side: getattr(ui, f"{side}Card") for side in SIDES}
        self._details = {side: getattr(ui, f"{side}Details") for side in SIDES}
        for side in SIDES:
            self._cards[side].connect("clicked()", lambda side=side: on_side(side))
            details = self._details[side]
            details.connect("anchorClicked(QUrl)", lambda url: on_slice(_slice(url.toString())))
            policy = details.sizePolicy
            policy.setHorizontalPolicy(qt.QSizePolicy.Ignored)  # or it would never become narrower again
            details.setSizePolicy(policy)

    def show(self, review: Review | None, chosen: Side | None) -> None:
        """Write both cards as the hips are now."""
        for side in SIDES:
            hip = review.hip(side) if review and side in review.sides else None
            automatic = review.automatic(side) if review and hip and review.changed(side) else None
            text = card(side, hip, automatic, cards_of(review, side) if review and hip else ())
            self._cards[side].text = text.title
            self._cards[side].checked = side == chosen
            self._details[side].setHtml(text.details)
            self._details[side].setVisible(side == chosen and bool(text.details))


def worse(review: Review) -> Side:
    """Return the hip to begin with: the one with more necrosis, segmented ones first."""
    return max(review.sides, key=lambda side: (review.hip(side).segmented, review.hip(side).volume_ratio or 0))


def _slice(link: str) -> int:
    return int(link.removeprefix(SLICE_LINK))
