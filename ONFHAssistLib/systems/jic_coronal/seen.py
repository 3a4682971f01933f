"""What the network of S-JIC makes of a patch: probabilities of the classes, and where the evidence for one lies."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import softmax

from ONFHAssistLib.imaging.segment import Network
from ONFHAssistLib.systems.jic_coronal.classes import CLASSES, NONE

FINE = 4
"""The map is looked at on a grid so many times finer, linear in between: its places are 5 mm wide."""


@dataclass(frozen=True)
class Seen:
    """The answer for one patch.

    Attributes:
        maps: float32 (class, row, column), over the patch's square; the mean of each is the logit of its class.
    """

    maps: np.ndarray

    @property
    def probabilities(self) -> dict[str, float]:
        """Of CLASSES, calibrated (``training.jic_coronal.calibrate``); 0 to 1, their sum is 1."""
        found = softmax(self.maps.astype(float).mean(axis=(1, 2)))
        return dict(zip(CLASSES, map(float, found), strict=True))

    @property
    def ranked(self) -> tuple[str, ...]:
        """The classes, the most probable one first."""
        probabilities = self.probabilities
        return tuple(sorted(CLASSES, key=lambda name: -probabilities[name]))

    @property
    def classed(self) -> str:
        """The most probable class."""
        return self.ranked[0]

    def evidence(self) -> np.ndarray:
        """Return where the evidence for the class of the lesion lies: float32 (rows, columns), 0 to 1.

        It is the part of the class's map above 0, whose mean raises the logit, as a part of its highest value, on a
        grid FINE times finer. Where the answer is that there is no lesion, it is that of the most probable class.
        """
        name = next(name for name in self.ranked if name != NONE)
        fine = ndimage.zoom(self.maps[CLASSES.index(name)], FINE, order=1, mode="nearest", grid_mode=True)
        return (np.clip(fine, 0, None) / max(float(fine.max()), 1e-6)).astype(np.float32)


def look(image: np.ndarray, network: Network) -> Seen:
    """Ask the network about a patch's image (row, column)."""
    return Seen(network.engine(image[None, None].astype(np.float32))[0])
