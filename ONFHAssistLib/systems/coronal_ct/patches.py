"""The patches that the networks of S-CT see: coronal slices about a head, as they are or reformatted."""

from dataclasses import dataclass

import numpy as np

from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.planes import stack_axis
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import CT_WINDOW_HU, CanonicalHip, network_slices, plane_of
from ONFHAssistLib.imaging.reformat import coronal_grid, resampled, tilt_deg
from ONFHAssistLib.imaging.segment import crop_hip
from ONFHAssistLib.systems.coronal_ct.pooling import WITHIN_RADII

SIZE_PX, PIXEL_MM, NEIGHBOUR_MM = 128, 0.75, 3.0
"""Of a patch: 96 mm; its outer channels are the slices 3 mm away."""
TILT_DEG = 10.0
"""A stack of slices that lies farther askew than this is reformatted,"""
THIN_MM = 0.95
"""and one of thinner slices, which are noisier than those that the networks learned from (1 to 4 mm)."""
STEP_MM = 2.0
"""Distance and thickness of reformatted slices."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Coronal slices of a head.

    Attributes:
        hip: the crop that they are cut from, in canonical pose and normalised.
        slices: indices of the hip's slices within WITHIN_RADII of the head's centre, from front to back.
        array: their patches, float32 (n, 3, SIZE_PX, SIZE_PX).
        reformatted: whether the image has no such slices, so that they were cut anew.
    """

    hip: CanonicalHip
    slices: np.ndarray
    array: np.ndarray
    reformatted: bool


def needs_reformatting(volume: Volume) -> bool:
    """Say whether the slices of an image are not the coronal ones that the networks know."""
    coronal = plane_of(volume)[0] == "coronal" and tilt_deg(volume) <= TILT_DEG
    return not coronal or volume.spacing_mm[stack_axis(volume)] < THIN_MM


def coronal_patches(volume: Volume, side: Side, sphere: Sphere) -> Patches:
    """Cut the patches of a head out of a CT.

    Args:
        volume: the whole image, in HU; oblique, anisotropic and left-handed grids are fine.
        side: which hip; a left one is mirrored.
        sphere: the head's; patches are centred on it.
    """
    reformatted = needs_reformatting(volume)
    if reformatted:
        depth_mm = 2 * (sphere.radius_mm + NEIGHBOUR_MM + STEP_MM)
        # As wide as a patch, and so much more that its border is interpolated.
        wide_mm = (SIZE_PX + 2) * PIXEL_MM
        grid = coronal_grid(sphere.centre_ras_mm, (depth_mm, wide_mm, wide_mm), PIXEL_MM, STEP_MM)
        volume = resampled(volume, grid, outside=sum(CT_WINDOW_HU) / 2)  # 0, when it is normalised
    hip = crop_hip(volume, "CT", side, sphere.centre_ras_mm)
    patches = network_slices(hip, sphere.centre_ras_mm, SIZE_PX, PIXEL_MM, NEIGHBOUR_MM)
    offset_mm = (np.arange(len(patches)) - hip.volume.ijk(np.array(sphere.centre_ras_mm))[2]) * hip.volume.spacing_mm[2]
    slices = np.flatnonzero(np.abs(offset_mm) <= WITHIN_RADII * sphere.radius_mm)
    return Patches(hip, slices, patches[slices], reformatted)
