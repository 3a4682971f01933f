"""What S-JIC says of one hip: the class and its probabilities, where it looked, and what geometry says of the same."""

from ONFHAssistLib.core.findings import Figure, Finding
from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.gradings.jic import JIC
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.measurements import HipMeasurement
from ONFHAssistLib.core.results import Grade
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.domain import check_slice_head
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import Head, Network
from ONFHAssistLib.imaging.slice_heads import SliceHead, find_slice_heads, scaled_slice
from ONFHAssistLib.systems.jic_coronal import CARD, words
from ONFHAssistLib.systems.jic_coronal.classes import NONE
from ONFHAssistLib.systems.jic_coronal.patch import Patch, coronal_patch
from ONFHAssistLib.systems.jic_coronal.seen import Seen, look


def in_volume(study: Study, head: Head, network: Network, masks: HipMasks | None) -> Finding:
    """Class the mid-coronal slice of a head in a volume.

    Args:
        study: the image.
        head: as it was found.
        network: of the bundle ``jic_coronal``.
        masks: of an earlier system, for the class by geometry; None where there are none.
    """
    patch = _patch(study.volume, head.sphere, head.side, network)
    if patch is None:
        reason = f"The system {CARD.id} has no slice through the middle of the {head.side} head; give the whole series."
        return Finding(CARD.id, CARD.title, head.side, reason=reason)
    seen = look(patch.image, network)
    notes = [*words.of_plane(patch, head.sphere), *words.of_image(study), *words.of_geometry(seen, _measured(masks))]
    return _finding(head.side, seen, patch, patch.on_grid(seen.evidence(), study.volume.grid), notes)


def in_slice(study: Study, network: Network, finder: Network) -> tuple[Finding, ...]:
    """Class a single slice or a picture, on which the heads are found first.

    Args:
        study: of one slice.
        network: of the bundle ``jic_coronal``.
        finder: of the bundle ``slice_finder``.

    Returns:
        one finding for each head that is seen, with the reason where it can't be classed; without one a finding about
        the patient that says so.
    """
    heads = find_slice_heads(study, finder)
    if not heads:
        reason = (
            f"The system {CARD.id} sees no femoral head on this {study.form}; give the coronal slice through the "
            "middle of the head, with the joint around it."
        )
        return (Finding(CARD.id, CARD.title, "patient", reason=reason),)
    return tuple(_on_slice(study, head, network) for head in heads)


def _on_slice(study: Study, head: SliceHead, network: Network) -> Finding:
    volume, sphere = scaled_slice(study, head)
    reason = words.why_no_head(head) or check_slice_head(volume, sphere, head.side)
    patch = None if reason else _patch(volume, sphere, head.side, network)
    if patch is None:
        return Finding(CARD.id, CARD.title, head.side, reason=f"The system {CARD.id} does not class it: {reason}")
    seen = look(patch.image, network)
    evidence = Volume.on(study.volume, patch.on_grid(seen.evidence(), volume.grid).array)
    return _finding(head.side, seen, patch, evidence, [*words.of_slice(study, head), *words.of_image(study)])


def _patch(volume: Volume, sphere: Sphere, side: Side, network: Network) -> Patch | None:
    own = network.bundle.input
    return coronal_patch(volume, sphere, side, own["size_px"][0], own["pixel_mm"])


def _measured(masks: HipMasks | None) -> HipMeasurement | None:
    return None if masks is None or masks.not_sought is not None else measure_hip(masks)


def _finding(side: Side, seen: Seen, patch: Patch, evidence: Volume, notes: list[str]) -> Finding:
    first, probabilities = seen.classed, seen.probabilities
    grade = None if first == NONE else first
    return Finding(
        CARD.id,
        CARD.title,
        side,
        grades={JIC.name: Grade(grade, words.rule(seen, patch))},
        probabilities={words.TITLES[name]: value for name, value in probabilities.items()},
        figures=(Figure("confidence", probabilities[first], unit="fraction"),),
        attention=evidence,
        notes=(*words.of_confidence(seen), *notes),
        caption=words.CAPTION,
    )
