"""What a system is: a card that says what it takes, a refusal with its reason, and a run that gives findings."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ONFHAssistLib.core.findings import Finding
    from ONFHAssistLib.core.masks import HipMasks
    from ONFHAssistLib.core.results import Notice
    from ONFHAssistLib.imaging.read import Study
    from ONFHAssistLib.imaging.segment import Head, Network
    from ONFHAssistLib.models.table import Table

Form = Literal["volume", "slice", "picture"]
"""What an image is: a volume, one slice with its place in the patient, or a picture without (``Study.form``)."""
Patient = Mapping[str, float]
"""Values of patient variables by their names."""
Step = Callable[[float, str], None]
"""Called with the part (0 to 1) that a system has done and its stage in words; raises Cancelled where that is asked."""


@dataclass(frozen=True)
class Variable:
    """A patient variable that a system asks for.

    Attributes:
        name: as in ``--patient name=value``, such as "age".
        title: in words, with its unit or coding, such as "Age (years)".
        low, high: the least and the largest value that is possible.
        required: whether the system refuses without it.
    """

    name: str
    title: str
    low: float
    high: float
    required: bool = True


@dataclass(frozen=True)
class Card:
    """What a system says of itself.

    Attributes:
        id: as in ``--system``; the name of its folder, with - for _.
        title: in a few words.
        source: publication, or where else it comes from.
        accepts: what it reads, in words.
        forms: the kinds of image that it takes.
        bundles: names of the models that it needs, besides those that find the heads; they say what they learned from.
        heads: whether the femoral heads have to be found and outlined before, in a volume.
        grades: modalities ("CT", "MR", "unknown") of volumes on which it seeks necrosis and gives masks that are graded
            as the hip's own.
        variables: of the patient.
    """

    id: str
    title: str
    source: str
    accepts: str
    forms: tuple[Form, ...] = ("volume",)
    bundles: tuple[str, ...] = ()
    heads: bool = True
    grades: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()


@dataclass(frozen=True)
class Case:
    """What a system is run on.

    Attributes:
        study: the image and what is known of it; of a slice or a picture the array (1, rows, columns) is as a reader
            looks at it, with rows downwards.
        heads: those that were found and may be graded; empty where no system that was chosen needs them.
        patient: values of patient variables.
    """

    study: "Study"
    heads: "tuple[Head, ...]" = ()
    patient: Patient = field(default_factory=dict)


@dataclass(frozen=True)
class Models:
    """The models that are open, by the names of their bundles; keep them between studies."""

    networks: "Mapping[str, Network]"
    tables: "Mapping[str, Table]" = field(default_factory=dict)

    @staticmethod
    def of(*networks: "Network") -> "Models":
        """Return these networks as models."""
        return Models({network.bundle.name: network for network in networks})

    def __getitem__(self, name: str) -> "Network":
        """Return a network; raises KeyError where it is not open."""
        return self.networks[name]

    def describe(self) -> tuple[dict[str, Any], ...]:
        """Return the "models" entry of the report."""
        from ONFHAssistLib.models.bundle import describe

        networks = (describe(network.bundle, network.engine) for network in self.networks.values())
        return (*networks, *(describe(table.bundle) for table in self.tables.values()))

    def notices(self) -> "list[Notice]":
        """What the report has to say of how they ran: where the memory of a graphics card did not suffice."""
        return [notice for network in self.networks.values() for notice in network.engine.notices]


class System(Protocol):
    """One way from an image to findings; a package of ``systems`` gives it as SYSTEM."""

    @property
    def card(self) -> Card:
        """What it says of itself."""
        ...

    def why_not(self, study: "Study") -> str:
        """Return why it can't read an image of the right form, and what to do, in a sentence; "" where it can."""
        ...

    def run(self, case: Case, models: Models, earlier: "tuple[Finding, ...]", step: Step) -> "tuple[Finding, ...]":
        """Return what it finds.

        Args:
            case: image, heads, patient variables.
            models: those of its card, and those that have found the heads.
            earlier: findings of the systems that were run before it.
            step: see `Step`.
        """
        ...


def seekers(systems: Iterable[System], study: "Study", patient: Patient) -> tuple[str, ...]:
    """Return the ids of those systems that seek necrosis in such a study, and can be run on it."""
    return tuple(
        system.card.id
        for system in systems
        if study.source["modality"] in system.card.grades and not refusal(system, study, patient)
    )


@runtime_checkable
class KeptBefore(Protocol):
    """The system whose results version 0.1.0 kept in a form of their own."""

    def kept_by_0_1_0(self, figures: dict[str, Any], own: "HipMasks") -> "Finding":
        """See `systems.kept_by_0_1_0`."""
        ...


def refusal(system: System, study: "Study", patient: Patient) -> str:
    """Return why a system can't be run on a study with these patient variables; "" where it can."""
    card = system.card
    if study.form not in card.forms:
        wanted = " or ".join(f"a {form}" for form in card.forms)
        return f"The system {card.id} reads {wanted}, and this is a {study.form}; leave it out, or give another image."
    if reason := system.why_not(study):
        return reason
    missing = [variable.name for variable in card.variables if variable.required and variable.name not in patient]
    if missing:
        given = f"give it (on the command line --patient {missing[0]}=VALUE)"
        return f"The system {card.id} needs {', '.join(missing)} of the patient; {given}, or leave the system out."
    for variable in card.variables:
        value = patient.get(variable.name)
        if value is not None and not variable.low <= value <= variable.high:
            return (
                f"{variable.title} is {value:g}, and the system {card.id} takes {variable.low:g} to {variable.high:g}; "
                "correct it, or leave the system out."
            )
    return ""
