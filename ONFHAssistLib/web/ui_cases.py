"""The data set's cases in the list at the left, and the card of the one that is open; see `logic_cases`."""

from trame.widgets import html
from trame.widgets import vuetify3 as v3
from undo_stack import Signal

from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.widgets import icon_button, pressable, raw, text_button


class CasesUI:
    """Lines of the list; card; the questions why a case is withdrawn, and whose it is."""

    case_chosen = Signal(str, str)
    anew_clicked = Signal(str, str)
    next_clicked = Signal()
    reading_clicked = Signal(int)
    take_over_clicked = Signal(int)
    withdraw_clicked = Signal(str, str, str)
    rename_clicked = Signal(dict)

    def __init__(self, name: PageState) -> None:
        """Keep the names of the page's state."""
        self._name = name

    def tabs(self) -> None:
        """Build the choice between studies and cases; it is there where the page knows of a data set."""
        name = self._name
        with html.Div(v_if=(f"{name.training}.title",), classes="tabs", raw_attrs=raw(role="tablist")):
            for listing, text in (("studies", "Studies"), ("cases", "Data set")):
                html.Div(
                    text,
                    click=f"{name.listing} = '{listing}'",
                    press=f"{name.listing} = '{listing}'",
                    tabindex="0",
                    classes=(f"'tab' + ({name.listing} === '{listing}' ? ' on' : '')",),
                    raw_attrs=raw(role="tab", bind_aria_selected=f"{name.listing} === '{listing}'"),
                    __events=[("press", "@keydown.enter.self")],
                )

    def lines(self) -> None:
        """Build one line for each case, below the reader's code, which a second reading wants."""
        name = self._name
        v3.VTextField(
            v_model=(name.reviewer,),
            label="Your code",
            density="compact",
            variant="outlined",
            hide_details=True,
            classes="px-1 pt-2 pb-1",
        )
        with html.Div(
            v_for=(f"line in {name.stored}",),
            key=("line.name",),
            classes=("'line d-flex align-center' + (line.on ? ' on' : '')",),
        ):
            with pressable(
                (self.case_chosen, f"[line.name, {name.reviewer}]"),
                raw(role="option", bind_aria_selected="line.on", bind_data_case="line.name"),
                style="flex: 1; min-width: 0",
                title=("line.name",),
            ):
                with html.Div(classes="d-flex", style="gap: 6px"):
                    html.Div("{{ line.told }}", classes="title", style="white-space: normal")
                    html.Div("{{ line.status }}", classes=("'status ' + line.status",))
                with html.Div(classes="quiet"):
                    html.Span("{{ line.readers }} ")
                    html.Span("readers differ ", v_if=("line.differ",), classes="mark")
                    html.Span("draft here", v_if=("line.draft",), classes="mark")
                html.Div("{{ line.name }}", classes="quiet shorten", style="text-align: left")
            icon_button(
                "mdi-eye-plus-outline",
                "Read anew: begin with what the networks made, and see nothing of what others have drawn",
                (self.anew_clicked, f"[line.name, {name.reviewer}]"),
            )
        html.Div(
            f"{{{{ {name.stored_more} }}}} more: find them by words.", v_if=(f"{name.stored_more} > 0",), classes="none"
        )
        html.Div("Nothing fits the filter.", v_if=(f"!{name.stored}.length",), classes="none")

    def card(self) -> None:
        """Build the card of the case that is open."""
        case, reading = self._name.case, self._name.reading
        with html.Div(v_if=(f"{case}.name",), classes="card"):
            html.Div("Case of the data set", style="font-weight: 600")
            html.Div(f"{{{{ {case}.told }}}}")
            html.Div("Compare with:", v_if=(f"{case}.readings.length",), classes="quiet", style="margin-top: 4px")
            with html.Div(
                v_for=(f"one in {case}.readings",), key=("one.number",), classes="d-flex align-center", style="gap: 8px"
            ):
                with pressable(
                    (self.reading_clicked, "[one.number]"),
                    raw(role="button", bind_aria_pressed=f"one.number === {reading}", bind_data_reading="one.number"),
                    classes=(f"'reading' + (one.number === {reading} ? ' on' : '')",),
                    title="Draw it over the images, dashed; again: take it away",
                ):
                    html.Div("{{ one.words }}")
                text_button(
                    "Take over",
                    (self.take_over_clicked, "[one.number]"),
                    v_if=(f"one.number === {reading}",),
                    title="Take these masks, sphere and landmarks for yours; undo brings yours back",
                )
            html.Div(
                "{{ line }}",
                v_for=(f"(line, n) in {case}.history",),
                key=("n",),
                classes="quiet",
                style="margin-top: 4px",
            )
            with html.Div(classes="d-flex", style="gap: 6px; margin-top: 6px"):
                text_button("Next case", self.next_clicked, title="The case that is most worth a look now")
                text_button("Withdraw…", f"{self._name.withdrawing} = true", title="Take it out of the training")
                text_button(
                    "Patient…", f"{self._name.renaming} = true", title="It was saved under a wrong patient code"
                )

    def questions(self) -> None:
        """Build the dialogs."""
        self._withdrawal()
        self._renaming()

    def _renaming(self) -> None:
        name = self._name
        with (
            v3.VDialog(v_model=(name.renaming,), max_width=460),
            v3.VCard(title="Another patient?"),
            v3.VCardText(),
        ):
            html.Div(
                "Both hips of this image go to the patient with the right code; it stays in the history who said so."
            )
            for model, label in (
                (name.right_code, "The right patient code"),
                (name.why, "Why, without names or codes"),
            ):
                v3.VTextField(
                    v_model=(model,),
                    label=label,
                    density="compact",
                    variant="outlined",
                    hide_details=True,
                    style="margin: 12px 0",
                )
            html.Div(
                f"{{{{ {name.rename_asked} }}}}", v_if=(name.rename_asked,), classes="mark", style="margin: 12px 0"
            )
            with html.Div(classes="d-flex", style="gap: 8px"):
                v3.VSpacer()
                v3.VBtn("Keep it", click=f"{name.renaming} = false; {name.rename_asked} = ''")
                fields = f"name: {name.case}.name, reviewer: {name.reviewer}, code: {name.right_code}, why: {name.why}"
                v3.VBtn(
                    f"{{{{ {name.rename_asked} ? 'It is another patient' : 'Rename' }}}}",
                    click=(self.rename_clicked, f"[{{ {fields}, answered: {name.rename_asked} }}]"),
                    color="primary",
                    disabled=(f"!{name.why} || !{name.right_code}",),
                )

    def _withdrawal(self) -> None:
        """Build the question why a case is withdrawn."""
        name = self._name
        with (
            v3.VDialog(v_model=(name.withdrawing,), max_width=460),
            v3.VCard(title="Withdraw this case?"),
            v3.VCardText(),
        ):
            html.Div("It is not trained with any more, and stays in the history. Saving it again brings it back.")
            v3.VTextField(
                v_model=(name.why,),
                label="Why, without names",
                density="compact",
                variant="outlined",
                hide_details=True,
                style="margin: 12px 0",
            )
            with html.Div(classes="d-flex", style="gap: 8px"):
                v3.VSpacer()
                v3.VBtn("Keep it", click=f"{name.withdrawing} = false")
                v3.VBtn(
                    "Withdraw",
                    click=(self.withdraw_clicked, f"[{name.case}.name, {name.reviewer}, {name.why}]"),
                    color="primary",
                    disabled=(f"!{name.why}",),
                )
