"""Which hips are in an image, and where: the finder proposes, the anatomy network looks, geometry decides the side."""

from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from ONFHAssistLib.core.geometry import SIDES, Side, Sphere
from ONFHAssistLib.core.grid import Point
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.sphere import HEAD_ENLARGEMENT, box_around, head_from_femur
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.head_check import SIDE_SURE, HeadCheck, check_head
from ONFHAssistLib.imaging.hips import find_heads
from ONFHAssistLib.imaging.segment import Look, Network, NoHead, look_at

ROOF_MM = 12.0
"""The acetabulum is looked for in a shell of this thickness about the head."""
SMALLEST_COVER = 0.15
SMALLEST_FILLING = 0.45
"""A head has hip bone above and medially (0.60 to 0.80 of that part of the shell on the training studies) and fills its
sphere (0.88 to 0.91 of it). The limits were set with the first networks, and with the axial T1 (cover 0.23), the CT
studies (filling 0.6 to 0.8) and a phantom of a knee (cover 0.04) in view."""
PAIR_MM = (100.0, 280.0)
"""How far apart across the body the centres of a person's two femoral heads may lie (adults: 150 to 200 mm)."""
LEVEL_MM = 70.0
"""How far apart along the body, and from front to back: a pelvis may lie askew."""
CLEARLY_MM = 25.0
"""Where the femur reaches this far beyond the hip bone, the side is certain: 30 to 41 mm on the heads of the training
studies, and -16 to -27 mm when the same place is looked at as a hip of the other side."""
NEAR_MM = 45.0
"""Neck and acetabulum lie within this distance of the head's centre."""


@dataclass(frozen=True)
class Doubt:
    """A place that may be a femoral head: a reader has to look at it.

    Attributes:
        sphere: what was found there.
        reason: what is not sure, for the end of a sentence.
    """

    sphere: Sphere
    reason: str


@dataclass(frozen=True)
class Located:
    """The heads of an image.

    Attributes:
        heads: the centres (RAS, mm) of those that are sure.
        doubts: the places that are not.
        looks: what was seen of the heads, as far as they were looked at as the hip that they are.
    """

    heads: dict[Side, Point] = field(default_factory=dict)
    doubts: dict[Side, Doubt] = field(default_factory=dict)
    looks: dict[Side, Look] = field(default_factory=dict)

    @staticmethod
    def of(sights: dict[Side, "Sight"]) -> "Located":
        """Take these sights for the heads."""
        centres = {side: sight.sphere.centre_ras_mm for side, sight in sights.items()}
        return Located(centres, looks={side: s.look for side, s in sights.items() if s.side == side})


@dataclass(frozen=True)
class Sight:
    """What the anatomy network sees around a point, looked at as a hip of one side.

    Attributes:
        look: what is seen, as a hip of one side.
        cover: part (0 to 1) of the shell above and medial of the head that is hip bone.
        femur_beyond_mm: how far the femur reaches lateral of the hip bone, on average; positive on the true side.
    """

    look: Look
    cover: float
    femur_beyond_mm: float

    @property
    def side(self) -> Side:
        """The side it was looked at as."""
        return self.look.side

    @property
    def sphere(self) -> Sphere:
        """The articular sphere that fits what is seen."""
        return self.look.sphere


