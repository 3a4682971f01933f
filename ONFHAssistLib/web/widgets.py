"""Small parts of the page that several of its areas use."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trame.widgets import html
from trame.widgets import vuetify3 as v3
from trame_client.widgets.core import HtmlElement

Click = Callable | tuple | str


def raw(**attributes: object) -> list[str]:
    """Write attributes as they stand in HTML, ``_`` as ``-``; ``bind_x`` is x from an expression over the state."""
    written = []
    for name, value in attributes.items():
        known = name.removeprefix("bind_")
        written.append(f'{":" * (known != name)}{known.replace("_", "-")}="{value}"')
    return written


def text_button(text: str | tuple, click: Click, **attributes: object) -> v3.VBtn:
    """A button with a word or two on it."""
    return v3.VBtn(text=text, click=click, size="small", variant="tonal", **attributes)


def icon_button(
    icon: str | tuple, title: str, click: Click = "", active: str = "false", disabled: str = "false", **more: object
) -> v3.VBtn:
    """A button with an icon; ``title`` tells what it does to the eye and to a screen reader.

    ``active`` and ``disabled`` are expressions over the page's state.
    """
    return v3.VBtn(
        icon=icon,
        title=title,
        click=click,
        size="small",
        variant="text",
        active=(active,),
        color=(f"({active}) ? 'accent' : undefined",),
        disabled=(disabled,),
        raw_attrs=raw(aria_label=title),
        **more,
    )


@contextmanager
def menu(icon: str, title: str) -> Iterator[None]:
    """A button that opens a list; its items are built inside."""
    with v3.VMenu(location="end"):
        with v3.Template(v_slot_activator="{ props }"):
            v3.VBtn(
                icon=icon, v_bind="props", variant="text", size="small", title=title, raw_attrs=raw(aria_label=title)
            )
        with v3.VList(density="compact"):
            yield


def pressable(click: Click, described: list[str], **attributes: object) -> html.Div:
    """An area that can be clicked, or reached with Tab and pressed with Enter; ``described``: `raw` attributes."""
    return html.Div(
        click=click,
        press=click,
        tabindex="0",
        raw_attrs=described,
        __events=[("press", "@keydown.enter.self")],
        **attributes,
    )


def svg(tag: str, text: str | None = None, server: object = None, **attributes: object) -> HtmlElement:
    """An element of a drawing, with `raw` attributes."""
    known = [name for name in ("v_for", "v_if", "key", "click") if name in attributes]
    others = {name: value for name, value in attributes.items() if name not in known}
    own = {name: attributes[name] for name in known} | ({} if server is None else {"trame_server": server})
    return HtmlElement(tag, text, raw_attrs=raw(**others), **own)
