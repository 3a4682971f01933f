"""The threshold of S-T1: necrosis inside a head that is outlined already; no network is needed.

After the study of 261 axial T1 slices (PMC11680720; docs/clinical.md). Necrosis is whatever is darker than the rest of
the head: a lesion that is as bright as marrow is seen only where its dark band encloses it.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.necrosis import necrosis_above
from ONFHAssistLib.core.volume import Volume

RIM_MM = 3.0
"""Cortex and cartilage at the head's border are dark by themselves: they do not count for the threshold, and share the
fate of the marrow next to them."""
CONTRAST_FROM = 0.22
"""Smallest contrast of a lesion, see `Extraction`. Both were chosen on the training patients of the synthetic slices by
``python -m training.steinberg_t1.threshold``."""
BLACK = -1.5
"""Normalised intensity of no signal at all: the lower end of ``imaging.canonical.normalise``."""


@dataclass(frozen=True)
class Extraction:
    """What the threshold finds in a head.

    Attributes:
        necrosis: bool (k, j, i), inside the head; empty where the contrast is not enough.
        threshold: normalised intensity; what is darker counts as necrotic.
        contrast: 1 - signal of what is darker / signal of the rest, medians, where black is 0.
        passed: whether the contrast reaches CONTRAST_FROM.
    """

    necrosis: np.ndarray
    threshold: float
    contrast: float
    passed: bool


def extract_necrosis(
    image: Volume, head: np.ndarray, rim_mm: float = RIM_MM, contrast_from: float = CONTRAST_FROM
) -> Extraction:
    """Find necrosis in a head by Otsu's threshold (IEEE Trans Syst Man Cybern 1979;9:62) on its own marrow.

    The threshold is followed by what holds for every necrosis mask here (``core.necrosis``): small pieces are dropped,
    and what the rest encloses is added.

    Args:
        image: normalised intensities, slices along k.
        head: bool, the shape of the image; not empty.
        rim_mm: what is nearer to the head's border, in its slice or in the next ones, does not count.
        contrast_from: the contrast test.
    """
    from skimage.filters import threshold_otsu  # not in Slicer's Python until the user has agreed to install it

    depth_mm = np.stack([ndimage.distance_transform_edt(s, sampling=image.spacing_mm[1::-1]) for s in head])
    across = 2 * math.ceil(rim_mm / image.spacing_mm[2]) + 1  # near the poles the rim lies flat in a slice
    marrow = (depth_mm > rim_mm) & ndimage.binary_erosion(head, np.ones((across, 1, 1)), border_value=1)
    values = image.array[marrow]
    nothing = np.zeros(head.shape, bool)
    if values.size == 0 or values.min() == values.max():
        return Extraction(nothing, float(values[0]) if values.size else BLACK, 0.0, False)
    threshold = float(threshold_otsu(values))
    dark, rest = np.median(values[values <= threshold]), np.median(values[values > threshold])
    contrast = float((rest - dark) / (rest - BLACK))
    if contrast < contrast_from:
        return Extraction(nothing, threshold, contrast, False)
    nearest = ndimage.distance_transform_edt(
        ~marrow, sampling=image.spacing_mm[::-1], return_distances=False, return_indices=True
    )
    below = marrow & (image.array <= threshold)
    necrosis = necrosis_above(image.like(below[tuple(nearest)].astype(np.float32)), head)
    return Extraction(necrosis, threshold, contrast, True)


def dice(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return twice the overlap of two boolean masks by the sum of their sizes; None where both are empty."""
    size = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / size if size else None
