"""The systems as both reviewers show them: what can be chosen, and what was found of a hip; plain values and words."""

from collections.abc import Iterable
from dataclasses import dataclass

from ONFHAssistLib.core.findings import PATIENT
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.exchange.finding_words import FindingCard, finding_card
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.systems import known, those_known
from ONFHAssistLib.systems.base import refusal

CAPTION = "Systems that look at the image"
TIP = "The next analysis takes those that are chosen."


@dataclass(frozen=True)
class Choice:
    """A system to choose.

    Attributes:
        id, title: of its card.
        about: what it accepts, and where it comes from.
        chosen: whether the next analysis takes it.
        why_not: why it can't read the study that is open; "" where it can, or where none is open.
    """

    id: str
    title: str
    about: str
    chosen: bool
    why_not: str = ""


def choices(chosen: Iterable[str], study: Study | None = None) -> tuple[Choice, ...]:
    """Return all systems, our own networks first."""
    wanted = set(chosen)
    return tuple(
        Choice(
            system.card.id,
            system.card.title,
            f"{system.card.accepts[:1].upper()}{system.card.accepts[1:]}. Source: {system.card.source}.",
            system.card.id in wanted,
            refusal(system, study, {}) if study else "",
        )
        for system in known().values()
    )


def turned(chosen: Iterable[str], name: str) -> tuple[str, ...]:
    """Return the choice with one system more, or one less; the last one stays."""
    wanted = set(chosen)
    return those_known(wanted ^ {name} or wanted)


def cards_of(review: Review, side: Side) -> tuple[FindingCard, ...]:
    """Return what the systems beside the networks have found of a hip, then of the patient, in words.

    What the networks or a reader make of the hip stands beside, as it is now.
    """
    of_hip = (finding_card(found, review.hip(side)) for found in review.findings(side))
    return (*of_hip, *(finding_card(found) for found in review.findings(PATIENT)))
