"""What list and card of the data set's cases do; mirrors `ui_cases`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.reports.overview import MOST_LISTED, Overview, following, listed
from ONFHAssistLib.curation.store.codes import similar_codes
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.curation.store.rename import rename
from ONFHAssistLib.web import state as told
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.ui_cases import CasesUI


class CasesLogic:
    """Opens cases of the data set again, compares readings, withdraws cases, and puts wrong patient codes right.

    Attributes:
        on_withdrawn: called when a case was withdrawn or renamed.
    """

    def __init__(self, session: Session, data: PageState, act: Actions, found: Callable[[], Overview]) -> None:
        """Take what it joins; ``found`` returns what is known of the data set."""
        self.on_withdrawn: Callable[[], None] = lambda: None
        self._session, self._data, self._act, self._found = session, data, act, found
        self._listed: tuple = ()
        self._cases: list[CaseSummary] = []

    def set_ui(self, ui: CasesUI) -> None:
        """Connect the signals."""
        ui.case_chosen.connect(self.open_as)
        ui.anew_clicked.connect(lambda name, reviewer: self.open_as(name, reviewer, independent=True))
        ui.next_clicked.connect(self._act.now(self.open_next))
        ui.reading_clicked.connect(self.compare)
        ui.take_over_clicked.connect(self.take_over)
        ui.withdraw_clicked.connect(self.withdraw)
        ui.rename_clicked.connect(lambda given: self._act.start(self._rename(given)))

    def open_as(self, name: str, reviewer: str | None, independent: bool = False) -> None:
        """Open a case for the reader whose code the page shows at the click."""
        self._session.reviewer = self._data.reviewer = (reviewer or "").strip()
        self.open(name, independent)

    def open(self, name: str, independent: bool = False) -> None:
        """Open a case."""
        self._act.start(self._open(name, independent))

    def open_next(self) -> None:
        """Open the case that is most worth a look after the one that is open."""
        self.open(self.following())

    def following(self) -> str:
        """Return the case that is most worth a look after the one that is open; raises InputError where none waits."""
        here = self._session.stored
        return following(self._found(), here.name if here else "")

    def step(self, direction: int) -> None:
        """Open the next or the previous case of the list as it is shown."""
        names = [case.case_id for case in self._cases]
        here = self._session.stored.name if self._session.stored else ""
        at = names.index(here) + direction if here in names else 0
        if 0 <= at < len(names):
            self.open(names[at])

    def compare(self, number: int) -> None:
        """Draw a reading over the images; where it is drawn, take it away."""
        self._act.start(self._compare(-1 if number == self._data.reading else number))

    def take_over(self, number: int) -> None:
        """Take a reading."""
        self._act.start(self._take_over(number))

    def withdraw(self, name: str, reviewer: str | None, why: str | None) -> None:
        """Take the case that is open out of the training; all three as the page shows them at the click."""
        self._data.withdrawing = False
        self._act.start(self._withdraw(name, (reviewer or "").strip(), why or ""))

    def begin(self) -> None:
        """Show the card of what was opened, or segmented anew."""
        self._data.reading, self._data.why, self._data.right_code, self._data.rename_asked = -1, "", "", ""
        if self._session.stored and self._session.review:
            self._session.show_reading(None)

    def show(self) -> None:
        """Bring list and card up to date; what has not changed is not made anew."""
        found, stored, words = self._found(), self._session.stored, self._data.words or ""
        listing = (found.cases, stored, words, self._session.drafted())
        if len(self._listed) == len(listing) and all(
            a is b or a == b for a, b in zip(listing, self._listed, strict=True)
        ):
            return
        self._listed = listing
        blind = stored is not None and stored.independent
        cases = by_name(found.cases, words) if blind else listed(found.cases, words)
        self._cases = cases[:MOST_LISTED]
        drafted = self._session.drafts_of(found.folder, self._cases)
        self._data.stored = told.stored_lines(self._cases, stored, drafted)
        self._data.stored_more = len(cases) - MOST_LISTED
        self._data.case = told.case_card(stored)

    async def _open(self, name: str, independent: bool) -> None:
        folder = self._found().folder
        if folder is None:
            raise InputError("There is no data set yet; sign off a study first.")
        await self._session.open_case(folder, name, independent)

    async def _compare(self, number: int) -> None:
        stored = self._session.open_case_of_data_set()
        masks = None if number < 0 else await asyncio.to_thread(stored.masks, number)
        if self._session.stored is stored:
            self._session.show_reading(masks)
            self._data.reading = number

    async def _take_over(self, number: int) -> None:
        stored = self._session.open_case_of_data_set()
        masks = await asyncio.to_thread(stored.masks, number)
        if self._session.stored is stored:
            self._session.take_over(masks, next(one for one in stored.readings if one.number == number))

    async def _withdraw(self, name: str, reviewer: str, why: str) -> None:
        stored = self._session.stored
        if stored is None or stored.name != name:
            raise InputError("No case of the data set is open; open one in the list.")
        await asyncio.to_thread(lambda: open_store(Path(stored.folder)).withdraw(stored.name, reviewer, why))
        renewed = await asyncio.to_thread(stored.renewed, reviewer)
        if self._session.stored is stored:
            self._session.renew(renewed)
        self.on_withdrawn()
        self._session.say(f"{stored.name} is withdrawn; it is not trained with any more.")

    async def _rename(self, given: Mapping[str, Any]) -> None:
        """Give the case that is open to another patient; ``given``: what the page shows at the click."""
        name, reviewer, code, why, answered = (
            str(given.get(field) or "").strip() for field in ("name", "reviewer", "code", "why", "answered")
        )
        stored, data = self._session.stored, self._data
        if stored is None or stored.name != name:
            raise InputError("No case of the data set is open; open one in the list.")
        place = Path(stored.folder)
        similar = await asyncio.to_thread(similar_codes, place, code, name)
        asked = " ".join(one.question for one in similar)
        data.rename_asked = "" if asked == answered else asked
        if data.rename_asked:
            return
        data.renaming = False
        renamed = await asyncio.to_thread(lambda: rename(open_store(place), name, code, reviewer, why))
        renewed = await asyncio.to_thread(stored.renewed, reviewer)
        if self._session.stored is stored:
            self._session.renew(renewed)
        data.right_code = data.why = ""
        self.on_withdrawn()
        self._session.say(f"{' and '.join(renamed)}: the patient's code is changed.")


def by_name(cases: Iterable[CaseSummary], words: str) -> list[CaseSummary]:
    """Return the cases that say each of the words in their name or side, in the order of their names.

    For who reads anew: in `listed`, the order and the words would tell in which cases readers differ.
    """
    wanted = words.casefold().split()
    found = [case for case in cases if all(word in f"{case.case_id} {case.side}".casefold() for word in wanted)]
    return sorted(found, key=lambda case: case.case_id)
