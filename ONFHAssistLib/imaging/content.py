"""What is in an image without tags: no label map and no distance map; and MR that does not begin at zero."""

from pathlib import Path

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.sequence import ImageKind, kind_from_image

LABEL_VALUES = 16
"""A file with at most so many different values is a label map: an image has hundreds."""
MANY_LABELS, ALIKE = 4096, 0.7
"""One with more of them is one too, where so many of the neighbours outside of the background are the same: 0.82 to
0.97 in label maps of bones and organs, and 0.01 to 0.27 in images, the most in one without noise."""
CONSTANT = 0.25
"""In a distance map the slope is the same nearly everywhere: 0.3 to 1 of the voxels lie within a tenth of the median.
In an image it is spread as the length of a random vector, and at most 0.15 do."""
_SAMPLE = 400_000
_SLICES, _POINTS, _FEWEST = 9, 40_000, 300
_LAGS = (1, 3)
"""Slopes are taken over so many voxels to both sides: of thin things, and of distances rounded to whole numbers."""
_HU_LIKE = -50.0
"""Where values begin below this, it may also be a CT with its air cut off; standardised MR begins at -1 to -5."""
_RINGING, _NOISE, _MASKED = 0.05, 0.2, 0.02
_INTERCEPT = 1024
_BETWEEN, _SOFT, _DENSE = 0.1, 0.2, 0.12
"""In a CT hardly anything lies between air and fat (at most 0.06 of the voxels of 13 CT images), much is fat, water or
muscle (0.23 to 0.81), and little is dense bone. In an MR whose muscle, fat or median lies there, 0.27 and more is
between, or much is brighter still."""


def refuse_what_is_no_image(array: np.ndarray, spacing_mm: tuple[float, float, float], name: Path | str) -> None:
    """Raise InputError for a label map or a distance map.

    Args:
        array: shape (k, j, i), of more than one value.
        spacing_mm: along (i, j, k).
        name: of the file or what else it is called, for the sentence.
    """
    sample = array[_some_slices(array)]
    values = np.unique(sample)
    few = len(values) <= LABEL_VALUES and len(np.unique(array)) <= LABEL_VALUES
    if few:
        raise InputError(f"{name} holds few different values, as a label map does; give the image that belongs to it.")
    if len(values) <= MANY_LABELS and _neighbours_alike(sample) > ALIKE:
        raise InputError(f"{name} is made of patches of one value, as a label map is; give the image it belongs to.")
    if _is_distance_map(array, spacing_mm):
        raise InputError(f"{name} has the same slope everywhere, as a distance map has; give the image it belongs to.")


def kind_and_values(array: np.ndarray) -> tuple[ImageKind, np.ndarray]:
    """Return modality and sequence of an image without tags, and its intensities as of an MR that begins at zero.

    An MR may have been standardised (z-scores, -1 to 1) or rings below zero after resampling; nothing but a shift is
    undone. Where it may also be a CT, its kind stays unknown. CT is returned in HU, also where its values lack their
    intercept (air at 0, water at 1024).
    """
    if _lacks_intercept(array):
        return ImageKind("CT", "CT", known_from="image"), array.astype(np.float32) - np.float32(_INTERCEPT)
    kind = kind_from_image(array)
    if kind.modality == "CT" or not array.min() < 0:
        return kind, array
    shifted, floor = from_zero(array)
    guess = kind_from_image(shifted)
    return (guess if floor > _HU_LIKE else kind), shifted


def _lacks_intercept(array: np.ndarray) -> bool:
    values = array[:: max(1, array.shape[0] // 32), ::2, ::2]
    if values.min() < 0 or values.max() < 1.5 * _INTERCEPT:
        return False
    between = np.mean((values > 250) & (values < 850))
    soft = np.mean(np.abs(values.astype(np.float32) - 1040) <= 130)
    return bool(between < _BETWEEN and soft > _SOFT and np.mean(values > 1500) < _DENSE)


def from_zero(array: np.ndarray) -> tuple[np.ndarray, float]:
    """Return an MR whose air is at zero, as float32, and where its air was.

    The air is at zero where little goes below (ringing after resampling); else at the least value, unless hardly any
    voxel is near it. Exact zeros in the midst of standardised values are what was masked out.
    """
    sample = array[:: max(1, array.shape[0] // 32), ::2, ::2]
    least, low, high = float(array.min()), *(float(x) for x in np.percentile(sample, [0.1, 99.9]))
    air = least if low - least < _NOISE * (high - low) else low
    floor = 0.0 if low > -_RINGING * high else air
    values = array.astype(np.float32)
    if array.dtype.kind == "f" and np.mean(sample == 0) > _MASKED and floor < 0:
        values[values == 0] = floor
    values -= np.float32(floor)
    return np.maximum(values, 0, out=values), floor


def _some_slices(array: np.ndarray) -> slice:
    count = int(np.clip(_SAMPLE // (array.shape[1] * array.shape[2]), 3, array.shape[0]))
    return slice(None, None, max(1, array.shape[0] // count))


def _neighbours_alike(sample: np.ndarray) -> float:
    values, counts = np.unique(sample[:, ::2, ::2], return_counts=True)
    background = values[counts.argmax()]
    alike = pairs = 0
    for one, other in ((sample[:, 1:], sample[:, :-1]), (sample[..., 1:], sample[..., :-1])):
        inside = (one != background) | (other != background)
        alike += int(((one == other) & inside).sum())
        pairs += int(inside.sum())
    return alike / max(pairs, 1)


def _is_distance_map(array: np.ndarray, spacing_mm: tuple[float, float, float]) -> bool:
    """Distances in mm or in voxels, in the volume or in its slices, signed or not, squared, cut off or scaled."""
    if min(array.shape[1:]) < 4 * max(_LAGS) or array.shape[0] < 3:
        return False
    centre = np.unique(np.linspace(1, array.shape[0] - 2, _SLICES).astype(int))
    step = max(1, array.shape[1] * array.shape[2] * len(centre) // _POINTS)
    spacings = [(spacing_mm[1], spacing_mm[0], spacing_mm[2]), (1.0, 1.0, 1.0)]
    for lag in _LAGS:
        inner = slice(lag, -lag)
        middle, near = array[:, inner, inner], array[centre]
        ends = [
            [near[:, 2 * lag :, inner], near[:, : -2 * lag, inner]],
            [near[:, inner, 2 * lag :], near[:, inner, : -2 * lag]],
            [middle[centre + 1], middle[centre - 1]],
        ]
        ends = [[end.ravel()[::step].astype(np.float32) for end in pair] for pair in ends]
        for root in (False, True):
            if root:
                ends = [[np.sign(end) * np.sqrt(np.abs(end)) for end in pair] for pair in ends]
            rises = [one - other for one, other in ends]
            for spacing in spacings:
                lengths = 2 * np.array(spacing, np.float32) * (lag, lag, 1)
                slopes = np.stack([rise / length for rise, length in zip(rises, lengths, strict=True)])
                if _constant(slopes) or _constant(slopes[:2]):
                    return True
    return False


def _constant(slopes: np.ndarray) -> bool:
    length = np.sqrt((slopes**2).sum(axis=0))
    steep = length > 0
    if steep.sum() < _FEWEST:
        return False
    typical = float(np.median(length[steep]))
    if np.mean(np.abs(length[steep] - typical) < 0.1 * typical) < CONSTANT:
        return False
    directions = slopes[:, steep] / length[steep]
    return float(np.linalg.norm(directions.mean(axis=1))) < 0.9  # a mere ramp is not the distance to anything
