"""The sign-off: what is signed is what the reader's screen shows at the click, whatever the server knows by then."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.reviewed import STATUSES, ReviewedCase, Status
from ONFHAssistLib.curation.store.codes import similar_codes
from ONFHAssistLib.curation.store.folder import save_case
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.logic_cases import CasesLogic
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState


@dataclass(frozen=True)
class Signature:
    """What travels with the click: a busy server may not have heard yet of what was typed before it.

    Attributes:
        status: what is made of the case.
        entry: key of the study, or of the case of the data set, that is on the screen.
        patient_code, reviewer, comment: the fields.
        answered: the question that the reader has answered with yes, or "".
    """

    status: Status
    entry: str
    patient_code: str = ""
    reviewer: str = ""
    comment: str = ""
    answered: str = ""

    @classmethod
    def from_page(cls, given: Mapping[str, Any]) -> "Signature":
        """Read what a page has sent; raises InputError where it is none of our pages."""
        words = {name: str(value if value is not None else "").strip() for name, value in given.items()}
        status = next((one for one in STATUSES if one == words.get("status")), None)
        if status is None or not set(words) <= set(cls.__dataclass_fields__):
            raise InputError("This page is older than its server; load it again, and sign then.")
        return cls(status, **{"entry": "", **{name: word for name, word in words.items() if name != "status"}})


class Signing:
    """Saves what is open as cases, and opens what comes next.

    Attributes:
        on_saved: called when cases were saved.
    """

    def __init__(self, session: Session, data: PageState, act: Actions, stored: CasesLogic, cases: Path) -> None:
        """Take what it joins; ``cases`` is the folder that signed cases go to."""
        self._session, self._data, self._act, self._stored, self._cases = session, data, act, stored, cases
        self.on_saved: Callable[[], None] = lambda: None
        self._codes: dict[str, str] = {}
        self._under_way: str | None = None
        self._last = ""

    def code_of(self, key: str) -> str:
        """Return the patient code that a study was signed with, or its signing was begun with; "" where none was."""
        return self._codes.get(key, "")

    def sign(self, given: Mapping[str, Any]) -> None:
        """Save the open study as cases, and after an approval open the next one; of a case the next case.

        ``given``: the fields of a `Signature`.
        """
        self._act.start(self._sign(given))

    async def _sign(self, given: Mapping[str, Any]) -> None:
        signature, session = Signature.from_page(given), self._session
        key = session.entry.key if session.entry else ""
        if signature.entry != key:
            if signature.entry == self._last:  # a second click on what is signed
                return
            raise InputError(
                "Another study was opened before this was signed; look at it, or go back to sign the other."
            )
        if self._under_way == key:
            return
        self._under_way = key
        try:
            await self._save(signature)
        finally:
            self._under_way = None

    async def _save(self, signature: Signature) -> None:
        session, data, entry, stored = self._session, self._data, self._session.entry, self._session.stored
        self._codes[signature.entry] = data.patient_code = signature.patient_code
        data.reviewer, data.comment = signature.reviewer, signature.comment
        cases = session.cases(signature.patient_code, signature.reviewer, signature.status, signature.comment)
        data.question = await self._question(signature, stored)
        if data.question:
            data.question_status = signature.status
            return
        if is_anothers(stored, signature.reviewer):
            cases = [replace(case, independent=False) for case in cases]
        assert entry is not None  # the one that the cases are of
        for case in cases:
            await asyncio.to_thread(*self._saved(stored, case))
        renewed = await asyncio.to_thread(stored.renewed, signature.reviewer) if stored else None
        self._last = signature.entry
        self.on_saved()
        if session.entry is not entry:  # the reader has gone on meanwhile
            return
        session.signed(signature.status, signature.reviewer)
        done = f"{entry.title} is {signature.status}."
        if renewed is not None:
            session.renew(renewed)
            if renewed.unseen and not renewed.independent:  # who reads anew is not told what others have found
                done += f" {' and '.join(renewed.unseen)} had saved it since you opened it: readers differ."
        if signature.status == "approved" and not session.opened().unsaved:
            done += await self._open_next(stored)
        session.say(done)

    def _saved(self, stored: OpenCase | None, case: ReviewedCase) -> tuple:
        return (stored.save, case) if stored else (save_case, case, self._cases)

    async def _question(self, signature: Signature, stored: OpenCase | None) -> str:
        """Return what the reader has to be asked before this is saved; "" where nothing, or it was answered."""
        if stored is not None and is_anothers(stored, signature.reviewer):
            asked = (
                f"This second reading was begun by {stored.reader}. Signed by {signature.reviewer}, it is saved, but "
                "does not count as an independent reading."
            )
        elif stored is None:
            similar = await asyncio.to_thread(similar_codes, self._cases, signature.patient_code)
            asked = " ".join(one.question for one in similar)
        else:
            asked = ""
        return "" if asked == signature.answered else asked

    async def _open_next(self, stored: OpenCase | None) -> str:
        """Open the next study, or the next case; return what is to be said where there is none."""
        session = self._session
        if stored is None:
            key = session.next_key()
            if key is None:
                return " No other study of the folder waits for a reader."
            await session.open(key)
        elif stored.independent:  # the next one would not be read unseen
            return " Read the next one anew from the list."
        else:
            try:
                following = self._stored.following()
            except InputError as error:
                return f" {error}"
            await session.open_case(Path(stored.folder), following)
        return ""


def is_anothers(stored: OpenCase | None, reviewer: str) -> bool:
    """Say whether this is a second reading that another reader has begun: it is not independent of that one."""
    return stored is not None and stored.independent and stored.reader != reviewer
