"""The page: worklist at the left, views in the middle, hips and sign-off at the right. Widgets only; see `logic`."""

import json
from collections.abc import Mapping

from trame.ui.vuetify3 import VAppLayout
from trame.widgets import client, html
from trame.widgets import vuetify3 as v3
from trame_client.widgets.core import HtmlElement
from trame_server import Server
from trame_server.utils.typed_state import TypedState
from trame_slicer.core import LayoutManager
from undo_stack import Signal

from ONFHAssistLib.exchange.tables import RESEARCH_USE
from ONFHAssistLib.reviewer.analysing import HOW, REPLACED
from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.style import KEYS, OVER, STYLE
from ONFHAssistLib.web.ui_cases import CasesUI
from ONFHAssistLib.web.ui_editor import EditorUI
from ONFHAssistLib.web.ui_hips import HipsUI
from ONFHAssistLib.web.ui_systems import SystemsUI
from ONFHAssistLib.web.ui_training import TrainingUI
from ONFHAssistLib.web.ui_views import ViewsUI
from ONFHAssistLib.web.ui_worklist import WorklistUI
from ONFHAssistLib.web.widgets import icon_button, raw, text_button

SHORTCUTS = (
    ("[ and ]", "previous and next slice that matters"),
    ("1 and 2", "right hip, left hip"),
    ("F", "coronal view alone, and back"),
    ("H, L", "hide and show the masks, the names of the landmarks"),
    ("W", "brightness and contrast"),
    ("P, E, D, X", "paint, erase, draw, scissors"),
    ("N, B", "edit the necrosis, the head"),
    ("M", "mark the slice in view as reviewed, and back"),
    ("− and +", "smaller and larger brush"),
    ("Esc", "put the tool down"),
    ("Ctrl+Z, Ctrl+Y", "undo, redo"),
    ("↑ and ↓", "previous and next study of the list"),
    ("Ctrl+Enter", "approve, and open the next study"),
    ("?", "this list"),
    ("Mouse", "wheel: slices; right button: zoom; middle button or Shift: move"),
)
KNOWN_KEYS = (
    *"[]12fhlwpedxnbm-+?",
    *("escape", "arrowup", "arrowdown", "ctrl+z", "ctrl+y", "ctrl+shift+z", "ctrl+enter"),
)
THEME = {
    "dark": {"colors": {"accent": "#e69f00", "primary": "#56b4e9", "background": "#121212", "surface": "#1c1c1c"}},
    "light": {"colors": {"accent": "#a15c00", "primary": "#0b63a0"}},
}


