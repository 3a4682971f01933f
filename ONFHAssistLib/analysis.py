"""The one way through: a study in, hips with masks, measurements and grades out."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ONFHAssistLib.core.errors import Cancelled, InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.hip import (
    SIDES,
    HipMasks,
    HipResult,
    Notice,
    Point,
    Side,
    Sphere,
    StudyResult,
    ThresholdResult,
)
from ONFHAssistLib.core.necrosis import largest_piece
from ONFHAssistLib.core.sphere import head_from_femur
from ONFHAssistLib.imaging.canonical import to_input
from ONFHAssistLib.imaging.domain import check_hip, check_image
from ONFHAssistLib.imaging.locate import Doubt, Located, locate_hips, look
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import Look, Network, NoHead, crop_hip, head_probability, segment_hip
from ONFHAssistLib.models.bundle import describe, load_bundle
from ONFHAssistLib.models.engine import open_engine
from ONFHAssistLib.systems import steinberg_t1

Progress = Callable[[float, str], None]
SAME_HEAD_MM = 50.0
"""Two centres closer than this, about the width of a head, mean the same head."""
GIVEN_CENTRE_MM, GIVEN_RADIUS_MM = 3.0, 2.0
"""A sphere that a reader has placed further off than this from the fitted one is remarked on."""
SYSTEMS = ("networks", "steinberg-t1")
"""The project's own networks always grade; another system's result stands beside theirs."""
ADULT_RADIUS_MM = 24.0
"""Radius of a usual femoral head, where none could be fitted."""


@dataclass(frozen=True)
class HeadSeed:
    """A femoral head that a reader has pointed at: centre in RAS mm and, if placed by hand, the sphere's radius."""

    side: Side
    centre_ras_mm: Point
    radius_mm: float | None = None


@dataclass(frozen=True)
class AnalysisOptions:
    """What to analyse: sides, heads that a reader has given; and where and how the networks run (``open_engine``).

    ``system``, one of SYSTEMS, is what else the hips are graded with.
    """

    sides: tuple[Side, ...] = SIDES
    device: str = "auto"
    heads: tuple[HeadSeed, ...] = ()
    engine: str = "auto"
    precision: str = "auto"
    system: str = "networks"


@dataclass(frozen=True)
class Models:
    """The open networks; keep them between studies.

    ``steinberg_t1`` is None where that system is not wanted, ``head_check`` where nobody is to be asked whether what
    was found is a femoral head (``locate_hips``).
    """

    finder: Network
    anatomy: Network
    necrosis: Network
    steinberg_t1: Network | None = None
    head_check: Network | None = None

    def all(self) -> tuple[Network, ...]:
        """Return those that are open."""
        return tuple(n for n in (self.finder, self.head_check, self.anatomy, self.necrosis, self.steinberg_t1) if n)

    def describe(self) -> tuple[dict[str, Any], ...]:
        """Return the "models" entry of the report."""
        return tuple(describe(n.bundle, n.engine) for n in self.all())

    def notices(self) -> list[Notice]:
        """What the report has to say of how they ran: where the memory of a graphics card did not suffice."""
        return [notice for n in self.all() for notice in n.engine.notices]


def open_models(
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    system: str = "networks",
    threads: int | None = None,
) -> Models:
    """Open the bundles that come with the software, see ``open_engine``; raises InputError where one is damaged.

    ``system``, one of SYSTEMS, is what else is wanted.
    """

    def network(name: str) -> Network:
        bundle = load_bundle(name)
        return Network(bundle, open_engine(bundle, device, threads, engine, precision))

    own = Models(network("hip_finder"), network("anatomy"), network("necrosis"), head_check=network("head_check"))
    return replace(own, steinberg_t1=network("steinberg_t1")) if system == "steinberg-t1" else own


