"""The canonical hip: every hip looks like a right hip in its own plane, without touching a voxel.

The crop is a reordering of the input's own voxels (axes permuted and flipped), so masks go back without loss; only
the patch for a network is resampled, and only in the plane of the slices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import sparse

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.grid import Box, Grid, Point, box_of, triple
from ONFHAssistLib.core.planes import stack_axis
from ONFHAssistLib.core.volume import Volume

Plane = Literal["coronal", "axial", "sagittal"]

# The stack axis of a plane runs along this RAS axis (0 left-right, 1 antero-posterior, 2 superior-inferior).
_PLANE_OF_AXIS: tuple[Plane, Plane, Plane] = ("sagittal", "coronal", "axial")
CT_WINDOW_HU = (-200.0, 800.0)


def plane_of(grid: Grid) -> tuple[Plane, float]:
    """Return the plane of the slices, and the angle in degrees (0 to 54.7) between its normal and the stack axis."""
    direction = np.abs(grid.axes_ras[:, stack_axis(grid)])
    axis = int(direction.argmax())
    return _PLANE_OF_AXIS[axis], float(np.degrees(np.arccos(min(1.0, direction[axis]))))


@dataclass(frozen=True)
class CanonicalHip:
    """A hip cut out of an image, in the order (slice, row, column) of a right hip.

    A right and a left hip, as they lie in ``volume.array``:

    - coronal: slices anterior to posterior, rows superior to inferior, columns lateral to medial;
    - axial: slices superior to inferior, rows anterior to posterior, columns lateral to medial;
    - sagittal: slices lateral to medial, rows superior to inferior, columns anterior to posterior.

    Attributes:
        volume: the crop; its matrix still maps to the patient's true RAS (a mirrored hip makes it left-handed).
        side: which hip.
        plane: the plane of the slices.
        slices: where the crop lies in the input array (k, j, i).
        axes: the input array's axis that became the slice, the row and the column axis.
        flipped: whether that axis was reversed.
    """

    volume: Volume
    side: Side
    plane: Plane
    slices: Box
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def view(self, array: np.ndarray) -> np.ndarray:
        """Return the writable view of this hip on ``array`` (k, j, i), which lies on the input's grid."""
        return _view(array, self.slices, self.axes, self.flipped)

    def back(self, array: np.ndarray) -> np.ndarray:
        """Return an array (slice, row, column) in the input's order (k, j, i), where it fills the box ``slices``."""
        return np.flip(array, tuple(np.flatnonzero(self.flipped))).transpose(np.argsort(self.axes))

    def like(self, array: np.ndarray) -> "CanonicalHip":
        """Put another array (slice, row, column) of the same shape on this hip's grid."""
        return replace(self, volume=self.volume.like(array))


def canonical_hip(
    volume: Volume, side: Side, centre_ras_mm: Point, size_mm: tuple[float, float, float] = (80.0, 160.0, 160.0)
) -> CanonicalHip:
    """Cut a hip out of an image and put it into the canonical order.

    Args:
        volume: the image; oblique, anisotropic and left-handed grids are fine.
        side: which hip; the left one is mirrored.
        centre_ras_mm: the centre of the femoral head.
        size_mm: extent of the crop along (slices, rows, columns), clipped at the border of the image: no padding.

    Raises:
        InputError: the crop holds no voxel, because the centre lies outside the image.
    """
    plane, _ = plane_of(volume)
    lateral_to_medial = (-1, 0, 0) if side == "right" else (1, 0, 0)
    posterior, inferior = (0, -1, 0), (0, 0, -1)
    wanted = {
        "coronal": (posterior, inferior, lateral_to_medial),
        "axial": (inferior, posterior, lateral_to_medial),
        "sagittal": (lateral_to_medial, inferior, posterior),
    }[plane]
    slice_axis = stack_axis(volume)
    first, second = (axis for axis in range(3) if axis != slice_axis)
    along = np.asarray(wanted) @ volume.axes_ras  # (canonical axis, voxel axis): cosine of the angle
    # The better of the two ways to name the in-plane axes; one of the products is never zero (orthogonal axes).
    if abs(along[1, first] * along[2, second]) > abs(along[1, second] * along[2, first]):
        order = (slice_axis, first, second)
    else:
        order = (slice_axis, second, first)
    flipped = triple(bool(along[n, axis] < 0) for n, axis in enumerate(order))
    axes = triple(2 - axis for axis in order)  # voxel axis (i, j, k) -> array axis (k, j, i)

    centre = volume.ijk(np.asarray(centre_ras_mm))
    ends = [(0, 0)] * 3
    for axis, extent_mm in zip(order, size_mm, strict=True):
        half = extent_mm / 2 / volume.spacing_mm[axis]
        length = volume.shape[2 - axis]
        start, stop = int(np.floor(centre[axis] - half)), int(np.ceil(centre[axis] + half)) + 1
        ends[2 - axis] = min(max(start, 0), length), max(min(stop, length), 0)
    if any(stop <= start for start, stop in ends):
        given = ", ".join(f"{x:.1f}" for x in centre_ras_mm)
        raise InputError(f"The centre of the {side} hip ({given}) mm RAS lies outside the image; give one inside it.")

    to_input = np.zeros((4, 4))  # canonical (column, row, slice, 1) -> input (i, j, k, 1)
    to_input[3, 3] = 1
    for n, axis in enumerate(order):
        start, stop = ends[2 - axis]
        to_input[axis, 2 - n] = -1 if flipped[n] else 1
        to_input[axis, 3] = stop - 1 if flipped[n] else start
    box = box_of(ends)
    array = _view(volume.array, box, axes, flipped).copy()
    return CanonicalHip(Volume(array, volume.ijk_to_ras @ to_input), side, plane, box, axes, flipped)


