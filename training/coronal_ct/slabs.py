"""The coronal pictures of ``hip_ct_slabs`` as the networks see them: measured only, never learned from."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from ONFHAssistLib.imaging.picture import read_picture
from training.real.data import require_data_folder

HEADS_FILE = Path(__file__).with_name("slab_heads.json")
HEAD_RADIUS_MM = 24.0
"""A picture has no size; a head that is 48 mm wide is the better guess (the data's README)."""


@dataclass(frozen=True)
class SlabHead:
    """A head on a picture; pixels of the circle through its articular surface.

    Attributes:
        file: name of the picture.
        side: "right" or "left" of the patient; a right hip is on the left of the picture.
        column, row, radius: of the circle.
        seen: what a layman saw, "sound" for no lesion.
    """

    file: str
    side: str
    column: float
    row: float
    radius: float
    seen: str

    @property
    def patient(self) -> str:
        """The series that the picture is of."""
        return self.file[:3]


@cache
def slab_heads() -> tuple[SlabHead, ...]:
    """Read the marks."""
    return tuple(SlabHead(**entry) for entry in json.loads(HEADS_FILE.read_text(encoding="utf-8"))["heads"])


def slab_patch(head: SlabHead, size_px: int, pixel_mm: float) -> np.ndarray:
    """Cut the networks' patch out of a picture, whose grey goes linearly to -1 to 1.

    Returns:
        float32 (3, size_px, size_px) in canonical pose; the three are the same, as a picture has no neighbours. What
        lies beyond the picture is 0.
    """
    path = require_data_folder() / "hip_ct_slabs" / head.file
    grey = read_picture(path).volume.array[0].astype(np.float32)
    step = head.radius / HEAD_RADIUS_MM * pixel_mm  # pixels of the picture
    offset = (np.arange(size_px) - (size_px - 1) / 2) * step
    columns = head.column + (offset if head.side == "right" else -offset)
    at = np.meshgrid(head.row + offset, columns, indexing="ij")
    smooth = ndimage.gaussian_filter(grey / 127.5 - 1, max(0.0, 0.4 * (step - 1)))
    return np.repeat(ndimage.map_coordinates(smooth, at, order=1, cval=0.0)[None], 3, axis=0).astype(np.float32)
