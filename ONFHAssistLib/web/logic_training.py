"""What the card of the data set tells, the training that it starts, and its networks; mirrors `ui_training`."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ONFHAssistLib.curation.reports.overview import Overview, overview
from ONFHAssistLib.models.installed import Model, models, use
from ONFHAssistLib.reviewer.data_set import data_set_card, network_taken, start_training
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.ui_training import TrainingUI
from ONFHAssistLib.worker.fine_tune import FineTune, TrainingPlace

PYTHON_VARIABLE, CLONE_VARIABLE = "ONFH_TRAINING_PYTHON", "ONFH_TRAINING_CLONE"
"""Whoever starts the server names the training environment; a browser cannot."""
FOLLOW_S = 0.5


class TrainingLogic:
    """Looks at the data set at the start and after each save; starts and follows a training."""

    def __init__(
        self,
        session: Session,
        data: PageState,
        act: Actions,
        show: Callable[[], None],
        cases: Path,
        tuning: FineTune | None = None,
    ) -> None:
        """Take what it joins, what brings the page up to date, and the folder of cases; nothing is looked at yet."""
        self._session, self._data, self._act, self._show_page, self._cases = session, data, act, show, cases
        self.tuning = tuning or FineTune()
        self.found = Overview()
        self._networks: tuple[Model, ...] = ()
        self._looks = 0

    def set_ui(self, ui: TrainingUI) -> None:
        """Connect the signals."""
        ui.tune_clicked.connect(self._act.now(self.start_or_cancel))
        ui.network_chosen.connect(lambda network: self._act.start(self._use(network)))

    def look(self) -> None:
        """Look at the data set, off the event loop."""
        self._act.start(self._look(), quiet=True)

    def start_or_cancel(self) -> None:
        """Do what the button says; raises InputError where a training lacks something."""
        start_training(self.tuning, self.found, _place())
        if self.tuning.running:
            self._act.start(self._follow(), quiet=True)

    def show(self) -> None:
        """Bring the card up to date."""
        stored = self._session.stored
        blind = stored is not None and stored.independent
        self._data.training = asdict(data_set_card(self.found, self.tuning, _place(), self._networks, blind))

    def close(self) -> None:
        """End the training, if there is one; its last checkpoint is kept."""
        self.tuning.close()

    async def _look(self) -> None:
        self._looks = look = self._looks + 1
        found = await asyncio.to_thread(overview, self._cases)
        if look == self._looks:  # else another look has begun since, and knows more
            self.found = found
        await self._look_for_networks()

    async def _look_for_networks(self) -> None:
        self._networks = await asyncio.to_thread(models)

    async def _use(self, network: str) -> None:
        try:
            self._session.require_idle()
            await asyncio.to_thread(use, network)
            await self._session.forget_networks()
            self._session.say(network_taken(network))
        finally:
            await self._look_for_networks()

    async def _follow(self) -> None:
        while self.tuning.running:
            if self.tuning.poll():
                self._show_page()
            await asyncio.sleep(FOLLOW_S)


def _place() -> TrainingPlace:
    named_in = f"the variables {PYTHON_VARIABLE} and {CLONE_VARIABLE} of the server"
    return TrainingPlace(os.environ.get(PYTHON_VARIABLE, ""), os.environ.get(CLONE_VARIABLE, ""), named_in)