def locate_hips(
    volume: Volume, modality: str, finder: Network, anatomy: Network, head_check: Network | None = None
) -> Located:
    """Find the hips of an image.

    Of two heads the one further to the patient's right is the right one. A single head's side is the one on which
    the anatomy makes sense: the femur goes on laterally, the hip bone lies medially. What the head check calls no head
    is left out, and what it is not sure of, or sees as a head of the other side, is a doubt; unless it makes a pair
    with a sure head of the other side: a head full of necrosis looks less like one.

    Args:
        volume: the whole image.
        modality: "CT", or anything else for MR.
        finder: heat map of the heads on a coarse grid.
        anatomy: background, head, rest of the femur and hip bone on 2.5D patches.
        head_check: asked about each place (``check_head``); None: nobody is asked, as for solids that are no bones.
    """
    seen: list[tuple[Sight, HeadCheck | None]] = []
    for candidate in find_heads(volume, modality, finder.engine):
        sight = look(volume, modality, candidate.centre_ras_mm, anatomy)
        if sight is None:
            continue
        check = check_head(volume, modality, sight.sphere, sight.side, head_check) if head_check else None
        if check and check.answer == "none":
            continue
        seen.append((sight, check))
        sure = [one for one, answer in seen if answer is None or answer.answer == "head"]
        pairs = [pair for pair in combinations(sure, 2) if _are_a_pair(*pair)]
        if pairs:
            right, left = sorted(pairs[0], key=lambda sight: -sight.sphere.centre_ras_mm[0])
            return Located.of({"right": right, "left": left})
    if not seen:
        return Located()
    # The surest first, and of those the one in the deepest socket.
    seen.sort(key=lambda one: (one[1] is None or one[1].answer == "head", one[0].cover), reverse=True)
    sight, check = seen[0]
    others = [
        (one, answer) for one, answer in seen[1:] if one.side != sight.side and answer and answer.answer != "head"
    ]
    doubts = {one.side: Doubt(one.sphere, _unsure(answer)) for one, answer in others[:1]}
    if check and check.answer != "head":  # two such places may be two knees
        return Located(doubts={sight.side: Doubt(sight.sphere, _unsure(check))} | doubts)
    for other, _ in others:
        if _are_a_pair(sight, other) and _stand_as_they_look(sight, other):
            return Located.of({sight.side: sight, other.side: other})
    if check and check.as_posed < 1 - SIDE_SURE:
        name = SIDES[1 - SIDES.index(sight.side)]
        reason = f"a femoral head whose side is not sure: it looks like a {name} one, its bones like a {sight.side} one"
        return Located(doubts={sight.side: Doubt(sight.sphere, reason)})
    return replace(Located.of({sight.side: sight}), doubts=doubts)


def _unsure(check: HeadCheck) -> str:
    return f"only {check.head:.0%} sure to be a femoral head"


def _stand_as_they_look(one: Sight, other: Sight) -> bool:
    """Whether the one that looks like a right hip lies to the right of the other."""
    across = one.sphere.centre_ras_mm[0] - other.sphere.centre_ras_mm[0]
    return (across > 0) == (one.side == "right")


def look(volume: Volume, modality: str, centre_ras_mm: Point, anatomy: Network) -> Sight | None:
    """Look at a place as a right and as a left hip; returns the side that makes sense, or None for no hip.

    The side on which the place lies in the image is looked at first; where it clearly makes sense, the other is not.
    """
    middle = volume.ras((volume.size - 1) / 2)
    sights = []
    for side in SIDES if centre_ras_mm[0] > middle[0] else SIDES[::-1]:
        sight = _look(volume, modality, side, centre_ras_mm, anatomy)
        if sight is None:
            continue
        if sight.femur_beyond_mm > CLEARLY_MM:
            return sight
        sights.append(sight)
    return max(sights, key=lambda sight: sight.femur_beyond_mm, default=None)


def _look(volume: Volume, modality: str, side: Side, centre_ras_mm: Point, anatomy: Network) -> Sight | None:
    try:
        seen = look_at(volume, modality, side, centre_ras_mm, anatomy)
    except NoHead:
        return None
    sphere = seen.sphere
    reach = max(NEAR_MM, sphere.radius_mm + ROOF_MM) / sphere.radius_mm
    label = seen.hip.volume.like(seen.label)
    label = label.cropped(box_around(label, sphere, reach))
    bone = label.array == AnatomyLabel.HIP_BONE
    rest = label.array == AnatomyLabel.FEMUR
    offset = label.grid_ras() - np.array(sphere.centre_ras_mm)
    distance = np.linalg.norm(offset, axis=-1)
    lateral = offset[..., 0] if side == "right" else -offset[..., 0]
    roof = (distance > sphere.radius_mm) & (distance < sphere.radius_mm + ROOF_MM)
    roof &= offset[..., 2] - lateral > 0.5 * distance
    cover = float(bone[roof].mean()) if roof.any() else 0.0
    head = head_from_femur(label.like(rest | (label.array == AnatomyLabel.HEAD)), sphere)
    inside = distance < sphere.radius_mm * HEAD_ENLARGEMENT
    filling = head.sum() / max(inside.sum(), 1)
    if cover < SMALLEST_COVER or filling < SMALLEST_FILLING:
        return None
    near = distance < NEAR_MM
    femur, hip_bone = lateral[rest & near], lateral[bone & near]
    beyond = float(femur.mean() - hip_bone.mean()) if femur.size and hip_bone.size else 0.0
    return Sight(seen, cover, beyond)


def _are_a_pair(one: Sight, other: Sight) -> bool:
    across, *level = np.abs(np.subtract(one.sphere.centre_ras_mm, other.sphere.centre_ras_mm))
    return bool(PAIR_MM[0] < across < PAIR_MM[1] and max(level) < LEVEL_MM)
