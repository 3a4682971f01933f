"""What ``onfh-assist grade`` shows on the terminal: a bar on the way, then both hips side by side."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ONFHAssistLib.cli_systems import print_finding

if TYPE_CHECKING:
    from ONFHAssistLib.core.results import HipResult
    from ONFHAssistLib.core.study import StudyResult


@contextlib.contextmanager
def progress_bar() -> Iterator:
    """A bar with the stage on stderr, if that is a terminal; gives ``progress(fraction, stage)``."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda fraction, stage: bar.update(task, completed=fraction, description=stage)


def print_result(result: "StudyResult", page: Path) -> None:
    """Print both hips side by side with the reason of each grade, the warnings, and where the report lies."""
    from rich.markup import escape
    from rich.table import Column, Table

    from ONFHAssistLib.core.gradings import GRADINGS

    console = Console(highlight=False)
    columns = (Column(f"{hip.side.capitalize()} hip", overflow="fold") for hip in result.hips)  # a formula is not cut
    table = Table("", *columns, title="For research use", show_lines=True)
    if any(hip.status != "graded" for hip in result.hips):
        table.add_row(
            "Status", *(escape(f"{hip.status}: {hip.reason}" if hip.reason else hip.status) for hip in result.hips)
        )
    for name, grading in GRADINGS.items():
        if any(name in hip.grades for hip in result.hips):
            table.add_row(grading.title, *(grade_cell(hip, name) for hip in result.hips))
    if any(hip.volume_ratio is not None for hip in result.hips):
        table.add_row("Necrosis / head", *(volume_cell(hip) for hip in result.hips))
    if result.hips:
        console.print(table)
    for finding in result.findings:
        print_finding(finding, next((hip for hip in result.hips if hip.side == finding.about), None))
    for notice in result.warnings:
        console.print(f"Warning: {notice.message}", markup=False)
    for engine in sorted({f"{model['engine']}, device {model['device']}" for model in result.models}):
        console.print(f"Engine: {engine}", markup=False)
    console.print(f"Report: {page}", markup=False, soft_wrap=True)


def grade_cell(hip: "HipResult", name: str) -> str:
    """One grade with its rule; a borderline one is marked."""
    from rich.markup import escape

    from ONFHAssistLib.core.borderline import is_borderline
    from ONFHAssistLib.exchange.words import interval

    given = hip.grades.get(name)
    if given is None:
        return "-"
    shown = given.grade
    if shown is None:
        shown = "-" if given.value is None else f"{given.value:.1f}"
    mark = " [yellow](borderline)[/yellow]" if is_borderline(name, given) else ""
    lines = [f"[bold]{escape(str(shown))}[/bold]{mark}", f"[dim]{escape(given.rule)}[/dim]"]
    return "\n".join([*lines, interval(name, given, hip)]).rstrip()


def volume_cell(hip: "HipResult") -> str:
    """The volumes and their ratio, as per cent."""
    if hip.volume_ratio is None or hip.head_volume_ml is None or hip.necrosis_volume_ml is None:
        return "-"
    return f"{hip.necrosis_volume_ml:.1f} / {hip.head_volume_ml:.1f} ml = {100 * hip.volume_ratio:.1f} %"
