"""A hip image with its truth, as the samples of the networks are made from."""

from dataclasses import dataclass

import numpy as np

from ONFHAssistLib.imaging.canonical import CanonicalHip

IGNORE = 255
"""Label of what nobody knows: no loss and no score looks at it."""


@dataclass(frozen=True)
class LabelledHip:
    """A hip in canonical order with its truth.

    Attributes:
        hip: raw intensities.
        modality: "MR" or "CT".
        contrast: t1, t2, stir or ct.
        anatomy: AnatomyLabel or IGNORE, shape of the hip's array.
        radius_mm: of the head's sphere.
        centre_ras_mm: of the head's sphere.
        points_mm: (slice, row, column, 3), (lateral, anterior, superior) from the head's centre.
    """

    hip: CanonicalHip
    modality: str
    contrast: str
    anatomy: np.ndarray
    radius_mm: float
    centre_ras_mm: tuple[float, float, float]
    points_mm: np.ndarray
