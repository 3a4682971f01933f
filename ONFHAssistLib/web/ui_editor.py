"""The column of tools and the settings of the one in hand; see `logic_editor`."""

from enum import Enum

from trame.widgets import html
from trame.widgets import vuetify3 as v3
from trame_slicer.app.ui import IslandsEffectUI, PaintEffectUI, ScissorsEffectUI, SmoothingEffectUI, ThresholdEffectUI
from undo_stack import Signal

from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.widgets import icon_button, menu, raw


class Tool(Enum):
    """The tools of the editor: icon and what it is called."""

    paint = ("mdi-brush", "Paint (P)")
    erase = ("mdi-eraser", "Erase (E)")
    draw = ("mdi-draw", "Draw an outline (D)")
    scissors = ("mdi-content-cut", "Scissors (X)")
    threshold = ("mdi-contrast-circle", "Threshold")
    islands = ("mdi-scatter-plot", "Islands")
    smoothing = ("mdi-blur", "Smoothing")


SETTINGS = {
    ("paint", "erase"): PaintEffectUI,
    ("threshold",): ThresholdEffectUI,
    ("islands",): IslandsEffectUI,
    ("smoothing",): SmoothingEffectUI,
    ("scissors",): ScissorsEffectUI,
}
HINTS = {
    "draw": "Click around the area, or drag; a right click or Enter fills it.",
    "window": "Drag in an image: to the side for contrast, up or down for brightness.",
}


class EditorUI:
    """What a reader does with masks and landmarks.

    Attributes:
        settings: the widget of each tool that has settings.
    """

    tool_chosen = Signal(str)
    segment_chosen = Signal(str)
    undo_clicked = Signal()
    redo_clicked = Signal()
    reset_clicked = Signal(str)
    masks_clicked = Signal()
    labels_clicked = Signal()
    place_clicked = Signal(str, str)
    anew_clicked = Signal()

    def __init__(self, name: PageState) -> None:
        """Build the column where the page is being built; ``name`` gives the names of its state."""
        self._name = name
        self.settings: dict[str, object] = {}
        with html.Div(v_if=(f"{name.study}",), classes="tools", raw_attrs=raw(role="toolbar", aria_label="Tools")):
            self._choose("", "mdi-cursor-default", "No tool: move landmarks (Esc)")
            self._choose("window", "mdi-brightness-6", "Brightness and contrast (W)")
            with html.Div(v_if=(f"{name.analysed} && !{name.volumes_only}",), classes="group"):
                for tool in Tool:
                    self._choose(tool.name, *tool.value)
            with html.Div(v_if=(f"{name.analysed} && !{name.volumes_only}",), classes="group"):
                for segment, key in (("necrosis", "N"), ("head", "B")):
                    active = f"{name.segment} === '{segment}'"
                    icon = f"mdi-alpha-{segment[0]}-circle"
                    icon_button(icon, f"Edit the {segment} ({key})", (self.segment_chosen, f"['{segment}']"), active)
            with html.Div(v_if=(f"{name.analysed} && !{name.volumes_only}",), classes="group"):
                icon_button("mdi-undo", "Undo (Ctrl+Z)", self.undo_clicked, disabled=f"!{name.can_undo}")
                icon_button("mdi-redo", "Redo (Ctrl+Y)", self.redo_clicked, disabled=f"!{name.can_redo}")
                with menu("mdi-restore", "Back to the automatic result"):
                    for what, text in (("slice", "'This slice'"), ("hip", f"'The ' + {name.side} + ' hip'")):
                        title = f"{text} + ': back to the automatic result'"
                        v3.VListItem(title=(title,), click=(self.reset_clicked, f"['{what}']"))
            with html.Div(classes="group"):
                with html.Div(v_if=(name.analysed,), classes="d-flex flex-column align-center"):
                    icon_button(
                        (f"{name.masks} ? 'mdi-eye' : 'mdi-eye-off'",), "Hide or show the masks (H)", self.masks_clicked
                    )
                    with html.Div(v_if=(f"!{name.volumes_only}",)):
                        icon_button(
                            "mdi-label-outline", "Names of the landmarks (L)", self.labels_clicked, f"{name.labels}"
                        )
                with html.Div(v_if=(f"!{name.volumes_only}",)):
                    self._places()

    def tool_settings(self) -> None:
        """Build the card with the settings of the tool in hand."""
        tool = self._name.tool
        with_settings = [tool_name for names in SETTINGS for tool_name in names]
        with html.Div(v_if=(f"{[*with_settings, *HINTS]}.includes({tool})",), classes="card settings"):
            for names, kind in SETTINGS.items():
                made = kind(v_if=(" || ".join(f"{tool} === '{tool_name}'" for tool_name in names),))
                self.settings |= dict.fromkeys(names, made)
            html.Div(
                f"{{{{ {self._name.brush} }}}} mm across"
                f"{{{{ {self._name.segment} === 'necrosis' ? '; what lies outside of the head is left alone' : '' }}}}",
                v_if=(f"['paint', 'erase'].includes({tool})",),
                classes="quiet",
            )
            for hinted, hint in HINTS.items():
                html.Div(hint, v_if=(f"{tool} === '{hinted}'",), classes="quiet")

    def _choose(self, tool: str, icon: str, title: str) -> None:
        icon_button(icon, title, (self.tool_chosen, f"['{tool}']"), f"{self._name.tool} === '{tool}'")

    def _places(self) -> None:
        name = self._name
        with menu("mdi-map-marker-plus", "Place a landmark, or a head that was missed"):
            for side in ("right", "left"):
                v3.VListItem(
                    title=f"Segment the {side} hip: click on the centre of its head",
                    click=(self.place_clicked, f"['head centre', '{side}']"),
                )
            v3.VListItem(
                title=(f"'Segment the ' + {name.side} + ' hip anew, from its sphere as it is now'",),
                click=self.anew_clicked,
                v_if=(name.analysed,),
            )
            for what in ("acetabular edge", "teardrop"):
                v3.VListItem(
                    title=(f"'Place the {what}, ' + {name.side}",),
                    click=(self.place_clicked, f"['{what}', {name.side}]"),
                    v_if=(name.analysed,),
                )
