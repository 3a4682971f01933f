"""The list of studies at the left; see `logic_worklist`."""

from trame.widgets import html
from trame.widgets import vuetify3 as v3
from undo_stack import Signal

from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.ui_cases import CasesUI
from ONFHAssistLib.web.widgets import icon_button, pressable, raw


class WorklistUI:
    """Filter, one line per study, and whether to analyse ahead."""

    study_chosen = Signal(str)
    refresh_clicked = Signal()

    def __init__(self, name: PageState, cases: CasesUI) -> None:
        """Build it where the page is being built; ``name`` gives the names of its state, ``cases`` the other list."""
        with html.Div(v_if=(name.list_open,), classes="worklist"):
            cases.tabs()
            with html.Div(classes="d-flex align-center pa-1", style="gap: 4px; flex: none"):
                v3.VTextField(
                    v_model=(name.words,),
                    placeholder="Filter",
                    density="compact",
                    variant="outlined",
                    hide_details=True,
                    clearable=True,
                    title="Words that a line has to hold: draft, left, moderate, borderline, differ …",
                    raw_attrs=raw(aria_label="Filter the list"),
                )
                icon_button("mdi-refresh", "Look through the folder again", self.refresh_clicked)
            with html.Div(
                v_if=(f"{name.listing} === 'cases' && {name.training}.title",),
                style="flex: 1; overflow-y: auto",
                raw_attrs=raw(role="listbox", aria_label="Cases of the data set"),
            ):
                cases.lines()
            with html.Div(
                v_else=True,
                style="flex: 1; overflow-y: auto",
                raw_attrs=raw(role="listbox", aria_label="Studies"),
            ):
                self._lines(name)
                html.Div("Nothing fits the filter.", v_if=(f"!{name.studies}.length && {name.words}",), classes="none")
                html.Div(
                    f"No image was found in {{{{ {name.place} }}}}. Put NIfTI, NRRD or MetaImage files or folders of "
                    "DICOM files there, and look through it again.",
                    v_if=(f"!{name.studies}.length && !{name.words}",),
                    classes="none",
                )
            with html.Div(
                v_if=(f"{name.listing} === 'studies'",),
                classes="px-2",
                style="flex: none",
                title="In the order of the list; it stops while you work",
            ):
                v3.VSwitch(
                    v_model=(name.ahead,),
                    label=(f"{name.ahead_title} ? 'Analysing ' + {name.ahead_title} : 'Analyse ahead'",),
                    density="compact",
                    color="accent",
                    hide_details=True,
                )

    def _lines(self, name: PageState) -> None:
        with pressable(
            (self.study_chosen, "[study.key]"),
            raw(role="option", bind_aria_selected=f"study.key === {name.current}", bind_data_key="study.key"),
            v_for=(f"study in {name.studies}",),
            key=("study.key",),
            classes=(f"'line' + (study.key === {name.current} ? ' on' : '')",),
            title=("study.problem || study.title",),
        ):
            with html.Div(classes="d-flex", style="gap: 6px"):
                html.Div("{{ study.title }}", classes="title")
                html.Div("{{ study.status }}", classes=("'status ' + study.status.replace(' ', '-')",))
            with html.Div(v_for=("hip in study.hips",), classes="quiet", key=("hip.side",)):
                html.Span("{{ hip.side }} {{ hip.grade }} {{ hip.ratio }} {{ hip.jic && 'JIC ' + hip.jic }} ")
                html.Span("borderline", v_if=("hip.borderline",), classes="mark")
            html.Div("{{ study.problem }}", v_if=("study.problem",), classes="quiet")
            html.Div(
                "{{ study.plane }}{{ study.reviewer && ' · ' + study.reviewer }}",
                v_if=("!study.problem && study.plane",),
                classes="quiet",
            )
