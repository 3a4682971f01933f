"""What lies over and below the images: their names, the sides of the body, a slider, the legend; see `logic_views`."""

from trame.widgets import html
from trame.widgets import vuetify3 as v3
from trame_server import Server
from trame_server.utils.typed_state import TypedState
from trame_slicer.app.logic import connect_slice_view_slider_to_state
from trame_slicer.app.ui import Slider
from trame_slicer.views import AbstractView
from undo_stack import Signal

from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.widgets import raw

EDGES = {"Coronal": ("R", "L", "S", "I"), "Axial": ("R", "L", "A", "P"), "Sagittal": ("A", "P", "S", "I")}
"""What lies to the left, to the right, above and below in each view: right, left, superior, …"""
PLACES = (
    "left: 8px; top: 50%",
    "right: 14px; top: 50%",
    "left: 50%; top: 1.6rem",
    "left: 50%; bottom: 2.6rem",
)


class ViewsUI:
    """Given to trame-slicer, which calls `over_slice` and `over_3d` for each view that it makes."""

    enlarge_clicked = Signal(str)
    whole_clicked = Signal()
    hip_clicked = Signal()

    def over_slice(self, server: Server, view_id: str, view: AbstractView) -> None:
        """Put name, sides and slider over a slice view."""
        name = TypedState(server.state, PageState).name
        self._head(view.name, f"{name.form} !== 'picture'")
        with html.Div(v_if=(f"{name.form} !== 'picture'",)):  # nobody knows how a picture lies in the patient
            for letter, place in zip(EDGES[view.name], PLACES, strict=True):
                html.Div(letter, classes="edge", style=place)
        with html.Div(v_if=(f"!{name.volumes_only}",), classes="slider"):
            Slider(typed_state=connect_slice_view_slider_to_state(server, view), theme="dark", dense=True)

    def over_3d(self, server: object, view_id: str, view: AbstractView) -> None:
        """Put the name over a 3D view."""
        self._head(view.name)

    @staticmethod
    def legend(name: PageState) -> None:
        """Tell what the colours mean, below the views."""
        line = html.Div(v_if=(name.analysed,), classes="legend")
        with line, html.Span(v_for=(f"item in {name.legend}",), key=("item.text",)):
            html.Span(style=("`border-top: 3px ${item.line} ${item.color}`",), classes="swatch")
            html.Span("{{ item.text }}")

    def _head(self, view_name: str, named: str = "true") -> None:
        with html.Div(classes="view-head"):
            html.Span(view_name, v_if=(named,))
            for icon, title, click in (
                ("mdi-arrow-expand", "This view alone, and back (F)", (self.enlarge_clicked, f"['{view_name}']")),
                ("mdi-fit-to-page-outline", "The whole image", self.whole_clicked),
                ("mdi-image-filter-center-focus", "The hip (1, 2)", self.hip_clicked),
            ):
                v3.VBtn(
                    icon=icon,
                    title=title,
                    raw_attrs=raw(aria_label=title),
                    click=click,
                    size="x-small",
                    variant="text",
                    density="comfortable",
                )