class PageUI:
    """Builds the page; every signal, here and in its parts, is something the reader asks for."""

    analyse_clicked = Signal()
    cancel_clicked = Signal()
    draft_forgotten = Signal()
    device_chosen = Signal(str)
    engine_chosen = Signal(str)
    message_closed = Signal()
    key_pressed = Signal(str)

    def __init__(self, server: Server, layout_manager: LayoutManager, views: ViewsUI) -> None:
        """Build everything, bound to a `PageState` of this server."""
        self.name = TypedState(server.state, PageState).name
        self.views = views
        server.controller.trigger("onfh_key")(lambda key: self.key_pressed(key))
        for template in ("trame__template_error", "trame__template_error_reconnect"):
            server.state[template] = OVER % {"taken": self.name.taken}
        with VAppLayout(server, vuetify_config={"theme": {"themes": THEME}}) as self.layout:
            self.layout.root.theme = (f"{self.name.dark} ? 'dark' : 'light'",)
            client.Style(STYLE)
            client.Script(KEYS % json.dumps(KNOWN_KEYS))
            with html.Div(classes="page"):
                self._bar()
                self._banners()
                with html.Div(classes="main"):
                    self.cases = CasesUI(self.name)
                    self.worklist = WorklistUI(self.name, self.cases)
                    self.editor = EditorUI(self.name)
                    with html.Div(classes="views"):
                        with html.Div(style="display: flex; min-width: 0"):
                            layout_manager.initialize_layout_grid(self.layout)
                        views.legend(self.name)
                    self._right(server)
            self._help()
            self._how()
            self._again()
            self.cases.questions()
            self.hips.question()

    def _bar(self) -> None:
        n = self.name
        with html.Div(classes="bar d-flex align-center", raw_attrs=raw(role="banner")):
            icon_button("mdi-format-list-bulleted", "Show or hide the worklist", f"{n.list_open} = !{n.list_open}")
            html.Div("ONFHAssist", style="font-size: 1rem; font-weight: 600; flex: none")
            html.Div("For research use", classes="mark", title=RESEARCH_USE, style="flex: none")
            html.Div(f"{{{{ {n.title} }}}}", style="font-weight: 600", title=(n.title,))
            html.Div(f"{{{{ {n.study} }}}}", classes="quiet")
            v3.VSpacer()
            with html.Div(
                v_if=(n.stage,),
                classes="d-flex align-center",
                style="gap: 8px; flex: none",
                raw_attrs=raw(role="status"),
            ):
                html.Div(f"{{{{ {n.stage} }}}}", classes="quiet")
                v3.VProgressLinear(
                    model_value=(f"100 * {n.fraction}",),
                    indeterminate=(f"!{n.analysing}",),
                    color="accent",
                    style="width: 120px",
                )
            text_button("Cancel", self.cancel_clicked, v_if=(n.analysing,))
            text_button(
                "Analyse", self.analyse_clicked, v_if=(f"!{n.stage} && {n.study} && !{n.analysed}",), color="primary"
            )
            with html.Span(v_if=(f"!{n.stage} && {n.analysed}",)):
                text_button("Analyse again", f"{n.again} = true", v_if=(n.corrected,))
                text_button("Analyse again", self.analyse_clicked, v_else=True)
            icon_button(
                (f"{n.dark} ? 'mdi-weather-sunny' : 'mdi-weather-night'",), "Light or dark", f"{n.dark} = !{n.dark}"
            )
            icon_button("mdi-cog-outline", "How the networks run", f"{n.how} = true")
            icon_button("mdi-help-circle-outline", "Keyboard and mouse (?)", f"{n.help} = true")

    def _banners(self) -> None:
        n = self.name
        with html.Div(
            v_if=(n.message,),
            classes=(f"'banner ' + ({n.alarm} ? 'alarm' : 'info')",),
            raw_attrs=raw(role="alert"),
        ):
            html.Span(f"{{{{ {n.message} }}}}", style="flex: 1")
            html.A("Close", click=self.message_closed)
        with html.Div(v_if=(n.unkept,), classes="banner alarm", raw_attrs=raw(role="alert")):
            html.Span(f"{{{{ {n.unkept} }}}}")
        with html.Div(v_if=(n.restored,), classes="banner info", raw_attrs=raw(role="status")):
            html.Span("The draft of this study was taken up where it was left.", style="flex: 1")
            html.A("Keep it", click=f"{n.restored} = false")
            html.A(
                f"{{{{ {n.case}.name ? 'Forget it and start from the data set'"
                " : 'Forget it and start from the automatic result' }}",
                click=self.draft_forgotten,
            )

    def _right(self, server: Server) -> None:
        n = self.name
        self.hips = HipsUI(n, server)
        with html.Div(classes="right"):
            with html.Div(v_if=(n.placing,), classes="card on settings", raw_attrs=raw(role="status")):
                html.Span(f"Click on the {{{{ {n.placing} }}}} in one of the images. Esc gives it up.")
            self.editor.tool_settings()
            with html.Div(classes="results"):
                self.systems = SystemsUI(n)
                html.Div(
                    "Choose a study in the list at the left.",
                    v_if=(f"!{n.study} && !{n.stage} && {n.studies}.length",),
                    classes="none",
                )
                html.Div(
                    "This study is not analysed yet: press Analyse.",
                    v_if=(f"{n.study} && !{n.analysed} && !{n.stage}",),
                    classes="none",
                )
                self.cases.card()
                self.hips.results()
                self.training = TrainingUI(n)
            self.hips.sign_off()

    def _help(self) -> None:
        with v3.VDialog(v_model=(self.name.help,), max_width=560), v3.VCard(title="Keyboard and mouse"), v3.VCardText():
            for keys, what in SHORTCUTS:
                with html.Div(classes="d-flex py-1", style="gap: 12px"):
                    with html.Div(style="width: 150px; flex: none"):
                        HtmlElement("kbd", keys)
                    html.Div(what)
            html.Div(RESEARCH_USE, classes="text-caption", style="margin-top: 12px")

    def _how(self) -> None:
        """Build the choice of device and engine."""
        n = self.name
        with v3.VDialog(v_model=(n.how,), max_width=460), v3.VCard(title="How the networks run"), v3.VCardText():
            for how, chosen in zip(HOW, (self.device_chosen, self.engine_chosen), strict=True):
                v3.VSelect(
                    label=how.caption,
                    model_value=(getattr(n, how.field),),
                    update_modelValue=(chosen, "[$event]"),
                    items=(_items(how.names),),
                    density="compact",
                    variant="outlined",
                    hide_details=True,
                    style="margin-top: 8px",
                )
                html.Div(how.tip, classes="quiet", style="margin: 2px 0 8px")
            html.Div("The next analysis takes what is chosen.", classes="quiet")

    def _again(self) -> None:
        n = self.name
        with v3.VDialog(v_model=(n.again,), max_width=460), v3.VCard(title="Analyse again?"):
            v3.VCardText(REPLACED)
            with v3.VCardActions():
                v3.VSpacer()
                v3.VBtn("Keep them", click=f"{n.again} = false")
                v3.VBtn("Analyse again", click=self.analyse_clicked, color="primary")


def _items(names: Mapping[str, str]) -> str:
    """Return the items of a list to choose from, as an expression that may stand in an attribute."""
    return "[" + ", ".join(f"{{ title: '{title}', value: '{name}' }}" for name, title in names.items()) + "]"
