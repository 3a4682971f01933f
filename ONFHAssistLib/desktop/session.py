"""What is open in Slicer: the reviews in the scene, and the analysis that runs. No widgets."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import HeadSeed, Side
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.desktop import install
from ONFHAssistLib.desktop.baseline import REVIEWED
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.layout import BASELINE_VIEW
from ONFHAssistLib.desktop.settings import chosen, read_settings
from ONFHAssistLib.desktop.study import read
from ONFHAssistLib.desktop.timers import each
from ONFHAssistLib.reviewer.analysing import ask_for, take_result
from ONFHAssistLib.reviewer.run import Run
from ONFHAssistLib.reviewer.systems import NOBODY
from ONFHAssistLib.scene.in_view import ViewWatch, draw_where_shown, main_volume
from ONFHAssistLib.scene.overwriting import OverwriteGuard
from ONFHAssistLib.scene.restoring import restore
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import leave_open
from ONFHAssistLib.scene.stored_case import begin_case, study_of_case
from ONFHAssistLib.scene.volumes import add_volume
from ONFHAssistLib.systems.base import Patient
from ONFHAssistLib.worker.client import Worker, serve_command, serve_environment

POLL_MS = 40
YIELD_S = 0.002
"""Slicer's event loop keeps Python's lock, so the worker's threads get their turn while a poll sleeps."""


