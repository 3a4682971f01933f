"""Which necrosis network the analysis takes: the shipped one, or one that was installed."""

from typing import Any

import qt

from ONFHAssistLib.desktop.busy import while_busy
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.session import Session
from ONFHAssistLib.models.installed import models, use
from ONFHAssistLib.reviewer.data_set import network_choices, network_taken


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
        found = network_choices(while_busy(models))
        self._ids = [network.id for network in found]
        box = self._ui.networkBox
        box.clear()
        for n, network in enumerate(found):
            box.addItem(network.words)
            box.setItemData(n, network.about, qt.Qt.ToolTipRole)
        box.setCurrentIndex(next((n for n, network in enumerate(found) if network.in_use), -1))

    @guarded
    def use(self, row: int) -> None:
        """Take a network into use."""
        try:
            self._session.run.require_idle()
            use(self._ids[row])
            self._session.restart_worker()
            self.tell(network_taken(self._ids[row]))
        finally:
            self.show()
