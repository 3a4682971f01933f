"""Where a system looked: which finding's map lies over the images. One at a time, and none until a reader asks."""

from itertools import chain

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import PATIENT, About
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange.finding_figures import TINT
from ONFHAssistLib.reviewer.systems import on_card
from ONFHAssistLib.scene.attention import AttentionLayer, highest_place
from ONFHAssistLib.scene.review import Review

SWITCH, LEGEND = "Show where it looked", "where the system looked"
COLOUR = "#" + "".join(f"{part:02x}" for part in TINT)
EMPTY = "The map of this system is empty: nothing in the image has counted more than the rest."


class ShownMap:
    """The map that lies over the images, known by its voxels, which are the same as long as the finding is."""

    def __init__(self) -> None:
        """Show none."""
        self._layer = AttentionLayer()
        self._shown: Volume | None = None

    def __bool__(self) -> bool:
        """Whether a map is shown."""
        return self._shown is not None

    def number(self, review: Review, about: About) -> int | None:
        """Return which finding on a card has the map, from 0; None where none of them has."""
        maps = [found.attention for found in on_card(review, about)]
        return next((n for n, one in enumerate(maps) if one is not None and self._is(one)), None)

    def turn(self, review: Review, about: About, number: int) -> Point | None:
        """Show the map of a finding, or hide it where it is shown.

        Args:
            review: of the study.
            about: whose card it is.
            number: of the finding on this card, from 0.

        Returns:
            where the map is highest, RAS in mm, for the views to go to; None where it is hidden now.

        Raises:
            InputError: it is 0 everywhere.
        """
        attention = on_card(review, about)[number].attention
        if attention is None or self._is(attention):
            self.hide()
            return None
        if not attention.array.any():
            raise InputError(EMPTY)
        self._show(review, attention)
        return highest_place(attention)

    def follow(self, review: Review | None) -> None:
        """Hide the map where its finding is gone from what is open, and bring it along where the image was moved."""
        if self._shown is None:
            return
        found = () if review is None or review.closed else map(review.findings, (*SIDES, PATIENT))
        maps = (one.attention for one in chain.from_iterable(found) if one.attention is not None)
        now = next(filter(self._is, maps), None)
        if review is None or now is None:
            self.hide()
        elif not now.matches(self._shown):
            self._show(review, now)

    def hide(self) -> None:
        """Show none."""
        self._shown = None
        self._layer.hide()

    def _show(self, review: Review, attention: Volume) -> None:
        self._shown = attention
        self._layer.show(review.volume_node, attention)

    def _is(self, attention: Volume) -> bool:
        return self._shown is not None and attention.array is self._shown.array