def normalise(array: np.ndarray, modality: str) -> np.ndarray:
    """Scale the intensities of a hip crop to about -1 .. 1, the same for real and procedural images.

    CT: HU clipped to [-200, 800] (fat to cortex), mapped linearly to [-1, 1]. Everything else: the 1st and 99th
    percentile of the body go to -1 and 1, clipped to [-1.5, 1.5]; the body is what is brighter than a tenth of the
    99th percentile of the non-zero voxels, so that air and padding do not move the scale. A constant image gives 0.

    Args:
        array: any shape; for MR the crop of one hip, so that coils and the far side do not matter.
        modality: "CT", or anything else for MR.

    Returns:
        float32 of the same shape.
    """
    values = np.asarray(array, dtype=np.float32)
    if modality == "CT":
        low, high = CT_WINDOW_HU
        return (np.clip(values, low, high) - (low + high) / 2) / np.float32((high - low) / 2)
    values = values - min(float(values.min()), 0.0)  # standardised images hold negative values
    inside = values[values > 0]
    if inside.size == 0:
        return np.zeros_like(values)
    low, high = np.percentile(inside[inside > 0.1 * np.percentile(inside, 99)], [1, 99])
    if high <= low:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low) * 2 - 1, -1.5, 1.5).astype(np.float32)


def network_slices(
    canonical: CanonicalHip, centre_ras_mm: Point, size_px: int, pixel_mm: float, neighbour_mm: float = 4.0
) -> np.ndarray:
    """Cut the network's patches: each slice with its neighbours, centred on the head, with square pixels.

    Args:
        canonical: a hip whose array is already normalised.
        centre_ras_mm: the head's centre; it lies in the middle of each patch.
        size_px: rows and columns of a patch.
        pixel_mm: pixel size; where it is coarser than the image, points within the pixel are averaged.
        neighbour_mm: the outer channels lie this far away, rounded to whole slices (at least one).

    Returns:
        shape (slice, 3, size_px, size_px), float32; channels are the slice before, the slice, the slice after.
        Neighbours beyond the stack repeat its last slice; outside the image is 0.
    """
    array = canonical.volume.array.astype(np.float32, copy=False)
    rows, columns = _patch_positions(canonical, centre_ras_mm, size_px, pixel_mm)
    across = _linear_weights(rows, array.shape[1])
    along = _linear_weights(columns, array.shape[2])
    patches = _resampled(array, across, along)
    step = max(1, round(neighbour_mm / canonical.volume.spacing_mm[2]))
    index = np.arange(len(array))
    last = len(array) - 1
    return np.stack([patches[np.clip(index + d, 0, last)] for d in (-step, 0, step)], axis=1)


