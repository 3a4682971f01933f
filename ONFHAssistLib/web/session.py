"""One reader at work on the server: a folder, the study that is open, its review and its draft. No page in here."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import HeadSeed
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.reviewer.analysing import Chosen, ask_for, take_result
from ONFHAssistLib.reviewer.edits import set_comment
from ONFHAssistLib.reviewer.run import CANCELLED, RUNNING, Run
from ONFHAssistLib.reviewer.signing import Signed, note_saved
from ONFHAssistLib.reviewer.study import require_volume
from ONFHAssistLib.reviewer.systems import NOBODY
from ONFHAssistLib.scene.nodes import Node, Scene
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.stored_case import begin_case
from ONFHAssistLib.scene.volumes import add_volume
from ONFHAssistLib.systems.base import Patient
from ONFHAssistLib.web import drafts, worklist
from ONFHAssistLib.web.ahead import Ahead
from ONFHAssistLib.web.folder import StudyFolder
from ONFHAssistLib.web.keeping import Keeper
from ONFHAssistLib.web.memory import give_back
from ONFHAssistLib.web.opening import Opening, read_case, read_entry
from ONFHAssistLib.web.settling import Settling
from ONFHAssistLib.web.worklist import Entry, Row
from ONFHAssistLib.worker.client import Worker

POLL_S, STARTING = 0.05, "Starting"


class Session:
    """What the page shows and does, on one scene and one worker.

    Attributes:
        folder: the worklist and what is kept of its studies.
        ahead: analyses the studies that nobody has opened yet.
        run: the analysis.
        settling: measures what the reader has painted a moment later.
        entry, study, review: what is open; None where nothing is, or (review) where it is not analysed yet.
        message, alarm: a sentence for the reader, or ""; and whether it tells of something that has failed.
        restored: whether the open review was taken up from a draft.
        reviewer: the code of the reader, as it was given last.
        chosen, patient: what the next analysis takes, and the patient variables of the open study.
        on_change, on_study: called after anything of this, or the study in the scene or its review, has changed.
    """

    def __init__(self, scene: Scene, worker: Worker, place: Path, state: Path) -> None:
        """Take the folder (or one study) to review, and the folder for drafts; raises InputError for a bad one."""
        self.scene = scene
        self.on_change: Callable[[], None] = lambda: None
        self.on_study: Callable[[], None] = lambda: None
        self.entry: Entry | None = None
        self.study: Study | None = None
        self.review: Review | None = None
        self.volume_node: Node | None = None
        self.message, self.alarm, self.restored, self.reviewer = "", False, False, ""
        self.chosen = Chosen()
        self.patient: Patient = NOBODY
        self.folder = StudyFolder(place, state, self._unkept)
        self.ahead = Ahead(worker, lambda: self.folder.unseen(self.entry), self._found, self._not_usable)
        self.settling = Settling(self._update)
        self.run = Run(worker, lambda: self.on_change())
        self._reading = ""
        self._worker = worker
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked_for: Entry | None = None
        self._keeper: Keeper | None = None
        self._case: tuple[OpenCase, ReviewedCase] | None = None
        self._stored: tuple[OpenCase, ReviewedCase] | None = None

    @property
    def rows(self) -> list[Row]:
        """The worklist."""
        return self.folder.rows

    @property
    def stage(self) -> str:
        """What is going on, in words; "" where nothing is."""
        return self._reading or self.run.stage

    @property
    def unsaved(self) -> bool:
        """Whether the reader has changed or said something of the open study that was not saved as a case."""
        return self.review is not None and self.review.unsaved

    def start(self) -> None:
        """Begin to analyse ahead; to be called once the event loop runs."""
        self._loop = asyncio.get_running_loop()
        self._ahead_task = self._loop.create_task(self.ahead.run())

    async def open(self, key: str) -> None:
        """Put a study into the scene with what is known of it: its draft, its analysis, or the image alone.

        Of several that are asked for in quick succession the last one is opened.

        Raises:
            InputError: it is not in the list (any more), cannot be read, or an analysis of another one runs.
        """
        entry = self.folder.entry(key)
        await self._open(entry, lambda: read_entry(entry, self.folder.state))

    async def open_case(self, folder: Path, name: str, independent: bool = False) -> None:
        """Put a case of a data set into the scene: as it was left, or the draft that there is of it here.

        Args:
            folder: the data set.
            name: of the case.
            independent: see `curation.store.open_case.open_case`.

        Raises:
            InputError: see there; or an analysis runs.
        """
        entry = worklist.stored_case(folder, name, independent, self.reviewer)
        await self._open(entry, lambda: read_case(entry, independent, self.reviewer, self.folder.state))

    async def _open(self, entry: Entry, read: Callable[[], Opening]) -> None:
        self.require_idle()
        self.settling.now()
        self.ahead.pause()
        self._asked_for = entry
        self._busy(f"Reading {entry.title}")
        try:
            found = await asyncio.to_thread(read)
        except InputError as error:
            self._not_usable(entry, str(error))
            raise
        finally:
            if self._asked_for is entry:
                self._busy("")
        if self._asked_for is not entry:
            return
        self.close()
        self.folder.sort()
        self.entry, self.study = entry, found.study
        self._keeper = Keeper(self.folder, entry, found.mark)
        self._case = self._stored = found.case
        self.volume_node = add_volume(self.scene, found.study.volume, "Volume")
        said = self._show_case(*found.case, found.kept) if found.case else self._take_up(found.kept)
        self.say(said or found.lost, alarm=True)
        self.on_study()

    def _show_case(self, opened: OpenCase, case: ReviewedCase, kept: drafts.Draft | None) -> str:
        """Show a case as it is stored, or its draft; return what is to be said of the draft, or ""."""
        if kept is None or not kept.now:
            self._adopt(begin_case(self.scene, self.volume_node, opened, case))
            return ""
        if said := self._take_up(kept):
            self.opened().remove()
            self._adopt(begin_case(self.scene, self.volume_node, opened, case))
            return f"{said} The case is shown as it is stored."
        self.opened().mark_unsaved()
        self.restored = True
        if kept.seen is None or kept.seen >= opened.seen:
            return ""
        if opened.withdrawn:  # that voids what others have approved, so there is nothing to settle
            return f"{opened.name} was withdrawn by {opened.withdrawn}; saving your draft brings it back."
        # Not settled unseen: the draft does not know of what was saved since.
        self._case = replace(opened, seen=kept.seen), case
        self.opened().renew(self._case[0])
        if opened.independent:  # what others have done is hidden
            return ""
        return f"{opened.name} was saved since your draft was begun. Yours stands beside that if you save it."

    def _take_up(self, kept: drafts.Draft | None) -> str:
        """Begin with what the networks had made, and go on with a draft; return why that is not possible, or ""."""
        if kept is not None:
            self._begin(kept.result)
        if kept is None or not kept.says_something:
            return ""
        try:
            drafts.take_up(kept, self.opened())
        except InputError as error:
            return str(error)
        self.restored = self.unsaved
        self.reviewer = self.reviewer or kept.reviewer
        return ""

    def close(self) -> None:
        """Take the open study out of the scene; its draft is on the disk."""
        self.settling.now()
        if self.review is not None:
            self.review.remove()
        if self.volume_node is not None:
            self.scene.RemoveNode(self.volume_node)
        self.entry = self.study = self.review = self.volume_node = self._keeper = self._case = self._stored = None
        self.restored, self.patient = False, NOBODY
        give_back()

    async def analyse(self, seed: HeadSeed | None = None) -> None:
        """Analyse the open study, or with a seed one of its hips anew (`reviewer.analysing.ask_for`), to the end.

        What the reader corrects meanwhile is kept, and the new result is not taken.

        Raises:
            InputError: nothing is open, another analysis runs, or it has failed.
        """
        entry, study, review = self.entry, self.study, self.review
        if study is None or entry is None:
            raise InputError("No study is open; choose one in the list.")
        self.require_idle()
        options = ask_for(self.chosen, review, seed, self.patient, study)
        self.settling.now()
        before = review.present if review else None
        self._busy(STARTING)
        try:
            await self.ahead.yield_worker()
            result = await self._analysed(study, options)
        except InputError as error:
            if seed is None and review is None and self.stored is None:
                self.folder.cannot_use(entry, str(error))  # until a head is pointed at
            raise
        finally:
            self._busy("")
            self.ahead.pause()
        if self.entry is not entry:  # its reading was under way when this began; its masks belong to no other image
            return
        if result is None:
            self.say(CANCELLED)
            return
        self.settling.now()
        if seed is None and review is not None and review.present is not before:
            self.say("You corrected the study while it was analysed: that is kept, and the new result is not taken.")
            return
        self._adopt(take_result(self.scene, self.volume_node, review, result, seed))
        self.restored = self.restored and seed is not None
        self._changed(sort=True)
        self.on_study()

    async def _analysed(self, study: Study, options: AnalysisOptions) -> StudyResult | None:
        """Follow an analysis to its end; None where it was cancelled."""
        found: list[StudyResult] = []
        self.run.start(study, options, found.append)
        self._busy("")
        while not self.run.idle:
            await asyncio.sleep(POLL_S)
            self.run.poll()
        if self.run.failed:
            raise InputError(self.run.message)
        return found[0] if found else None

    def require_idle(self) -> None:
        """Raise InputError while an analysis is running, or waits for the worker."""
        if self._reading == STARTING:
            raise InputError(RUNNING)
        self.run.require_idle()

    def choose(self, chosen: Chosen) -> None:
        """Let the next analysis, also one ahead, take something else."""
        self.chosen = chosen
        self.ahead.chosen = chosen
        self.folder.try_again()
        self.on_change()

    async def forget_networks(self) -> None:
        """Let the next analysis open the networks anew."""
        await self.ahead.yield_worker()
        self._worker.close()

    def change(self, do: Callable[[Review], object]) -> None:
        """Let the reader do something with the open review; what was painted a moment ago is measured before."""
        self.settling.now()
        do(self.with_hips())
        self._changed()

    def undo(self) -> None:
        """Take the last step back."""
        self.change(Review.undo)

    def redo(self) -> None:
        """Do again what was undone."""
        self.change(Review.redo)

    def forget_draft(self) -> None:
        """Go back to the automatic result of all hips; of a case, to how it was stored.

        Raises:
            InputError: nothing is analysed, or the image was changed or moved; the draft stays as it is.
        """
        drafts.forget(self.opened(), self._stored)
        self._case, self.restored = self._stored, False
        self._changed()

    def note_saved(self, signed: Signed, renewed: OpenCase | None) -> None:
        """Note that hips of the open study were saved as cases; what was drawn meanwhile is a draft still."""
        self.settling.now()
        note_saved(self.opened(), signed, renewed)
        if self._case is not None and renewed is not None:
            self._case = renewed, self._case[1]
        self.reviewer, self.restored = signed.reviewer, False
        self._changed(sort=True)

    def next_key(self) -> str | None:
        """Return the key of the next study that waits for a reader."""
        found = worklist.next_unsigned(self.rows, self.entry.key if self.entry else "")
        return found.entry.key if found else None

    def renew(self, opened: OpenCase) -> None:
        """Take note of what is known of the open case after it was withdrawn or renamed."""
        if self._case is not None:
            self._case = opened, self._case[1]
        self.opened().renew(opened)
        self.on_change()

    def set_comment(self, comment: str) -> None:
        """Keep what the reader says of the open study."""
        if self.review is not None and set_comment(self.review, comment):
            self._changed()

    @property
    def stored(self) -> OpenCase | None:
        """Which case of the data set is open; None where none is."""
        return self._case[0] if self._case else None

    def open_case_of_data_set(self) -> OpenCase:
        """Return which case of the data set is open; raises InputError where none is."""
        if self._case is None:
            raise InputError("No case of the data set is open; open one in the list.")
        return self._case[0]

    def say(self, message: str, alarm: bool = False) -> None:
        """Tell the reader something, or with "" nothing any more."""
        self.message, self.alarm = message, alarm
        self.on_change()

    def end(self) -> None:
        """Finish what is being written, and end the worker."""
        with contextlib.suppress(RuntimeError):  # the event loop has ended before
            self.settling.now()
        self.folder.close()
        self._worker.close()

    def opened(self) -> Review:
        """Return the open review; raises InputError where there is none."""
        if self.review is None:
            raise InputError("The study is not analysed yet; analyse it first.")
        return self.review

    def with_hips(self) -> Review:
        """Return the open review; raises InputError where there is none, or none of a volume."""
        review = self.opened()
        require_volume(review.result.source)
        return review

    def _begin(self, result: StudyResult) -> None:
        """Begin a review with what the networks had made, which is kept already."""
        self._adopt(Review.begin(self.scene, self.volume_node, result, opened=self.stored))
        assert self._keeper is not None and self.review is not None
        self._keeper.kept_already(self.review)

    def _adopt(self, review: Review) -> None:
        self.review = review
        review.on_touch = self._touched

    def _busy(self, reading: str) -> None:
        self._reading = reading
        self.on_change()

    def _update(self) -> None:
        try:
            if self.review is not None and self.review.update():
                self._changed()
        except InputError as error:
            self.say(str(error), alarm=True)

    def _changed(self, sort: bool = False) -> None:
        """Keep the draft, list the study as one, and show it."""
        assert self._keeper is not None  # of the study that is under review
        self._keeper.keep(self.opened(), self.reviewer, self.stored, sort)
        self.on_change()

    def _found(self, entry: Entry, study: Study, result: StudyResult) -> None:
        self.folder.found(entry, study, result)
        self.on_change()

    def _not_usable(self, entry: Entry, sentence: str) -> None:
        self.folder.cannot_use(entry, sentence)
        self.on_change()

    def _touched(self) -> None:
        self.ahead.pause()
        self.settling.soon()

    def _unkept(self, sentence: str) -> None:
        """Tell the reader, from the thread that writes, whether drafts can be kept."""

        def tell() -> None:
            self.folder.unkept = sentence
            self.on_change()

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell)
