"""The masks of a hip, and how far what a network says of them is to be trusted."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ONFHAssistLib.core.geometry import HEAD_RADIUS_MM, Landmarks, Side, Sphere
from ONFHAssistLib.core.grid import NEAR_MM, Box, Grid, bounding_box, joint_box, moved, shape_of, turned, turned_box
from ONFHAssistLib.core.volume import Volume


@dataclass(frozen=True)
class Calibration:
    """How far a network's probabilities are to be trusted, measured on hips of patients that it never saw.

    In a head whose outline is known, the true ratio of necrosis to head lies between the ratio of what is more probable
    than ``certain`` and that of what is more probable than ``possible`` in 90 % of hips (``training/calibrate.py``).

    Attributes:
        certain: probability, at least 0.5.
        possible: probability, at most 0.5.
        sequences: sequences that this was measured on, such as "T1"; for others nothing is known.
        head_mm: how far the whole outline of the head may lie too far out or in; less than any head's radius.

    Raises:
        ValueError: the numbers are not these.
    """

    certain: float
    possible: float
    sequences: tuple[str, ...]
    head_mm: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (0 <= self.possible <= 0.5 <= self.certain <= 1 and 0 <= self.head_mm < HEAD_RADIUS_MM[0]):
            raise ValueError("a calibration that is none")


@dataclass(frozen=True, eq=False)
class HipMasks:
    """Masks of one hip: a box on the grid of the input; outside of it there is nothing.

    Attributes:
        side: which hip.
        grid: of the input.
        box: the part of ``grid`` that the images below lie in.
        head: boolean Volume; head together with necrosis.
        necrosis: boolean Volume; inside ``head``.
        sphere: the sphere that the head was cut with.
        landmarks: points on the acetabulum, as far as found.
        probability: float32 Volume, 0 to 1: how sure the network is that a voxel is necrotic; 0 outside ``head``. None
            where no network has said so.
        calibration: what ``probability`` is worth; None where that is not known.
        not_sought: why nobody has looked for necrosis; None where somebody has. ``necrosis`` is empty then, which says
            nothing: no number comes from it until a reader has drawn one.

    Raises:
        ValueError: an image does not lie in the box, or a mask is not boolean.
    """

    side: Side
    grid: Grid
    box: Box
    head: Volume
    necrosis: Volume
    sphere: Sphere
    landmarks: Landmarks = field(default_factory=Landmarks)
    probability: Volume | None = None
    calibration: Calibration | None = None
    not_sought: str | None = None

    def __post_init__(self) -> None:
        """Check that the images belong together."""
        shape, matrix = shape_of(self.box), self.grid.matrix_at(self.box)
        images = [image for image in (self.head, self.necrosis, self.probability) if image is not None]
        if any(image.shape != shape or np.abs(image.ijk_to_ras - matrix).max() > NEAR_MM for image in images):
            raise ValueError("The masks of a hip lie on different grids.")
        if not self.head.array.dtype == self.necrosis.array.dtype == bool:
            raise ValueError("The masks of a hip are not boolean.")

    @classmethod
    def of(cls, side: Side, head: Volume, necrosis: Volume, *rest: Any, **known: Any) -> "HipMasks":
        """Return masks given on the whole grid of the input, in the smallest box; the rest is as for the class."""
        return cls(side, head.grid, head.whole, head, necrosis, *rest, **known).tight()

    def within(self, box: Box) -> "HipMasks":
        """Return what of the masks lies in another box of the grid."""
        if box == self.box:
            return self
        return self._changed(self.grid, box, lambda array: moved(array, self.box, box))

    def tight(self) -> "HipMasks":
        """Return the masks in the smallest box that holds them; in an empty one where there is nothing."""
        return self.within(joint_box(*(bounding_box(mask.array, self.box) for mask in (self.head, self.necrosis))))

    def whole(self) -> "HipMasks":
        """Return the masks on the whole grid of the input."""
        return self.within(self.grid.whole)

    def in_order_of(self, grid: Grid) -> "HipMasks | None":
        """Return the masks with the axes in the order of a grid; None where it does not have the same voxels."""
        here = self.grid.index_map(grid)
        if here is None:
            return None
        return self._changed(grid, turned_box(self.box, here), lambda array: turned(array, here))

    def moved_to(self, grid: Grid) -> "HipMasks":
        """Return the masks of the same voxels where they lie elsewhere; sphere and landmarks stay."""
        return self._changed(grid, self.box, lambda array: array)

    def _changed(self, grid: Grid, box: Box, change: Callable[[np.ndarray], np.ndarray]) -> "HipMasks":
        place = grid.cropped(box)

        def changed(volume: Volume) -> Volume:
            return Volume.on(place, change(volume.array))

        return replace(
            self,
            grid=grid,
            box=box,
            head=changed(self.head),
            necrosis=changed(self.necrosis),
            probability=self.probability and changed(self.probability),
        )
