"""The pictures of a finding: slices with the outlines of its masks, and with its attention map as a tint."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.grid import bounding_box
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange.figures import MAX_TILES, Outline, in_view, outline, window
from ONFHAssistLib.exchange.words import share_in_words

MARGIN_MM = 8.0
"""Shown around what is marked."""
MOST_PIXELS = 512
"""Along a side; an X-ray has thousands."""
TINT = (255, 170, 0)
"""Where a system looked: red, green and blue of 255,"""
TINT_SHARE = 0.5
"""and how much of what is seen they are where it looked most."""


@dataclass(frozen=True, eq=False)
class FindingTile:
    """One slice of a finding.

    Attributes:
        index: along k.
        label: the share of the slice, in words; or "".
        steinberg: the class of the slice; or "".
        image: uint8, shape (rows, columns), with a channel for red, green and blue behind where it is tinted.
        width, height: mm; pixels where their size is not known.
        lines: outlines with their colours.
        other: the outline of the networks' necrosis, to compare with; empty where there is none.
    """

    index: int
    label: str
    steinberg: str
    image: np.ndarray
    width: float
    height: float
    lines: tuple[tuple[Outline, str], ...]
    other: Outline = ()


def finding_tiles(image: Volume, finding: Finding, other: Volume | None = None) -> tuple[FindingTile, ...]:
    """Return at most MAX_TILES slices on which the finding has something to show, evenly chosen.

    Args:
        image: of the study.
        finding: with masks or an attention map; without there are no slices.
        other: the necrosis as the networks or a reader have it, on the same grid.
    """
    if not finding.volumes:
        return ()
    marked = np.any([volume.array.astype(bool) for volume in finding.volumes], axis=0)
    if not marked.any():
        return ()
    box = bounding_box(marked)
    measured = {s.index: s for s in finding.slices}
    indices = sorted(measured) or [int(k) for k in np.flatnonzero(marked.any(axis=(1, 2)))]
    if len(indices) > MAX_TILES:
        indices = [indices[n] for n in np.rint(np.linspace(0, len(indices) - 1, MAX_TILES)).astype(int)]
    cut, pixel_mm = _cut(image, box)
    levels = window(np.stack([cut(image.array[k]) for k in indices]))

    def tile(k: int) -> FindingTile:
        grey, s = cut(image.array[k]), measured.get(k)
        shown = np.clip((grey - levels[0]) / (levels[1] - levels[0]), 0, 1) * 255
        if finding.attention is not None:
            weight = TINT_SHARE * np.clip(cut(finding.attention.array[k]), 0, 1)[..., None]
            shown = shown[..., None] * (1 - weight) + np.array(TINT) * weight
        lines = ((outline(cut(mask.volume.array[k]), pixel_mm), mask.color) for mask in finding.masks)
        height, width = grey.shape * pixel_mm[::-1]
        return FindingTile(
            k,
            share_in_words(s.ratio) if s else "",
            s.steinberg if s else "",
            shown.astype(np.uint8),
            float(width),
            float(height),
            tuple((parts, color) for parts, color in lines if parts),
            () if other is None else outline(cut(other.array[k]), pixel_mm),
        )

    return tuple(map(tile, indices))


def _cut(image: Volume, box: tuple[slice, ...]) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """Return what takes the part about a box (k, j, i) out of a slice, as a reader expects it, and its pixel size."""
    turn, pixel_mm = in_view(image)
    ends = []
    for part, spacing_mm, length in zip(box[1:], image.spacing_mm[1::-1], image.shape[1:], strict=True):
        margin = round(MARGIN_MM / spacing_mm)
        ends.append((max(part.start - margin, 0), min(part.stop + margin, length)))
    step = -(-max(stop - start for start, stop in ends) // MOST_PIXELS)
    (top, bottom), (left, right) = ends

    def cut(array: np.ndarray) -> np.ndarray:
        return turn(array[top:bottom:step, left:right:step])

    return cut, pixel_mm * step
