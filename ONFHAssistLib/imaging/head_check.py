"""Is a sphere that was found the head of a femur, and of which side? A small network of its own answers.

It sees a box about the sphere as it is, without what the other networks made of it, and so it can contradict them: it
has learned from femoral heads and from places that are none (knees, shoulders, thighs, trochanters, tumours, bladder).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import softmax

from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.hips import sample_coarsely

if TYPE_CHECKING:
    from ONFHAssistLib.imaging.segment import Network

OUTSIDE = -1.5
"""Normalised intensity where there is no image."""
DEPTH_MM = 10.0
"""The second channel tells how far inside the sphere a voxel lies, in these units."""
SURE, DOUBTFUL = 0.95, 0.2
"""From SURE on it is a head, below DOUBTFUL it is none; in between a reader has to look. Every whole head of a real
image that was tried has 0.998 and more, procedural knees and shoulders up to 0.91 (python -m training.evaluate
elsewhere)."""
SIDE_SURE = 0.8
"""A head whose probability lies on the other side by this part contradicts the side that the anatomy tells."""

Answer = Literal["head", "unsure", "none"]


@dataclass(frozen=True)
class HeadCheck:
    """What the network says of a sphere.

    Attributes:
        head: probability that it is a femoral head, of whichever side.
        as_posed: part of it that the head is of the side that it was looked at as, 0 to 1.
    """

    head: float
    as_posed: float

    @property
    def answer(self) -> Answer:
        """A head, none, or a reader has to look."""
        return "head" if self.head >= SURE else "unsure" if self.head >= DOUBTFUL else "none"


def check_head(volume: Volume, modality: str, sphere: Sphere, side: Side, network: "Network") -> HeadCheck:
    """Ask whether a sphere is the femoral head of a side.

    Args:
        volume: the whole image.
        modality: "CT", or anything else for MR.
        sphere: RAS, mm.
        side: the pose in which the network looks at it.
        network: three logits (no head, head as posed, head of the other side) at each voxel; the middle counts.
    """
    own = network.bundle.input
    logits = network.engine(head_box(volume, modality, sphere, side, own["size_px"][0], own["pixel_mm"])[None])[0]
    none, posed, mirrored = softmax(middle(logits))
    return HeadCheck(float(1 - none), float(posed / max(posed + mirrored, 1e-9)))


def middle(logits: Any) -> Any:
    """Mean of the eight voxels in the middle of an array or tensor (..., k, j, i); sizes are even."""
    inner = tuple(slice(n // 2 - 1, n // 2 + 1) for n in logits.shape[-3:])
    return logits[(..., *inner)].mean(axis=(-3, -2, -1))


def head_box(volume: Volume, modality: str, sphere: Sphere, side: Side, size_px: int, pixel_mm: float) -> np.ndarray:
    """Return what the network sees: float32 (2, k, j, i) of ``size_px`` voxels a side, the sphere in the middle.

    The axes run upwards, forwards and away from the midline, so a left hip looks like a right one. The channels are
    the normalised intensity, OUTSIDE where there is no image, and the depth inside the sphere (1 is DEPTH_MM).
    """
    offset_mm = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
    up, forward, lateral = np.meshgrid(offset_mm, offset_mm, offset_mm, indexing="ij")
    right = lateral if side == "right" else -lateral
    points = np.stack([right, forward, up], axis=-1) + np.array(sphere.centre_ras_mm)
    image = sample_coarsely(volume, modality, points, pixel_mm, OUTSIDE)
    distance = np.sqrt(up**2 + forward**2 + lateral**2)
    depth = np.clip((sphere.radius_mm - distance) / DEPTH_MM, -1.5, 1.5)
    return np.stack([image, depth]).astype(np.float32)
