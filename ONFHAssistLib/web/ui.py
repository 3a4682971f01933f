"""The page: worklist at the left, views in the middle, hips and sign-off at the right. Widgets only; see `logic`."""

from collections.abc import Callable
from enum import Enum

from trame.ui.vuetify3 import VAppLayout
from trame.widgets import client, html
from trame.widgets import vuetify3 as v3
from trame_client.widgets.core import HtmlElement
from trame_server import Server
from trame_server.utils.typed_state import TypedState
from trame_slicer.app.ui import IslandsEffectUI, PaintEffectUI, ScissorsEffectUI, SmoothingEffectUI, ThresholdEffectUI
from trame_slicer.core import LayoutManager
from undo_stack import Signal

from ONFHAssistLib.exchange.tables import RESEARCH_USE
from ONFHAssistLib.web.state import PLOT, PageState

STYLE = """
html, body { overflow: hidden }
.page { font-size: 13px; height: 100vh; display: flex; flex-direction: column }
.page .line { cursor: pointer; border-left: 3px solid transparent; padding: 5px 8px }
.page .line:hover { background: rgba(127, 127, 127, .14) }
.page .line.on { border-left-color: #e69f00; background: rgba(230, 159, 0, .12) }
.page .quiet { opacity: .72; font-size: 12px; line-height: 1.35 }
.page .mark { color: #e69f00; font-weight: 600 }
.page .card { cursor: pointer; border: 1px solid rgba(127, 127, 127, .35); border-radius: 6px; padding: 8px 10px }
.page .card.on { border-color: #56b4e9; box-shadow: inset 3px 0 0 #56b4e9 }
.page .headline { font-size: 17px; font-weight: 600 }
.page table.slices { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
.page table.slices th { text-align: left; font-weight: 500; opacity: .72; font-size: 12px }
.page table.slices td, .page table.slices th { padding: 1px 6px 1px 0; white-space: nowrap }
.page table.slices tr.row { cursor: pointer }
.page table.slices tr.row:hover { background: rgba(127, 127, 127, .14) }
.page table.slices tr.on { background: rgba(86, 180, 233, .2) }
.page svg text { fill: currentColor; font-size: 11px }
.page kbd { border: 1px solid rgba(127, 127, 127, .6); border-radius: 4px; padding: 0 6px; font: inherit }
"""
SHORTCUTS = (
    ("[ and ]", "previous and next slice that matters"),
    ("1 and 2", "right hip, left hip"),
    ("H", "hide and show the masks"),
    ("P, E, D", "paint, erase, draw"),
    ("Esc", "put the tool down"),
    ("Ctrl+Z, Ctrl+Y", "undo, redo"),
    ("↑ and ↓", "previous and next study of the list"),
    ("Ctrl+Enter", "approve, and open the next study"),
    ("?", "this list"),
)
# Keys that the reader types into a field stay there.
KEYS = """
if (!window.onfhKeys) {
  window.onfhKeys = true;
  window.addEventListener("keydown", (event) => {
    const field = event.target.closest && event.target.closest("input, textarea, select");
    const key = (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + event.key;
    const known = ["[", "]", "1", "2", "h", "H", "p", "P", "e", "E", "d", "D", "?", "Escape", "ArrowUp", "ArrowDown",
      "Ctrl+z", "Ctrl+y", "Ctrl+Enter"];
    if (!known.includes(key) || (field && !key.startsWith("Ctrl+E") && key !== "Escape")) return;
    event.preventDefault();
    window.trame.trigger("onfh_key", [key]);
  });
}
"""


class Tool(Enum):
    """The tools of the editor: icon and what it is called."""

    paint = ("mdi-brush", "Paint (P)")
    erase = ("mdi-eraser", "Erase (E)")
    draw = ("mdi-draw", "Draw an outline (D)")
    scissors = ("mdi-content-cut", "Scissors")
    threshold = ("mdi-contrast-circle", "Threshold")
    islands = ("mdi-scatter-plot", "Islands")
    smoothing = ("mdi-blur", "Smoothing")


