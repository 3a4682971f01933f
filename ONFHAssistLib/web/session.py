"""One reader at work on the server: a folder, the study that is open, its review and its draft. No page in here."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ONFHAssistLib.analysis import AnalysisOptions, HeadSeed
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.hip import SIDES, Side, StudyResult
from ONFHAssistLib.curation.case import ReviewedCase, Status
from ONFHAssistLib.imaging.domain import check_image
from ONFHAssistLib.imaging.read import Study, read_study
from ONFHAssistLib.scene.nodes import Node, Scene
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import SignOff
from ONFHAssistLib.scene.volumes import add_volume, describe
from ONFHAssistLib.web import drafts, worklist
from ONFHAssistLib.web.worklist import Entry, Row, Summary
from ONFHAssistLib.worker.client import Failed, Finished, Progress, Stopped, Worker

POLL_S = 0.05
SETTLE_S = 0.12
"""A stroke fires many events; so long after the last one it is measured."""


class Session:
    """What the page shows and does, on one scene and one worker.

    Attributes:
        rows: the worklist.
        entry, study, review: what is open; None where nothing is, or (review) where it is not analysed yet.
        fraction, stage: how far an analysis is; ``stage`` is "" where none runs.
        message: a sentence for the reader, or "".
        restored: whether the open review was taken up from a draft.
        on_change: called after anything of this has changed.
        on_study: called after another study was put into the scene, or its review has begun.
    """

    def __init__(self, scene: Scene, worker: Worker, place: Path, state: Path) -> None:
        """Take the folder (or one study) to review, and the folder for drafts; raises InputError for a bad one."""
        self.scene, self.state = scene, state
        self.on_change: Callable[[], None] = lambda: None
        self.on_study: Callable[[], None] = lambda: None
        self.entry: Entry | None = None
        self.study: Study | None = None
        self.review: Review | None = None
        self.volume_node: Node | None = None
        self.fraction, self.stage, self.message, self.restored = 0.0, "", "", False
        self.reviewer = ""
        self.rows: list[Row] = []
        self._worker, self._place = worker, place
        self._entries: list[Entry] = []
        self._settling: asyncio.TimerHandle | None = None
        self._writer = drafts.Writer(self._could_not_write)
        self._mark = ""
        self.look_through()

    def look_through(self) -> None:
        """Look for the studies in the folder again."""
        self._entries = (
            worklist.find_studies(self._place) if self._place.is_dir() else [worklist.single_study(self._place)]
        )
        self._list()

    async def open(self, key: str) -> None:
        """Put a study into the scene with what is known of it: its draft, its analysis, or the image alone.

        Raises:
            InputError: it is not in the list (any more), cannot be read, or an analysis of another one runs.
        """
        entry = worklist.entry_of(self._entries, key)
        if self._worker.running:
            raise InputError("An analysis is running; wait for it or cancel it, and open the study then.")
        self.settle()
        self.say(f"Reading {entry.title}", stage=True)
        try:
            study = await asyncio.to_thread(read_study, entry.path)
            study = replace(study, notices=(*study.notices, *check_image(study)))
        except InputError as error:
            self.say("")
            self._know(entry, Summary("not usable", problem=str(error)))
            raise
        self.close()
        self._make_room(entry)
        self.entry, self.study = entry, study
        self.volume_node = add_volume(self.scene, study.volume, "Volume")
        self._mark = await asyncio.to_thread(drafts.fingerprint, study)
        kept = await asyncio.to_thread(drafts.read, self.state / entry.key, study, self._mark)
        if kept is not None:
            self._begin(kept.result)
            if kept.now:
                self.review.take_up(kept.now)
                self.reviewer = self.reviewer or kept.reviewer
            self.restored = bool(kept.now)
        self.say("")
        self.on_study()

    def close(self) -> None:
        """Take the open study out of the scene; its draft is on the disk."""
        self.settle()
        if self.review is not None:
            self.review.remove()
        if self.volume_node is not None:
            self.scene.RemoveNode(self.volume_node)
        self.entry = self.study = self.review = self.volume_node = None
        self.restored = False

    async def analyse(self, seed: HeadSeed | None = None) -> None:
        """Analyse the open study, or with a seed one of its hips anew; returns when it has ended.

        Raises:
            InputError: nothing is open, another analysis runs, or it has failed.
        """
        entry, study = self.entry, self.study
        if study is None or entry is None:
            raise InputError("No study is open; choose one in the list.")
        options = AnalysisOptions() if seed is None else AnalysisOptions(sides=(seed.side,), heads=(seed,))
        self.settle()
        self._worker.analyse(study, options)
        self.say("Starting", stage=True)
        result = await self._wait()
        if result is None or self.entry is not entry:
            return
        if seed is not None and self.review is not None:
            self.review.replace_hip(result, seed.side)
        else:
            self._begin(result)
            self.restored = False
        self._put(drafts.MADE, made=self.review.made())
        self._changed()
        if seed is None:
            self.on_study()

    def cancel(self) -> None:
        """Stop the analysis that runs, if any."""
        self._worker.cancel()

    def settle(self) -> None:
        """Measure now what was painted a moment ago."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
            self._update()

    def undo(self) -> None:
        """Take the last step back."""
        self._step("undo")

    def redo(self) -> None:
        """Do again what was undone."""
        self._step("redo")

    def reset(self, side: Side, slice_index: int | None = None) -> None:
        """Go back to the automatic result of a slice or a hip."""
        self._review().reset(side, slice_index)
        self._changed()

    def forget_draft(self) -> None:
        """Go back to the automatic result of all hips."""
        for side in SIDES:
            with contextlib.suppress(InputError):  # a hip without masks has nothing to go back to
                self._review().reset(side)
        self.restored = False
        self._changed()

    def cases(self, patient_code: str, reviewer: str, status: Status, comment: str) -> list[ReviewedCase]:
        """Return the segmented hips as cases; raises InputError where a part is missing."""
        self.settle()
        review = self._review()
        sides = [side for side in review.sides if review.hip(side).status == "graded"]
        if not sides:
            raise InputError("No hip is segmented; click on the centre of a head to segment it.")
        for side in sides:
            review.set_sign_off(side, SignOff(reviewer, status, comment))
        return [review.case(side, patient_code) for side in sides]

    def signed(self, status: Status, reviewer: str) -> None:
        """Note that the open study was saved as cases."""
        entry, review = self.entry, self._review()
        self.reviewer = reviewer
        for side in review.sides:
            with contextlib.suppress(InputError):
                review.mark_saved(side)
        self._know(entry, worklist.summarise(review.study_result(), status, reviewer))
        self.on_change()

    def next_key(self) -> str | None:
        """Return the key of the next study that waits for a reader."""
        row = worklist.next_unsigned(self.rows, self.entry.key if self.entry else "")
        return row.entry.key if row else None

    def describe(self) -> str:
        """Return what the open study is, in a few words; or ""."""
        return describe(self.study) if self.study else ""

    def say(self, message: str, stage: bool = False) -> None:
        """Tell the reader something: what happens now, or a sentence that stays."""
        self.stage, self.fraction = (message, 0.0) if stage else ("", 0.0)
        self.message = "" if stage else message
        self.on_change()

    def end(self) -> None:
        """Finish what is being written, and end the worker."""
        self.settle()
        self._writer.close()
        self._worker.close()

    def _begin(self, result: StudyResult) -> None:
        if self.review is not None:
            self.review.remove()
        self.review = Review.begin(self.scene, self.volume_node, result)
        self.review.on_touch = self._touched

    async def _wait(self) -> StudyResult | None:
        """Follow the analysis to its end; None where it was cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            for event in self._worker.poll():
                if isinstance(event, Progress):
                    self.stage, self.fraction = event.stage, event.fraction
                    self.on_change()
                    continue
                self.say("Cancelled; nothing was changed." if isinstance(event, Stopped) else "")
                if isinstance(event, Failed):
                    raise InputError(event.message)
                return event.result if isinstance(event, Finished) else None

    def _touched(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(SETTLE_S, self.settle)

    def _update(self) -> None:
        try:
            changed = self.review is not None and self.review.update()
        except InputError as error:
            self.say(str(error))
            return
        if changed:
            self._changed()

    def _step(self, what: str) -> None:
        self.settle()
        words = getattr(self._review(), what)()
        if words:
            self._changed()

    def _changed(self) -> None:
        """Keep the draft, list the study as one, and show it."""
        review, entry = self.review, self.entry
        drafted = any(review.changed(side) for side in review.sides)
        if drafted:
            self._put(drafts.NOW, hips=review.now(), reviewer=self.reviewer)
        else:
            self._writer.put(self.state / entry.key / drafts.NOW, None)
        before = worklist.read_summary(self.state, entry)
        status = "draft" if drafted else "analysed" if before.status in ("draft", "new") else before.status
        summary = worklist.summarise(review.study_result(), status, self.reviewer)
        if summary != before:
            self._know(entry, summary)
        self.on_change()

    def _put(self, name: str, **content: Any) -> None:
        self._writer.put(self.state / self.entry.key / name, {"image": self._mark, **content})

    def _make_room(self, entry: Entry) -> None:
        """Make the folder of a study first: two writers must not both want to bring it into being."""
        try:
            (self.state / entry.key).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._could_not_write(InputError(f"{self.state} cannot be written ({error.strerror})."))

    def _know(self, entry: Entry, summary: Summary) -> None:
        with contextlib.suppress(InputError):  # a draft that cannot be kept has said so
            worklist.write_summary(self.state, entry, summary)
        self._list()

    def _list(self) -> None:
        self.rows = worklist.rows(self._entries, self.state)

    def _review(self) -> Review:
        if self.review is None:
            raise InputError("The study is not analysed yet; analyse it first.")
        return self.review

    def _could_not_write(self, error: InputError) -> None:
        self.say(f"The draft is not kept: {error}")
