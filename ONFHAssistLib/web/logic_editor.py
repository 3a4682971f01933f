"""What tools, undo and landmarks do; mirrors `ui_editor`."""

import asyncio

from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLMarkupsNode
from trame_server import Server
from trame_server.utils.typed_state import TypedState
from trame_slicer.app.logic.segmentation import (
    DrawEffectLogic,
    EraseEffectLogic,
    IslandsEffectLogic,
    PaintEffectLogic,
    ScissorsEffectLogic,
    SmoothingEffectLogic,
    ThresholdEffectLogic,
)
from trame_slicer.app.ui import PaintEffectState
from trame_slicer.core import SlicerApp
from trame_slicer.segmentation import (
    BrushDiameterMode,
    SegmentationEditableAreaMode,
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

from ONFHAssistLib.core.geometry import HeadSeed, Landmarks, Side
from ONFHAssistLib.core.grid import as_point
from ONFHAssistLib.reviewer.study import require_volume
from ONFHAssistLib.scene.markups import What, landmarks_node, place_landmark, write_landmarks
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.logic_views import ViewsLogic
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState, segment_of, side_of
from ONFHAssistLib.web.ui_editor import EditorUI

EFFECTS: dict[str, type[SegmentationEffect]] = {
    "": SegmentationEffectNoTool,
    "window": SegmentationEffectNoTool,
    "paint": SegmentationEffectPaint,
    "erase": SegmentationEffectErase,
    "draw": SegmentationEffectDraw,
    "scissors": SegmentationEffectScissors,
    "threshold": SegmentationEffectThreshold,
    "islands": SegmentationEffectIslands,
    "smoothing": SegmentationEffectSmoothing,
}
LOGICS = {
    "paint": PaintEffectLogic,
    "erase": EraseEffectLogic,
    "draw": DrawEffectLogic,
    "scissors": ScissorsEffectLogic,
    "threshold": ThresholdEffectLogic,
    "islands": IslandsEffectLogic,
    "smoothing": SmoothingEffectLogic,
}
BRUSH_MM = (1.0, 30.0)


class EditorLogic:
    """Puts the tools into the reader's hand; masks are changed in the scene, where `Review.update` finds them."""

    def __init__(
        self,
        server: Server,
        slicer_app: SlicerApp,
        session: Session,
        data: PageState,
        act: Actions,
        views: ViewsLogic,
    ) -> None:
        """Prepare the effects; the views have to be there already, or trame-slicer's brush crashes."""
        self._session, self._data, self._act, self._views = session, data, act, views
        self._app, self._scene = slicer_app, slicer_app.scene
        self._click_node: vtkMRMLMarkupsFiducialNode | None = None
        self._placing: tuple[vtkMRMLMarkupsNode, int, Side] | None = None
        self.editor = slicer_app.segmentation_editor
        self.editor.set_overwrite_mode(SegmentationOverwriteMode.ALLOW_OVERLAP)
        self._effects = {tool: kind(server, slicer_app) for tool, kind in LOGICS.items()}
        self._brush = TypedState(server.state, PaintEffectState)

    def set_ui(self, ui: EditorUI) -> None:
        """Connect the signals."""
        now, session = self._act.now, self._session
        ui.tool_chosen.connect(now(self.take))
        ui.segment_chosen.connect(now(self.choose_segment))
        ui.undo_clicked.connect(now(session.undo))
        ui.redo_clicked.connect(now(session.redo))
        ui.reset_clicked.connect(now(self.reset))
        ui.masks_clicked.connect(now(self._views.toggle_masks))
        ui.labels_clicked.connect(now(self._views.toggle_labels))
        ui.place_clicked.connect(now(self.place))
        ui.anew_clicked.connect(self.segment_anew)
        for tool, effect in self._effects.items():
            if tool in ui.settings:
                effect_ui = getattr(effect, "set_effect_ui", None)
                if effect_ui is not None:
                    effect_ui(ui.settings[tool])
        # In mm, so that a brush stays as it is when a view is zoomed; flat, as slices are thick.
        brush = self._brush.data
        brush.brush_diameter_mode, brush.use_sphere_brush = BrushDiameterMode.Absolute, False
        slider = brush.brush_diameter_slider
        slider.min_value, slider.max_value, slider.step, slider.value = *BRUSH_MM, 0.5, self._data.brush
        self._brush.bind_changes({self._brush.name.brush_diameter_slider.value: self._brush_changed})

    def begin(self) -> None:
        """Edit the review that has just begun."""
        review = self._session.opened()
        self.editor.set_active_segmentation(review.segmentation_node, review.volume_node)
        self.editor.set_surface_representation_enabled(True)
        self.edit()

    def take(self, tool: str) -> None:
        """Take a tool, or with "" put it down."""
        self._stop_placing()
        if tool not in ("", "window"):
            self._session.with_hips()
            self.edit()
        self.editor.set_active_effect_type(EFFECTS[tool])
        self._views.adjust_window(tool == "window")
        self._data.tool = tool

    def choose_segment(self, segment: str) -> None:
        """Edit the head or its necrosis from now on."""
        self._data.segment = segment
        self.edit()

    def edit(self) -> None:
        """Let the tools work on the chosen segment of the chosen hip; necrosis is drawn inside the head only."""
        review, side, segment = self._session.review, side_of(self._data), segment_of(self._data)
        if review is None or not review.hip(side).segmented:
            return
        self.editor.set_active_segment_id(review.segment_id(side, segment))
        modes = SegmentationEditableAreaMode
        inside = segment == "necrosis"
        self.editor.set_mask_segment_id(review.segment_id(side, "head") if inside else "")
        self.editor.set_editable_area(modes.INSIDE_SINGLE_SEGMENT if inside else modes.EVERYWHERE)

    def resize_brush(self, direction: int) -> None:
        """Take a brush that is a step larger (1) or smaller (-1)."""
        slider = self._brush.data.brush_diameter_slider
        slider.value = min(max(round(2 * slider.value * 1.2**direction) / 2, BRUSH_MM[0]), BRUSH_MM[1])

    def reset(self, what: str) -> None:
        """Go back to the automatic result of the slice in view, or of the hip."""
        side, index = side_of(self._data), self._views.current_slice() if what == "slice" else None
        self._session.change(lambda review: review.reset(side, index))

    def place(self, what: What, side: Side) -> None:
        """Let the next click in a view place a landmark; a head's centre is segmented from there."""
        self.take("")
        if self._session.study is not None:
            require_volume(self._session.study.source)
        if what == "head centre":
            node = self._scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Head centre")
            node.CreateDefaultDisplayNodes()
            node.AddObserver(vtkMRMLMarkupsNode.PointPositionDefinedEvent, lambda *_: self._head_clicked(side))
            self._click_node = node
            self._app.markups_logic.place_node(node)
        else:
            self._session.settling.now()
            self._session.settling.held = True
            node = landmarks_node(self._session.opened().volume_node)
            tag = node.AddObserver(vtkMRMLMarkupsNode.PointPositionDefinedEvent, lambda *_: self._landmark_clicked())
            self._placing = (node, tag, side)
            place_landmark(node, side, what)
        self._data.placing = f"{side} {what}"

    def segment_anew(self) -> None:
        """Segment the chosen hip from its sphere as it is now."""

        async def anew() -> None:
            await self._session.analyse(self._session.opened().seed(side_of(self._data)))

        self._act.start(anew())

    def _head_clicked(self, side: Side) -> None:
        if self._click_node is None:
            return
        centre = as_point(self._click_node.GetNthControlPointPositionWorld(0))
        self._stop_placing()
        self._data.side = side
        self._act.start(self._session.analyse(HeadSeed(side, centre)))

    def _landmark_clicked(self) -> None:
        if self._placing is None:
            return
        node, tag, _ = self._placing
        self._placing = None
        node.RemoveObserver(tag)
        self._data.placing = ""
        self._session.settling.release()

    def _stop_placing(self) -> None:
        self._data.placing = ""
        self._app.markups_logic.disable_place_mode()
        if self._click_node is not None:
            node, self._click_node = self._click_node, None
            # Not at once: this may be an event of that very node.
            asyncio.get_running_loop().call_soon(self._scene.RemoveNode, node)
        if self._placing is not None:  # given up: the point goes back to its place
            (node, tag, side), self._placing = self._placing, None
            node.RemoveObserver(tag)
            hip = self._session.opened().hip(side)
            write_landmarks(node, side, hip.landmarks or Landmarks(), hip.sphere)
            self._session.settling.held = False

    def _brush_changed(self, value: float) -> None:
        self._data.brush = value
