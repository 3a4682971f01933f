"""From a network's probability to the necrosis mask, and how far off it may be.

The outline of the mask runs where the probability is one half. Beside it stand two more: of what is certainly
necrotic, and of what is possibly so. All three follow one rule and differ in their probability only, so the area
between the outer two is what a reader has to look at. Their ratios are the interval of the ratio: a conformal
prediction from nested sets (Gupta et al., Pattern Recognition 2022;127:108496), calibrated on whole hips, since the
errors of neighbouring voxels go together. It is widened by what an error of the head's own outline does to them.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.grid import bounding_box
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measurements import SliceMeasurement
from ONFHAssistLib.core.volume import Volume

SMALLEST_LESION_ML = 0.3
"""Smaller pieces of necrosis are not counted: a ball of 8 mm, 0.6 % of a head of 50 ml. Chosen on the validation
patients: what the network marks in their heads without a lesion, mostly at the fovea, has up to 0.28 ml."""
OUTLINE = 0.5
"""Probability at the outline of the necrosis mask."""
COVERAGE = 0.9
"""Part of the hips whose true ratio the interval holds."""
LOOK_FIRST = 3
"""At most so many slices are named to be looked at first,"""
LOOK_FIRST_FROM = 0.5
"""each of them at least this much as uncertain as the most uncertain one."""


def necrosis_above(probability: Volume, head: np.ndarray, above: float = OUTLINE) -> np.ndarray:
    """Return the necrosis mask at a probability: what lies above it, without specks, with what it encloses.

    Pieces below SMALLEST_LESION_ML are dropped. What the rest cuts off from the head, to the surface or all around,
    is added: all that the outer margin of the low-signal band encloses is necrotic, also where it looks like marrow
    (docs/clinical.md, section 1). The largest piece that is left counts as living: a lesion of more than half the head
    must be marked inside too.

    Args:
        probability: 0 to 1; what lies outside of the head does not count.
        head: bool, the shape of ``probability``.
        above: 0 to 1.

    Returns:
        bool, the same shape, inside the head.
    """
    mask = (probability.array > above) & head
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    volume_ml = np.bincount(pieces.ravel()) * probability.voxel_ml
    mask &= (volume_ml >= SMALLEST_LESION_ML)[pieces]
    return head & ~largest_piece(head & ~mask)


def outlines(masks: HipMasks) -> tuple[np.ndarray, np.ndarray] | None:
    """Return what is certainly and what is possibly necrotic, the first inside the second.

    Returns:
        two masks of the shape of ``masks.head``; None without probability or calibration, and where the necrosis is
        not the network's any more because a reader has edited it.
    """
    probability, calibration = masks.probability, masks.calibration
    if probability is None or calibration is None:
        return None
    box = bounding_box(masks.head.array)
    head, necrosis, near = masks.head.array[box], masks.necrosis.array[box], probability.cropped(box)
    if masks.necrosis.array.sum() != necrosis.sum() or not np.array_equal(necrosis_above(near, head), necrosis):
        return None
    certain, possible = np.zeros((2, *masks.head.shape), bool)
    # Where a mask grows the largest piece left may be another one, and with it what is enclosed.
    certain[box] = necrosis_above(near, head, calibration.certain) & necrosis
    possible[box] = necrosis_above(near, head, calibration.possible) | necrosis
    return certain, possible


def ratio_interval(masks: HipMasks, bounds: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Return the interval of the volume ratio: from the least of what is certain to the most of what is possible.

    The head's outline may lie up to ``calibration.head_mm`` too far in or out, all around. Moved by t, a head of radius
    R has g = (1 + t / R)^3 times its volume, and the necrosis gets the part s of what the head gains or loses: s is the
    part of the head's surface that it reaches. So the ratio r becomes (r + s (g - 1)) / g, which rises or falls
    steadily with t. It stays where the necrosis holds as much of the surface as of the volume; a lesion inside the
    head, s = 0, changes its ratio by 3 t / R (2 % of it for each 0.16 mm at R = 24 mm).

    Args:
        masks: with calibration.
        bounds: what is certainly and what is possibly necrotic (`outlines`), in the head.

    Returns:
        fractions, 0 to 1.

    Raises:
        ValueError: the masks have no calibration.
    """
    if masks.calibration is None:
        raise ValueError("Without a calibration there is no interval.")
    head, radius_mm, head_mm = masks.head.array, masks.sphere.radius_mm, masks.calibration.head_mm
    growth = [(1 + sign * head_mm / radius_mm) ** 3 for sign in (-1, 1)]
    ends = []
    for mask in bounds:
        ratio, share = mask.sum() / head.sum(), surface_share(mask, masks.head)
        ends.append([float(np.clip((ratio + share * (g - 1)) / g, 0, 1)) for g in growth])
    return min(ends[0]), max(ends[1])


def surface_share(part: np.ndarray, head: Volume) -> float:
    """Return the fraction of a head's surface that belongs to a part of it, counted by the faces of its voxels.

    Faces overrate what is oblique to the grid: a cap is found up to a seventh too small or too large, which is 0.1
    points of the ratio for the 0.5 mm of an outline (`ratio_interval`).
    """
    bone = head.array.astype(bool)
    padded, inner = np.pad(bone, 1), (slice(1, -1),) * 3
    reached = whole = 0.0
    for axis, length_mm in enumerate(head.spacing_mm[::-1]):
        for step in (-1, 1):
            bare = bone & ~np.roll(padded, step, axis)[inner]
            whole += int(bare.sum()) / length_mm  # a face has the area of a voxel's volume over its length
            reached += int((bare & part).sum()) / length_mm
    return reached / whole


def look_first(slices: Sequence[SliceMeasurement]) -> tuple[int, ...]:
    """Return the indices of the slices that decide how wide the interval is, the most uncertain one first."""
    area = {s.index: s.uncertain_mm2 or 0.0 for s in slices}
    largest = max(area.values(), default=0.0)
    found = [index for index in sorted(area, key=area.__getitem__, reverse=True) if area[index] > 0]
    return tuple(index for index in found[:LOOK_FIRST] if area[index] >= LOOK_FIRST_FROM * largest)


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """Keep the largest connected piece of a mask."""
    pieces, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces == sizes.argmax()
