"""What is known of the hips: cards, plot, slices, map of the surface, and the sign-off; see `logic_hips`."""

from trame.widgets import html
from trame.widgets import vuetify3 as v3
from undo_stack import Signal

from ONFHAssistLib.core.geometry import HEAD_RADIUS_MM
from ONFHAssistLib.reviewer.attention import SWITCH
from ONFHAssistLib.web.state import PLOT, PageState
from ONFHAssistLib.web.widgets import pressable, raw, svg, text_button


class HipsUI:
    """The column at the right."""

    side_chosen = Signal(str)
    slice_chosen = Signal(int)
    place_chosen = Signal(list)
    look_clicked = Signal(int)
    radius_given = Signal(float)
    sign_clicked = Signal(dict)
    all_reviewed_clicked = Signal()

    def __init__(self, name: PageState, server: object) -> None:
        """Keep the names of the page's state."""
        self._name, self._server = name, server

    def results(self) -> None:
        """Build cards, plot, table and map."""
        name = self._name
        self._cards()
        with html.Div(v_if=(f"{name.plot}.points",)):
            self._plot()
        self._table()
        with html.Div(v_if=(name.polar,), style="text-align: center"):
            html.Img(src=(name.polar,), classes="polar", alt="Map of the head's surface")
            html.Div("The head's surface from above: where necrosis reaches it, and how deep it lies", classes="quiet")
        with html.Div(v_if=(f"{name.warnings}.length",), classes="quiet", raw_attrs=raw(role="note")):
            html.Div("⚠ {{ warning }}", v_for=(f"warning in {name.warnings}",), key=("warning",), classes="warning")

    def sign_off(self) -> None:
        """Build the sign-off."""
        name = self._name
        only_volumes = f"{name.analysed} && {name.volumes_only}"
        html.Div(
            f"{{{{ {name.volumes_only} }}}}", v_if=(only_volumes,), classes="quiet pa-2", raw_attrs=raw(role="note")
        )
        with html.Div(v_if=(f"{name.analysed} && !{name.volumes_only}",), classes="sign-off"):
            with html.Div(classes="d-flex", style="gap: 6px"):
                for model, label, there in (
                    (name.reviewer, "Reader (a code)", "true"),
                    (name.patient_code, "Patient (a code)", f"!{name.case}.name"),
                ):
                    v3.VTextField(
                        v_model=(model,),
                        v_if=(there,),
                        label=label,
                        density="compact",
                        variant="outlined",
                        hide_details=True,
                    )
            v3.VTextarea(
                v_model=(name.comment,),
                label="Comment, without names",
                rows=1,
                auto_grow=True,
                density="compact",
                variant="outlined",
                hide_details=True,
                style="margin-top: 6px",
            )
            with html.Div(
                v_if=(f"{name.hips}.length > 1",),
                classes="d-flex align-center flex-wrap",
                style="column-gap: 12px; margin-top: 4px",
                raw_attrs=raw(role="group", aria_label="Hips to sign"),
            ):
                v3.VCheckbox(
                    v_for=(f"hip in {name.hips}",),
                    key=("hip.side",),
                    v_model=(name.signing,),
                    value=("hip.side",),
                    label=("hip.name + ': ' + (hip.status || 'not signed')",),
                    density="compact",
                    hide_details=True,
                    style="flex: none",
                    raw_attrs=raw(bind_data_signs="hip.side"),
                )
            with html.Div(classes="d-flex align-center", style="gap: 6px; margin-top: 6px"):
                text_button(
                    "Approve, next",
                    (self.sign_clicked, _signature(name, "'approved'")),
                    color="primary",
                    title="Ctrl+Enter",
                    raw_attrs=raw(data_sign="approved"),
                    disabled=(f"!!{name.stage}",),
                )
                text_button(
                    "Flag",
                    (self.sign_clicked, _signature(name, "'flagged'")),
                    title="Somebody has to look into it; it is not trained with until then",
                    disabled=(f"!!{name.stage}",),
                )
                text_button(
                    "Draft",
                    (self.sign_clicked, _signature(name, "'draft'")),
                    title="Save it unfinished, so that it can be gone on with elsewhere; it is not trained with",
                    disabled=(f"!!{name.stage}",),
                )
                html.Div(f"{{{{ {name.cases} }}}}", classes="quiet shorten", title=(name.cases_title,))

    def question(self) -> None:
        """Build the question that stands before a sign-off; its answer signs what is on the screen then."""
        name = self._name
        with (
            v3.VDialog(model_value=(f"!!{name.question}",), max_width=520, persistent=True),
            v3.VCard(title="Before this is signed"),
            v3.VCardText(),
        ):
            html.Div(f"{{{{ {name.question} }}}}", style="margin-bottom: 12px")
            with html.Div(classes="d-flex", style="gap: 8px"):
                v3.VSpacer()
                v3.VBtn("Go back", click=f"{name.question} = ''")
                status, answered = name.question_status, name.question
                v3.VBtn("Sign", click=(self.sign_clicked, _signature(name, status, answered)), color="primary")

    def _cards(self) -> None:
        name = self._name
        with pressable(
            (self.side_chosen, "[card.side]"),
            raw(role="button", bind_aria_pressed=f"card.side === {name.side}", bind_data_side="card.side"),
            v_for=(f"card in {name.cards}",),
            key=("card.side",),
            classes=(f"'card' + (card.side === {name.side} ? ' on' : '')",),
        ):
            with html.Div(classes="d-flex align-baseline flex-wrap", style="column-gap: 8px"):
                html.Div("{{ card.title }}")
                html.Div("{{ card.headline }}", classes="headline")
                html.Div("borderline", v_if=("card.borderline",), classes="mark")
            html.Div("{{ card.others }}", v_if=("card.others",))
            html.Div("{{ card.automatic }}", v_if=("card.automatic",), classes="quiet")
            html.Div("{{ card.reason }}", v_if=("card.reason",), classes="quiet")
            with html.Div(v_if=(f"card.side === {name.side}",)):
                with html.Div(v_if=("card.look_first.length",), classes="quiet", style="margin-top: 4px"):
                    html.Span("Most uncertain slices: ")
                    html.A(
                        "{{ index }}",
                        v_for=("index in card.look_first",),
                        key=("index",),
                        click=(self.slice_chosen, "[index]"),
                        classes="link",
                        style="margin-right: 8px",
                    )
                with html.Div(v_for=("line in card.lines",), key=("line.title",), style="margin-top: 4px"):
                    html.Span("{{ line.title }}: ")
                    html.B("{{ line.grade }} ")
                    html.Span("borderline ", v_if=("line.borderline",), classes="mark")
                    html.Span("automatic: {{ line.automatic }}", v_if=("line.automatic",), classes="mark")
                    html.Div("{{ line.told }}", classes="quiet")
                with html.Div(
                    v_for=("(found, number) in card.findings",),
                    key=("found.title",),
                    classes="finding",
                    style="margin-top: 6px",
                ):
                    html.Div("{{ found.title }}", style="font-weight: 600")
                    with html.Div(v_for=("row in found.rows",), key=("row.title",)):
                        html.Span("{{ row.title }}: ")
                        html.B("{{ row.value }} ")
                        html.Span("borderline ", v_if=("row.borderline",), classes="mark")
                        html.Span("networks: {{ row.networks }}", v_if=("row.networks",), classes="mark")
                        html.Div("{{ row.told }}", v_if=("row.told",), classes="quiet")
                    self._strip()
                    with html.Div(v_if=("found.has_map",), raw_attrs=["@click.stop"]):
                        v3.VSwitch(
                            model_value=(f"{name.looked} === number",),
                            update_modelValue=(self.look_clicked, "[number]"),
                            label=SWITCH,
                            color="accent",
                            density="compact",
                            hide_details=True,
                        )
                    html.Div("{{ note }}", v_for=("note in found.notes",), key=("note",), classes="quiet")
                with html.Div(v_if=("card.graded",), classes="quiet", style="margin-top: 4px"):
                    html.Span("{{ card.volumes }}; radius of the sphere")
                    with html.Span(style="white-space: nowrap"):
                        html.Input(
                            type="number",
                            value=("card.radius_mm",),
                            change=(self.radius_given, "[Number($event.target.value)]"),
                            classes="radius",
                            raw_attrs=raw(
                                min=HEAD_RADIUS_MM[0],
                                max=HEAD_RADIUS_MM[1],
                                step="0.1",
                                aria_label="Radius of the head's sphere, mm",
                            ),
                        )
                        html.Span("mm")

    def _strip(self) -> None:
        """The probability on each slice of ``found``: a bar to click on for each, as `drawings.strip` draws them."""
        name, bars = self._name, "found.strip.bars"
        wide = f"(300 / {bars}.length)"
        # A click on a bar is none on the card, which would go to the middle of the hip.
        with html.Div(v_if=("found.strip",), classes="strip", raw_attrs=["@click.stop"]):
            html.Div("{{ found.strip.title }}", style="margin-top: 4px")
            with svg(
                "svg", server=self._server, viewBox="-38 -6 402 94", role="img", bind_aria_label="found.strip.told"
            ):
                with svg(
                    "g",
                    v_for=(f"(bar, n) in {bars}",),
                    key=("n",),
                    click=(self.place_chosen, "[bar.at]"),
                    style="cursor: pointer",
                    bind_data_bar="n",
                ):
                    svg("title", "{{ bar.told }}")
                    svg(
                        "rect",
                        y="0",
                        height="70",
                        fill="currentColor",
                        bind_x=f"n * {wide}",
                        bind_width=wide,
                        bind_fill_opacity=f"bar.index !== null && bar.index === {name.slice} ? 0.3 : 0.06",
                    )
                    svg(
                        "rect",
                        bind_x=f"(n + 0.08) * {wide}",
                        bind_y="70 - Math.max(70 * bar.probability, 1.2)",
                        bind_width=f"0.84 * {wide}",
                        bind_height="Math.max(70 * bar.probability, 1.2)",
                        bind_fill="bar.colour",
                    )
                across = "70 - 70 * found.strip.threshold"
                line = {"x1": "-4", "x2": "304", "bind_y1": across, "bind_y2": across}
                svg("line", stroke="currentColor", stroke_dasharray="4 3", pointer_events="none", **line)
                svg("text", "from {{ Math.round(100 * found.strip.threshold) }} %", x="307", bind_y=f"{across} + 4")
                for text, x, y, anchor in (
                    ("100 %", "-4", "8", "end"),
                    ("0", "-4", "73", "end"),
                    ("{{ found.strip.ends[0] }}", "0", "84", "start"),
                    ("{{ found.strip.ends[1] }}", "300", "84", "end"),
                ):
                    svg("text", text, x=x, y=y, text_anchor=anchor)
            html.Div("{{ found.strip.told }}", classes="quiet")
            for words, number in (("First positive slice", "first"), ("Highest slice", "worst")):
                html.A(
                    words,
                    v_if=(f"found.strip.{number} !== null",),
                    click=(self.place_chosen, f"[{bars}[found.strip.{number}].at]"),
                    classes="link",
                    style="margin-right: 12px",
                    raw_attrs=raw(data_strip=number),
                )

    def _plot(self) -> None:
        name, (width, height) = self._name, PLOT
        with svg(
            "svg", server=self._server, viewBox=f"-44 -26 {width + 56:.0f} {height + 58:.0f}", style="width: 100%"
        ):
            svg("text", "necrosis / head", x="-42", y="-14")
            with svg("g", v_for=(f"tick in {name.plot}.ticks",), key=("tick.text",)):
                svg(
                    "line",
                    x1="0",
                    x2=f"{width}",
                    bind_y1="tick.y",
                    bind_y2="tick.y",
                    stroke="currentColor",
                    bind_stroke_opacity="tick.limit ? 0.55 : 0.2",
                    bind_stroke_dasharray="tick.limit ? '4 3' : ''",
                )
                svg("text", "{{ tick.text }}", x="-6", bind_y="tick.y + 4", text_anchor="end")
            svg("polyline", bind_points=f"{name.plot}.before", fill="none", stroke="#999", stroke_dasharray="5 4")
            svg("polyline", bind_points=f"{name.plot}.line", fill="none", stroke="#e69f00", stroke_width="2")
            with svg(
                "circle",
                v_for=(f"point in {name.plot}.points",),
                key=("point.index",),
                click=(self.slice_chosen, "[point.index]"),
                bind_cx="point.x",
                bind_cy="point.y",
                bind_r=f"point.index === {name.slice} ? 7 : 5",
                bind_fill="point.large ? '#e69f00' : '#888'",
                bind_stroke=f"point.index === {name.slice} ? '#56b4e9' : 'none'",
                stroke_width="3",
                style="cursor: pointer",
            ):
                svg("title", "{{ point.told }}")
            for text, x, anchor in (
                (f"{name.plot}.ends && {name.plot}.ends[0]", 0, "start"),
                (f"{name.plot}.length", width / 2, "middle"),
                (f"{name.plot}.ends && {name.plot}.ends[1]", width, "end"),
            ):
                svg("text", f"{{{{ {text} }}}}", x=f"{x}", y=f"{height + 20}", text_anchor=anchor)

    def _table(self) -> None:
        name = self._name
        with html.Table(v_if=(f"{name.slices}.length",), classes="slices"):
            with html.Thead(), html.Tr():
                for title in ("Slice", "Ratio", "Automatic", "Steinberg", "mm² of mm²"):
                    html.Th(title)
            with (
                html.Tbody(),
                html.Tr(
                    v_for=(f"line in {name.slices}",),
                    key=("line.index",),
                    classes=(f"'row' + (line.index === {name.slice} ? ' on' : '')",),
                    click=(self.slice_chosen, "[line.index]"),
                    raw_attrs=raw(bind_data_slice="line.index"),
                ),
            ):
                html.Td(
                    "{{ line.index }}{{ line.look ? ' ⚑' : '' }}{{ line.reviewed ? ' ✓' : '' }}",
                    title=("[line.look && 'Look here first', line.reviewed && 'Reviewed'].filter(Boolean).join('; ')",),
                )
                html.Td("{{ line.ratio }}")
                html.Td("{{ line.was }}", classes="quiet")
                html.Td("{{ line.grade }}")
                html.Td("{{ line.area }}", classes="quiet")
        with html.Div(v_if=(f"{name.slices}.length",), classes="quiet d-flex", style="gap: 8px"):
            html.Div(f"{{{{ {name.reviewed} }}}}")
            html.A("All", v_if=(name.marked,), click=self.all_reviewed_clicked, classes="link")


def _signature(name: PageState, status: str, answered: str = "''") -> str:
    """Return the argument of a click that signs: what the page shows then; see `signing.Click`.

    ``status`` and ``answered`` are expressions.
    """
    fields = {
        "status": status,
        "sides": name.signing,
        "entry": name.current,
        "patient_code": name.patient_code,
        "reviewer": name.reviewer,
        "comment": name.comment,
        "answered": answered,
    }
    return "[{ " + ", ".join(f"{field}: {value}" for field, value in fields.items()) + " }]"
