"""The femoral heads of a study: found or given by a reader, checked, and outlined, for every system that needs them."""

import math
from dataclasses import dataclass, replace

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import HeadSeed, Side, Sphere
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.core.results import HipResult, Notice
from ONFHAssistLib.imaging.domain import check_hip, check_pair
from ONFHAssistLib.imaging.locate import Doubt, Located, locate_hips, look
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import Head, Look, NoHead, segment_head
from ONFHAssistLib.systems.base import Models, Step

SAME_HEAD_MM = 50.0
"""Two centres closer than this, about the width of a head, mean the same head."""
GIVEN_CENTRE_MM, GIVEN_RADIUS_MM = 3.0, 2.0
"""A sphere that a reader has placed further off than this from the fitted one is remarked on."""
ADULT_RADIUS_MM = 24.0
"""Radius of a usual femoral head, where none could be fitted."""


@dataclass(frozen=True)
class Heads:
    """What was found on each side.

    Attributes:
        heads: those that may be graded.
        missed: the other sides that were asked for, with the reason.
        notices: for the reader of the report.
    """

    heads: tuple[Head, ...]
    missed: tuple[HipResult, ...]
    notices: tuple[Notice, ...]


def find_heads(study: Study, sides: tuple[Side, ...], given: tuple[HeadSeed, ...], models: Models, step: Step) -> Heads:
    """Find, check and outline the heads.

    Args:
        study: what was read.
        sides: the hips that are wanted.
        given: heads that a reader has pointed at.
        models: those of `systems.HEAD_BUNDLES`; "head_check" may be missing, then nobody is asked whether what was
            found is a femoral head.
        step: see `systems.base.Step`.

    Raises:
        InputError: there is none on any side that is wanted.
    """
    step(0.0, "Finding the hips")
    seeds, found = _seeds(study, sides, given, models)
    heads: list[Head] = []
    missed: list[HipResult] = []
    notices: list[Notice] = []
    unseen: list[Side] = []
    for n, side in enumerate(sides):
        step((1 + n) / (1 + len(sides)), f"Segmenting the {side} hip")
        if side in found.doubts:
            doubt = found.doubts[side]
            missed.append(HipResult(side, "not graded", _doubtful(side, doubt), doubt.sphere))
            continue
        try:
            if side not in seeds:
                raise NoHead("none was seen on this side")
            head, head_notices, refusal = _outline(study, seeds[side], models, found.looks.get(side))
        except NoHead as error:
            reason = f"no femoral head was found ({error}); if it is in view, give its centre"
            missed.append(HipResult(side, "not graded", reason))
            unseen.append(side)
            continue
        notices += head_notices
        if seeds[side] in given:
            notices += _check_given(study, seeds[side], models)
        if head is None or refusal:
            missed.append(HipResult(side, "not graded", refusal, head.sphere if head else None))
        else:
            heads.append(head)
    if len(unseen) == len(sides):
        wanted = "femoral head" if len(unseen) == 2 else f"{unseen[0]} femoral head"
        raise InputError(f"No {wanted} was found in this image; give an image of the hip, or the centre of the head.")
    if len(heads) == 2:
        notices += check_pair(heads[0].sphere, heads[1].sphere)
    return Heads(tuple(heads), tuple(missed), tuple(notices))


def _seeds(
    study: Study, sides: tuple[Side, ...], pointed_at: tuple[HeadSeed, ...], models: Models
) -> tuple[dict[Side, HeadSeed], Located]:
    """Heads to segment, those that the reader gave and those that are seen; and what else was found."""
    given = {seed.side: seed for seed in pointed_at}
    if set(sides) <= set(given):
        return given, Located()

    def is_given(centre: Point) -> bool:
        # A head that the reader has named is that side's, whatever was made of it here.
        return any(math.dist(centre, seed.centre_ras_mm) <= SAME_HEAD_MM for seed in pointed_at)

    modality = study.source["modality"]
    found = locate_hips(
        study.volume, modality, models["hip_finder"], models["anatomy"], models.networks.get("head_check")
    )
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


def _outline(
    study: Study, seed: HeadSeed, models: Models, seen: Look | None
) -> tuple[Head | None, tuple[Notice, ...], str | None]:
    """Outline one head: with notices, and the reason why its hip must not be graded or None; raises NoHead.

    Where metal lets no head be seen there is none.
    """
    volume, modality = study.volume, study.source["modality"]
    try:
        head = segment_head(volume, modality, seed.side, seed.centre_ras_mm, models["anatomy"], seed.radius_mm, seen)
    except NoHead:
        # Metal there is a better reason than what the network made of it.
        guess = Sphere(seed.centre_ras_mm, seed.radius_mm or ADULT_RADIUS_MM)
        notices, refusal = check_hip(volume, modality, guess, seed.side)
        if refusal is None or "metal" not in {notice.code for notice in notices}:
            raise
        return None, notices, refusal
    return head, *check_hip(volume, modality, head.sphere, seed.side)


def _check_given(study: Study, seed: HeadSeed, models: Models) -> list[Notice]:
    """Say that a reader gave this head, and what speaks against it."""
    what = "centre and radius" if seed.radius_mm else "centre"
    given = ", ".join(f"{x:.1f}" for x in seed.centre_ras_mm)
    notices = [Notice("head-given", f"The {what} of the {seed.side} head was given by hand: {given} mm RAS.")]
    sight = look(study.volume, study.source["modality"], seed.centre_ras_mm, models["anatomy"])
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