def analyse(
    study: Study,
    options: AnalysisOptions = AnalysisOptions(),
    progress: Progress = lambda fraction, stage: None,
    cancelled: Callable[[], bool] = lambda: False,
    models: Models | None = None,
) -> StudyResult:
    """Grade the hips of a study.

    Args:
        study: what was read.
        options: which hips, where, with what, and how the networks run.
        progress: called with a fraction (0 to 1) and the stage in words.
        cancelled: asked between the stages.
        models: open networks from an earlier study, for the same system; how the options want them to run is then
            not looked at.

    Returns:
        one HipResult for each side asked for: graded, or not graded with the reason.

    Raises:
        InputError: the image cannot be graded at all or not by the system, or no femoral head was found in it.
        Cancelled: ``cancelled`` said so.
    """

    def stage(fraction: float, text: str) -> None:
        if cancelled():
            raise Cancelled
        progress(fraction, text)

    stage(0.0, "Checking the image")
    notices = [*study.notices, *check_image(study)]
    if options.system == "steinberg-t1":
        steinberg_t1.check_source(study.source)
    stage(0.05, "Loading the models")
    models = models or open_models(options.device, options.engine, options.precision, options.system)
    stage(0.25, "Finding the hips")
    seeds, found = _seeds(study, options, models)
    hips: list[HipResult] = []
    masks: list[HipMasks] = []
    threshold_masks: list[HipMasks] = []
    unseen: list[Side] = []
    for n, side in enumerate(options.sides):
        start = 0.4 + 0.6 * n / len(options.sides)
        stage(start, f"Segmenting the {side} hip")
        if side in found.doubts:
            doubt = found.doubts[side]
            hips.append(HipResult(side, "not graded", _doubtful(side, doubt), doubt.sphere))
            continue
        try:
            if side not in seeds:
                raise NoHead("none was seen on this side")
            hip_masks, hip_notices, refusal = _segment(study, seeds[side], models, found.looks.get(side))
        except NoHead as error:
            reason = f"no femoral head was found ({error}); if it is in view, give its centre"
            hips.append(HipResult(side, "not graded", reason))
            unseen.append(side)
            continue
        notices += hip_notices
        if seeds[side] in options.heads:
            notices += _check_given(study, seeds[side], models)
        if hip_masks is None or refusal:
            hips.append(HipResult(side, "not graded", refusal, hip_masks.sphere if hip_masks else None))
            continue
        stage(start + 0.45 / len(options.sides), f"Grading the {side} hip")
        hips.append(grade(hip_masks))
        masks.append(hip_masks)
        if models.steinberg_t1:
            by_threshold = _by_threshold(study, hip_masks, models.steinberg_t1)
            if by_threshold is None:
                text = f"The system steinberg-t1 found no femoral head on the {side} side."
                notices.append(Notice("steinberg-t1-no-head", text))
                continue
            hips[-1] = replace(hips[-1], threshold=by_threshold[0])
            threshold_masks.append(by_threshold[1])
    if len(unseen) == len(options.sides):
        wanted = "femoral head" if len(unseen) == 2 else f"{unseen[0]} femoral head"
        raise InputError(f"No {wanted} was found in this image; give an image of the hip, or the centre of the head.")
    notices += models.notices()
    progress(1.0, "Done")
    return StudyResult(
        study.volume,
        study.source,
        tuple(hips),
        tuple(masks),
        tuple(notices),
        models.describe(),
        study.patient,
        tuple(threshold_masks),
    )


def _seeds(study: Study, options: AnalysisOptions, models: Models) -> tuple[dict[Side, HeadSeed], Located]:
    """Heads to segment, those that the reader gave and those that are seen; and what else was found."""
    given = {seed.side: seed for seed in options.heads}
    if set(options.sides) <= set(given):
        return given, Located()

    def is_given(centre: Point) -> bool:
        # A head that the reader has named is that side's, whatever was made of it here.
        return any(math.dist(centre, seed.centre_ras_mm) <= SAME_HEAD_MM for seed in options.heads)

    modality = study.source["modality"]
    found = locate_hips(study.volume, modality, models.finder, models.anatomy, models.head_check)
    seeds = {side: HeadSeed(side, centre) for side, centre in found.heads.items() if not is_given(centre)} | given
    doubtful = ((side, doubt) for side, doubt in found.doubts.items() if side not in seeds)
    doubts = {side: doubt for side, doubt in doubtful if not is_given(doubt.sphere.centre_ras_mm)}
    looks = {side: look for side, look in found.looks.items() if side in seeds and side not in given}
    return seeds, replace(found, doubts=doubts, looks=looks)


