"""Which necrosis network the analysis takes: the shipped one, or one that was installed."""

from typing import Any

import qt
from slicer.i18n import tr as _

from ONFHAssistLib.desktop.busy import while_busy
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.session import Session
from ONFHAssistLib.models.installed import models, network_words, use

NAME = "necrosis"


class Networks:
    """A list to choose from; the next analysis takes what is chosen."""

    def __init__(self, ui: Any, session: Session) -> None:
        """``session`` has the process that holds the networks."""
        self._ui, self._session = ui, session
        self._ids: list[str] = []
        ui.networkBox.connect("activated(int)", self.use)

    def tell(self, sentence: str) -> None:
        """Show a sentence below the list."""
        self._ui.networkLabel.text = sentence
        self._ui.networkLabel.setVisible(bool(sentence))

    @guarded
    def show(self) -> None:
        """List the networks that are there now."""
        found = [model for model in while_busy(models) if model.name == NAME]
        self._ids = [model.id for model in found]
        box = self._ui.networkBox
        box.clear()
        for n, model in enumerate(found):
            box.addItem(network_words(model))
            about = model.problem or model.trained_on
            box.setItemData(n, about, qt.Qt.ToolTipRole)
        box.setCurrentIndex(next((n for n, model in enumerate(found) if model.in_use), -1))

    @guarded
    def use(self, row: int) -> None:
        """Take a network into use."""
        try:
            self._session.require_idle()
            use(self._ids[row])
            self._session.restart_worker()
            self.tell(_("The next analysis takes {network}.").format(network=self._ids[row]))
        finally:
            self.show()
