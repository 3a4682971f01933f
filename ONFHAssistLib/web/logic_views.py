"""Which part of the body the views show, and how; mirrors `ui_views`."""

import asyncio
from collections.abc import Iterable

from slicer import vtkMRMLInteractionNode
from trame_server import Server
from trame_slicer.core import LayoutManager, SlicerApp
from trame_slicer.views import Layout, LayoutDirection, ViewLayoutDefinition

from ONFHAssistLib.core.grid import as_point
from ONFHAssistLib.scene import views
from ONFHAssistLib.scene.markups import landmarks_node
from ONFHAssistLib.scene.nodes import Node
from ONFHAssistLib.web.actions import Actions
from ONFHAssistLib.web.brightness import Brightness
from ONFHAssistLib.web.session import Session
from ONFHAssistLib.web.state import PageState, side_of
from ONFHAssistLib.web.ui_views import ViewsUI

ALL = "all"
LAID_OUT_S = 0.5
"""So long a browser may take to lay out a view."""


class ViewsLogic:
    """Moves the views of a scene.

    Attributes:
        layout_manager: has the layouts `ALL` and one for each view alone, named as the view.
    """

    def __init__(self, server: Server, slicer_app: SlicerApp, session: Session, data: PageState, act: Actions) -> None:
        """Make the views; ``data`` is the page's state."""
        self._session, self._data, self._act = session, data, act
        self._scene, self._app = slicer_app.scene, slicer_app
        self.layout_manager = LayoutManager(self._scene, slicer_app.view_manager, server)
        self.layout_manager.register_layout_dict(_layouts())
        self.layout_manager.set_layout(ALL)
        self._noticing: asyncio.TimerHandle | None = None
        self._flat = False
        slice_views = slicer_app.view_manager.get_slice_views()
        for view in slice_views:
            view.modified.connect(self._scrolled)
            view.render_window().SetMultiSamples(0)  # without a graphics card it takes half of the time and much memory
        self._brightness = [Brightness(view.interactor(), self._display) for view in slice_views]

    def set_ui(self, ui: ViewsUI) -> None:
        """Connect the signals."""
        ui.enlarge_clicked.connect(self._act.now(self.enlarge))
        ui.whole_clicked.connect(self._act.now(self.show_whole))
        ui.hip_clicked.connect(self._act.now(self.show_hip))

    def enlarge(self, name: str) -> None:
        """Show one view alone, or all of them again."""
        if self._flat:
            return
        alone = self.layout_manager.layout_id != ALL
        self.layout_manager.set_layout(ALL if alone else name)

    def arrange(self) -> None:
        """Show the one view that a slice or picture lies in; all of them again for a volume."""
        study, was_flat = self._session.study, self._flat
        self._flat = study is not None and study.form != "volume"
        if study is not None and self._flat:
            self.layout_manager.set_layout(study.source["plane"].capitalize())
            again = self._act.now(self.show_whole, quiet=True)
            asyncio.get_running_loop().call_later(LAID_OUT_S, again)  # the view has its size only then
        elif was_flat:
            self.layout_manager.set_layout(ALL)

    def show_whole(self) -> None:
        """Show the whole image."""
        if self._session.volume_node is not None:
            views.show_volume(self._scene, self._session.volume_node)
            for view in self._app.view_manager.get_threed_views():
                view.reset_camera()

    def show_hip(self) -> None:
        """Go to the hip that is chosen."""
        review, side = self._session.review, side_of(self._data)
        sphere = review.hip(side).sphere if review and side in review.sides else None
        if review is None or sphere is None:
            self.show_whole()
            return
        views.show_hip(self._scene, review.volume_node, sphere)
        self._notice_slice()

    def set_window(self) -> None:
        """Choose grey levels for the marrow of the hip that is chosen."""
        review, side = self._session.review, side_of(self._data)
        sphere = review.hip(side).sphere if review and side in review.sides else None
        if review is not None and sphere is not None:
            views.marrow_window(review.volume_node, review.result.volume, sphere)

    def jump(self, index: int) -> None:
        """Show a slice in all views."""
        review = self._session.review
        if review is not None:
            sphere = review.hip(side_of(self._data)).sphere
            centre = sphere.centre_ras_mm if sphere else None
            views.jump_to_slice(self._scene, review.volume_node, index, centre)
            self._data.slice = index

    def jump_to(self, ras_mm: Iterable[float]) -> None:
        """Show a place in all views."""
        review = self._session.review
        if review is not None:
            views.jump_to_place(self._scene, review.volume_node, as_point(ras_mm))
            self._notice_slice()

    def step(self, direction: int) -> None:
        """Go to the next or previous slice that matters."""
        review = self._session.review
        if review is not None:
            slices = review.slices_that_matter(side_of(self._data))
            index = views.next_slice(slices, self.current_slice(), direction)
            if index is not None:
                self.jump(index)

    def current_slice(self) -> int | None:
        """Return the slice in view, along k of the image."""
        return views.current_slice(self._scene, self._session.volume_node) if self._session.volume_node else None

    def toggle_masks(self) -> None:
        """Hide or show the masks."""
        self._data.masks = not self._data.masks
        self.show_marks()

    def toggle_labels(self) -> None:
        """Hide or show the names of the landmarks."""
        self._data.labels = not self._data.labels
        self.show_marks()

    def show_marks(self) -> None:
        """Let the scene show what the page says is shown."""
        review = self._session.review
        if review is None:
            return
        review.show_masks(self._data.masks)
        display = landmarks_node(review.volume_node).GetDisplayNode()
        display.SetPointLabelsVisibility(self._data.labels)

    def adjust_window(self, wanted: bool) -> None:
        """Let a drag in a view change brightness and contrast, or not any more."""
        modes = vtkMRMLInteractionNode
        # In this mode landmarks stay where they are.
        mode = modes.AdjustWindowLevel if wanted else modes.ViewTransform
        self._app.markups_logic.interaction_node.SetCurrentInteractionMode(mode)
        for brightness in self._brightness:
            brightness.active = wanted

    def _display(self) -> Node | None:
        volume_node = self._session.volume_node
        return volume_node and volume_node.GetDisplayNode()

    def _scrolled(self, *_: object) -> None:
        """A view was moved: a little later the page marks the slice that it shows."""
        if self._noticing is None:
            try:
                self._noticing = asyncio.get_running_loop().call_later(
                    0.1, self._act.now(self._notice_slice, quiet=True)
                )
            except RuntimeError:  # before the server runs there is nothing to mark
                return

    def _notice_slice(self) -> None:
        self._noticing = None
        index = self.current_slice()
        self._data.slice = -1 if index is None else index


def _layouts() -> dict[str, Layout]:
    """The coronal view large, the others beside it; and each alone."""
    coronal, sagittal, axial = (
        ViewLayoutDefinition.slice_view(name, label=name) for name in ("Coronal", "Sagittal", "Axial")
    )
    volume = ViewLayoutDefinition.threed_view(name="Surface", background_color="black")
    beside = Layout(LayoutDirection.Vertical, [sagittal, axial, volume])
    alone = {
        view.singleton_tag: Layout(LayoutDirection.Vertical, [view]) for view in (coronal, sagittal, axial, volume)
    }
    return {ALL: Layout(LayoutDirection.Horizontal, [coronal, beside], ["1.6", "1"]), **alone}
