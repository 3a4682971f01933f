"""The one way through: a study in; hips with masks, measurements and grades, and findings of the systems out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ONFHAssistLib.core.errors import Cancelled, InputError
from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.geometry import SIDES, HeadSeed, Side
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult, Notice
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.imaging.domain import check_image
from ONFHAssistLib.imaging.one_slice import as_seen, in_order_of
from ONFHAssistLib.imaging.picture import read_image
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import Network, outlined
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.models.table import Table, open_table
from ONFHAssistLib.systems import OWN, at_hand, bundles, chosen, forms_of, missing
from ONFHAssistLib.systems.base import Case, Models, Step, System, refusal, seekers
from ONFHAssistLib.systems.heads import Heads, find_heads

Progress = Callable[[float, str], None]
NOT_ASKED = (
    "the networks were not asked for its necrosis; the head is outlined, and a necrosis that a reader draws is graded"
)
NOT_LOOKED_FOR = "no system that was chosen looks for the femoral heads"


@dataclass(frozen=True)
class AnalysisOptions:
    """What to analyse, with what, and where and how the networks run.

    Attributes:
        sides: hips that are wanted.
        device, engine, precision: see ``open_engine``.
        heads: that a reader has given.
        systems: ids of what is to be run (``systems.known``).
        patient: values of patient variables, for systems that ask for them.

    Raises:
        InputError: a system is not known, or none is chosen.
    """

    sides: tuple[Side, ...] = SIDES
    device: str = "auto"
    heads: tuple[HeadSeed, ...] = ()
    engine: str = "auto"
    precision: str = "auto"
    systems: tuple[str, ...] = (OWN,)
    patient: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is not known before anything is read or opened."""
        chosen(self.systems)


def open_models(
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    systems: tuple[str, ...] = (OWN,),
    threads: int | None = None,
) -> Models:
    """Open the bundles that some systems need and no others, see ``open_engine``.

    Raises:
        InputError: one is damaged or not installed, or a system is not known.
    """
    for system in chosen(systems):
        if names := ", ".join(missing(system)):
            raise InputError(
                f"The system {system.card.id} needs models that are not installed ({names}); install them (onfh-assist "
                "models install), or leave the system out."
            )
    networks: dict[str, Network] = {}
    tables: dict[str, Table] = {}
    for name in bundles(chosen(systems)):
        bundle = load_bundle(name)
        if bundle.kind == "table":
            tables[name] = open_table(bundle)
        else:
            networks[name] = Network(bundle, open_engine(bundle, device, threads, engine, precision))
    return Models(networks, tables)


def grade_file(
    path: str | Path,
    options: AnalysisOptions = AnalysisOptions(),
    progress: Progress = lambda fraction, stage: None,
    cancelled: Callable[[], bool] = lambda: False,
    models: Models | None = None,
    series: str | None = None,
) -> StudyResult:
    """Read one study or picture, and analyse it; the function, its options and its result can be pickled.

    Args:
        path: file or folder, see `imaging.picture.read_image`.
        options, progress, cancelled, models: see `analyse`.
        series: the DICOM series to take instead of the best one.

    Raises:
        InputError, Cancelled: see `read_image` and `analyse`.
    """
    study = read_image(path, forms_of(chosen(options.systems)), series)
    return analyse(study, options, progress, cancelled, models)


