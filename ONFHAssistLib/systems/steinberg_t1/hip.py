"""What S-T1 makes of one hip: its masks, measured, graded, and compared with those of another system."""

from ONFHAssistLib.core.findings import Figure, Finding, FindingMask
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.gradings.steinberg import STEINBERG
from ONFHAssistLib.core.grid import joint_box
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.measurements import HipMeasurement
from ONFHAssistLib.core.necrosis import largest_piece
from ONFHAssistLib.core.sphere import head_from_femur
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import Head, Network, crop_hip, head_probability, masks_of
from ONFHAssistLib.systems.steinberg_t1 import CARD
from ONFHAssistLib.systems.steinberg_t1.threshold import CONTRAST_FROM, Extraction, dice, extract_necrosis

LABELS: dict[Side, tuple[int, int]] = {"right": (5, 6), "left": (7, 8)}
"""Of head and necrosis in masks.seg.nrrd; written to files, they never change."""
COLORS: dict[Side, tuple[str, str]] = {"right": ("#009e73", "#cc79a7"), "left": ("#2fbf95", "#e0a3c3")}
CAPTION = "It marks what is dark and what that encloses: a lesion as bright as marrow escapes it, red marrow may not."
Overlaps = tuple[float | None, float | None]
"""Dice of the heads and of the necroses; None where both are empty."""
_SIDES: dict[Side, str] = {"right": "SCT^24028007^Right", "left": "SCT^7771000^Left"}
_HEAD = (
    "Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure~SCT^2812003^Femoral head"
    "~{side}~Anatomic codes - DICOM master list~^^~^^"
)
_NECROSIS = (
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure"
    "~SCT^6574001^Necrosis~^^~Anatomic codes - DICOM master list~SCT^2812003^Femoral head~{side}"
)


def find(study: Study, head: Head, network: Network, others: HipMasks | None) -> Finding:
    """Grade a hip whose head was found.

    Args:
        study: the image.
        head: as it was found.
        network: the head on single axial slices.
        others: the masks of the networks, to be compared with; None where they were not asked.

    Returns:
        the finding; with a reason where the system sees no head there.
    """
    volume = study.volume
    hip = crop_hip(volume, study.source["modality"], head.side, head.sphere.centre_ras_mm)
    found = hip.volume.like(head_probability(hip, head.sphere, network) > 0.5)
    # A network that sees one slice cannot know where the neck begins: the head ends at its sphere, as everywhere.
    own = largest_piece(head_from_femur(found, head.sphere))
    if not own.any():
        reason = f"The system {CARD.id} found no femoral head on the {head.side} side."
        return Finding(CARD.id, CARD.title, head.side, reason=reason)
    extraction = extract_necrosis(hip.volume, own)
    masks = masks_of(volume.grid, hip, own, extraction.necrosis, head.sphere)
    return finding(extraction, masks, overlaps_of(masks, others))


def overlaps_of(own: HipMasks, others: HipMasks | None) -> Overlaps | None:
    """Compare head and necrosis with the networks' on the same grid; None where those have not looked for necrosis."""
    if others is None or others.not_sought is not None:
        return None
    box = joint_box(own.box, others.box)
    own, others = own.within(box), others.within(box)
    return dice(own.head.array, others.head.array), dice(own.necrosis.array, others.necrosis.array)


def finding(extraction: Extraction, own: HipMasks, overlaps: Overlaps | None) -> Finding:
    """Measure and grade what was found.

    Args:
        extraction: from `extract_necrosis`.
        own: the system's head and necrosis on the grid of the input.
        overlaps: see `overlaps_of`.
    """
    measured = measure_hip(own)
    return Finding(
        CARD.id,
        CARD.title,
        own.side,
        grades={STEINBERG.name: STEINBERG.grade(measured)},
        figures=_figures(extraction, measured, overlaps),
        slices=measured.slices,
        masks=_masks(own.whole()),
        notes=notes(extraction, overlaps),
        caption=CAPTION,
    )


def notes(extraction: Extraction, overlaps: Overlaps | None) -> tuple[str, ...]:
    """Say what the threshold did, and how far the masks agree with those of the networks (head, necrosis)."""
    test = f"contrast {100 * extraction.contrast:.0f} %, at least {100 * CONTRAST_FROM:.0f} % wanted"
    verdict = "passed" if extraction.passed else "not passed, so nothing counts as necrotic"
    said = f"Threshold {extraction.threshold:.2f} of the normalised intensity (-1 to 1); {test}: {verdict}."
    said = said.replace("-", "−")
    if overlaps is None:
        return (said,)
    both = "none is marked by either" if overlaps[1] is None else f"Dice {overlaps[1]:.2f}"
    return said, f"Against the networks: head Dice {overlaps[0] or 0:.2f}; necrosis: {both}."


def _figures(
    extraction: Extraction, measured: HipMeasurement, overlaps: tuple[float | None, float | None] | None
) -> tuple[Figure, ...]:
    head_dice, necrosis_dice = overlaps or (None, None)
    return (
        Figure("threshold", extraction.threshold),
        Figure("contrast", extraction.contrast, unit="fraction"),
        Figure("contrast_from", CONTRAST_FROM, unit="fraction"),
        Figure("passed", extraction.passed),
        Figure("volume_ratio", measured.volume_ratio, "Necrosis / head", "fraction"),
        Figure("necrosis_volume_ml", measured.necrosis_volume_ml, "Necrosis", "ml"),
        Figure("head_volume_ml", measured.head_volume_ml, "Head", "ml"),
        Figure("head_dice", head_dice, unit="fraction"),
        Figure("necrosis_dice", necrosis_dice, unit="fraction"),
    )


def _masks(own: HipMasks) -> tuple[FindingMask, ...]:
    side = own.side
    parts = (("head", "femoral head", _HEAD, own.head), ("necrosis", "femoral head necrosis", _NECROSIS, own.necrosis))
    return tuple(
        FindingMask(
            f"{side}_{name}_by_threshold",
            f"{side.capitalize()} {title} by threshold",
            label,
            color,
            entry.format(side=_SIDES[side]),
            mask,
        )
        for (name, title, entry, mask), label, color in zip(parts, LABELS[side], COLORS[side], strict=True)
    )
