"""The panel: connects what its parts do with what the others have to hear of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.geometry import HeadSeed, Side
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.curation.store.open_case import open_case
from ONFHAssistLib.desktop import layout
from ONFHAssistLib.desktop.analysis import Analysis
from ONFHAssistLib.desktop.baseline import Baseline
from ONFHAssistLib.desktop.busy import while_busy
from ONFHAssistLib.desktop.case_card import CaseCard
from ONFHAssistLib.desktop.corrections import Corrections
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
from ONFHAssistLib.desktop.systems import Systems
from ONFHAssistLib.desktop.timers import after
from ONFHAssistLib.desktop.training_data import TrainingData
from ONFHAssistLib.desktop.unsaved import Leaving
from ONFHAssistLib.reviewer.cards import hip_to_begin_with
from ONFHAssistLib.scene import in_view, views
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
        self._masks_shown, self._entered, self._flat = True, False, False
        self._cards = HipCards(ui, self.go_to_hip, self.go_to_slice, self.tell)
        self._slices = Slices(ui, self.go_to_slice)
        self._map = SurfaceMap(ui)
        self._systems = Systems(ui, session)
        self._analysis = Analysis(ui, session, lambda: self.volume)
        self._editor = Editor(ui.segmentEditor)
        self._touch = after(TOUCH_MS, self._touched)
        self._views, self._laid_out = after(0, self.follow_views), after(0, self._centre)
        acts = (self.segment_from, self.refresh, self._editor.pause, self._touch.start)
        self._placing = Placing(ui, observe, ignore, *acts)
        self._form = SignOffForm(ui, self.review)
        self._export = Export(ui, self.review, session.require_packages)
        self._preflight = PreflightPanel(ui)
        self._training = TrainingData(ui, session, self.open_case)
        self._reviewed = ReviewedSlices(ui, self._slice_in_view, self._refresh_slices, self.tell)
        self._case = CaseCard(ui, self.refresh, self.open_case, self.tell)
        self._corrections = Corrections(ui, self._slice_in_view, self._corrected, session.run.say, self.tell)
        self.undo, self.redo, self.reset = self._corrections.undo, self._corrections.redo, self._corrections.reset
        self._leaving = Leaving(self._form, lambda: session.reviews, self.review, self._lead_to)
        self.may_leave = self._leaving.may_leave
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
        session.on_change, session.on_review = self._show_run, self._new_result
        session.on_touch, session.on_gone, session.on_views = self._touch.start, self._gone, self._views.start
        for button, action in (
            (ui.analyseButton, self._analysis.start_or_cancel),
            (ui.layoutButton, self.arrange),
            (ui.previousButton, lambda: self.step(-1)),
            (ui.nextButton, lambda: self.step(1)),
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
        """The module is opened; the views may show another study by now."""
        self._entered = True
        self._keys.on()
        self.follow_views()

    def exit(self) -> None:
        """Another module is opened: the views and keys are theirs."""
        self._entered = False
        self._keys.off()
        self._placing.stop()
        self._editor.pause()

    def close(self) -> None:
        """Let go of everything; nothing is asked."""
        self.exit()
        self._editor.clear()
        for part in (self._cards, self._map, self._preflight, self._training, self._touch, self._views, self._laid_out):
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
        self._go_over(volume)
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
        # Who sees what others have drawn does not go on with a reading that had not seen it, and the reverse.
        ended = self.session.others_of_case(str(folder), name, review)
        if not all(self._leaving.may_leave_one(other, can_stay=True, lost=True) for other in ended):
            return False
        if review is None or not review.unsaved:
            if self.review() not in ended and not self.may_leave(can_stay=True, lost=False):
                return False
            opened, case = while_busy(lambda: open_case(folder, name, reviewer, independent))
            review = self.session.begin_case(opened, case)
        self.session.drop(ended)
        self._lead_to(review)
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
                self._laid_out.start()

    def show_masks(self, visible: bool) -> None:
        """Show or hide the outlines of this study."""
        self._masks_shown = visible
        review = self.review()
        if review is not None:
            review.show_masks(visible)

    def _lead_to(self, review: Review) -> None:
        """Show the study of a review, whatever is open."""
        self._go_over(review.volume_node)
        self.ui.volumeSelector.setCurrentNode(review.volume_node)

    def _go_over(self, volume: Any, arrange: bool = True) -> None:
        self._placing.stop()
        if self.session.run.idle:
            self.session.run.say("")
        self._show_study(volume, arrange)

    def _show_study(self, volume: Any, arrange: bool = True) -> None:
        self.volume = self.session.preferred = volume
        self.side = None
        review = self.review()
        self._look = look_at(volume, review.result.source if review and review.opened else None)
        if self._look.usable:
            self.session.warm_up()
        self.open(arrange)

    @guarded
    def follow_views(self) -> None:
        """Go over to the study that the views show; to none where they show what is no study. Nothing is lost by that.

        Slicer changes the views by itself, for one when a volume is loaded, and name and numbers would be another
        patient's then.
        """
        scene = slicer.mrmlScene
        shown = self.session.in_view()
        if scene.IsBatchProcessing() or scene.IsClosing():
            return
        here, left = shown in (None, self.volume), self.review()
        if not self._entered:  # the panel is out of sight, its plot is not
            self._slices.show(left if here else None, self.side)
        if here or not self._entered:
            return
        self._form.keep()
        study = shown if in_view.is_study(shown) else None
        self._go_over(study, arrange=False)
        self.ui.volumeSelector.setCurrentNode(study)
        if left is not None and not left.closed and left.unsaved and self.session.run.idle:
            text = _("The views show another volume now; the review of {name} is not saved, choose it to go on.")
            self.session.run.say(text.format(name=left.volume_node.GetName()))

    # The analysis

    @guarded
    def segment_from(self, seed: HeadSeed) -> None:
        """Start from the centre of a head that the reader has clicked on."""
        self._analysis.start(seed)
        self.side = seed.side

    @guarded
    def segment_from_sphere(self) -> None:
        """Start from the sphere as it lies now."""
        review = self.review()
        if review is not None and self.side is not None:
            self._analysis.start(review.seed(self.side))

    def _show_run(self) -> None:
        self._analysis.show(self._look.usable)

    def _new_result(self, review: Review, side: Side | None) -> None:
        if review.volume_node is self.volume:
            self.side = side or self.side
            self.open()
        else:
            self.refresh()
            self.session.run.say(_("The analysis of the other study is done; choose its volume to see it."))

    @guarded
    def _touched(self) -> None:
        """Let numbers and grades follow."""
        changed = [review.update() for review in self.session.reviews]
        if any(changed):
            self.refresh()
        else:
            self.session.draw()  # a node that was deleted is there again, and knows no view yet
        self._editor.resume()

    def _gone(self, review: Review, reason: str) -> None:
        if review.volume_node is self.volume:
            self._editor.clear()
            self.session.tell(reason)
        self.refresh()

    # The views

    @guarded
    def open(self, arrange: bool = True) -> None:
        """Show the study chosen from the beginning; ``arrange``: in the views, too, which show it already else."""
        review, ui = self.review(), self.ui
        warnings = self._look.warnings(review)
        ui.studyLabel.text = self._look.sentence(review)
        ui.warningLabel.text = "\n".join(f"⚠ {text}" for text in warnings)
        ui.warningLabel.setVisible(bool(warnings))
        self._systems.show(self._look.study)
        self._show_run()
        if review is not None:
            self.side = self.side if self.side in review.sides else hip_to_begin_with(review) if review.sides else None
        else:
            self._editor.clear()  # its strokes would go to a study that is out of sight
        self.refresh()
        if arrange and self.volume is not None:
            self.arrange()
        else:
            self._edit()

    @guarded
    def refresh(self) -> None:
        """Write what depends on the masks: cards, slices, map, buttons."""
        review, ui = self.review(), self.ui
        self.session.draw()
        for section in SECTIONS:
            of_volumes = section not in ("hips", "export")
            getattr(ui, f"{section}Section").enabled = review is not None and bool(review.sides or not of_volumes)
        for part in (self._cards, self._slices, self._reviewed, self._map, self._placing, self._corrections):
            part.show(review, self.side)
        self._form.show(review)
        self._case.show(review)
        self._training.hide_findings(self.session.reads_anew)
        self._baseline.show(review, self._baseline_node)

    def _refresh_slices(self) -> None:
        self.refresh()
        self._slices.mark(self._slice_in_view())

    @guarded
    def arrange(self) -> None:
        """Let the views show this study; arranged for it, on the hip chosen, where it is under review."""
        review, plane = self.review(), self._look.plane
        if plane or (self._flat and review is None):
            layout.show_layout(layout.ONE_VIEW.get(plane, layout.REVIEW_LAYOUT))
        self._flat = bool(plane)
        if review is None or plane:
            show = views.show_volume if self._look.usable else in_view.show_volume
            show(slicer.mrmlScene, self.volume)
            return
        layout.show_layout(layout.FOLLOW_UP_LAYOUT if self._baseline.shown else layout.REVIEW_LAYOUT)
        views.show_volume(slicer.mrmlScene, self.volume)
        sides = review.sides if self.side is None else (self.side, *review.sides)
        sphere = next((review.hip(side).sphere for side in sides if review.hip(side).sphere), None)
        if sphere is not None:
            views.marrow_window(self.volume, review.result.volume, sphere)
        self.go_to_hip(self.side)
        self._laid_out.start()

    @guarded
    def _centre(self) -> None:
        """Show the hip once more: views of a new layout have their size in the next turn only."""
        review = self.review()
        hip = review.hip(self.side) if review is not None and self.side in review.sides else None
        if hip is not None and hip.sphere is not None:
            views.show_hip(slicer.mrmlScene, self.volume, hip.sphere)
            self._baseline.go_to_hip(hip.side)

    @guarded
    def go_to_hip(self, side: Side) -> None:
        """Centre everything on one hip."""
        review = self.review()
        self.side = side
        hip = review.hip(side) if review is not None and side in review.sides else None
        if hip is not None and hip.sphere is not None:
            views.show_hip(slicer.mrmlScene, self.volume, hip.sphere)
            self._baseline.go_to_hip(side)
        self.refresh()
        self._slices.mark(self._slice_in_view())
        self._edit()

    def _edit(self) -> None:
        """Let the editor paint in the hip chosen, and show its masks or hide them."""
        review = self.review()
        if review is None:
            return
        review.show_masks(self._masks_shown)
        if self.side in review.sides and review.hip(self.side).segmented:
            self._editor.show(review, self.side)
        elif not review.sides:
            self._editor.clear()

    @guarded
    def go_to_slice(self, target: int | Point) -> None:
        """Let all views show one slice (index along k), or the slices at a place (RAS, mm)."""
        review = self.review()
        if review is None:
            return
        if not isinstance(target, int):
            views.jump_to_place(slicer.mrmlScene, self.volume, target)
        elif self.side is not None:
            sphere = review.hip(self.side).sphere
            views.jump_to_slice(slicer.mrmlScene, self.volume, target, sphere.centre_ras_mm if sphere else None)
        self._slices.mark(self._slice_in_view())

    @guarded
    def step(self, step: int) -> None:
        """Go to the next (1) or previous (-1) slice that matters."""
        review = self.review()
        if review is not None and self.side in review.sides:
            self._slices.step(review, self.side, step)

    def _slice_in_view(self) -> int | None:
        return views.current_slice(slicer.mrmlScene, self.volume) if self.review() is not None else None

    def _corrected(self) -> None:
        self.refresh()
        self._editor.resume()
