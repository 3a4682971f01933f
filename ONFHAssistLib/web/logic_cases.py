"""What list and card of the data set's cases do; mirrors `ui_cases`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.reports.overview import Overview, following
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.reviewer.cases import (
    CaseLine,
    case_card,
    case_lines,
    code_question,
    next_case,
    place_of,
    rename_patient,
    withdraw_case,
)
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
        self._lines: list[CaseLine] = []

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
        here = self._session.stored
        self.open(next_case(self._found(), here.name if here else ""))

    def following(self) -> str:
        """Return the case that is most worth a look after the one that is open; "" where none waits."""
        here = self._session.stored
        return following(self._found(), here.name if here else "")

    def step(self, direction: int) -> None:
        """Open the next or the previous case of the list as it is shown."""
        names = [line.name for line in self._lines]
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
        stored = self._session.stored
        if stored and self._session.review:
            self._session.review.show_reading(stored.side, None)

    def show(self) -> None:
        """Bring list and card up to date; what has not changed is not made anew."""
        found, stored, words = self._found(), self._session.stored, self._data.words or ""
        listing = (found.cases, stored, words, self._session.unsaved)
        if len(self._listed) == len(listing) and all(
            a is b or a == b for a, b in zip(listing, self._listed, strict=True)
        ):
            return
        self._listed = listing
        blind, drafted = stored is not None and stored.independent, drafted_here(self._session, found)
        self._lines, more = case_lines(found, words, stored.name if stored else "", blind, drafted)
        self._data.stored = [asdict(line) for line in self._lines]
        self._data.stored_more = more
        card = case_card(stored)
        self._data.case = asdict(card) if card else {}

    def _named(self, name: str) -> OpenCase:
        """Return the open case if it is the one that a page has named; raises InputError where it is not."""
        stored = self._session.open_case_of_data_set()
        if stored.name != name:
            raise InputError("Another case was opened before this was done; look at it, or open the other again.")
        return stored

    async def _open(self, name: str, independent: bool) -> None:
        await self._session.open_case(place_of(self._found()), name, independent)

    async def _compare(self, number: int) -> None:
        stored = self._session.open_case_of_data_set()
        masks = None if number < 0 else await asyncio.to_thread(stored.masks, number)
        if self._session.stored is stored:
            self._session.opened().show_reading(stored.side, masks)
            self._data.reading = number

    async def _take_over(self, number: int) -> None:
        stored = self._session.open_case_of_data_set()
        masks = await asyncio.to_thread(stored.masks, number)
        if self._session.stored is stored:
            reading = next(one for one in stored.readings if one.number == number)
            taken = stored.side, masks, reading.whose, reading.reviewed
            self._session.change(lambda review: review.take_over(*taken))

    async def _withdraw(self, name: str, reviewer: str, why: str) -> None:
        stored = self._named(name)
        said = await asyncio.to_thread(withdraw_case, Path(stored.folder), name, reviewer, why)
        await self._renewed(stored, reviewer, said)

    async def _rename(self, given: Mapping[str, Any]) -> None:
        """Give the case that is open to another patient; ``given``: what the page shows at the click."""
        name, reviewer, code, why, answered = (
            str(given.get(field) or "").strip() for field in ("name", "reviewer", "code", "why", "answered")
        )
        stored, data = self._named(name), self._data
        place = Path(stored.folder)
        asked = await asyncio.to_thread(code_question, place, code, name)
        data.rename_asked = "" if asked == answered else asked
        if data.rename_asked:
            return
        data.renaming = False
        said = await asyncio.to_thread(rename_patient, place, name, code, reviewer, why)
        data.right_code = data.why = ""
        await self._renewed(stored, reviewer, said)

    async def _renewed(self, stored: OpenCase, reviewer: str, said: str) -> None:
        """Show what has become of a case, and say it."""
        renewed = await asyncio.to_thread(stored.renewed, reviewer)
        if self._session.stored is stored:
            self._session.renew(renewed)
        self.on_withdrawn()
        self._session.say(said)


def drafted_here(session: Session, found: Overview) -> frozenset[str]:
    """Return the names of the cases of a data set that have a draft here, other than a second reading's.

    The file of the open case may not be written yet, or not be gone yet.
    """
    names, stored = [case.case_id for case in found.cases], session.stored
    drafted = session.folder.drafted(found.folder, names) if found.folder else frozenset()
    if stored is None or stored.independent:
        return drafted
    return drafted | {stored.name} if session.unsaved else drafted - {stored.name}
