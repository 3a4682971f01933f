"""Which systems look at the image: a check box for each, kept in the settings."""

from collections.abc import Callable
from typing import Any

import qt

from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.settings import keep_systems, read_settings
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.reviewer.systems import choices, turned


class Systems:
    """The check boxes below the button; the next analysis takes what is chosen."""

    def __init__(self, ui: Any, tell: Callable[[str], None]) -> None:
        """Make a box for each system; ``tell`` says what went wrong."""
        self.tell = tell
        self._boxes: dict[str, Any] = {}
        for choice in choices(read_settings().systems):
            box = qt.QCheckBox(choice.title)
            box.connect("clicked()", lambda name=choice.id: self.turn(name))
            ui.systemsFrame.layout().addWidget(box)
            self._boxes[choice.id] = box
        ui.systemsFrame.setVisible(len(self._boxes) > 1)
        self.show(None)

    @guarded
    def turn(self, name: str) -> None:
        """Choose a system, or do without it; the last one stays."""
        keep_systems(turned(read_settings().systems, name))
        self.show(self._study)

    def show(self, study: Study | None) -> None:
        """Show what is chosen, and what can't read this study."""
        self._study = study
        for choice in choices(read_settings().systems, study):
            box = self._boxes[choice.id]
            box.checked = choice.chosen
            box.toolTip = choice.why_not or choice.about
            box.text = f"{choice.title} ⚠" if choice.chosen and choice.why_not else choice.title

    _study: Study | None = None
