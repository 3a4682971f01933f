"""The section "Training data": what the data set holds and lacks, its cases, a training on it, and its networks."""

import threading
import time
from typing import Any

import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.curation.reports.overview import Overview, overview
from ONFHAssistLib.desktop.case_list import CaseList, CaseOpener
from ONFHAssistLib.desktop.guard import guarded, unexpected
from ONFHAssistLib.desktop.networks import Networks
from ONFHAssistLib.desktop.session import Session
from ONFHAssistLib.desktop.settings import read_settings
from ONFHAssistLib.desktop.timers import each
from ONFHAssistLib.reviewer.data_set import data_set_card, start_training
from ONFHAssistLib.worker.fine_tune import FineTune, TrainingPlace

LOOK_MS = 50
TURN_S = 0.01
"""Slicer's event loop keeps Python's lock; the thread that reads the data set works while a poll sleeps."""
FOLLOW_MS = 500


class TrainingData:
    """Looks at the data set when the section is opened and when a case was saved; starts and follows a training."""

    def __init__(self, ui: Any, session: Session, open_case: CaseOpener, tuning: FineTune | None = None) -> None:
        """Wire the section; nothing is looked at yet.

        Args:
            ui: the panel's widgets.
            session: has the process that holds the networks.
            open_case: see `CaseList`.
            tuning: a new one if None.
        """
        self._ui = ui
        self._cases, self._networks = CaseList(ui, open_case), Networks(ui, session)
        self._cases.on_changed = self.look
        self._tuning = tuning or FineTune(slicer.util.startupEnvironment())
        self._found = Overview()
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._again = self._blind = False
        self._looking, self._following = each(LOOK_MS, self._look_on), each(FOLLOW_MS, self._follow)
        ui.trainingSection.connect("toggled(bool)", self._toggled)
        ui.fineTuneButton.connect("clicked()", self.start_or_cancel)
        self._show()

    def hide_findings(self, blind: bool) -> None:
        """See `CaseList.hide_findings`."""
        if blind != self._blind:
            self._blind = blind
            self._show()
        self._cases.hide_findings(blind)

    def stop(self) -> None:
        """Look no more, and end the training; its last checkpoint is kept."""
        self._looking.stop()
        self._following.stop()
        self._tuning.close()

    def tell(self, sentence: str) -> None:
        """Show a sentence below the button."""
        self._ui.fineTuneLabel.text = sentence
        self._ui.fineTuneLabel.setVisible(bool(sentence))

    def look(self) -> None:
        """Look at the data set of the settings, in a thread, where the section is open or has ever been."""
        if self._ui.trainingSection.collapsed and not self._found.there:
            return
        if self._looking.isActive():
            self._again = True  # what is being read may be older than what was saved
            return
        self._thread = threading.Thread(target=self._read, args=(read_settings().folder,), daemon=True)
        self._thread.start()
        self._looking.start()

    @guarded
    def start_or_cancel(self) -> None:
        """Do what the button says."""
        start_training(self._tuning, self._found, _place())
        if self._tuning.running:
            self._following.start()
        self._show()

    def _toggled(self, is_open: bool) -> None:
        if is_open:
            self._networks.show()
            self.look()

    def _read(self, folder: Any) -> None:
        try:
            self._found, self._error = overview(folder), None
        except Exception as error:  # told on the main thread
            self._found, self._error = Overview(), error

    def _look_on(self) -> None:
        time.sleep(TURN_S)
        if self._thread is None or self._thread.is_alive():
            return
        self._looking.stop()
        if self._again:
            self._again = False
            self.look()
            return
        if self._error is not None:
            self._found = Overview(problem=unexpected(self._error))
        self._cases.show(self._found)
        self._show()

    def _follow(self) -> None:
        if self._tuning.poll():
            self._show()
        if not self._tuning.running:
            self._following.stop()

    def _show(self) -> None:
        ui = self._ui
        card = data_set_card(self._found, self._tuning, _place(), blind=self._blind)
        first = f"{card.title}: {card.counts}" if card.counts else card.title
        ui.trainingLabel.text = card.problem or "\n".join((first, *card.lines) if card.title else (_("Looking …"),))
        ui.fineTuneButton.text = _("Cancel") if card.running else _("Fine-tune")
        ui.fineTuneButton.enabled = card.running or card.can_tune
        ui.fineTuneBar.setVisible(card.running)
        ui.fineTuneBar.setValue(card.percent)
        self.tell(f"⚠ {card.tuning}" if card.failed else card.tuning)


def _place() -> TrainingPlace:
    settings = read_settings()
    where = _("Edit > Application Settings > ONFHAssist")
    return TrainingPlace(settings.training_python, settings.training_clone, where)