def _doubtful(side: Side, doubt: Doubt) -> str:
    place = ", ".join(f"{x:.0f}" for x in doubt.sphere.centre_ras_mm)
    return (
        f"what was found on the {side} side, at ({place}) mm RAS, is {doubt.reason}; look at it there, and give its "
        "centre if it is the head"
    )


def _segment(
    study: Study, seed: HeadSeed, models: Models, seen: Look | None
) -> tuple[HipMasks | None, list[Notice], str | None]:
    """Segment one hip: its masks, notices, and the reason why it must not be graded or None; raises NoHead.

    Where metal lets no head be seen there are no masks.
    """
    modality = study.source["modality"]
    try:
        masks = segment_hip(
            study.volume, modality, seed.side, seed.centre_ras_mm, models.anatomy, models.necrosis, seed.radius_mm, seen
        )
    except NoHead:
        # Metal there is a better reason than what the network made of it.
        guess = Sphere(seed.centre_ras_mm, seed.radius_mm or ADULT_RADIUS_MM)
        notices, refusal = check_hip(study.volume, modality, guess, seed.side)
        if refusal is None or "metal" not in {notice.code for notice in notices}:
            raise
        return None, list(notices), refusal
    if masks.calibration and study.source["sequence"] not in masks.calibration.sequences:
        masks = replace(masks, calibration=None)  # what the probability is worth there is not known
    notices, refusal = check_hip(study.volume, modality, masks.sphere, seed.side)
    return masks, list(notices), refusal


def _by_threshold(study: Study, masks: HipMasks, network: Network) -> tuple[ThresholdResult, HipMasks] | None:
    """Let S-T1 grade a hip that the networks have found; None where it finds no head there."""
    hip = crop_hip(study.volume, study.source["modality"], masks.side, masks.sphere.centre_ras_mm)
    found = hip.volume.like(head_probability(hip, masks.sphere, network) > 0.5)
    # A network that sees one slice cannot know where the neck begins: the head ends at its sphere, as everywhere.
    head = largest_piece(head_from_femur(found, masks.sphere))
    if not head.any():
        return None
    extraction = steinberg_t1.extract_necrosis(hip.volume, head)
    whole, part = (study.volume.like(to_input(mask, hip, study.volume)) for mask in (head, extraction.necrosis))
    own = HipMasks(masks.side, whole, part, masks.sphere)
    return steinberg_t1.threshold_result(extraction, own, masks), own


def _check_given(study: Study, seed: HeadSeed, models: Models) -> list[Notice]:
    """Say that a reader gave this head, and what speaks against it."""
    what = "centre and radius" if seed.radius_mm else "centre"
    given = ", ".join(f"{x:.1f}" for x in seed.centre_ras_mm)
    notices = [Notice("head-given", f"The {what} of the {seed.side} head was given by hand: {given} mm RAS.")]
    sight = look(study.volume, study.source["modality"], seed.centre_ras_mm, models.anatomy)
    if sight is None:
        text = f"No femoral head with its acetabulum is seen at the place given for the {seed.side} head."
        return [*notices, Notice("head-not-confirmed", text)]
    if sight.side != seed.side:
        text = f"The head given as the {seed.side} one looks like the {sight.side} one: check the side."
        notices.append(Notice("side-doubtful", text))
    off_mm = math.dist(sight.sphere.centre_ras_mm, seed.centre_ras_mm)
    if seed.radius_mm and (off_mm > GIVEN_CENTRE_MM or abs(sight.sphere.radius_mm - seed.radius_mm) > GIVEN_RADIUS_MM):
        text = (
            f"The sphere given for the {seed.side} head differs from the one that fits its surface: the centre by "
            f"{off_mm:.0f} mm, the radius is {seed.radius_mm:.0f} mm instead of {sight.sphere.radius_mm:.0f} mm."
        )
        notices.append(Notice("sphere-differs", text))
    return notices
