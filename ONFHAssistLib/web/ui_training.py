"""The card of the data set that signed studies are saved into; see `logic_training`."""

from trame.widgets import html
from trame.widgets import vuetify3 as v3
from undo_stack import Signal

from ONFHAssistLib.reviewer.data_set import NEXT_TIP, TUNE_TIP
from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.widgets import pressable, raw, text_button


class TrainingUI:
    """A card below the hips, folded until it is clicked on."""

    tune_clicked = Signal()
    next_clicked = Signal()
    network_chosen = Signal(str)

    def __init__(self, name: PageState) -> None:
        """Build the card; it is there where the page knows of a data set."""
        card, is_open = name.training, name.training_open
        with html.Div(v_if=(f"{card}.title",), classes="card training"):
            with pressable(
                f"{is_open} = !{is_open}",
                raw(role="button", bind_aria_expanded=f"{is_open}"),
                classes="d-flex align-baseline flex-wrap",
                style="column-gap: 8px; cursor: pointer",
            ):
                html.Div("Training data", style="font-weight: 600")
                html.Div(f"{{{{ {card}.counts }}}}", classes="quiet")
                v3.VSpacer()
                html.Div(f"{{{{ {is_open} ? '▾' : '▸' }}}}", classes="quiet")
            with html.Div(v_if=(f"{is_open} || {card}.running",)):
                with html.Div(v_if=(is_open,)):
                    html.Div(f"{{{{ {card}.title }}}}", classes="quiet", style="margin-top: 4px")
                    html.Div(
                        "{{ line }}",
                        v_for=(f"line in {card}.lines",),
                        key=("line",),
                        classes="quiet",
                        style="margin-top: 4px",
                    )
                    v3.VSelect(
                        v_if=(f"{card}.networks.length",),
                        label="Necrosis network",
                        model_value=(f"({card}.networks.find(one => one.in_use) || {{}}).id",),
                        update_modelValue=(self.network_chosen, "[$event]"),
                        items=(f"{card}.networks",),
                        item_title="words",
                        item_value="id",
                        density="compact",
                        variant="outlined",
                        hide_details=True,
                        style="margin-top: 8px",
                    )
                with html.Div(classes="d-flex align-center", style="gap: 8px; margin-top: 6px"):
                    text_button(
                        "Next case",
                        self.next_clicked,
                        v_if=(f"{card}.waiting",),
                        title=NEXT_TIP,
                    )
                    text_button((f"{card}.running ? 'Cancel' : 'Fine-tune'",), self.tune_clicked, title=TUNE_TIP)
                    v3.VProgressLinear(
                        v_if=(f"{card}.running",),
                        model_value=(f"{card}.percent",),
                        indeterminate=(f"!{card}.percent",),
                        color="accent",
                    )
                html.Div(
                    f"{{{{ {card}.problem || {card}.tuning }}}}",
                    v_if=(f"{card}.problem || {card}.tuning",),
                    classes=(f"{card}.problem || {card}.failed ? 'warning' : 'quiet'",),
                    style="margin-top: 4px",
                    raw_attrs=raw(role="status"),
                )
