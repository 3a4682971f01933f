"""What a reader asks for is done, and failures are told: a sentence on the page, nothing of a patient in the log."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps

from trame_server.state import State

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.web.faults import tell_fault
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import on_page

BUG = "That has failed: an error of the program. Your work is kept; please report what the server's terminal shows."


class Actions:
    """Runs what a click or a key asks for; an InputError becomes a sentence on the page."""

    def __init__(self, state: State, session: Session, show: Callable[[], None]) -> None:
        """Take the page's state, the session, which says the sentences, and what brings the page up to date."""
        self._state, self._session, self._show = state, session, show
        self._tasks: set[asyncio.Task] = set()

    def now(self, do: Callable, quiet: bool = False) -> Callable:
        """Return ``do`` as a handler of a signal; a ``quiet`` one leaves the last sentence on the page."""

        @wraps(do)
        def guarded(*arguments: object) -> None:
            with self._state:
                try:
                    if not quiet:
                        self._session.message = ""
                    do(*arguments)
                except Exception as error:
                    self.failed(error)
                else:
                    self._show()

        return guarded

    def start(self, work: Awaitable, quiet: bool = False) -> None:
        """Do something that takes a while; the page can be used meanwhile."""

        async def guarded() -> None:
            try:
                if not quiet:
                    self._session.message = ""
                await work
            except Exception as error:
                self.failed(error)
            else:
                self._show()

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def failed(self, error: BaseException) -> None:
        """Tell the reader that something has failed, and the terminal what, where it is an error of the program."""
        sentence = on_page(str(error))
        if not isinstance(error, InputError):
            tell_fault(error)
            sentence = BUG
        self._session.say(sentence, alarm=True)
