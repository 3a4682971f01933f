"""The systems as both reviewers show them: what can be chosen, and what was found of a hip; plain values and words."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import PATIENT, About, Finding
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.exchange.finding_words import FindingCard, finding_card
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.systems import OWN, at_hand, forms_of, those_known
from ONFHAssistLib.systems.base import Form, Patient, refusal

CAPTION = "Systems that look at the image"
TIP = "The next analysis takes those that are chosen."
NOBODY: Patient = MappingProxyType({})
"""No variable is known."""


@dataclass(frozen=True)
class Choice:
    """A system to choose.

    Attributes:
        id, title: of its card.
        about: what it accepts, and where it comes from.
        chosen: whether the next analysis takes it.
        why_not: why it can't read the study that is open; "" where it can, or where none is open.
        offered: whether it takes the form of image that is open; any where none is open.
    """

    id: str
    title: str
    about: str
    chosen: bool
    why_not: str = ""
    offered: bool = True


@dataclass(frozen=True)
class VariableField:
    """A patient variable to fill in.

    Attributes:
        name, title: see `systems.base.Variable`.
        limits: what it may be, in words, and whether a system can do without.
        value: what was given; "" where nothing was.
    """

    name: str
    title: str
    limits: str
    value: str


def readable_forms() -> frozenset[Form]:
    """Return the forms of image that can be opened: those that some system takes, whichever are chosen."""
    return forms_of(at_hand().values())


def offered(study: Study | None) -> frozenset[str]:
    """Return the systems that take the form of a study; all where none is open."""
    return frozenset(name for name, system in at_hand().items() if study is None or study.form in system.card.forms)


def those_for(chosen: Iterable[str], study: Study | None) -> tuple[str, ...]:
    """Return the systems that the next analysis of a study takes: the chosen ones, as far as they take its form.

    Where none does, our own networks if they do; otherwise all that can read it, so that who opens a picture between
    volumes need not choose, and choose back.
    """
    taking, wanted = offered(study), set(chosen)
    if study is None or wanted & taking or OWN in taking:
        return those_known(wanted & taking)
    every = at_hand()
    return those_known([name for name in taking if not every[name].why_not(study)] or taking or wanted)


def variable_fields(chosen: Iterable[str], patient: Patient) -> tuple[VariableField, ...]:
    """Return the patient variables that the chosen systems ask for, each once."""
    wanted = set(chosen)
    asked = {v.name: v for s in at_hand().values() if s.card.id in wanted for v in s.card.variables}
    return tuple(
        VariableField(
            one.name,
            one.title,
            f"{one.low:g} to {one.high:g}" + ("" if one.required else ", or empty"),
            f"{patient[one.name]:g}" if one.name in patient else "",
        )
        for one in asked.values()
    )


def with_variable(patient: Patient, name: str, text: str) -> dict[str, float]:
    """Return the patient variables with another value of one, or without it where the text is empty.

    Raises:
        InputError: the text is no number.
    """
    others = {known_name: value for known_name, value in patient.items() if known_name != name}
    if not text.strip():
        return others
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{text.strip()[:20]!r} is no number; give the value of {name} as one, such as 52.")
    return {**others, name: number}


def choices(chosen: Iterable[str], study: Study | None = None, patient: Patient = NOBODY) -> tuple[Choice, ...]:
    """Return all systems at hand, our own networks first; ``patient``: the variables that were given."""
    wanted, taking = those_for(chosen, study), offered(study)
    return tuple(
        Choice(
            system.card.id,
            system.card.title,
            f"{system.card.accepts[:1].upper()}{system.card.accepts[1:]}. Source: {system.card.source}.",
            system.card.id in wanted,
            refusal(system, study, patient) if study else "",
            system.card.id in taking,
        )
        for system in at_hand().values()
    )


def turned(chosen: Iterable[str], name: str, study: Study | None = None) -> tuple[str, ...]:
    """Return the choice with one system more, or one less; the last one for this form of image stays."""
    here = set(those_for(chosen, study))
    return with_others(here ^ {name} or here, chosen, study)


def with_others(here: Iterable[str], chosen: Iterable[str], study: Study | None) -> tuple[str, ...]:
    """Return a choice for the form of a study, with what is chosen for others."""
    return those_known({*here, *(set(chosen) - offered(study))})


def on_card(review: Review, about: About) -> tuple[Finding, ...]:
    """Return what the systems beside the networks have found of a hip, then of the patient.

    Of a slice or picture, which has no hips, each card is of one of them alone.
    """
    return (*review.findings(about), *(review.findings(PATIENT) if review.sides else ()))


def cards_of(review: Review, side: Side) -> tuple[FindingCard, ...]:
    """Return `on_card` in words; what the networks or a reader make of the hip stands beside, as it is now."""
    hip = review.hip(side)
    return tuple(finding_card(found, None if found.about == PATIENT else hip) for found in on_card(review, side))
