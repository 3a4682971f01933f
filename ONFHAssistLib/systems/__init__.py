"""Systems: ways from an image to findings. Each is a package in this folder that gives itself as SYSTEM."""

import importlib
import os
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.models.places import BUNDLES_VARIABLE, find
from ONFHAssistLib.systems.base import Form, KeptBefore, System

if TYPE_CHECKING:
    from ONFHAssistLib.core.findings import Finding
    from ONFHAssistLib.core.masks import HipMasks

OWN = "networks"
"""The project's own networks: what is chosen where nobody chooses."""
HEAD_BUNDLES = ("hip_finder", "head_check", "anatomy")
"""The models that find and outline the heads, for every system that needs them."""


def known() -> Mapping[str, System]:
    """Return all systems by their ids, our own networks first, then by name: the packages in this folder."""
    return _in(tuple(__path__))


@cache
def _in(folders: tuple[str, ...]) -> Mapping[str, System]:
    """List the folders once: this is asked for at each stroke."""
    names = sorted(found.name for found in pkgutil.iter_modules(folders) if found.ispkg)
    names.sort(key=lambda name: name != OWN)
    systems = (importlib.import_module(f"{__name__}.{name}").SYSTEM for name in names)
    return MappingProxyType({system.card.id: system for system in systems})


def at_hand() -> Mapping[str, System]:
    """Return those of `known` whose models are there, in the same order: what can be offered.

    They are looked for once in a process: who installs the models of one more system starts anew.
    """
    return _at_hand(tuple(__path__), os.environ.get(BUNDLES_VARIABLE))


@cache
def _at_hand(folders: tuple[str, ...], _bundles: str | None) -> Mapping[str, System]:
    systems = _in(folders).items()
    return MappingProxyType({name: system for name, system in systems if not missing(system)})


def missing(system: System) -> tuple[str, ...]:
    """Return the names of those of a system's models that are not there."""

    def is_there(name: str) -> bool:
        try:
            return find(name).is_dir()
        except InputError:  # nothing can be found: whatever opens a model says why
            return True

    return tuple(name for name in system.card.bundles if not is_there(name))


def those_known(ids: Iterable[str]) -> tuple[str, ...]:
    """Return which of these ids are of systems at hand, in their order; our own networks where it is none."""
    wanted = set(ids)
    return tuple(name for name in at_hand() if name in wanted) or (OWN,)


def chosen(ids: Iterable[str]) -> tuple[System, ...]:
    """Return the systems of these ids, each once, in the order in which they are run: that of `known`.

    Raises:
        InputError: there is no such system, or none is chosen.
    """
    every, wanted = known(), set(ids)
    listed = ", ".join(every)
    for name in sorted(wanted - every.keys()):
        raise InputError(f"The system {name!r} is not known; there are {listed}.")
    if not wanted:
        raise InputError(f"No system is chosen; choose at least one of {listed}.")
    return tuple(system for name, system in every.items() if name in wanted)


def forms_of(systems: Iterable[System]) -> frozenset[Form]:
    """Return the forms of image that some systems take."""
    return frozenset(form for system in systems for form in system.card.forms)


def kept_by_0_1_0(figures: dict[str, Any], own: "HipMasks") -> "Finding":
    """Return what version 0.1.0 kept in scenes and drafts of its one other system, as a finding.

    Args:
        figures: JSON-ready, as that version wrote them.
        own: the masks that it kept beside them, on the grid of the image.

    Raises:
        KeyError, TypeError, ValueError: they are damaged.
    """
    systems = (system for system in known().values() if isinstance(system, KeptBefore))
    return next(systems).kept_by_0_1_0(figures, own)


def bundles(systems: Iterable[System]) -> tuple[str, ...]:
    """Return the names of the models that some systems need, each once, in the order of their use."""
    cards = [system.card for system in systems]
    heads = HEAD_BUNDLES if any(card.heads for card in cards) else ()
    return tuple(dict.fromkeys([*heads, *(name for card in cards for name in card.bundles)]))
