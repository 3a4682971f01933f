"""``onfh-assist models …``: which networks the analysis takes; install a better one, bring the former one back."""

from pathlib import Path
from typing import Annotated

import typer

models = typer.Typer(no_args_is_help=True, help="List the models; install, use and remove your own.")

Id = Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.", show_default=False)]


@models.command("list")
def list_() -> None:
    """List shipped and installed models, and which of them are in use."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from ONFHAssistLib.core.outside import shown
    from ONFHAssistLib.models.installed import models
    from ONFHAssistLib.models.places import bundles_folder, in_use

    table = Table("In use", Column("Id", no_wrap=True), "Origin", "Trained on")
    for model in models():
        origin = "shipped" if model.shipped else "installed"
        about = f"damaged: {model.problem}" if model.problem else model.trained_on
        table.add_row("yes" if model.in_use else "", escape(shown(model.id)), origin, escape(about))
    Console(highlight=False).print(table)
    in_use(bundles_folder())  # where it can't be read, that is said last


@models.command()
def install(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.", show_default=False)],
    use: Annotated[bool, typer.Option("--use", help="Take it into use at once.")] = False,
) -> None:
    """Copy a bundle into your folder of models, after checking it."""
    from ONFHAssistLib.models.installed import install

    model = install(bundle)
    print(f"{model.id} is installed.")
    if use:
        _use(model.id)
    elif not model.in_use:
        print(f"To take it into use: onfh-assist models use {model.id}")


@models.command()
def use(bundle_id: Id) -> None:
    """Let both reviewers and the command line take a model, also a shipped one again."""
    _use(bundle_id)


@models.command()
def remove(bundle_id: Id) -> None:
    """Delete an installed model that is not in use; shipped ones stay."""
    from ONFHAssistLib.models.installed import remove

    remove(bundle_id)
    print(f"{bundle_id} is removed.")


def _use(bundle_id: str) -> None:
    from ONFHAssistLib.models.installed import use

    former = use(bundle_id)
    print(f"{bundle_id} is in use. A reviewer that is open takes it when it is started anew.")
    if former is not None and former.id != bundle_id:
        print(f"The former one comes back with: onfh-assist models use {former.id}")
