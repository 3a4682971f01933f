"""The card of the data set: what it holds and lacks, the training on it, and the networks to choose from."""

from collections.abc import Iterable
from dataclasses import dataclass

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.reports.overview import Overview
from ONFHAssistLib.models.installed import Model, network_words
from ONFHAssistLib.worker.fine_tune import BUNDLE, FineTune, TrainingPlace

NEXT_TIP = "Opens the case of the data set that is most worth a look now"
TUNE_TIP = (
    "Trains the necrosis network on with the approved cases, in the background. The network in use stays as it is."
)
HIDDEN = "While a second reading is open, nothing is told of what others have found."


@dataclass(frozen=True)
class NetworkChoice:
    """A necrosis network to choose.

    Attributes:
        id: of the network.
        words: version, where it comes from, and id.
        about: why it can't be used, or what it was trained on.
        in_use: whether the next analysis takes it.
    """

    id: str
    words: str
    about: str
    in_use: bool


@dataclass(frozen=True)
class DataSetCard:
    """What is told of the data set.

    Attributes:
        title: its name; "" where there is none.
        counts: number of cases by status; "" while a case is read anew.
        lines: what was saved last, what waits, and what a training would miss.
        problem: why nothing is known, in one sentence; "".
        tuning: what is told of the training: how far it is, how it ended, or what it lacks.
        failed: whether ``tuning`` tells of a failure.
        running: whether it runs.
        percent: how far it is.
        can_tune: whether there is anything to train with.
        waiting: whether a case waits for a reader.
        networks: to choose from.
    """

    title: str = ""
    counts: str = ""
    lines: tuple[str, ...] = ()
    problem: str = ""
    tuning: str = ""
    failed: bool = False
    running: bool = False
    percent: int = 0
    can_tune: bool = False
    waiting: bool = False
    networks: tuple[NetworkChoice, ...] = ()


def data_set_card(
    found: Overview, tuning: FineTune, place: TrainingPlace, networks: Iterable[Model] = (), blind: bool = False
) -> DataSetCard:
    """Return the card of the data set.

    Args:
        found: what is known of the data set.
        tuning: the training.
        place: where it runs.
        networks: all bundles that there are.
        blind: a case is read anew; nothing is told that follows from what others have found.
    """
    last = f"Last saved: {found.last_saved}" if found.last_saved else ""
    following = f"Next: {found.next_case}" if found.next_case else ""
    lacks = "" if found.folder is None else place.missing(found.approved)
    return DataSetCard(
        title=found.folder.name if found.folder else "Data set" if found.there else "",
        counts="" if blind else found.counts,
        lines=(HIDDEN,) if blind else tuple(line for line in (last, following, *found.lacking) if line),
        problem=found.problem,
        tuning=tuning.stage if tuning.running else tuning.message or lacks,
        failed=tuning.failed and not tuning.running,
        running=tuning.running,
        percent=round(100 * tuning.fraction),
        can_tune=found.folder is not None,
        waiting=bool(found.waiting),
        networks=network_choices(networks),
    )


def network_choices(networks: Iterable[Model]) -> tuple[NetworkChoice, ...]:
    """Return those of all bundles that are necrosis networks."""
    return tuple(
        NetworkChoice(one.id, network_words(one), one.problem or one.trained_on, one.in_use)
        for one in networks
        if one.name == BUNDLE
    )


def network_taken(network: str) -> str:
    """Say that a network was taken into use."""
    return f"The next analysis takes {network}."


def start_training(tuning: FineTune, found: Overview, place: TrainingPlace) -> None:
    """Start a training on the data set, or cancel the one that runs; raises InputError where something is missing."""
    if tuning.running:
        tuning.cancel()
        return
    if found.folder is None:
        raise InputError("There is no data set yet; sign off a study first.")
    tuning.start(place, found.folder, found.approved, found.mark)
