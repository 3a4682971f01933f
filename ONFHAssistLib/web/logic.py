"""What the page does: each signal of `ui` meets session and scene, and the page is told what has become of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path

from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLMarkupsNode
from trame_server import Server
from trame_slicer.app.logic import BaseLogic
from trame_slicer.app.logic.segmentation import (
    DrawEffectLogic,
    EraseEffectLogic,
    IslandsEffectLogic,
    PaintEffectLogic,
    ScissorsEffectLogic,
    SmoothingEffectLogic,
    ThresholdEffectLogic,
)
from trame_slicer.core import LayoutManager, SlicerApp
from trame_slicer.segmentation import (
    SegmentationEffect,
    SegmentationEffectDraw,
    SegmentationEffectErase,
    SegmentationEffectIslands,
    SegmentationEffectNoTool,
    SegmentationEffectPaint,
    SegmentationEffectScissors,
    SegmentationEffectSmoothing,
    SegmentationEffectThreshold,
    SegmentationOverwriteMode,
)
from trame_slicer.views import Layout, LayoutDirection, ViewLayoutDefinition

from ONFHAssistLib.analysis import HeadSeed
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.hip import SIDES
from ONFHAssistLib.curation.case import save_case
from ONFHAssistLib.scene import views
from ONFHAssistLib.scene.markups import landmarks_node, place_landmark
from ONFHAssistLib.web import state as told
from ONFHAssistLib.web import worklist
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.ui import PageUI
from ONFHAssistLib.worker.client import Worker, serve_command, serve_environment

EFFECTS: dict[str, type[SegmentationEffect]] = {
    "": SegmentationEffectNoTool,
    "paint": SegmentationEffectPaint,
    "erase": SegmentationEffectErase,
    "draw": SegmentationEffectDraw,
    "scissors": SegmentationEffectScissors,
    "threshold": SegmentationEffectThreshold,
    "islands": SegmentationEffectIslands,
    "smoothing": SegmentationEffectSmoothing,
}
LAYOUT = "review"


class PageLogic(BaseLogic[PageState]):
    """Joins a page, a session and a scene; one reader at a time."""

    def __init__(
        self, server: Server, slicer_app: SlicerApp, python: str, place: Path, state: Path, cases: Path
    ) -> None:
        """Look through the folder; raises InputError where that is not possible."""
        super().__init__(server, slicer_app, PageState)
        worker = Worker(serve_command(python), serve_environment())
        self.session = Session(self.scene, worker, place, state)
        self.session.on_change = self._show
        self.session.on_study = self._show_study
        worker.warm_up()
        self._cases = cases
        self._tasks: set[asyncio.Task] = set()
        self._click_node: vtkMRMLMarkupsFiducialNode | None = None
        # The order matters to trame-slicer: a layout with its views before the effects, or the brush crashes.
        self.layout_manager = LayoutManager(self.scene, slicer_app.view_manager, server)
        self.layout_manager.register_layout(LAYOUT, _layout())
        self.layout_manager.set_layout(LAYOUT)
        self.editor = slicer_app.segmentation_editor
        self.editor.set_overwrite_mode(SegmentationOverwriteMode.ALLOW_OVERLAP)
        self._effects = [
            kind(server, slicer_app)
            for kind in (
                DrawEffectLogic,
                EraseEffectLogic,
                IslandsEffectLogic,
                PaintEffectLogic,
                ScissorsEffectLogic,
                SmoothingEffectLogic,
                ThresholdEffectLogic,
            )
        ]
        self.data.folder = f"Cases go to {cases.name}"
        self.bind_changes({self.name.words: lambda *_: self._show_list()})

    def set_ui(self, ui: PageUI) -> None:
        """Connect the page's signals."""
        ui.study_chosen.connect(lambda key: self._go(self.session.open(key)))
        ui.analyse_clicked.connect(lambda: self._go(self.session.analyse()))
        ui.cancel_clicked.connect(self.session.cancel)
        ui.side_chosen.connect(self._said(self.choose_side))
        ui.slice_chosen.connect(self._said(self.jump))
        ui.tool_chosen.connect(self._said(self.take))
        ui.segment_chosen.connect(self._said(self.choose_segment))
        ui.undo_clicked.connect(self._said(self.session.undo))
        ui.redo_clicked.connect(self._said(self.session.redo))
        ui.reset_clicked.connect(self._said(self.reset))
        ui.masks_clicked.connect(self._said(self.toggle_masks))
        ui.place_clicked.connect(self._said(self.place))
        ui.draft_forgotten.connect(self._said(self.session.forget_draft))
        ui.sign_clicked.connect(lambda status: self._go(self.sign(status)))
        ui.refresh_clicked.connect(self._said(self.look_through))
        ui.key_pressed.connect(self.press)
        for effect in self._effects:
            if hasattr(effect, "set_effect_ui"):
                effect.set_effect_ui(ui.effect_ui[_tool_of(effect)])
        self._show_list()

    def open_first(self) -> None:
        """Open the first study of the list, and analyse it where that has not been done."""

        async def first() -> None:
            if self.session.rows:
                await self.session.open(self.session.rows[0].entry.key)
                if self.session.review is None:
                    await self.session.analyse()

        self._go(first())

    def look_through(self) -> None:
        """Read the folder again."""
        self.session.look_through()
        self._show()

    def choose_side(self, side: str) -> None:
        """Go to a hip."""
        self.data.side = side
        review = self.session.review
        if review is not None and review.hip(side).sphere is not None:
            views.show_hip(self.scene, review.volume_node, review.hip(side).sphere)
            views.marrow_window(review.volume_node, review.result.volume, review.hip(side).sphere)
            self._edit(self.data.segment)
        self._show()

    def jump(self, index: int) -> None:
        """Show a slice in all views."""
        review = self.session.review
        if review is not None:
            sphere = review.hip(self.data.side).sphere
            views.jump_to_slice(self.scene, review.volume_node, index, sphere and sphere.centre_ras_mm)
            self.data.slice = index

    def step(self, direction: int) -> None:
        """Go to the next or previous slice that matters."""
        review = self.session.review
        if review is None:
            return
        now = views.current_slice(self.scene, review.volume_node)
        index = views.next_slice(review.slices_that_matter(self.data.side), now, direction)
        if index is not None:
            self.jump(index)

    def take(self, tool: str) -> None:
        """Take a tool, or put it down."""
        self._stop_placing()
        if tool and self.session.review is not None:
            self._edit(self.data.segment)
        self.editor.set_active_effect_type(EFFECTS[tool])
        self.data.tool = tool

    def choose_segment(self, segment: str) -> None:
        """Edit the head or its necrosis from now on."""
        self._edit(segment)
        self.data.segment = segment

    def reset(self, what: str) -> None:
        """Go back to the automatic result of the slice in view, or of the hip."""
        index = None
        if what == "slice" and self.session.volume_node is not None:
            index = views.current_slice(self.scene, self.session.volume_node)
        self.session.reset(self.data.side, index)

    def toggle_masks(self) -> None:
        """Hide or show the masks."""
        review = self.session.review
        if review is not None:
            self.data.masks = not self.data.masks
            views.show_masks(review.segmentation_node, self.data.masks)

    def place(self, what: str) -> None:
        """Let the next click in a view place a landmark; a head's centre is segmented from there."""
        self.take("")
        review, side = self.session.review, self.data.side
        if what == "head centre":
            node = self.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Head centre")
            node.CreateDefaultDisplayNodes()
            node.AddObserver(vtkMRMLMarkupsNode.PointPositionDefinedEvent, self._head_clicked)
            self._click_node = node
            self._slicer_app.markups_logic.place_node(node)
        elif review is None or not place_landmark(landmarks_node(review.volume_node), side, what):
            raise InputError("The study is not analysed yet; analyse it first.")
        self.data.placing = f"{side} {what}"

    async def sign(self, status: str) -> None:
        """Save the open study as cases, and after an approval open the next one."""
        data = self.data
        cases = self.session.cases(data.patient_code, data.reviewer, status, data.comment)
        for case in cases:
            await asyncio.to_thread(save_case, case, self._cases)
        self.session.signed(status, data.reviewer)
        key = self.session.next_key() if status == "approved" else None
        if key is not None:
            await self.session.open(key)

    def press(self, key: str) -> None:
        """Do what a key stands for."""
        keys = {
            "[": lambda: self.step(-1),
            "]": lambda: self.step(1),
            "1": lambda: self.choose_side("right"),
            "2": lambda: self.choose_side("left"),
            "h": self.toggle_masks,
            "p": lambda: self.take("paint"),
            "e": lambda: self.take("erase"),
            "d": lambda: self.take("draw"),
            "escape": lambda: self.take(""),
            "ctrl+z": self.session.undo,
            "ctrl+y": self.session.redo,
            "?": lambda: setattr(self.data, "help", True),
        }
        key = key.lower()
        if key in keys:
            self._said(keys[key])()
        elif key == "ctrl+enter":
            self._go(self.sign("approved"))
        elif key in ("arrowup", "arrowdown"):
            listed = [study["key"] for study in self.data.studies]
            at = listed.index(self.data.current) if self.data.current in listed else -1
            at = at + 1 if key == "arrowdown" else max(at - 1, 0)
            if at < len(listed):
                self._go(self.session.open(listed[at]))

    def _edit(self, segment: str) -> None:
        """Let the editor work on a segment of the hip in view."""
        review = self.session.review
        if review is None:
            return
        identity = review.segment_id(self.data.side, segment)
        if self.editor.active_segmentation_node is not review.segmentation_node:
            self.editor.set_active_segmentation(review.segmentation_node, review.volume_node)
        self.editor.set_active_segment_id(identity)

    def _head_clicked(self, node: vtkMRMLMarkupsFiducialNode, _event: str) -> None:
        centre = tuple(node.GetNthControlPointPositionWorld(0))
        self._stop_placing()
        self._go(self.session.analyse(HeadSeed(self.data.side, centre)))

    def _stop_placing(self) -> None:
        self.data.placing = ""
        self._slicer_app.markups_logic.disable_place_mode()
        if self._click_node is not None:
            node, self._click_node = self._click_node, None
            asyncio.get_running_loop().call_soon(self.scene.RemoveNode, node)

    def _show_list(self) -> None:
        self.data.studies = told.study_lines(worklist.matching(self.session.rows, self.data.words or ""))

    def _show_study(self) -> None:
        """Put another study, or its new review, into the views."""
        session, review = self.session, self.session.review
        self.take("")
        if session.volume_node is None:
            return
        views.show_volume(self.scene, session.volume_node)
        self.data.patient_code = session.study.patient.get("id", "")
        self.data.comment = ""
        self.data.masks = True
        if review is not None:
            graded = [side for side in SIDES if side in review.sides and review.hip(side).status == "graded"]
            worst = max(graded, key=lambda side: review.hip(side).volume_ratio, default=SIDES[0])
            self.editor.set_active_segmentation(review.segmentation_node, review.volume_node)
            self.choose_side(worst)
            self.editor.set_surface_representation_enabled(True)
        self._show()

    def _show(self) -> None:
        """Tell the page how things stand."""
        session, data = self.session, self.data
        review = session.review
        data.current = session.entry.key if session.entry else ""
        data.title = session.entry.title if session.entry else ""
        data.study = session.describe()
        data.stage, data.fraction, data.message = session.stage, session.fraction, session.message
        data.restored, data.analysed = session.restored, review is not None
        notices = review.result.warnings if review else session.study.notices if session.study else ()
        data.warnings = list(dict.fromkeys(notice.message for notice in notices))
        side = data.side if review and data.side in review.sides else SIDES[0]
        data.cards = told.hip_cards(review) if review else []
        data.slices = told.slice_lines(review.hip(side), review.automatic(side)) if review else []
        data.plot = told.plot_lines(review, side) if review else {}
        data.polar = told.polar_picture(review, side) if review else ""
        data.can_undo, data.can_redo = (review.can_undo, review.can_redo) if review else (False, False)
        data.reviewer = data.reviewer or session.reviewer
        self._show_list()
        self.state.flush()

    def _said(self, do: Callable) -> Callable:
        """Turn an InputError into a sentence on the page, and any other error into one without its details."""

        @wraps(do)
        def guarded(*arguments: object) -> None:
            with self.state:
                try:
                    do(*arguments)
                except InputError as error:
                    self.session.say(str(error))
                except Exception:
                    logging.exception("ONFHAssist: an error of the program")
                    self.session.say("That has failed: an error of the program, of which the server's log tells more.")
                else:
                    self._show()

        return guarded

    def _go(self, work: Awaitable) -> None:
        """Do something that takes a while."""

        async def guarded() -> None:
            try:
                await work
            except InputError as error:
                self.session.say(str(error))
            except Exception:
                logging.exception("ONFHAssist: an error of the program")
                self.session.say("That has failed: an error of the program, of which the server's log tells more.")
            self._show()

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _tool_of(effect: object) -> str:
    return next(tool for tool, kind in EFFECTS.items() if kind is effect._effect_type)


def _layout() -> Layout:
    """The coronal view large, the others beside it."""
    return Layout(
        LayoutDirection.Horizontal,
        [
            ViewLayoutDefinition.coronal_view(),
            Layout(
                LayoutDirection.Vertical,
                [
                    ViewLayoutDefinition.sagittal_view(),
                    ViewLayoutDefinition.axial_view(),
                    ViewLayoutDefinition.threed_view(),
                ],
            ),
        ],
        ["1.6", "1"],
    )
