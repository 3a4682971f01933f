"""Studies that nobody has opened are analysed meanwhile, and never in the reader's way."""

import asyncio
import time
from pathlib import Path

import pytest
from web_parts import at_work, key_of, row_of, sample, until

from ONFHAssistLib.web import ahead
from ONFHAssistLib.worker.client import Failed, Stopped

SAMPLE = "sample.nii.gz"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "QUIET_S", 0.3)


class Slow:
    """A worker that never ends an analysis unless it is cancelled or fails."""

    def __init__(self) -> None:
        self.running, self.asked, self.cancelled, self.failing = False, [], 0, False

    def analyse(self, study, options=None) -> None:
        assert not self.running
        self.running = True
        self.asked.append(study)

    def cancel(self) -> None:
        self.cancelled += self.running

    def poll(self) -> list:
        if self.running and (self.failing or self.cancelled):
            self.running, self.cancelled = False, 0
            return [Failed("It broke.", False) if self.failing else Stopped()]
        return []

    def close(self) -> None:
        pass


def test_new_studies_are_analysed_and_the_list_is_sorted_by_what_was_found(place: Path, state: Path, tmp_path: Path):
    sample(place, "a new one.nii.gz")

    async def steps(session) -> None:
        assert row_of(session, "a new one.nii.gz").status == "new"
        session.ahead.wanted = True
        await until(lambda: row_of(session, "a new one.nii.gz").status == "analysed", 60)
        assert row_of(session, "a new one.nii.gz").summary.hips == row_of(session, SAMPLE).summary.hips
        assert session.entry is None, "nothing was opened"
        await session.open(key_of(session, "a new one.nii.gz"))
        assert session.review.hip("left").status == "graded", "it need not be analysed again"

    at_work(place, state, steps)


def test_the_reader_has_the_worker_within_a_second(place: Path, tmp_path: Path):
    sample(place, "other.nii.gz")
    worker = Slow()

    async def steps(session) -> None:
        session.ahead.wanted = True
        await until(lambda: worker.running)
        start = time.monotonic()
        await session.open(key_of(session, SAMPLE))
        await until(lambda: not worker.running)
        work = asyncio.ensure_future(session.analyse())
        await until(lambda: worker.running and not session.run.idle)
        assert time.monotonic() - start < 20  # not after the other study
        session.run.cancel()
        await work
        await until(lambda: worker.running, 5)
        assert session.ahead.entry.title == "other.nii.gz", "what is open is left to the reader"
        session.ahead.wanted = False
        await until(lambda: not worker.running)

    at_work(place, tmp_path / "state", steps, worker=worker)


def test_what_cannot_be_analysed_is_tried_once_and_stays_in_the_list(place: Path, tmp_path: Path):
    worker = Slow()
    worker.failing = True

    async def steps(session) -> None:
        session.ahead.wanted = True
        await until(lambda: worker.asked)
        await asyncio.sleep(1.0)
        assert len(worker.asked) == 1 and row_of(session, SAMPLE).status == "new"

    at_work(place, tmp_path / "state", steps, worker=worker)
