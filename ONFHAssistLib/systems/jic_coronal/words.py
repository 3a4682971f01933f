"""The sentences of S-JIC."""

import numpy as np

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.gradings.grading import percent
from ONFHAssistLib.core.gradings.jic import JIC
from ONFHAssistLib.core.measurements import HipMeasurement
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.slice_heads import HEAD_WIDTH_MM, SliceHead
from ONFHAssistLib.systems.jic_coronal.classes import CLASSES, NONE
from ONFHAssistLib.systems.jic_coronal.moves import TYPICAL_MM, moves_to
from ONFHAssistLib.systems.jic_coronal.patch import Patch
from ONFHAssistLib.systems.jic_coronal.seen import Seen

TITLES = {name: f"class {name}" for name in CLASSES} | {NONE: "no necrosis on the slice"}
CAPTION = "The tint is the evidence for the class, part by part: its mean over the slice is what the class is told by."
SURE, DOUBTFUL = 0.8, 0.55
"""Of the validation slices from SURE on 97 % are right, below DOUBTFUL 53 % (docs/jic_coronal.md)."""
FAR_MM = 5.0
"""A slice farther from the head's middle than this is remarked on: a third of a small lesion lies within it."""
SIDE_SURE = 0.9
"""Below this the side of a head that is alone on a picture is remarked on."""
SMALLEST_MM = 17.5
"""Radius of the smallest adult head (Noble et al., Clin Orthop 1988;235:148)."""


def rule(seen: Seen, patch: Patch) -> str:
    """Say what the class is told by: its probability, the next one's, and the place of the strongest evidence."""
    first, second = seen.ranked[:2]
    chances = seen.probabilities
    next_one = f"next {'none' if second == NONE else second} {percent(chances[second])}"
    if first == NONE:
        return f"The network sees no necrosis on the mid-coronal slice ({percent(chances[first])}, {next_one})"
    where = place(seen, patch)
    return f"The network calls it {first} ({percent(chances[first])}, {next_one}), mostly by what it sees {where}"


def place(seen: Seen, patch: Patch) -> str:
    """Say where the evidence is strongest, from the middle of the head."""
    evidence = seen.evidence()
    size = evidence.shape[0]
    row, column = np.unravel_index(int(evidence.argmax()), evidence.shape)
    mm = patch.image.shape[0] * patch.pixel_mm / size
    up, lateral = ((size - 1) / 2 - row) * mm, ((size - 1) / 2 - column) * mm
    sides = [
        f"{abs(x):.0f} mm {name}"
        for x, name in ((up, "above" if up > 0 else "below"), (lateral, "lateral" if lateral > 0 else "medial"))
        if abs(x) >= 1
    ]
    return f"{' and '.join(sides)} of the middle of the head" if sides else "at the middle of the head"


def of_confidence(seen: Seen) -> list[str]:
    """Say in words how sure the class is, where it is not sure."""
    first, second = seen.ranked[:2]
    chance = seen.probabilities[first]
    if chance >= SURE:
        return []
    other = TITLES[second]
    if chance >= DOUBTFUL:
        return [f"Not sure: {other} is possible, too."]
    return [f"Inconclusive: the network hardly prefers {TITLES[first]} to {other}; decide by the image."]


def of_geometry(seen: Seen, measured: HipMeasurement | None) -> list[str]:
    """Compare with the class by masks and landmarks; where they differ, say what would have to lie elsewhere."""
    if measured is None:
        return ["There are no masks of necrosis that the class could be compared with by geometry."]
    grade = JIC.grade(measured)
    by_network = seen.classed
    by_geometry = NONE if measured.coronal is not None and not measured.coronal.necrosis.any() else grade.grade
    if by_geometry is None:
        return [f"Geometry gives no class: {grade.rule}"]
    if by_network == by_geometry:
        return [f"Geometry, by masks and landmarks, agrees: {TITLES[by_geometry]}."]
    said = f"Geometry differs: {TITLES[str(by_geometry)]} by masks and landmarks."
    if by_geometry == NONE:
        return [f"{said} No necrosis is outlined on this slice; look at it there."]
    if by_network == NONE:
        return [f"{said} The network sees nothing where necrosis is outlined; look at it there."]
    return [said, _why(by_network, measured)]


def _why(wanted: str, measured: HipMeasurement) -> str:
    moves = moves_to(wanted, measured)
    if not moves:
        return f"No landmark nor the end of the lesion gives {wanted} by moving less than 20 mm."
    told = [
        f"{move.what} by {move.mm:.1f} mm {move.where} (usually off by {TYPICAL_MM[move.what]:.1f} mm)"
        for move in moves
    ]
    return f"{wanted} would come of moving one of these alone, the likeliest first: {'; '.join(told)}."


def of_plane(patch: Patch, sphere: Sphere) -> list[str]:
    """Say what the slice is, where it is not a slice of the series through the middle."""
    if patch.plane.voxel_index is None:
        return ["The series has no coronal slices: the slice was reformatted through the middle of the head."]
    away = abs(float(np.dot(np.subtract(sphere.centre_ras_mm, patch.centre_ras_mm), patch.plane.normal_ras)))
    if away <= FAR_MM:
        return []
    return [
        f"The nearest coronal slice lies {away:.0f} mm from the middle of the head; the class is that of this slice."
    ]


def of_image(study: Study) -> list[str]:
    """Say what the network does not know of this kind of image."""
    source, notes = study.source, []
    if source["contrast_agent"]:
        notes.append("A contrast agent was given: what enhances was not learned.")
    if source["modality"] != "MR":
        notes.append("Nothing says that this is an MR image; the system reads no other.")
    return notes


def of_slice(study: Study, head: SliceHead) -> list[str]:
    """Say what one slice leaves open: its place, its scale, the side."""
    notes = []
    if head.pixel_from == "image":
        least = np.sqrt(max(SMALLEST_MM**2 - head.radius_mm**2, 0))
        if least >= FAR_MM:
            notes.append(
                f"The slice cuts the head in a circle of only {head.radius_mm:.0f} mm radius: it lies at least "
                f"{least:.0f} mm from the middle even of a small head, and the class is that of the middle."
            )
    else:
        notes.append(f"Nothing says how large a pixel is; the head was taken to be {HEAD_WIDTH_MM:.0f} mm wide.")
    if not notes or head.pixel_from != "image":
        notes.append(
            "How far this slice lies from the middle of the head can't be told; the class is that of the middle."
        )
    if head.side_sure < SIDE_SURE:
        notes.append(f"The side is not sure ({percent(head.side_sure)}): a mirrored picture exchanges right and left.")
    if head.answer == "doubtful":
        notes.append("It is not sure that this is a femoral head; look at it.")
    notes.append("Geometry needs masks and landmarks, which one slice does not give.")
    return notes


def why_no_head(head: SliceHead) -> str:
    """Say why a head on a slice can't be classed; "" where it can."""
    if not head.whole:
        return f"the {head.side} femoral head is cut off by the border; give a picture of the whole joint."
    return ""