class PageUI:
    """Builds the page; every signal is something the reader asks for."""

    study_chosen = Signal(str)
    analyse_clicked = Signal()
    cancel_clicked = Signal()
    side_chosen = Signal(str)
    slice_chosen = Signal(int)
    tool_chosen = Signal(str)
    segment_chosen = Signal(str)
    undo_clicked = Signal()
    redo_clicked = Signal()
    reset_clicked = Signal(str)
    masks_clicked = Signal()
    place_clicked = Signal(str)
    draft_forgotten = Signal()
    sign_clicked = Signal(str)
    refresh_clicked = Signal()
    key_pressed = Signal(str)

    def __init__(self, server: Server, layout_manager: LayoutManager) -> None:
        """Build everything, bound to a `PageState` of this server."""
        self._state = TypedState(server.state, PageState)
        self.name = self._state.name
        self.effect_ui = {}
        server.controller.trigger("onfh_key")(lambda key: self.key_pressed(key))
        with VAppLayout(server) as self.layout:
            self.layout.root.theme = (f"{self.name.dark} ? 'dark' : 'light'",)
            client.Style(STYLE)
            client.Script(KEYS)
            with html.Div(classes="page"):
                self._bar()
                with html.Div(style="flex: 1; display: flex; min-height: 0"):
                    self._list()
                    self._tools()
                    with html.Div(style="flex: 1; min-width: 0; display: flex; background: black"):
                        layout_manager.initialize_layout_grid(self.layout)
                    self._side_panel()
            self._help()

    def _bar(self) -> None:
        n = self.name
        with html.Div(classes="d-flex align-center px-2", style="gap: 10px; height: 44px; flex: none"):
            self._icon("mdi-format-list-bulleted", "Worklist", f"{n.list_open} = !{n.list_open}")
            html.Div("ONFHAssist", style="font-size: 16px; font-weight: 600")
            html.Div("For research use", classes="mark", title=RESEARCH_USE)
            html.Div(f"{{{{ {n.title} }}}}", style="font-weight: 600; white-space: nowrap; overflow: hidden")
            html.Div(f"{{{{ {n.study} }}}}", classes="quiet", style="white-space: nowrap")
            v3.VSpacer()
            with html.Div(v_if=(n.stage,), classes="d-flex align-center", style="gap: 8px"):
                html.Div(f"{{{{ {n.stage} }}}}", classes="quiet")
                v3.VProgressLinear(model_value=(f"100 * {n.fraction}",), color="#e69f00", style="width: 120px")
            self._button("Cancel", self.cancel_clicked, v_if=(n.stage,))
            self._button(
                (f"{n.analysed} ? 'Analyse again' : 'Analyse'",),
                self.analyse_clicked,
                v_if=(f"!{n.stage} && {n.study}",),
                color=(f"{n.analysed} ? undefined : 'primary'",),
            )
            self._icon(
                (f"{n.dark} ? 'mdi-weather-sunny' : 'mdi-weather-night'",),
                "Light or dark",
                f"{n.dark} = !{n.dark}",
            )
            self._icon("mdi-help-circle-outline", "Keyboard (?)", f"{n.help} = true")
        with html.Div(v_if=(n.message,), classes="px-3 py-1", style="background: #7a2e12; color: white; flex: none"):
            html.Span(f"{{{{ {n.message} }}}}")
            html.Span(" ✕", style="cursor: pointer; float: right", click=f"{n.message} = ''")
        with html.Div(v_if=(n.restored,), classes="px-3 py-1", style="background: #24506b; color: white; flex: none"):
            html.Span("The draft of this study was taken up where it was left.")
            html.A(
                "Forget it and start from the automatic result",
                style="margin-left: 12px; cursor: pointer; text-decoration: underline; color: white",
                click=self.draft_forgotten,
            )

    def _list(self) -> None:
        n = self.name
        with html.Div(
            v_if=(n.list_open,),
            style="width: 250px; flex: none; overflow-y: auto; border-right: 1px solid rgba(127, 127, 127, .3)",
        ):
            with html.Div(classes="d-flex align-center pa-1", style="gap: 4px"):
                v3.VTextField(
                    v_model=(n.words,), placeholder="Filter", density="compact", hide_details=True, clearable=True
                )
                self._icon("mdi-refresh", "Look through the folder again", self.refresh_clicked)
            with html.Div(
                v_for=(f"study in {n.studies}",),
                key=("study.key",),
                classes=(f"'line' + (study.key === {n.current} ? ' on' : '')",),
                click=(self.study_chosen, "[study.key]"),
                title=("study.problem || study.title",),
                data_key=("study.key",),
            ):
                with html.Div(classes="d-flex", style="gap: 6px"):
                    html.Div(
                        "{{ study.title }}",
                        style="flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap",
                    )
                    html.Div("{{ study.status }}", classes="quiet", style="white-space: nowrap")
                with html.Div(v_for=("hip in study.hips",), classes="quiet", key=("hip.side",)):
                    html.Span("{{ hip.side }} {{ hip.grade }} {{ hip.ratio }} {{ hip.jic && 'JIC ' + hip.jic }} ")
                    html.Span("borderline", v_if=("hip.borderline",), classes="mark")
                html.Div("{{ study.problem }}", v_if=("study.problem",), classes="quiet")
                html.Div(
                    "{{ study.plane }}{{ study.reviewer && ' · ' + study.reviewer }}",
                    v_if=("!study.problem && study.plane",),
                    classes="quiet",
                )
            html.Div("Nothing fits.", v_if=(f"!{n.studies}.length",), classes="quiet pa-2")

    def _tools(self) -> None:
        n = self.name
        with html.Div(
            v_if=(n.analysed,),
            classes="d-flex flex-column align-center py-1",
            style="width: 44px; flex: none; gap: 2px; border-right: 1px solid rgba(127, 127, 127, .3)",
        ):
            self._icon("mdi-cursor-default", "No tool (Esc)", (self.tool_chosen, "['']"), active=f"!{n.tool}")
            for tool in Tool:
                icon, name = tool.value
                self._icon(icon, name, (self.tool_chosen, f"['{tool.name}']"), active=f"{n.tool} === '{tool.name}'")
            v3.VDivider(style="width: 100%")
            for segment, icon in (("necrosis", "mdi-alpha-n-circle"), ("head", "mdi-alpha-h-circle")):
                self._icon(
                    icon,
                    f"Edit the {segment}",
                    (self.segment_chosen, f"['{segment}']"),
                    active=f"{n.segment} === '{segment}'",
                )
            v3.VDivider(style="width: 100%")
            self._icon("mdi-undo", "Undo (Ctrl+Z)", self.undo_clicked, disabled=f"!{n.can_undo}")
            self._icon("mdi-redo", "Redo (Ctrl+Y)", self.redo_clicked, disabled=f"!{n.can_redo}")
            v3.VDivider(style="width: 100%")
            self._icon((f"{n.masks} ? 'mdi-eye' : 'mdi-eye-off'",), "Hide or show the masks (H)", self.masks_clicked)
            with v3.VMenu(location="end"):
                with v3.Template(v_slot_activator="{ props }"):
                    v3.VBtn(icon="mdi-map-marker-plus", v_bind="props", variant="text", size="small", title="Place")
                with v3.VList(density="compact"):
                    for what in ("head centre", "acetabular edge", "teardrop"):
                        v3.VListItem(
                            title=(f"'Place the {what} (' + {n.side} + ')'",), click=(self.place_clicked, f"['{what}']")
                        )
            with v3.VMenu(location="end"):
                with v3.Template(v_slot_activator="{ props }"):
                    v3.VBtn(icon="mdi-restore", v_bind="props", variant="text", size="small", title="Automatic result")
                with v3.VList(density="compact"):
                    v3.VListItem(
                        title="This slice: back to the automatic result", click=(self.reset_clicked, "['slice']")
                    )
                    v3.VListItem(
                        title=(f"'The ' + {n.side} + ' hip: back to the automatic result'",),
                        click=(self.reset_clicked, "['hip']"),
                    )

    def _side_panel(self) -> None:
        n = self.name
        with html.Div(
            style="width: 370px; flex: none; overflow-y: auto; border-left: 1px solid rgba(127, 127, 127, .3); "
            "display: flex; flex-direction: column; gap: 8px; padding: 8px",
        ):
            html.Div(
                "Choose a study in the list at the left.", v_if=(f"!{n.study} && !{n.stage}",), classes="quiet pa-2"
            )
            with html.Div(v_if=(f"{n.placing}",), classes="card on"):
                html.Span(f"Click on the {{{{ {n.placing} }}}} in one of the images. Esc gives it up.")
            self._effect_settings()
            with html.Div(
                v_for=(f"card in {n.cards}",),
                key=("card.side",),
                classes=(f"'card' + (card.side === {n.side} ? ' on' : '')",),
                click=(self.side_chosen, "[card.side]"),
                data_side=("card.side",),
            ):
                with html.Div(classes="d-flex align-baseline", style="gap: 8px"):
                    html.Div("{{ card.title }}")
                    html.Div("{{ card.headline }}", classes="headline")
                    html.Div("borderline", v_if=("card.borderline",), classes="mark")
                html.Div("{{ card.automatic }}", v_if=("card.automatic",), classes="quiet")
                html.Div("{{ card.reason }}", v_if=("card.reason",), classes="quiet")
                with html.Div(v_if=(f"card.side === {n.side}",)):
                    with html.Div(v_for=("row in card.rows",), key=("row.title",), style="margin-top: 5px"):
                        html.Span("{{ row.title }}: ")
                        html.B("{{ row.grade }} ")
                        html.Span("borderline ", v_if=("row.borderline",), classes="mark")
                        html.Span("automatic: {{ row.automatic }}", v_if=("row.automatic",), classes="quiet mark")
                        html.Div("{{ row.told }}", classes="quiet")
                    html.Div("{{ card.volumes }}", classes="quiet", style="margin-top: 5px")
            with html.Div(v_if=(f"{n.plot}.points",)):
                self._plot()
            self._table()
            with html.Div(v_if=(n.polar,), style="text-align: center"):
                html.Img(src=(n.polar,), style="width: 250px", alt="Map of the head's surface")
                html.Div(
                    "The head's surface from above: where necrosis reaches it, and how deep it lies", classes="quiet"
                )
            with html.Div(v_if=(f"{n.warnings}.length",), classes="quiet"):
                html.Div(
                    "{{ warning }}", v_for=(f"warning in {n.warnings}",), key=("warning",), style="margin-top: 3px"
                )
            self._sign_off()

    def _effect_settings(self) -> None:
        with html.Div(
            v_if=(f"['paint', 'erase', 'threshold', 'islands', 'smoothing', 'scissors'].includes({self.name.tool})",),
            classes="card",
        ):
            for tools, kind in (
                (("paint", "erase"), PaintEffectUI),
                (("threshold",), ThresholdEffectUI),
                (("islands",), IslandsEffectUI),
                (("smoothing",), SmoothingEffectUI),
                (("scissors",), ScissorsEffectUI),
            ):
                shown = " || ".join(f"{self.name.tool} === '{tool}'" for tool in tools)
                made = kind(v_if=(shown,))
                self.effect_ui |= dict.fromkeys(tools, made)

    def _plot(self) -> None:
        n, (width, height) = self.name, PLOT
        with HtmlElement(
            "svg",
            raw_attrs=[f'viewBox="-40 -8 {width + 52:.0f} {height + 36:.0f}"', 'style="width: 100%"'],
            trame_server=self.layout.server,
        ):
            with HtmlElement("g", v_for=(f"tick in {n.plot}.ticks",), key=("tick.text",)):
                HtmlElement(
                    "line",
                    raw_attrs=[
                        'x1="0"',
                        f'x2="{width}"',
                        ':y1="tick.y"',
                        ':y2="tick.y"',
                        'stroke="currentColor"',
                        ':stroke-opacity="tick.limit ? 0.55 : 0.2"',
                        ":stroke-dasharray=\"tick.limit ? '4 3' : ''\"",
                    ],
                )
                HtmlElement("text", "{{ tick.text }}", raw_attrs=['x="-6"', ':y="tick.y + 4"', 'text-anchor="end"'])
            HtmlElement(
                "polyline",
                raw_attrs=[f':points="{n.plot}.before"', 'fill="none"', 'stroke="#999"', 'stroke-dasharray="5 4"'],
            )
            HtmlElement(
                "polyline",
                raw_attrs=[f':points="{n.plot}.line"', 'fill="none"', 'stroke="#e69f00"', 'stroke-width="2"'],
            )
            with HtmlElement(
                "circle",
                v_for=(f"point in {n.plot}.points",),
                key=("point.index",),
                click=(self.slice_chosen, "[point.index]"),
                raw_attrs=[
                    ':cx="point.x"',
                    ':cy="point.y"',
                    f':r="point.index === {n.slice} ? 6 : 4"',
                    ":fill=\"point.large ? '#e69f00' : '#888'\"",
                    'style="cursor: pointer"',
                    f":stroke=\"point.index === {n.slice} ? '#56b4e9' : 'none'\"",
                    'stroke-width="3"',
                ],
            ):
                HtmlElement("title", "{{ point.told }}")
            HtmlElement(
                "text", f"{{{{ {n.plot}.ends && {n.plot}.ends[0] }}}}", raw_attrs=['x="0"', f'y="{height + 20}"']
            )
            HtmlElement(
                "text",
                f"{{{{ {n.plot}.length }}}}",
                raw_attrs=[f'x="{width / 2}"', f'y="{height + 20}"', 'text-anchor="middle"'],
            )
            HtmlElement(
                "text",
                f"{{{{ {n.plot}.ends && {n.plot}.ends[1] }}}}",
                raw_attrs=[f'x="{width}"', f'y="{height + 20}"', 'text-anchor="end"'],
            )

    def _table(self) -> None:
        n = self.name
        with html.Table(v_if=(f"{n.slices}.length",), classes="slices"):
            with html.Thead(), html.Tr():
                for title in ("Slice", "Ratio", "Automatic", "Steinberg", "mm²"):
                    html.Th(title)
            with (
                html.Tbody(),
                html.Tr(
                    v_for=(f"line in {n.slices}",),
                    key=("line.index",),
                    classes=(f"'row' + (line.index === {n.slice} ? ' on' : '')",),
                    click=(self.slice_chosen, "[line.index]"),
                    data_slice=("line.index",),
                ),
            ):
                html.Td("{{ line.index }}{{ line.look ? ' ⚑' : '' }}", title=("line.look ? 'Look here first' : ''",))
                html.Td("{{ line.ratio }}")
                html.Td("{{ line.was }}", classes="quiet")
                html.Td("{{ line.grade }}")
                html.Td("{{ line.area }}", classes="quiet")

    def _sign_off(self) -> None:
        n = self.name
        with html.Div(v_if=(n.analysed,), classes="card", style="cursor: auto"):
            with html.Div(classes="d-flex", style="gap: 6px"):
                for model, label in ((n.reviewer, "Reviewer (a code)"), (n.patient_code, "Patient (a code)")):
                    v3.VTextField(v_model=(model,), label=label, density="compact", hide_details=True)
            v3.VTextarea(
                v_model=(n.comment,),
                label="Comment, without names",
                rows=1,
                auto_grow=True,
                density="compact",
                hide_details=True,
                style="margin-top: 6px",
            )
            with html.Div(classes="d-flex", style="gap: 6px; margin-top: 8px"):
                self._button("Approve, next", (self.sign_clicked, "['approved']"), color="primary", title="Ctrl+Enter")
                self._button("Flag", (self.sign_clicked, "['flagged']"), title="Somebody has to look into it")
                v3.VSpacer()
                html.Div(f"{{{{ {n.folder} }}}}", classes="quiet")

    def _help(self) -> None:
        with v3.VDialog(v_model=(self.name.help,), max_width=520), v3.VCard(title="Keyboard"), v3.VCardText():
            for keys, what in SHORTCUTS:
                with html.Div(classes="d-flex py-1", style="gap: 12px"):
                    with html.Div(style="width: 150px; flex: none"):
                        html.Kbd(keys) if hasattr(html, "Kbd") else HtmlElement("kbd", keys)
                    html.Div(what)
            html.Div(RESEARCH_USE, classes="text-caption", style="margin-top: 12px")

    def _button(self, text: str | tuple, click: Callable | tuple, **attributes: object) -> None:
        v3.VBtn(text=text, click=click, size="small", variant="tonal", **attributes)

    def _icon(
        self,
        icon: str | tuple,
        title: str,
        click: Callable | tuple | str,
        active: str = "false",
        disabled: str = "false",
    ) -> None:
        v3.VBtn(
            icon=icon,
            title=title,
            click=click,
            size="small",
            variant="text",
            active=(active,),
            color=(f"({active}) ? '#e69f00' : undefined",),
            disabled=(disabled,),
        )
