"""What S-CT makes of one hip of a volume: the probability of each slice, their value by the rule, and the mask."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.special import expit

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.findings import SliceProbability, Strip
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.grid import as_point
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.necrosis import necrosis_above
from ONFHAssistLib.core.planes import stack_axis
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import from_network
from ONFHAssistLib.imaging.segment import Head, Network, masks_of
from ONFHAssistLib.systems.coronal_ct.patches import PIXEL_MM, Patches, coronal_patches
from ONFHAssistLib.systems.coronal_ct.pooling import Decision, decision_of, pool

NOT_OUTLINED = (
    "the slices look diseased, and no necrosis could be outlined in them: the head is not sound, by which disease is "
    "not said; a necrosis that a reader draws is graded"
)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is said of a hip.

    Attributes:
        side: which hip.
        strip: the probability of each slice.
        value: of the hip, by the rule of ``decision`` (`pooling.pool`).
        spacing_mm: from one slice to the next.
        decision: by which slices and hip count.
        reformatted: whether the slices were cut anew.
        masks: graded as the hip's own; their ``necrosis`` is empty where the hip does not count.
    """

    side: Side
    strip: Strip
    value: float
    spacing_mm: float
    decision: Decision
    reformatted: bool
    masks: HipMasks

    @property
    def positive(self) -> bool:
        """Whether the hip counts."""
        return self.value >= self.decision.hip_from

    @property
    def outlined(self) -> bool:
        """Whether there is a necrosis in it."""
        return bool(self.masks.necrosis.array.any())


def diagnose(volume: Volume, head: Head, diagnosis: Network, necrosis: Network) -> Diagnosis:
    """Diagnose the slices of a head, and outline the necrosis where they make its hip count.

    Args:
        volume: the whole image, in HU.
        head: as it was found.
        diagnosis: a class map of one channel, whose mean is the logit of a slice.
        necrosis: one logit for each pixel of a slice.

    Raises:
        InputError: the bundle of ``diagnosis`` does not say when a slice counts.
    """
    decision = decision_in(diagnosis)
    patches = coronal_patches(volume, head.side, head.sphere)
    probabilities = slice_probabilities(patches.array, diagnosis)
    spacing_mm = patches.hip.volume.spacing_mm[2]
    value = pool(probabilities, decision.rule, spacing_mm, decision.run_from)
    dead, sure = np.zeros_like(head.mask), np.zeros(head.mask.shape, np.float32)
    if value >= decision.hip_from:
        sure = _necrosis_in_head(patches, probabilities >= decision.slice_from, head, necrosis)
        dead = necrosis_above(head.hip.volume.like(sure), head.mask)
    masks = replace(masks_of(volume.grid, head.hip, head.mask, dead, head.sphere, sure), landmarks=head.landmarks)
    found = Diagnosis(
        head.side,
        _strip(volume, patches, head, probabilities, decision.slice_from),
        value,
        spacing_mm,
        decision,
        patches.reformatted,
        masks,
    )
    if found.positive and not found.outlined:
        return replace(found, masks=replace(masks, probability=None, not_sought=NOT_OUTLINED))
    return found


def decision_in(diagnosis: Network) -> Decision:
    """Return when a slice and a hip count; raises InputError where the bundle does not say so."""
    try:
        return decision_of(diagnosis.bundle.input)
    except (KeyError, ValueError) as error:
        name = diagnosis.bundle.name
        raise InputError(
            f"The model {name} does not say from which probability a slice counts; install the model again."
        ) from error


def slice_probabilities(patches: np.ndarray, diagnosis: Network) -> np.ndarray:
    """Return the probability of each patch (n, 3, rows, columns): the mean of the class map is the logit."""
    return expit(diagnosis.engine(patches)[:, 0].mean(axis=(1, 2), dtype=np.float64))


def _necrosis_in_head(patches: Patches, positive: np.ndarray, head: Head, necrosis: Network) -> np.ndarray:
    """Return the probability of necrosis at each voxel of the head, float32, the shape of its crop.

    It is 0 in slices that are not positive, and linear between the slices where those are not the input's own.
    """
    hip, asked = patches.hip, patches.slices[positive]
    probability = np.zeros((len(hip.volume.array), 1, *patches.array.shape[2:]), np.float32)
    if len(asked):
        probability[asked] = expit(necrosis.engine(patches.array[positive]))
    on_slices = from_network(probability, hip, head.sphere.centre_ras_mm, PIXEL_MM)[0]
    voxels = np.argwhere(head.mask)
    at = hip.volume.ijk(head.hip.volume.ras(voxels[:, ::-1]))[:, ::-1]
    found = np.zeros(head.mask.shape, np.float32)
    found[head.mask] = ndimage.map_coordinates(on_slices, at.T, order=1, mode="nearest")
    return found


def _strip(volume: Volume, patches: Patches, head: Head, probabilities: np.ndarray, threshold: float) -> Strip:
    """Tell where the slices lie; those of the input by their number along k, where its slices are stacked so."""
    grid = patches.hip.volume
    across = grid.axes_ras[:, 2]
    centre = np.array(head.sphere.centre_ras_mm)
    offset_mm = (patches.slices - grid.ijk(centre)[2]) * grid.spacing_mm[2]
    numbered = not patches.reformatted and stack_axis(volume) == 2

    def one(offset: float, probability: float) -> SliceProbability:
        place = centre + offset * across
        index = int(np.rint(volume.ijk(place)[2])) if numbered else None
        return SliceProbability(index, as_point(place), float(probability))

    slices = tuple(one(*pair) for pair in zip(offset_mm, probabilities, strict=True))
    return Strip("necrosis", threshold, as_point(across), slices)