def analyse(
    study: Study,
    options: AnalysisOptions = AnalysisOptions(),
    progress: Progress = lambda fraction, stage: None,
    cancelled: Callable[[], bool] = lambda: False,
    models: Models | None = None,
) -> StudyResult:
    """Let the chosen systems look at a study.

    Args:
        study: what was read.
        options: which hips, where, with what, and how the networks run.
        progress: called with a fraction (0 to 1) and the stage in words.
        cancelled: asked between the stages.
        models: those of an earlier study, for the same systems; how the options want them to run is then not looked
            at.

    Returns:
        one HipResult for each side asked for, graded or not graded with the reason, where a system needs the heads;
        and the findings of the systems beside the networks. Of several systems one that can't read this image says so
        in a finding with the reason.

    Raises:
        InputError: the image cannot be graded at all or by none of the systems, or no femoral head was found in it.
        Cancelled: ``cancelled`` said so.
    """

    def step(fraction: float, text: str) -> None:
        if cancelled():
            raise Cancelled
        progress(fraction, text)

    step(0.0, "Checking the image")
    notices = [*study.notices]
    if study.form == "volume":
        notices += check_image(study)
    systems, findings = _sorted_out(study, options)
    step(0.05, "Loading the models")
    models = models or open_models(options.device, options.engine, options.precision, options.systems)
    heads = Heads((), (), ())
    if study.form == "volume" and any(system.card.heads for system in systems):
        heads = find_heads(study, options.sides, options.heads, models, _part(step, 0.25, 0.65))
        notices += heads.notices
    elif study.form == "volume":
        heads = Heads((), tuple(HipResult(side, "not graded", NOT_LOOKED_FOR) for side in options.sides), ())
    seen = replace(study, volume=as_seen(study.volume)) if study.form == "slice" else study
    case = Case(seen, heads.heads, options.patient)
    for n, system in enumerate(systems):
        part = _part(step, 0.65 + 0.25 * n / len(systems), 0.65 + 0.25 * (n + 1) / len(systems))
        findings += system.run(case, models, tuple(findings), part)
    if study.form == "slice":
        findings = [found.with_volumes(lambda image: in_order_of(image, study.volume)) for found in findings]
    step(0.9, "Measuring the hips")
    hips, masks = _hips(study, options, heads, findings)
    notices += [Notice(f"{found.system}-no-result", found.reason) for found in findings if found.reason]
    notices += models.notices()
    progress(1.0, "Done")
    return StudyResult(
        study.volume,
        study.source,
        hips,
        masks,
        tuple(notices),
        models.describe(),
        study.patient,
        tuple(rest for found in findings if (rest := found.without_hip()) is not None),
    )


def _sorted_out(study: Study, options: AnalysisOptions) -> tuple[list[System], list[Finding]]:
    """The systems that can be run, and a finding of each that can't; raises InputError where that is all of them."""
    found = [(system, refusal(system, study, options.patient)) for system in chosen(options.systems)]
    run = [system for system, reason in found if not reason]
    if not run:
        raise InputError(" ".join(reason for _, reason in found))
    return run, [
        Finding(system.card.id, system.card.title, "patient", reason=reason) for system, reason in found if reason
    ]


def _hips(
    study: Study, options: AnalysisOptions, heads: Heads, findings: list[Finding]
) -> tuple[tuple[HipResult, ...], tuple[HipMasks, ...]]:
    """Grade each hip by the masks of the first system that has looked for necrosis in it; without, outline it."""
    given: dict[str, HipMasks] = {}
    for found in findings:
        known_masks = given.get(found.about)
        if found.hip is not None and (known_masks is None or known_masks.not_sought is not None):
            given[found.about] = found.hip
    masks = [given.get(head.side) or outlined(study.volume, head, NOT_ASKED) for head in heads.heads]
    others = [system for name, system in at_hand().items() if name not in options.systems]
    ids = " or ".join(seekers(others, study, options.patient))
    if ids:
        advice = f"choose the system {ids} to have it sought"
        masks = [replace(m, not_sought=f"{m.not_sought}; {advice}") if m.not_sought else m for m in masks]
    hips = {hip.side: hip for hip in (*heads.missed, *map(grade, masks))}
    return tuple(hips[side] for side in options.sides if side in hips), tuple(masks)


def _part(step: Step, start: float, end: float) -> Step:
    """Return a step whose 0 to 1 is a part of another one's."""
    return lambda fraction, text: step(start + (end - start) * fraction, text)