class Session:
    """The reviews in Slicer's scene, one for each volume that was analysed, and the one analysis that may run.

    Attributes:
        run: the analysis.
        reviews: those that are open.
        on_change: called when the analysis has got on.
        on_review: called with a review when it has a new result, and the side that was asked for (None: both).
        on_touch: called, often, while a segment or a landmark is being changed.
        on_gone: called with a review that has lost its nodes, and a sentence.
        on_views: called when a view comes, or shows another volume.
        preferred: the volume that counts where as many views show another one.
        patient: values of patient variables of the study that is chosen.
    """

    def __init__(self, worker: Worker | None = None) -> None:
        """``worker`` is one in PythonSlicer if none is given."""
        self.on_change: Callable[[], None] = lambda: None
        self.on_review: Callable[[Review, Side | None], None] = lambda review, side: None
        self.on_touch: Callable[[], None] = lambda: None
        self.on_gone: Callable[[Review, str], None] = lambda review, reason: None
        self.on_views: Callable[[], None] = lambda: None
        self.preferred: Any = None
        self.patient: Patient = NOBODY
        self.reviews: list[Review] = []
        self._worker = worker or slicer_worker()
        self.run = Run(self._worker, lambda: self.on_change())
        self._polling = each(POLL_MS, self._poll)
        self._analysed: Any = None
        self._watch = ViewWatch(slicer.mrmlScene, self._views_changed)
        self._overwriting = OverwriteGuard(slicer.mrmlScene)

    def review(self, volume_node: Any) -> Review | None:
        """Return the review of a volume; None where it has none."""
        if volume_node is None:
            return None
        return next((r for r in self.reviews if r.volume_node is volume_node and not r.closed), None)

    def review_of_case(self, folder: str, name: str, independent: bool, reader: str) -> Review | None:
        """Return the open review of a case of a data set; None where it is not open in this way.

        A second reading is that of its reader alone.
        """
        for review in self.reviews:
            opened = None if review.closed else review.opened
            if opened is None or (opened.folder, opened.name, opened.independent) != (folder, name, independent):
                continue
            if not independent or opened.reader == reader:
                return review
        return None

    def others_of_case(self, folder: str, name: str, but: Review | None) -> list[Review]:
        """Return the open reviews of a case other than this one."""
        others = [review for review in self.reviews if not review.closed and review is not but]
        return [r for r in others if (opened := r.opened) and (opened.folder, opened.name) == (folder, name)]

    @property
    def reads_anew(self) -> bool:
        """Whether a second reading is open, saved or not: its reader may still go on with it, and sees no other."""
        return any(review.opened and review.opened.independent for review in self.reviews if not review.closed)

    def drop(self, reviews: Iterable[Review]) -> None:
        """Take reviews of cases out of the scene, with their images."""
        for review in reviews:
            review.remove()
            slicer.mrmlScene.RemoveNode(review.volume_node)
        self.reviews = [review for review in self.reviews if not review.closed]

    def begin_case(self, opened: OpenCase, case: ReviewedCase) -> Review:
        """Put a case of a data set into the scene; an earlier opening of it, with nothing unsaved, makes room."""
        earlier = self.review_of_case(opened.folder, opened.name, opened.independent, opened.reader)
        if earlier is not None and not earlier.unsaved:
            self.drop([earlier])
        node = add_volume(slicer.mrmlScene, study_of_case(case).volume, opened.name)
        review = begin_case(slicer.mrmlScene, node, opened, case)
        self._adopt(review)
        return review

    def restore(self) -> None:
        """Take up the reviews that the scene keeps; those that are damaged are told of, once the panel has followed."""
        damaged: list[str] = []
        for review in restore(slicer.mrmlScene, self.reviews, damaged.append):
            self._adopt(review)
        if damaged:
            qt.QTimer.singleShot(0, lambda: self.tell(" ".join(damaged)))

    def warm_up(self) -> None:
        """Let the worker open the networks before they are asked for, where all is in place and it has no work."""
        if self.run.idle and not install.missing(chosen().device):
            self._worker.warm_up(chosen().options())

    def analyse(self, volume_node: Any, seed: HeadSeed | None = None) -> None:
        """Analyse a volume; with a seed, and where it is under review, only the hip that the reader has pointed at.

        Raises:
            InputError: the volume cannot be analysed, an analysis is running, or what is missing was not installed.
        """
        self.run.require_idle()
        review = self.review(volume_node)
        study = read(volume_node, review.result.source if review and review.opened else None)
        options = ask_for(chosen(), review, seed, self.patient, study)
        self.require_packages()
        self._analysed = volume_node
        self.run.start(study, options, lambda result: self._take(volume_node, result, seed))
        self._polling.start()

    def in_view(self) -> Any:
        """Return the volume that the views show, of whatever kind; None where they show nothing."""
        return main_volume(slicer.mrmlScene, self.preferred, (BASELINE_VIEW,))

    def draw(self) -> None:
        """Draw what belongs to each review where its volume is in view, and nowhere else."""
        draw_where_shown(slicer.mrmlScene, self.in_view())

    def require_packages(self) -> None:
        """See to what analysis and reports need; asks before anything is installed; raises InputError."""
        import slicer.packaging

        install.ensure(slicer.packaging, device=read_settings().device)

    def restart_worker(self) -> None:
        """Let the next analysis take the networks that are in use now."""
        self._worker.close()

    def drop_orphan(self) -> None:
        """Stop the analysis if its volume has left the scene."""
        if not self.run.idle and self._analysed is not None and self._analysed.GetScene() is None:
            self.run.cancel(_("The volume was removed while it was analysed; nothing was changed."))

    def close(self) -> None:
        """End the worker and let go of the scene; the nodes stay."""
        self._polling.stop()
        self.run.close()
        self._watch.close()
        self._overwriting.close()
        for review in self.reviews:
            if not review.closed:
                leave_open(review.volume_node)
            review.close()
        self.reviews = []

    def tell(self, sentence: str) -> None:
        """Say what went wrong, where the end of the analysis is told."""
        self.run.say(sentence, failed=True)

    def _poll(self) -> None:
        time.sleep(YIELD_S)
        self.run.poll()
        if self.run.idle:
            self._polling.stop()

    @guarded
    def _take(self, volume_node: Any, result: StudyResult, seed: HeadSeed | None) -> None:
        self._analysed = None
        if volume_node.GetScene() is None:
            raise InputError(_("The volume was removed while it was analysed; load it again."))
        before = self.review(volume_node)
        review = take_result(slicer.mrmlScene, volume_node, before, result, seed)
        if review is not before:
            self._adopt(review)
        # In a turn of its own: what builds the nodes, and what fills panel and views, stay below 0.1 s each.
        qt.QTimer.singleShot(0, lambda: self._shown(review, seed.side if seed else None))

    @guarded
    def _shown(self, review: Review, side: Side | None) -> None:
        if not review.closed:
            self.on_review(review, side)

    def _adopt(self, review: Review) -> None:
        self.reviews = [r for r in self.reviews if not r.closed] + [review]
        if review.sides:
            review.volume_node.SetAttribute(REVIEWED, "1")
        review.on_touch = lambda: self.on_touch()
        review.on_gone = lambda reason: self._gone(review, reason)
        self.draw()

    def _gone(self, review: Review, reason: str) -> None:
        self.reviews = [review for review in self.reviews if not review.closed]
        self.on_gone(review, reason)

    def _views_changed(self) -> None:
        self.draw()
        self.on_views()


def slicer_worker() -> Worker:
    """Return a worker that runs in Slicer's own Python, not started yet."""
    return Worker(serve_command(shutil.which("PythonSlicer") or sys.executable), serve_environment())
