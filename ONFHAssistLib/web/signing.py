"""The sign-off: what is signed is what the reader's screen shows at the click, whatever the server knows by then."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.curation.case.reviewed import STATUSES, Status
from ONFHAssistLib.reviewer.cases import NONE_WAITS
from ONFHAssistLib.reviewer.signing import Signature, saved_in_words, sign
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.logic_cases import CasesLogic
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState, signed_hips


@dataclass(frozen=True)
class Click:
    """What travels with the click: a busy server may not have heard yet of what was typed before it.

    Attributes:
        status: what is made of the hips.
        sides: the hips that are signed.
        entry: key of the study, or of the case of the data set, that is on the screen.
        patient_code, reviewer, comment: the fields.
        answered: the question that the reader has answered with yes, or "".
    """

    status: Status
    sides: tuple[Side, ...]
    entry: str = ""
    patient_code: str = ""
    reviewer: str = ""
    comment: str = ""
    answered: str = ""

    @classmethod
    def from_page(cls, given: Mapping[str, Any]) -> "Click":
        """Read what a page has sent; raises InputError where it is none of our pages."""
        sides = given.get("sides")
        words = {name: str(value if value is not None else "").strip() for name, value in given.items()}
        wanted = words.pop("status", "")
        status = next((one for one in STATUSES if one == wanted), None)
        if status is None or not isinstance(sides, list) or not set(words) <= set(cls.__dataclass_fields__):
            raise InputError("This page is older than its server; load it again, and sign then.")
        del words["sides"]
        return cls(status, tuple(side for side in SIDES if side in sides), **words)

    @property
    def signature(self) -> Signature:
        """What the reader says of the hips."""
        return Signature(dict.fromkeys(self.sides, self.status), self.reviewer, self.patient_code, self.comment)


class Signing:
    """Saves hips of what is open as cases, and opens what comes next.

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
        """Save hips of the open study as cases; once all are approved, open the next study; of a case the next case.

        ``given``: the fields of a `Click`.
        """
        self._act.start(self._sign(given))

    async def _sign(self, given: Mapping[str, Any]) -> None:
        click, session = Click.from_page(given), self._session
        key = session.entry.key if session.entry else ""
        if click.entry != key:
            if click.entry == self._last:  # a second click on what is signed
                return
            raise InputError(
                "Another study was opened before this was signed; look at it, or go back to sign the other."
            )
        if self._under_way == key:
            return
        self._under_way = key
        try:
            await self._save(click)
        finally:
            self._under_way = None

    async def _save(self, click: Click) -> None:
        session, data, entry = self._session, self._data, self._session.entry
        self._codes[click.entry] = data.patient_code = click.patient_code
        data.reviewer, data.comment = click.reviewer, click.comment
        session.settling.now()
        signed = sign(session.with_hips(), click.signature, self._cases)
        asked = await asyncio.to_thread(signed.question)
        data.question = "" if asked == click.answered else asked
        if data.question:
            data.question_status = click.status
            return
        renewed = await asyncio.to_thread(signed.save)
        self._last = click.entry
        self.on_saved()
        if entry is None or session.entry is not entry:  # the reader has gone on meanwhile
            return
        session.note_saved(signed, renewed)
        done = saved_in_words(signed.cases, renewed)
        waiting = [hip["side"] for hip in signed_hips(session.review) if not hip["status"]]
        if waiting:
            data.signing = waiting
            done += f" The {' and '.join(waiting)} hip {'waits' if len(waiting) == 1 else 'wait'} to be signed."
        elif click.status == "approved":
            done = f"{entry.title}: {done}{await self._open_next()}"
        session.say(done)

    async def _open_next(self) -> str:
        """Open the next study, or the next case; return what is to be said where there is none."""
        session, stored = self._session, self._session.stored
        if stored is None:
            key = session.next_key()
            if key is None:
                return " No other study of the folder waits for a reader."
            await session.open(key)
        elif stored.independent:  # the next one would not be read unseen
            return " Read the next one anew from the list."
        else:
            following = self._stored.following()
            if not following:
                return f" {NONE_WAITS}"
            await session.open_case(Path(stored.folder), following)
        return ""
