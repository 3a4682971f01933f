"""The panel: connects what its parts do with what the others have to hear of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.analysis import HeadSeed
from ONFHAssistLib.core.hip import Side
from ONFHAssistLib.curation.open_case import open_case
from ONFHAssistLib.desktop import layout
from ONFHAssistLib.desktop.baseline import Baseline
from ONFHAssistLib.desktop.busy import while_busy
from ONFHAssistLib.desktop.case_card import CaseCard
from ONFHAssistLib.desktop.editor import Editor
from ONFHAssistLib.desktop.export import Export
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.hips import HipCards
from ONFHAssistLib.desktop.keys import Keys
from ONFHAssistLib.desktop.placing import Placing
from ONFHAssistLib.desktop.preflight_panel import PreflightPanel
from ONFHAssistLib.desktop.reviewed import ReviewedSlices
from ONFHAssistLib.desktop.session import Session
from ONFHAssistLib.desktop.sign_off import SignOffForm
from ONFHAssistLib.desktop.slices import Slices
from ONFHAssistLib.desktop.study import look_at
from ONFHAssistLib.desktop.surface_map import SurfaceMap
from ONFHAssistLib.desktop.training_data import TrainingData
from ONFHAssistLib.desktop.unsaved import ask
from ONFHAssistLib.scene import views
from ONFHAssistLib.scene.review import Review

TOUCH_MS = 100
"""So long after the last change of a segment or a landmark the numbers follow."""
SECTIONS = ("hips", "slices", "map", "correct", "signOff", "export")
"""Sections of the panel that need a review."""


class Panel:
    """What the user sees of one study, and what each button does.

    Attributes:
        volume: the volume node under review; None where none is chosen.
        side: the hip that views, table and brush are on.
    """

    def __init__(self, ui: Any, session: Session, observe: Callable[..., None], ignore: Callable[..., None]) -> None:
        """Wire the widgets; ``observe`` and ``ignore`` are those of VTKObservationMixin."""
        self.ui, self.session = ui, session
        self.volume: Any = None
        self.side: Side | None = None
        self._look = look_at(None)
        ui.studyLabel.text = self._look.sentence()
        self._baseline_node: Any = None
        self._masks_shown = True
        self._cards = HipCards(ui, self.go_to_hip, self.go_to_slice)
        self._slices = Slices(ui, self.go_to_slice)
        self._map = SurfaceMap(ui)
        self._editor = Editor(ui.segmentEditor)
        self._placing = Placing(ui, observe, ignore, self.segment_from, self.refresh, self._editor.pause)
        self._form = SignOffForm(ui, self.review)
        self._export = Export(ui, self.review, session.require_packages)
        self._preflight = PreflightPanel(ui)
        self._training = TrainingData(ui, session, self.open_case)
        self._reviewed = ReviewedSlices(ui, self._slice_in_view, self._refresh_slices, self.tell)
        self._case = CaseCard(ui, self.refresh, self.tell)
        self._form.on_saved = self._saved
        self._baseline = Baseline(ui, session.review)
        self._keys = Keys(
            {
                "[": lambda: self.step(-1),
                "]": lambda: self.step(1),
                "H": ui.masksCheckBox.toggle,
                "M": self._reviewed.turn,
                "Ctrl+Z": self.undo,
                "Ctrl+Y": self.redo,
            }
        )
        self._touch = qt.QTimer()
        self._touch.setSingleShot(True)
        self._touch.setInterval(TOUCH_MS)
        self._touch.connect("timeout()", self._touched)
        session.on_change, session.on_review = self.show_run, self._new_result
        session.on_touch, session.on_gone = self._touch.start, self._gone
        for button, action in (
            (ui.analyseButton, self.analyse_or_cancel),
            (ui.layoutButton, self.arrange),
            (ui.previousButton, lambda: self.step(-1)),
            (ui.nextButton, lambda: self.step(1)),
            (ui.undoButton, self.undo),
            (ui.redoButton, self.redo),
            (ui.resetSliceButton, lambda: self.reset(self._slice_in_view())),
            (ui.resetHipButton, lambda: self.reset(None)),
            (ui.sphereButton, self.segment_from_sphere),
        ):
            button.connect("clicked()", action)

    def review(self) -> Review | None:
        """Return the review of the volume chosen."""
        return self.session.review(self.volume)

    def tell(self, sentence: str) -> None:
        """Say what is wrong, below the button."""
        self.session.tell(sentence)

    def enter(self) -> None:
        """The module is opened."""
        self._keys.on()

    def exit(self) -> None:
        """Another module is opened: the views and keys are theirs."""
        self._keys.off()
        self._placing.stop()
        self._editor.pause()

    def close(self) -> None:
        """Let go of everything; nothing is asked."""
        self.exit()
        self._editor.clear()
        for part in (self._map, self._preflight, self._training, self._touch):
            part.stop()

    def forget_scene(self) -> None:
        """The scene closes, which nobody can stop: ask about unsaved work while it is there, then let go of it."""
        self.may_leave(can_stay=False, lost=True)
        self.session.run.cancel(_("The scene was closed; the analysis was stopped."))
        self._placing.stop()
        self._editor.clear()
        self._show_study(None)

    # The study

    def choose(self, volume: Any) -> bool:
        """Go over to another study; return False where the user stays with one that is not saved."""
        if not self.may_leave(can_stay=True, lost=False):
            return False
        self._placing.stop()
        if self.session.run.idle:
            self.session.run.say("")
        self._show_study(volume)
        return True

    def open_case(self, folder: Path, name: str, independent: bool) -> bool:
        """Open a case of a data set again; raises InputError where that is not possible.

        Where it is open already, with corrections that are not saved, the reader is led back to them.

        Returns:
            False where the reader stays with a study that is not saved.
        """
        self._form.keep()
        reviewer = self.ui.reviewerEdit.text.strip()
        review = self.session.review_of_case(str(folder), name, independent, reviewer)
        if review is None or not review.unsaved:
            if not self.may_leave(can_stay=True, lost=False):
                return False
            opened, case = while_busy(lambda: open_case(folder, name, reviewer, independent))
            review = self.session.begin_case(opened, case)
        self._placing.stop()
        if self.session.run.idle:
            self.session.run.say("")
        self._show_study(review.volume_node)
        self.ui.volumeSelector.setCurrentNode(review.volume_node)
        return True

    def may_leave(self, can_stay: bool, lost: bool) -> bool:
        """Ask about a review that is not saved; return whether to go on."""
        review = self.review()
        if review is not None:
            review.update()
            self._form.keep()
        if review is None or not review.unsaved:
            return True
        answer = ask(can_stay, lost)
        if answer != "save":
            return answer == "go on"
        if not can_stay:
            self._form.complete()
        while not self._form.save():
            text = _("The case was not saved. {why}").format(why=self.ui.savedLabel.text)
            if can_stay or not slicer.util.confirmRetryCloseDisplay(text, windowTitle="ONFHAssist"):
                return False
        return True

    def _saved(self) -> None:
        self._case.show(self.review())
        self._training.look()

    def compare_with(self, volume: Any) -> None:
        """Show the study of another volume as the baseline; None for none."""
        if volume is not self._baseline_node:
            self._baseline_node = volume
            self._baseline.show(self.review(), volume)
            if self.side:
                self._baseline.go_to_hip(self.side)

    def show_masks(self, visible: bool) -> None:
        """Show or hide the outlines of this study."""
        self._masks_shown = visible
        if self.review() is not None:
            views.show_masks(self.review().segmentation_node, visible)

    def _show_study(self, volume: Any) -> None:
        self.volume, self.side = volume, None
        review = self.review()
        self._look = look_at(volume, review.result.source if review and review.opened else None)
        if self._look.usable:
            self.session.warm_up()
        self.open()

    # The analysis

    @guarded
    def analyse_or_cancel(self) -> None:
        """Do what the one button says."""
        if self.session.run.idle:
            self._analyse(None)
        else:
            self.session.run.cancel()

    @guarded
    def segment_from(self, seed: HeadSeed) -> None:
        """Start from the centre of a head that the reader has clicked on."""
        self._analyse(seed)
        self.side = seed.side

    @guarded
    def segment_from_sphere(self) -> None:
        """Start from the sphere as it lies now."""
        self._analyse(self.review().seed(self.side))

    def _analyse(self, seed: HeadSeed | None) -> None:
        review = self.review()
        again = seed is None and review is not None and any(review.changed(side) for side in review.sides)
        text = _("The corrections of this study are replaced by a new automatic result.")
        if not again or slicer.util.confirmOkCancelDisplay(text, windowTitle="ONFHAssist"):
            self.session.analyse(self.volume, seed)

    def show_run(self) -> None:
        """Show where the analysis stands: button, progress and sentence."""
        run, ui = self.session.run, self.ui
        ui.analyseButton.text = _("Analyse") if run.idle else _("Cancel")
        ui.analyseButton.enabled = self._look.usable if run.idle else run.can_cancel
        ui.progressBar.setVisible(not run.idle)
        ui.progressBar.setValue(round(100 * run.fraction))
        text = run.message if run.idle else run.stage
        ui.statusLabel.text = f"⚠ {text}" if run.failed else text
        ui.statusLabel.setVisible(bool(text))
        ui.headSection.enabled = run.idle and self._look.usable

    def _new_result(self, review: Review, side: Side | None) -> None:
        if review.volume_node is self.volume:
            self.side = side or self.side
            self.open()
        else:
            self.session.run.say(_("The analysis of the other study is done; choose its volume to see it."))

    @guarded
    def _touched(self) -> None:
        """Let numbers and grades follow."""
        changed = [review.update() for review in self.session.reviews]
        if any(changed):
            self.refresh()

    def _gone(self, reason: str) -> None:
        self._editor.clear()
        self.session.tell(reason)
        self.refresh()

    # The views

    @guarded
    def open(self) -> None:
        """Show the study chosen from the beginning."""
        review, ui = self.review(), self.ui
        warnings = self._look.warnings if review is None else tuple(n.message for n in review.result.warnings)
        ui.studyLabel.text = self._look.sentence(review)
        ui.warningLabel.text = "\n".join(f"⚠ {text}" for text in dict.fromkeys(warnings))
        ui.warningLabel.setVisible(bool(warnings))
        self.show_run()
        self.refresh()
        if review is not None:
            self.side = self.side if self.side in review.sides else _worse(review)
            self.arrange()

    @guarded
    def refresh(self) -> None:
        """Write what depends on the masks: cards, slices, map, buttons."""
        review, ui = self.review(), self.ui
        for section in SECTIONS:
            getattr(ui, f"{section}Section").enabled = review is not None
        for part in (self._cards, self._slices, self._reviewed, self._map, self._placing):
            part.show(review, self.side)
        self._form.show(review)
        self._case.show(review)
        self._training.hide_findings(review is not None and review.opened is not None and review.opened.independent)
        self._baseline.show(review, self._baseline_node)
        ui.undoButton.enabled = review is not None and review.can_undo
        ui.redoButton.enabled = review is not None and review.can_redo
        changed = review is not None and self.side in review.sides and review.changed(self.side)
        ui.resetSliceButton.enabled = ui.resetHipButton.enabled = changed

    def _refresh_slices(self) -> None:
        self.refresh()
        self._slices.mark(self._slice_in_view())

    @guarded
    def arrange(self) -> None:
        """Arrange the views for this study, set the window for marrow, and go to the hip chosen."""
        review = self.review()
        layout.show_layout(layout.FOLLOW_UP_LAYOUT if self._baseline.shown else layout.REVIEW_LAYOUT)
        views.show_volume(slicer.mrmlScene, self.volume)
        sphere = next((review.hip(side).sphere for side in (self.side, *review.sides) if review.hip(side).sphere), None)
        if sphere is not None:
            views.marrow_window(self.volume, review.result.volume, sphere)
        self.session.show_only(review)
        self._baseline.part(review)
        views.show_masks(review.segmentation_node, self._masks_shown)
        self.go_to_hip(self.side)

    @guarded
    def go_to_hip(self, side: Side) -> None:
        """Centre everything on one hip."""
        review = self.review()
        self.side = side
        hip = review.hip(side) if review is not None and side in review.sides else None
        if hip is not None and hip.sphere is not None:
            views.show_hip(slicer.mrmlScene, self.volume, hip.sphere)
            self._baseline.go_to_hip(side)
            self._editor.show(review, side)
        self.refresh()
        self._slices.mark(self._slice_in_view())

    @guarded
    def go_to_slice(self, index: int) -> None:
        """Let all views show one slice."""
        sphere = self.review().hip(self.side).sphere
        views.jump_to_slice(slicer.mrmlScene, self.volume, index, sphere and sphere.centre_ras_mm)
        self._slices.mark(index)

    @guarded
    def step(self, step: int) -> None:
        """Go to the next (1) or previous (-1) slice that matters."""
        review = self.review()
        if review is not None and self.side in review.sides:
            self._slices.step(review, self.side, step)

    def _slice_in_view(self) -> int | None:
        return views.current_slice(slicer.mrmlScene, self.volume) if self.review() is not None else None

    # Corrections

    @guarded
    def undo(self) -> None:
        """Take back the last change."""
        review = self.review()
        words = review.undo() if review else None
        self.session.run.say(_("Undone: {words}").format(words=words) if words else "")
        self.refresh()

    @guarded
    def redo(self) -> None:
        """Make the change again that was taken back."""
        review = self.review()
        words = review.redo() if review else None
        self.session.run.say(_("Done again: {words}").format(words=words) if words else "")
        self.refresh()

    @guarded
    def reset(self, index: int | None) -> None:
        """Go back to the automatic result, of one slice or (None) of the hip."""
        self.review().reset(self.side, index)
        self.refresh()


def _worse(review: Review) -> Side:
    """Return the hip to begin with: the one with more necrosis, graded ones first."""
    return max(review.sides, key=lambda side: (review.hip(side).status == "graded", review.hip(side).volume_ratio or 0))
