"""``onfh-assist systems`` lists what can look at an image; and what ``grade`` takes and prints of systems."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ONFHAssistLib.core.errors import InputError

if TYPE_CHECKING:
    from ONFHAssistLib.core.findings import Finding
    from ONFHAssistLib.core.results import HipResult
    from ONFHAssistLib.systems.base import Variable


def systems() -> None:
    """List the systems: what they accept, where they come from, what they learned from."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from ONFHAssistLib.systems import known, missing

    table = Table(Column("Id", no_wrap=True), "System", "Accepts", "Learned from", show_lines=True)
    for system in known().values():
        card = system.card
        title = f"{escape(card.title)}\n[dim]{escape(card.source)}[/dim]"
        accepts = [f"{', '.join(card.forms)}: {card.accepts}", *map(_asked_for, card.variables)]
        absent = missing(system)
        learned = [
            f"The model {name} is not installed." if name in absent else _learned_from(name) for name in card.bundles
        ]
        table.add_row(escape(card.id), title, escape("\n".join(accepts)), escape("\n".join(learned)))
    Console(highlight=False).print(table)


def _asked_for(variable: "Variable") -> str:
    known = "" if variable.required else ", if known"
    return f"--patient {variable.name}=VALUE: {variable.title}, {variable.low:g} to {variable.high:g}{known}"


def _learned_from(name: str) -> str:
    """What the model that is in use says, or what is wrong with it."""
    from ONFHAssistLib.models.bundle import load_bundle

    try:
        return load_bundle(name, graph=False).metadata["onfh_assist"]["trained_on"]
    except InputError as error:
        return str(error)


def parse_patient(texts: Sequence[str]) -> dict[str, float]:
    """Read ``name=value`` of each patient variable; raises InputError where that is not a number, or given twice."""
    import math

    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not name or not math.isfinite(number):
            raise InputError(f"--patient {text!r} is not a variable; write its name and a number, such as age=52.")
        if name in found:
            raise InputError(f"--patient gives {name} twice; give each variable once.")
        found[name] = number
    return found


def print_finding(finding: "Finding", hip: "HipResult | None") -> None:
    """Print what a system has found, in the words of the report."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ONFHAssistLib.exchange.finding_words import finding_card

    card = finding_card(finding, hip)
    table = Table("", card.about, title=escape(card.title))
    for row in card.rows:
        mark = " [yellow](borderline)[/yellow]" if row.borderline else ""
        rule = f"\n[dim]{escape(row.told)}[/dim]" if row.told else ""
        table.add_row(escape(row.title), f"[bold]{escape(row.value)}[/bold]{mark}{rule}")
    if card.strip:
        table.add_row(card.strip.title, escape(card.strip.told))
    for text in (*filter(None, [card.reason]), *card.notes):
        table.add_row("", escape(text))
    Console(highlight=False).print(table)
