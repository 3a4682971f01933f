"""The polar map of the hip chosen, on the panel."""

from typing import Any

import qt
from slicer.i18n import tr as _

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.desktop.timers import after
from ONFHAssistLib.reviewer.cards import side_name
from ONFHAssistLib.scene.pictures import head_map_png
from ONFHAssistLib.scene.review import Review

SIZE_PX = 260
LATER_MS = 300
"""After the last change; painting comes first."""


class SurfaceMap:
    """Draws the map while its section is open, a moment after the last change."""

    def __init__(self, ui: Any) -> None:
        """Wire the section."""
        self._ui = ui
        self._review: Review | None = None
        self._side: Side | None = None
        self._timer = after(LATER_MS, self._draw)
        ui.mapSection.connect("toggled(bool)", lambda _open: self._timer.start())

    def show(self, review: Review | None, side: Side | None) -> None:
        """Draw this hip soon."""
        self._review, self._side = review, side
        if review is None:
            self._clear("")
        self._timer.start()

    def stop(self) -> None:
        """Draw nothing any more."""
        self._timer.stop()
        self._review = None

    def _draw(self) -> None:
        review, side = self._review, self._side
        if not self._ui.mapSection.checked or review is None or review.closed:
            return
        if side not in review.sides or review.hip(side).status != "graded":
            self._clear(_("There is no map without a graded hip."))
            return
        picture = qt.QPixmap()
        picture.loadFromData(head_map_png(review.masks(side)))
        self._ui.mapLabel.setPixmap(picture.scaled(SIZE_PX, SIZE_PX, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation))
        self._ui.mapCaption.text = _(
            "{hip} from above: top anterior, the outer ring is the head's equator and beyond. Dark is deep necrosis, "
            "the line is the weight-bearing portion."
        ).format(hip=side_name(side))

    def _clear(self, why: str) -> None:
        self._ui.mapLabel.clear()
        self._ui.mapCaption.text = why
