"""Studies that nobody has opened yet are analysed while the reader reads, so that the list can be sorted by grades."""

import asyncio
import time
from collections.abc import Callable

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.reviewer.analysing import Chosen
from ONFHAssistLib.web.faults import tell_fault
from ONFHAssistLib.web.reading import read_checked
from ONFHAssistLib.web.worklist import Entry
from ONFHAssistLib.worker.client import Failed, Finished, Progress, Worker

QUIET_S = 8.0
"""The reader has the machine for themselves so long after a stroke, an analysis or the opening of a study."""
POLL_S = 0.1


class Ahead:
    """One study after the other through the worker, which is given back at once when the reader wants it.

    Attributes:
        wanted: whether to do so at all.
        chosen: with which systems, and how.
        entry: the study that is analysed now; None.
    """

    def __init__(
        self,
        worker: Worker,
        waiting: Callable[[], Entry | None],
        done: Callable[[Entry, Study, StudyResult], None],
        failed: Callable[[Entry, str], None],
    ) -> None:
        """Remember where studies come from and where results go.

        Args:
            worker: shared with the reader, who calls `yield_worker` before using it.
            waiting: returns the study to be analysed next.
            done: takes an analysis.
            failed: takes the sentence on one that cannot be read; "" where it is the analysis that has failed.
        """
        self.wanted = True
        self.chosen = Chosen()
        self.entry: Entry | None = None
        self._worker, self._waiting, self._done, self._failed = worker, waiting, done, failed
        self._free = asyncio.Event()
        self._free.set()
        self._quiet_at = time.monotonic()

    def pause(self) -> None:
        """Let the machine be the reader's for a while; what runs is stopped and done again later."""
        self._quiet_at = time.monotonic() + QUIET_S
        if self.entry is not None:
            self._worker.cancel()

    async def yield_worker(self) -> None:
        """Return once the worker is the reader's, within about a second."""
        self.pause()
        await self._free.wait()

    async def run(self) -> None:
        """Analyse whatever waits, for ever."""
        while True:
            await asyncio.sleep(POLL_S)
            entry = self._waiting() if self._may() else None
            if entry is None:
                continue
            try:
                await self._analyse(entry)
            except InputError as error:
                self._failed(entry, str(error))
            except Exception as error:  # one study costs that study, not those behind it
                tell_fault(error)
                self._failed(entry, "An error of the program; please report what the server's terminal shows.")

    async def _analyse(self, entry: Entry) -> None:
        study = await asyncio.to_thread(read_checked, entry.path)
        if not self._may():
            return
        self.entry = entry
        self._free.clear()
        try:
            self._worker.analyse(study, self.chosen.options(study))
            await self._follow(entry, study)
        finally:
            self.entry = None
            self._free.set()

    def _may(self) -> bool:
        return self.wanted and not self._worker.running and time.monotonic() > self._quiet_at

    async def _follow(self, entry: Entry, study: Study) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            if not self.wanted:
                self._worker.cancel()
            for event in self._worker.poll():
                if isinstance(event, Finished):
                    self._done(entry, study, event.result)
                if isinstance(event, Failed):
                    self._failed(entry, "")
                if not isinstance(event, Progress):
                    return
