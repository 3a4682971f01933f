"""What an analysis is asked for, and what becomes of its result: the same wherever a reader clicks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ONFHAssistLib.analysis import AnalysisOptions
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, HeadSeed
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.store.open_case import only_one_hip
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.models.engine import DEVICES, ENGINES
from ONFHAssistLib.reviewer.study import require_volume
from ONFHAssistLib.reviewer.systems import NOBODY, offered, those_for, with_others
from ONFHAssistLib.scene.move import require_unmoved
from ONFHAssistLib.scene.nodes import Node, Scene
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.systems import OWN
from ONFHAssistLib.systems.base import Patient

REPLACED = "The corrections of this study are replaced by a new automatic result."


@dataclass(frozen=True)
class How:
    """One side of how the networks run, to choose.

    Attributes:
        field: of `Chosen`.
        caption, tip: in words.
        names: of each value, in words.
    """

    field: str
    caption: str
    tip: str
    names: Mapping[str, str]


HOW = (
    How(
        "device",
        "Networks run on",
        "The CPU needs nothing more. CUDA needs PyTorch, which takes several gigabytes.",
        dict(zip(DEVICES, ("Automatic", "CPU", "Graphics card (CUDA)"), strict=True)),
    ),
    How(
        "engine",
        "Engine",
        "Automatic: OpenVINO on the CPU, PyTorch on a graphics card. The grades are the same.",
        dict(zip(ENGINES, ("Automatic", "OpenVINO", "PyTorch"), strict=True)),
    ),
)


@dataclass(frozen=True)
class Chosen:
    """What a reader has chosen for the next analysis.

    Attributes:
        systems: ids of those that look at the image; at least one.
        device, engine: where and by what the networks run, see `models.engine.open_engine`.
    """

    systems: tuple[str, ...] = (OWN,)
    device: str = DEVICES[0]
    engine: str = ENGINES[0]

    def with_systems(self, ids: Iterable[str], study: Study | None = None) -> "Chosen":
        """Return the choice with other systems for this form of image; where none is given, it stays as it was."""
        wanted = set(ids) & offered(study)
        return replace(self, systems=with_others(wanted, self.systems, study)) if wanted else self

    def options(self, study: Study | None = None) -> AnalysisOptions:
        """Return the options for a study, or for one of which nothing is known."""
        return AnalysisOptions(systems=those_for(self.systems, study), device=self.device, engine=self.engine)


def ask_for(
    chosen: Chosen,
    review: Review | None,
    seed: HeadSeed | None = None,
    patient: Patient = NOBODY,
    study: Study | None = None,
) -> AnalysisOptions:
    """Return what an analysis is to find.

    Of a study that nobody has reviewed both hips, one from the head that a reader has pointed at; of one under review
    both, or with a seed that hip alone; of a case of the data set the hip that it is.

    Args:
        chosen: by the reader.
        review: of the study; None where there is none yet.
        seed: a head that the reader has pointed at.
        patient: values of patient variables.
        study: that is analysed.

    Raises:
        InputError: the head is not the one of the case, or the study is no volume, in which heads are looked for.
    """
    if seed and study:
        require_volume(study.source)
    opened = review.opened if review else None
    if opened and seed and seed.side != opened.side:
        raise InputError(only_one_hip(opened))
    sides = (seed.side,) if seed and review else (opened.side,) if opened else SIDES
    heads = () if seed is None else (seed,)
    return replace(chosen.options(study), sides=sides, heads=heads, patient=dict(patient))


def take_result(
    scene: Scene, volume_node: Node, review: Review | None, result: StudyResult, seed: HeadSeed | None = None
) -> Review:
    """Let a review go on with a new result: with a seed in one hip, which can be undone; else it begins anew.

    Returns:
        the review: the same one, or the one in its place.

    Raises:
        InputError: see `Review.begin` and `Review.replace_hip`.
    """
    if review is not None and seed is not None:
        review.replace_hip(result, seed.side)
        return review
    opened = review.opened if review else None
    require_unmoved(scene, volume_node, result.volume)
    if review is not None:
        review.close()
    return Review.begin(scene, volume_node, result, opened=opened)


def replaces_corrections(review: Review | None) -> bool:
    """Say whether a new analysis of both hips would take corrections away, so that the reader is asked first."""
    return review is not None and any(review.changed(side) for side in review.sides)
