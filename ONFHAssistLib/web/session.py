"""One reader at work on the server: a folder, the study that is open, its review and its draft. No page in here."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, HeadSeed, Side
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.case.reviewed import ReviewedCase, Status
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.store.open_case import OpenCase, Reading, only_one_hip
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.hip_state import automatic_of
from ONFHAssistLib.scene.nodes import Node, Scene
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import SignOff, packed
from ONFHAssistLib.scene.stored_case import begin_case
from ONFHAssistLib.scene.volumes import add_volume, describe
from ONFHAssistLib.systems import OWN, those_known
from ONFHAssistLib.web import drafts, worklist
from ONFHAssistLib.web.ahead import Ahead
from ONFHAssistLib.web.folder import StudyFolder
from ONFHAssistLib.web.memory import give_back
from ONFHAssistLib.web.opening import Opening, read_case, read_entry
from ONFHAssistLib.web.worklist import Entry, Row
from ONFHAssistLib.worker.client import Failed, Finished, Progress, Worker

POLL_S = 0.05
SETTLE_S = 0.12
"""A stroke fires many events; so long after the last one it is measured."""


class Session:
    """What the page shows and does, on one scene and one worker.

    Attributes:
        folder: the worklist and what is kept of its studies.
        ahead: analyses the studies that nobody has opened yet.
        entry, study, review: what is open; None where nothing is, or (review) where it is not analysed yet.
        stage, fraction: what is going on and how far it is; ``stage`` is "" where nothing is.
        analysing: whether that is an analysis, which can be cancelled.
        message: a sentence for the reader, or "".
        alarm: whether it tells of something that has failed.
        restored: whether the open review was taken up from a draft.
        reviewer: the code of the reader, as it was given last.
        systems: ids of those that the next analysis takes.
        held: whether changes in the scene are left alone for the moment, while a landmark is being placed.
        on_change: called after anything of this has changed.
        on_study: called after another study was put into the scene, or its review has begun.
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
        self.stage, self.fraction, self.analysing = "", 0.0, False
        self.message, self.alarm, self.restored, self.reviewer = "", False, False, ""
        self.held = False
        self.systems: tuple[str, ...] = (OWN,)
        self.folder = StudyFolder(place, state, self._unkept)
        self.ahead = Ahead(worker, self._unseen, self._found, self._not_usable)
        self._worker = worker
        self._loop: asyncio.AbstractEventLoop | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._asked_for: Entry | None = None
        self._failures: set[str] = set()
        self._mark = ""
        self._made: tuple[HipResult, ...] = ()
        self._case: tuple[OpenCase, ReviewedCase] | None = None
        self._stored: tuple[OpenCase, ReviewedCase] | None = None

    @property
    def rows(self) -> list[Row]:
        """The worklist."""
        return self.folder.rows

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
        if self.analysing:
            raise InputError("An analysis is running; wait for it or cancel it, and open the study then.")
        self.settle()
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
        self.entry, self.study, self._mark = entry, found.study, found.mark
        self._case = self._stored = found.case
        self.volume_node = add_volume(self.scene, found.study.volume, "Volume")
        said = self._show_case(*found.case, found.kept) if found.case else self._show_study(found.kept)
        self.say(said, alarm=True)
        self.on_study()

    def _show_study(self, kept: drafts.Draft | None) -> str:
        """Show what is known of a study; return what is to be said of its draft, or ""."""
        if kept is None:
            return ""
        self._begin(kept.result)
        return self._take_up(kept)

    def _show_case(self, opened: OpenCase, case: ReviewedCase, kept: drafts.Draft | None) -> str:
        """Show a case as it is stored, or its draft; return what is to be said of the draft, or ""."""
        self._made = ()  # it is kept with the first draft
        if kept is None or not kept.now:
            self._adopt(begin_case(self.scene, self.volume_node, opened, case))
            return ""
        self._begin(kept.result)
        if said := self._take_up(kept):
            self.opened().remove()
            self._adopt(begin_case(self.scene, self.volume_node, opened, case))
            return f"{said} The case is shown as it is stored."
        self.opened().mark_unsaved()
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

    def _take_up(self, kept: drafts.Draft) -> str:
        """Go on with a draft; return why that is not possible, or ""."""
        if not (kept.now or kept.reviewed):
            return ""
        review = self.opened()
        try:
            review.take_up(kept.now)
        except InputError as error:
            return str(error)
        for side in review.sides:
            review.set_reviewed(side, kept.reviewed.get(side))
            review.set_sign_off(side, SignOff(comment=kept.comment))
        self.restored = True
        self.reviewer = self.reviewer or kept.reviewer
        return ""

    def close(self) -> None:
        """Take the open study out of the scene; its draft is on the disk."""
        self.settle()
        if self.review is not None:
            self.review.remove()
        if self.volume_node is not None:
            self.scene.RemoveNode(self.volume_node)
        self.entry = self.study = self.review = self.volume_node = self._case = self._stored = None
        self.restored = False
        give_back()

    async def analyse(self, seed: HeadSeed | None = None) -> None:
        """Analyse the open study, or with a seed one of its hips anew; returns when it has ended.

        What the reader corrects meanwhile is kept, and the new result is not taken.

        Raises:
            InputError: nothing is open, another analysis runs, or it has failed.
        """
        entry, study = self.entry, self.study
        if study is None or entry is None:
            raise InputError("No study is open; choose one in the list.")
        self.require_idle()
        if self.stored and seed and seed.side != self.stored.side:
            raise InputError(only_one_hip(self.stored))
        self.settle()
        before = self.review.present if self.review else None
        sides = (self.stored.side,) if self.stored else SIDES
        heads = () if seed is None else (seed,)
        options = AnalysisOptions((seed.side,) if seed else sides, heads=heads, systems=self.systems)
        self._busy("Starting", analysing=True)
        try:
            await self.ahead.yield_worker()
            self._worker.analyse(study, options)
            result = await self._wait()
        except InputError as error:
            if seed is None and self.review is None and self.stored is None:
                self.folder.cannot_use(entry, str(error))  # until a head is pointed at
            raise
        finally:
            self._busy("")
            self.ahead.pause()
        if result is None:
            self.say("Cancelled; nothing was changed.")
            return
        self.settle()
        if seed is None and self.review is not None and self.review.present is not before:
            self.say("You corrected the study while it was analysed: that is kept, and the new result is not taken.")
            return
        if seed is not None and self.review is not None:
            self.review.replace_hip(result, seed.side)
        else:
            self._begin(result)
            self._made = ()
            self.restored = False
        self._changed(sort=True)
        self.on_study()

    def choose_systems(self, ids: Iterable[str]) -> None:
        """Let the next analysis, also one ahead, take these systems; where it is none, the choice stays as it was."""
        wanted = set(ids)
        self.systems = those_known(wanted) if wanted else self.systems
        self.ahead.options = AnalysisOptions(systems=self.systems)
        self.on_change()

    def cancel(self) -> None:
        """Stop the analysis that runs, if any."""
        if self.analysing:
            self._worker.cancel()

    def drafts_of(self, folder: Path | None, cases: Iterable[CaseSummary]) -> frozenset[str]:
        """Return the names of those cases of a data set that have a draft here, other than a second reading's.

        The file of the open case may not be written yet, or not be gone yet.
        """
        found = self.folder.drafted(folder, [case.case_id for case in cases]) if folder else frozenset()
        if self.stored is None or self.stored.independent:
            return found
        here = {self.stored.name}
        return found | here if self.drafted() else found - here

    def require_idle(self) -> None:
        """Raise InputError while an analysis is running."""
        if self.analysing:
            raise InputError("An analysis is running; wait for it or cancel it.")

    async def forget_networks(self) -> None:
        """Let the next analysis open the networks anew."""
        await self.ahead.yield_worker()
        self._worker.close()

    def settle(self) -> None:
        """Measure now what was painted a moment ago."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
            if not self.held:
                self._update()

    def release(self) -> None:
        """Measure what has changed while changes were `held`."""
        self.held = False
        self._touched()

    def undo(self) -> None:
        """Take the last step back."""
        self.settle()
        self._after(self.opened().undo())

    def redo(self) -> None:
        """Do again what was undone."""
        self.settle()
        self._after(self.opened().redo())

    def reset(self, side: Side, slice_index: int | None = None) -> None:
        """Go back to the automatic result of a slice or a hip."""
        self.opened().reset(side, slice_index)
        self._changed()

    def forget_draft(self) -> None:
        """Go back to the automatic result of all hips; of a case, to how it was stored.

        Raises:
            InputError: nothing is analysed, or the image was changed or moved; the draft stays as it is.
        """
        review, case = self.opened(), self._stored
        review.update()  # what can't be measured any more is told before anything is changed
        for side in review.segmented:
            if case is None:
                review.reset(side)
            else:
                review.take_over(side, case[1].masks, "the data set", case[1].reviewed_slices)
        self._case = case
        if case is not None:
            review.renew(case[0])
        for side in review.sides:
            review.set_reviewed(side, case[1].reviewed_slices if case else None)
            review.set_sign_off(side, SignOff(status=case[1].status, comment=case[1].comment) if case else SignOff())
            if case and side in review.segmented:
                review.mark_as_stored(side)
        self.restored = False
        self._changed()

    def set_radius(self, side: Side, radius_mm: float) -> None:
        """Give a head's sphere another radius; the masks stay as they are."""
        sphere = self.opened().hip(side).sphere
        if sphere is None:
            raise InputError(f"The {side} head has no centre yet; place it first.")
        if not 10 <= radius_mm <= 40:
            raise InputError(f"A radius of {radius_mm:g} mm is not that of a femoral head; give 10 to 40 mm.")
        self.opened().set_sphere(side, replace(sphere, radius_mm=radius_mm))
        self._changed()

    def cases(self, patient_code: str, reviewer: str, status: Status, comment: str) -> list[ReviewedCase]:
        """Return the segmented hips as cases; raises InputError where a part is missing."""
        self.settle()
        review = self.opened()
        sides = [side for side in review.sides if review.hip(side).segmented]
        if not sides:
            raise InputError("No hip is segmented; click on the centre of a head to segment it.")
        for side in sides:
            review.set_sign_off(side, SignOff(reviewer, status, comment))
        return [review.case(side, patient_code) for side in sides]

    def signed(self, status: Status, reviewer: str) -> None:
        """Note that the open study was saved as cases."""
        self.settle()
        review = self.opened()
        self.reviewer, self.restored = reviewer, False
        for side in review.segmented:  # others were not saved
            review.mark_saved(side)
        if self._case is not None:
            self._changed()  # what was drawn while it was saved is a draft still
            return
        assert self.entry is not None  # the one under review
        self.folder.know(self.entry, self._summary(review, status, reviewer))
        self.on_change()

    def next_key(self) -> str | None:
        """Return the key of the next study that waits for a reader."""
        row = worklist.next_unsigned(self.rows, self.entry.key if self.entry else "")
        return row.entry.key if row else None

    def drafted(self) -> bool:
        """Return whether the reader has changed something of the open study."""
        review = self.review
        if review is None or self._case is not None:
            return review is not None and review.unsaved
        return any(review.changed(side) or review.reviewed(side) is not None for side in review.sides)

    def renew(self, opened: OpenCase) -> None:
        """Take note of what is known of the open case after it was saved or withdrawn."""
        if self._case is not None:
            self._case = opened, self._case[1]
        self.opened().renew(opened)
        self.on_change()

    def set_comment(self, comment: str) -> None:
        """Keep what the reader says of the open study, with its draft if there is one."""
        if self.review is None:
            return
        for side in self.review.sides:
            self.review.set_sign_off(side, replace(self.review.sign_off(side), comment=comment))
        if self.drafted():
            self._changed()

    def turn_reviewed(self, side: Side, index: int) -> None:
        """Mark a slice (index along k) as reviewed, or take its mark away."""
        self.opened().turn_reviewed(side, index)
        self._changed()

    def all_reviewed(self, side: Side) -> None:
        """Let all slices count as reviewed."""
        self.opened().set_reviewed(side, None)
        self._changed()

    def show_reading(self, masks: HipMasks | None) -> None:
        """Draw another reading of the case; None: none any more."""
        self.opened().show_reading(self.open_case_of_data_set().side, masks)

    def take_over(self, masks: HipMasks, reading: Reading) -> None:
        """Take another reading of the case."""
        self.settle()
        self.opened().take_over(self.open_case_of_data_set().side, masks, reading.whose, reading.reviewed)
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

    def describe(self) -> str:
        """Return what the open study is, in a few words; or ""."""
        return describe(self.study) if self.study else ""

    def say(self, message: str, alarm: bool = False) -> None:
        """Tell the reader something, or with "" nothing any more."""
        self.message, self.alarm = message, alarm
        self.on_change()

    def end(self) -> None:
        """Finish what is being written, and end the worker."""
        with contextlib.suppress(RuntimeError):  # the event loop has ended before
            self.settle()
        self.folder.close()
        self._worker.close()

    def opened(self) -> Review:
        """Return the open review; raises InputError where there is none."""
        if self.review is None:
            raise InputError("The study is not analysed yet; analyse it first.")
        return self.review

    def _begin(self, result: StudyResult) -> None:
        if self.review is not None:
            self.review.remove()
        self._adopt(Review.begin(self.scene, self.volume_node, result, opened=self.stored))
        self._made = self._automatic()

    def _adopt(self, review: Review) -> None:
        self.review = review
        review.on_touch = self._touched

    async def _wait(self) -> StudyResult | None:
        """Follow the analysis to its end; None where it was cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            for event in self._worker.poll():
                if isinstance(event, Progress):
                    self.stage, self.fraction = event.stage, event.fraction
                    self.on_change()
                    continue
                if isinstance(event, Failed):
                    raise InputError(event.message)
                return event.result if isinstance(event, Finished) else None

    def _busy(self, stage: str, analysing: bool = False) -> None:
        self.stage, self.fraction, self.analysing = stage, 0.0, analysing
        self.on_change()

    def _touched(self) -> None:
        if self.held:
            return
        self.ahead.pause()
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(SETTLE_S, self.settle)

    def _update(self) -> None:
        try:
            if self.review is not None and self.review.update():
                self._changed()
        except InputError as error:
            self.say(str(error), alarm=True)

    def _after(self, words: str | None) -> None:
        if words:
            self._changed()

    def _changed(self, sort: bool = False) -> None:
        """Keep the draft, list the study as one, and show it."""
        review, entry, folder = self.opened(), self.entry, self.folder
        assert entry is not None  # the one under review
        made = self._automatic()
        if [id(hip) for hip in made] != [id(hip) for hip in self._made]:
            folder.keep(entry, drafts.MADE, self._mark, made=review.made())
            self._made = made
        drafted = self.drafted()
        if drafted:
            seen = self.stored.seen if self.stored else None
            folder.keep(entry, drafts.NOW, self._mark, **drafts.present(review, self.reviewer, seen))
        else:
            folder.drop(entry, drafts.NOW)
        if self._case is not None:  # the list of studies does not have it
            self.on_change()
            return
        before = folder.summary(entry).status
        status = "draft" if drafted else "analysed" if before in ("draft", "new") else before
        folder.know(entry, self._summary(review, status, self.reviewer), sort)
        self.on_change()

    @staticmethod
    def _summary(review: Review, status: str, reviewer: str) -> worklist.Summary:
        return worklist.summarise(review.result.source, map(review.hip, review.sides), status, reviewer)

    def _automatic(self) -> tuple[HipResult, ...]:
        review = self.opened()
        return tuple(review.automatic(side) for side in review.sides)

    def _unseen(self) -> Entry | None:
        for row in self.rows:
            if row.status == "new" and row.entry is not self.entry and row.entry.key not in self._failures:
                return row.entry
        return None

    def _found(self, entry: Entry, study: Study, result: StudyResult) -> None:
        """Keep what was found ahead, unless the reader was quicker."""
        if self.folder.summary(entry).status == "new":
            made = packed(result, automatic_of(result))
            self.folder.keep(entry, drafts.MADE, drafts.fingerprint(study), made=made)
            self.folder.know(entry, worklist.summarise(result.source, result.hips, "analysed"))
            self.on_change()

    def _not_usable(self, entry: Entry, sentence: str) -> None:
        self._failures.add(entry.key)
        if sentence:
            self.folder.cannot_use(entry, sentence)
        self.on_change()

    def _unkept(self, sentence: str) -> None:
        """Tell the reader, from the thread that writes, whether drafts can be kept."""

        def tell() -> None:
            self.folder.unkept = sentence
            self.on_change()

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell)
