"""The reference of the command line names every command and every option."""

import re
from pathlib import Path

import typer

from ONFHAssistLib.cli import app

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


def commands(path: str, command) -> dict[str, list[str]]:
    """Return the options of a command and of those below it, by how they are called."""
    below = getattr(command, "commands", {})
    found = {} if below else {path: [name for own in command.params for name in (*own.opts, *own.secondary_opts)]}
    for name, one in below.items():
        found |= commands(f"{path} {name}".strip(), one)
    return found


def test_every_command_and_option_is_in_the_reference():
    found = commands("", typer.main.get_command(app))
    assert {"grade", "review", "data export", "models use"} <= set(found)
    for name, options in found.items():
        heading = re.search(rf"^## `onfh-assist {name}`\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
        row = re.search(rf"^\| `{name}\b.*$", PAGE, flags=re.MULTILINE)
        assert heading or row, name
        text = (heading or row)[0]
        for option in options:
            if option.startswith("--"):
                assert re.search(rf"`{option}\b", text), f"{name} {option}"
