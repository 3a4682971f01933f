"""Which systems look at the image."""

from trame.widgets import html
from trame.widgets import vuetify3 as v3
from undo_stack import Signal

from ONFHAssistLib.reviewer.systems import CAPTION, TIP
from ONFHAssistLib.web.state import PageState
from ONFHAssistLib.web.widgets import raw


class SystemsUI:
    """A list to choose from, and why one that is chosen can't read the study that is open."""

    chosen = Signal(list)
    given = Signal(str, str)

    def __init__(self, name: PageState) -> None:
        """Build the list; it is there where a study is open and there is something to choose."""
        with html.Div(v_if=(f"{name.study} && {name.systems}.length > 1",), classes="systems"):
            v3.VSelect(
                label=CAPTION,
                title=TIP,
                model_value=(name.chosen,),
                update_modelValue=(self.chosen, "[$event]"),
                items=(name.systems,),
                item_title="title",
                item_value="id",
                multiple=True,
                chips=True,
                density="compact",
                variant="outlined",
                hide_details=True,
                disabled=(f"!!{name.stage}",),
            )
            v3.VTextField(
                v_for=(f"one in {name.variables}",),
                key=("one.name",),
                label=("one.title",),
                placeholder=("one.limits",),
                persistent_placeholder=True,
                model_value=("one.value",),
                change=(self.given, "[one.name, $event.target.value]"),
                density="compact",
                variant="outlined",
                hide_details=True,
                style="margin-top: 6px",
            )
            html.Div(
                "⚠ {{ system.why_not }}",
                v_for=(f"system in {name.systems}.filter(one => one.chosen && one.why_not)",),
                key=("system.id",),
                classes="quiet",
                style="margin-top: 4px",
                raw_attrs=raw(role="note"),
            )
