"""A bundle takes the place of an older one in one step."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.places import PREVIOUS
from training.bundles.card import worse


@contextmanager
def replacing(folder: Path, allow_worse: bool = False) -> Iterator[Path]:
    """Give an empty folder to write a bundle into; at the end it takes the place of ``folder`` in one step.

    Until the new bundle is whole the old one stays in its place. Between the two renames of the replacement it lies
    beside it as ``NAME.previous``, where ``load_bundle`` finds it, and the next replacement puts it back; so it is
    usable whatever interrupts this, and whenever.

    Raises:
        InputError: what was written is not a whole bundle, or falls below the one in place unless ``allow_worse``.
    """
    scratch = folder.with_name(f".{folder.name}.new")
    _recover(folder)
    shutil.rmtree(scratch, ignore_errors=True)
    new = scratch / folder.name
    new.mkdir(parents=True)
    try:
        yield new
        figures = load_bundle(new).metadata["onfh_assist"].get("figures", {})
        if not allow_worse:
            refuse_worse(folder, figures)
        if folder.exists():
            folder.rename(folder.with_name(folder.name + PREVIOUS))
        new.rename(folder)
    finally:
        _recover(folder)
        shutil.rmtree(scratch, ignore_errors=True)


def _recover(folder: Path) -> None:
    """Clear up after a replacement: the older bundle goes, or back to its place where the newer one is not there."""
    previous = folder.with_name(folder.name + PREVIOUS)
    if previous.is_dir() and not folder.exists():
        previous.rename(folder)
    shutil.rmtree(previous, ignore_errors=True)


def refuse_worse(folder: Path, figures: dict[str, dict[str, Any]]) -> None:
    """Raise InputError where the bundle in place has better figures; one that cannot be read has none."""
    try:
        before = load_bundle(folder, graph=False).metadata["onfh_assist"].get("figures", {})
    except InputError:
        return
    if found := worse(before, figures):
        raise InputError(f"The new {folder.name} falls below the one in place: {'; '.join(found)}. Give --allow-worse.")
