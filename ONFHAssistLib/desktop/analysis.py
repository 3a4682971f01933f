"""The button that starts or cancels an analysis, with progress and the sentence below it."""

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.geometry import HeadSeed
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.session import Session
from ONFHAssistLib.reviewer.analysing import REPLACED, replaces_corrections


class Analysis:
    """What the user sees of the session's analysis."""

    def __init__(self, ui: Any, session: Session, volume: Callable[[], Any]) -> None:
        """``volume`` returns the volume node that the panel shows."""
        self._ui, self._session, self._volume = ui, session, volume
        self.tell = session.tell

    @guarded
    def start_or_cancel(self) -> None:
        """Do what the one button says."""
        if self._session.run.idle:
            self.start()
        else:
            self._session.run.cancel()

    def start(self, seed: HeadSeed | None = None) -> None:
        """Analyse the study, or the hip that was pointed at; asks before corrections are lost; raises InputError."""
        volume = self._volume()
        again = seed is None and replaces_corrections(self._session.review(volume))
        if not again or slicer.util.confirmOkCancelDisplay(REPLACED, windowTitle="ONFHAssist"):
            self._session.analyse(volume, seed)

    def show(self, usable: bool) -> None:
        """Show where the analysis stands; ``usable``: whether the study can be analysed."""
        run, ui = self._session.run, self._ui
        ui.analyseButton.text = _("Analyse") if run.idle else _("Cancel")
        ui.analyseButton.enabled = usable if run.idle else run.can_cancel
        ui.progressBar.setVisible(not run.idle)
        ui.progressBar.setValue(round(100 * run.fraction))
        text = run.message if run.idle else run.stage
        ui.statusLabel.text = f"⚠ {text}" if run.failed else text
        ui.statusLabel.setVisible(bool(text))
        ui.headSection.enabled = run.idle and usable
