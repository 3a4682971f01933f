"""A hip and a finding as JSON-ready values: what networks and systems had made, with the bits of its images in boxes.

What is read may have been kept on a grid with its axes in another order, and is brought to the present one. It may come
from anybody, so it is checked here and in `core.codec` before anything is measured on it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ONFHAssistLib.core import codec
from ONFHAssistLib.core.codec import box_from_plain, box_to_plain, fractions_from_text, mask_from_text
from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.grid import Grid, shape_of, turned, turned_box
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.plain import UNSET, Unset, from_plain, to_plain
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.scene.hip_state import Automatic
from ONFHAssistLib.systems import kept_by_0_1_0

Model = dict[str, str | None]


@dataclass(frozen=True)
class _Image:
    """A mask as bits, a map of fractions as float32, in the box of what is in it; None: nothing is."""

    box: Any
    bits: bool
    values: str


@dataclass(frozen=True)
class KeptFinding:
    """A finding with the images that belong to it."""

    finding: dict[str, Any]
    volumes: tuple[_Image, ...]


@dataclass(frozen=True)
class _Hip:
    """What the networks had made of a hip, beside what `masks_to_plain` gives."""

    box: Any
    head: str
    necrosis: str
    probability: str | None
    findings: tuple[KeptFinding, ...] = ()
    models: tuple[Model, ...] | Unset | None = UNSET
    threshold: dict[str, Any] | None = None  # version 0.1.0 had one place for one other system
    threshold_result: dict[str, Any] | None = None


def hip_to_plain(found: Automatic) -> dict[str, Any]:
    """Return what the networks had made of a hip as JSON-ready values."""
    masks = found.masks
    return {
        "box": box_to_plain(masks.box),
        "head": codec.array_to_text(masks.head.array),
        "necrosis": codec.array_to_text(masks.necrosis.array),
        "probability": masks.probability and codec.array_to_text(masks.probability.array),
        **codec.masks_to_plain(masks),
        "findings": [finding_to_plain(finding) for finding in found.findings],
        "models": to_plain(found.models),
    }


def hip_from_plain(side: Side, plain: Any, kept_grid: Grid, volume: Volume, models: tuple[Model, ...]) -> Automatic:
    """Return what `hip_to_plain` was given, its findings included, measured anew.

    Args:
        side: which hip.
        plain: what was kept of it.
        kept_grid: of the volume when it was kept; its axes may be in another order than those of ``volume``.
        volume: the image.
        models: those of the study, where what an older version kept of the hip tells of none.

    Raises:
        ValueError: it is damaged, or says what no analysis does.
    """
    kept = from_plain(_Hip, plain, others=True)
    box = box_from_plain(kept.box, kept_grid.shape)
    head, necrosis = (mask_from_text(bits, shape_of(box)) for bits in (kept.head, kept.necrosis))
    probability = None if kept.probability is None else fractions_from_text(kept.probability, shape_of(box))
    masks = codec.masks_from_plain(side, plain, kept_grid, box, head, necrosis, probability).in_order_of(volume.grid)
    assert masks is not None  # `state.unpacked` has made sure of it
    findings = tuple(finding_from_plain(found, kept_grid, volume) for found in kept.findings)
    if kept.threshold:
        other = hip_from_plain(side, {**kept.threshold, "threshold": None}, kept_grid, volume, models)
        findings = (_kept_by_0_1_0(kept.threshold_result, other.masks),)
    if any(found.about != side for found in findings):
        raise ValueError("a finding of another hip")
    return Automatic(masks, grade(masks), findings, models if kept.models is UNSET else kept.models)


def _kept_by_0_1_0(figures: Any, own: HipMasks) -> Finding:
    try:
        return kept_by_0_1_0(figures, own)
    except (KeyError, TypeError) as error:
        raise ValueError("figures that are damaged") from error


def finding_to_plain(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON-ready values, with its images."""
    return {
        "finding": codec.finding_to_plain(finding),
        "volumes": [_plain_volume(volume) for volume in finding.volumes],
    }


def _plain_volume(volume: Volume) -> dict[str, Any]:
    """See `_Image`."""
    box, array = codec.filled_part(volume)
    kept = box_to_plain(box) if array.size else None
    return {"box": kept, "bits": array.dtype == bool, "values": codec.array_to_text(array) if array.size else ""}


def finding_from_plain(kept: KeptFinding, kept_grid: Grid, volume: Volume) -> Finding:
    """Return what `finding_to_plain` was given; arguments and errors as for `hip_from_plain`."""
    here, renumber = kept_grid.index_map(volume), kept_grid.slice_map(volume)
    assert here is not None and renumber is not None  # `state.unpacked` has made sure of it
    images = [_whole(image, kept_grid.shape, here, volume) for image in kept.volumes]
    finding = codec.finding_from_plain(kept.finding, images)
    told = [s.index for s in finding.strip.slices if s.index is not None] if finding.strip else []
    if not all(0 <= index < kept_grid.shape[0] for index in (*(s.index for s in finding.slices), *told)):
        raise ValueError("a finding in slices that the volume does not have")
    return finding.renumbered(renumber)


def _whole(kept: _Image, shape: tuple[int, ...], here: np.ndarray, volume: Volume) -> Volume:
    whole = np.zeros(volume.shape, bool if kept.bits else np.float32)
    if kept.box is not None:
        box = box_from_plain(kept.box, shape)
        array = (mask_from_text if kept.bits else fractions_from_text)(kept.values, shape_of(box))
        whole[turned_box(box, here)] = turned(array, here)
    return volume.like(whole)