def sphere_slices(
    canonical: CanonicalHip, sphere: Sphere, size_px: int, pixel_mm: float, reach_mm: float
) -> np.ndarray:
    """Return where the head's sphere lies, as one more channel of the patches of :func:`network_slices`.

    Args:
        canonical: the hip that the patches are cut from.
        sphere: the head's; its centre is the centre of the patches.
        size_px: rows and columns of a patch.
        pixel_mm: pixel size.
        reach_mm: this far inside the sphere's surface the value is 1, this far outside -1; clipped to +-1.5.

    Returns:
        shape (slice, 1, size_px, size_px), float32.
    """
    _, _, middle = canonical.volume.ijk(np.asarray(sphere.centre_ras_mm))
    across_mm = (np.arange(len(canonical.volume.array)) - middle) * canonical.volume.spacing_mm[2]
    offset_mm = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
    in_plane2 = offset_mm[:, None] ** 2 + offset_mm**2
    distance_mm = np.sqrt(across_mm[:, None, None] ** 2 + in_plane2)
    return np.clip((sphere.radius_mm - distance_mm) / reach_mm, -1.5, 1.5).astype(np.float32)[:, None]


def from_network(
    probabilities: np.ndarray, canonical: CanonicalHip, centre_ras_mm: Point, pixel_mm: float
) -> np.ndarray:
    """Put a network's output back onto the canonical grid, linearly.

    Args:
        probabilities: shape (slice, channel, size, size), on the patches of :func:`network_slices`.
        canonical: the hip that the patches were cut from.
        centre_ras_mm: the head's centre that they were cut with.
        pixel_mm: their pixel size.

    Returns:
        shape (channel, slice, row, column), float32; 0 in every channel outside the patch.
    """
    size = probabilities.shape[-1]
    _, n_rows, n_columns = canonical.volume.shape
    rows, columns = _patch_positions(canonical, centre_ras_mm, size, pixel_mm)
    step_row, step_column = rows[1] - rows[0], columns[1] - columns[0]
    across = _linear_weights((np.arange(n_rows) - rows[0]) / step_row, size)
    along = _linear_weights((np.arange(n_columns) - columns[0]) / step_column, size)
    return _resampled(np.moveaxis(probabilities, 1, 0).astype(np.float32, copy=False), across, along)


def _view(array: np.ndarray, slices: Box, axes: tuple[int, ...], flipped: tuple[bool, ...]) -> np.ndarray:
    reverse = tuple(slice(None, None, -1) if flip else slice(None) for flip in flipped)
    return array[slices].transpose(axes)[reverse]


def _patch_positions(
    canonical: CanonicalHip, centre_ras_mm: Sequence[float], size_px: int, pixel_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Continuous canonical row and column of each pixel row and column of a patch."""
    column, row, _ = canonical.volume.ijk(np.asarray(centre_ras_mm))
    spacing_column, spacing_row, _ = canonical.volume.spacing_mm
    offset_mm = (np.arange(size_px) - (size_px - 1) / 2) * pixel_mm
    return row + offset_mm / spacing_row, column + offset_mm / spacing_column


def _resampled(array: np.ndarray, across: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Apply the weights of rows and columns to an array (..., row, column).

    Two weights in a hundred are not zero: as sparse matrices they take a small part of the time of a dense product,
    whose threads, moreover, stand in the way of each other and of the networks'.
    """
    *outer, n_rows, n_columns = array.shape
    by_column = sparse.csr_array(along) @ array.reshape(-1, n_columns).T
    by_row = sparse.csr_array(across) @ by_column.reshape(-1, n_rows).T  # (row, column x outer)
    return np.ascontiguousarray(by_row.reshape(len(across) * len(along), -1).T).reshape(*outer, len(across), len(along))


def _linear_weights(positions: np.ndarray, length: int) -> np.ndarray:
    """Weights (position, sample) of linear interpolation at evenly spaced positions on samples 0 .. length - 1.

    Where positions lie several samples apart, each is the mean of that many interpolated points in its pixel, against
    aliasing. Positions within half a sample of the border take the border's value; those beyond it get no weight.
    """
    step = positions[1] - positions[0]
    points = max(1, round(abs(step)))
    within_pixel = ((np.arange(points) + 0.5) / points - 0.5) * step
    clamped = np.clip(positions[:, None] + within_pixel, 0, length - 1)
    weights = np.maximum(0.0, 1 - np.abs(clamped[..., None] - np.arange(length))).mean(axis=1)
    inside = (positions >= -0.5) & (positions <= length - 0.5)
    return (weights * inside[:, None]).astype(np.float32)
