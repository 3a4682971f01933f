"""Finding femoral heads on one coronal slice or picture, of any contrast and size, whole pelvis or one hip.

A small network looks at the picture twice: once at all of it, and once more at a square about each head that it may
have seen there. It does not know the size of a pixel: a head is told by what lies about it, not by its millimetres.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import expit

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, Side, Sphere
from ONFHAssistLib.core.grid import Point, as_point
from ONFHAssistLib.core.planes import NEAR_ISOTROPIC
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import CanonicalHip, canonical_hip, network_slices, normalise, plane_of
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import Network, crop_hip

HEAD_WIDTH_MM = 48.0
"""Width of an adult femoral head, the project's guess for pictures without a scale."""
OUTSIDE = -1.5
"""Normalised intensity where there is no image."""
RADIUS_UNIT_PX = 20.0
"""The third channel is the natural logarithm of a head's radius in these units."""
SURE, DOUBTFUL = 0.6, 0.25
"""From SURE on it is a head, below DOUBTFUL it is none; in between a reader has to look."""
CANDIDATES = 4
"""At the most so many places get a second look."""
BASE = 0.4
"""A peak is what rises above this part of its height; its centre of gravity is the place."""
LONG = 1.5
"""A picture that is longer than so many times its width is looked at in overlapping squares, MOST_SQUARES at most."""
MOST_SQUARES = 6
LOOK_RADII = 7.0
"""Side of the square of the second look, in radii of the head: the joint and what lies about it."""
BEYOND = 0.06
"""A head is cut where more than this part of its radius lies beyond the picture."""
APART_RADII = (4.0, 14.0)
"""Distance of the centres of a pair of heads, in radii: 5.5 to 10 in adults (`training/phantoms/anatomy.py`)."""
ALIKE = 1.4
"""The larger head of a pair is at most so many times as large as the other one."""
TILT = 0.6
"""Sine of the angle that the line through a pair's centres may have with the horizontal."""
_BLANK = 0.02
"""Rows and columns at the border that do not rise above the darkest value by this part of the range are no picture."""


@dataclass(frozen=True)
class SliceHead:
    """A femoral head on a single slice.

    Attributes:
        side: the patient's.
        side_sure: how sure that is, 0.5 to 1; 1 where both heads are in view and lie as in a patient seen from the
            front, otherwise by the anatomy about the head.
        centre_ras_mm: on the grid of the study, where a pixel counts as 1 mm if nothing says how large it is.
        radius_mm: of the circle that the slice cuts out of the head, on the same grid.
        pixel_mm: distance of two columns in the patient.
        pixel_from: where that is from: the image, or a head that is taken to be HEAD_WIDTH_MM wide.
        confidence: 0 to 1.
        whole: whether the circle lies in the picture; a head that the border cuts is not to be measured.
    """

    side: Side
    side_sure: float
    centre_ras_mm: Point
    radius_mm: float
    pixel_mm: float
    pixel_from: Literal["image", "head's width"]
    confidence: float
    whole: bool

    @property
    def answer(self) -> Literal["found", "doubtful"]:
        """Whether it is a head, or a reader has to look."""
        return "found" if self.confidence >= SURE else "doubtful"

    @property
    def scale(self) -> float:
        """Millimetres in the patient for each millimetre of the study's grid."""
        return 1.0 if self.pixel_from == "image" else self.pixel_mm


@dataclass(frozen=True)
class _Peak:
    """What was seen on a look: column and row of the view and radius, all in mm of its grid; part of the right heat."""

    place_mm: np.ndarray
    radius_mm: float
    height: float
    right: float


def find_slice_heads(study: Study, network: Network) -> tuple[SliceHead, ...]:
    """Find the femoral heads on a coronal slice or picture.

    Args:
        study: one slice; a picture is taken to show the patient from the front, right at the left.
        network: see `training/learning/slice_finder.py`: one channel in; logits of the right and of the left heads'
            heat maps and of their radius (RADIUS_UNIT_PX) out.

    Returns:
        at most one head of each side, the right one first; none where the slice's place says that it is not coronal.

    Raises:
        InputError: the image has more than one slice.
    """
    volume = _one_slice(study.volume)
    if plane_of(volume)[0] != "coronal":
        return ()
    view = _front_view(volume, study.source["modality"])
    low, high = _content(view)
    first = [peak for seen in _looks(view, *_squares(low, high), network) for peak in seen]
    seen = _apart([peak for peak in first if np.all((peak.place_mm > low) & (peak.place_mm < high))])
    again = [_again(view, peak, network) for peak in seen]
    heads = _pair([peak for peak in again if peak is not None and peak.height >= DOUBTFUL])
    known = study.source["spacing_mm"] is not None
    whole = [_is_whole(peak, low, high) for peak in heads]
    scale = 1.0 if known else _guessed_scale(heads, whole)
    column_mm = view.volume.spacing_mm[0] * scale
    sides, sure = _sides(heads)
    found = [
        SliceHead(
            side,
            certainty,
            as_point(view.volume.ras(_voxel(view, peak.place_mm))),
            peak.radius_mm,
            column_mm,
            "image" if known else "head's width",
            peak.height,
            in_view,
        )
        for side, certainty, peak, in_view in zip(sides, sure, heads, whole, strict=True)
    ]
    return tuple(sorted(found, key=lambda head: SIDES.index(head.side)))


def scaled_slice(study: Study, head: SliceHead) -> tuple[Volume, Sphere]:
    """Return the slice on a grid whose millimetres are those of the patient, and the head's circle as a sphere there.

    The voxels are those of the study. The slice is thicker than a pixel is wide, so that every function knows it for
    one; how thick it is in the patient is not known.
    """
    volume = _one_slice(study.volume)
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, :3] *= head.scale
    scaled = Volume(volume.array, matrix)
    centre = as_point(scaled.ras(volume.ijk(np.array(head.centre_ras_mm))))
    return scaled, Sphere(centre, head.radius_mm * head.scale)


def slice_hip(study: Study, head: SliceHead) -> tuple[CanonicalHip, Sphere]:
    """Cut the hip out in canonical pose, normalised, as `segment.crop_hip` does of a volume; with its circle there.

    `canonical.network_slices` makes the patches of it that a network sees, `CanonicalHip.back` brings masks back.
    """
    scaled, sphere = scaled_slice(study, head)
    return crop_hip(scaled, study.source["modality"], head.side, sphere.centre_ras_mm), sphere


def _one_slice(volume: Volume) -> Volume:
    """Return the slice with a step across it that is larger than its pixels, as `planes.stack_axis` wants it."""
    axes = np.flatnonzero(volume.size == 1)
    if len(axes) != 1:
        size = " x ".join(str(n) for n in volume.size)
        raise InputError(f"The image has {size} voxels, and one slice is wanted; give one coronal slice or a picture.")
    matrix = volume.ijk_to_ras.copy()
    in_plane = max(step for axis, step in enumerate(volume.spacing_mm) if axis != axes[0])
    step = max(volume.spacing_mm[axes[0]], 1.01 * NEAR_ISOTROPIC * in_plane)
    matrix[:3, axes[0]] *= step / volume.spacing_mm[axes[0]]
    return Volume(volume.array, matrix)


def _front_view(volume: Volume, modality: str) -> CanonicalHip:
    """Return all of a slice, normalised, as the patient is seen from the front: the pose of a right hip."""
    middle = as_point(volume.ras((volume.size - 1) / 2))
    reach = 2 * float(np.max(volume.size * np.array(volume.spacing_mm)))
    view = canonical_hip(volume, "right", middle, (reach, reach, reach))
    # Raised, so that the 0 that is laid about a picture comes out as OUTSIDE.
    return view.like(normalise(view.volume.array, modality) - OUTSIDE)


def _content(view: CanonicalHip) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last place (column, row, in mm) of what is not a blank border."""
    array = view.volume.array[0]
    filled = array > array.min() + _BLANK * (array.max() - array.min())
    ends = [np.flatnonzero(filled.any(axis=axis)) for axis in (0, 1)]
    spans = [(n[0], n[-1]) if n.size else (0, size - 1) for n, size in zip(ends, array.shape[::-1], strict=True)]
    spacing = np.array(view.volume.spacing_mm[:2])
    low, high = np.array(spans).T
    return (low - 0.5) * spacing, (high + 0.5) * spacing


def _squares(low: np.ndarray, high: np.ndarray) -> tuple[list[np.ndarray], float]:
    """Return middles and side of the squares that are looked at first, of what lies between two places."""
    extent = high - low
    long, side = int(extent.argmax()), float(extent.max())
    if extent.max() > LONG * extent.min():
        side = max(1.2 * float(extent.min()), 2 * side / (MOST_SQUARES + 1))  # half of each is the next one's
    count = 1 + max(0, int(np.ceil((extent[long] - side) / (side / 2) - 1e-6)))
    middle = (low + high) / 2
    offset = np.zeros((count, 2))
    offset[:, long] = np.linspace(-1, 1, count) * (extent[long] - side) / 2 if count > 1 else 0
    return list(middle + offset), side


def _apart(peaks: list[_Peak]) -> list[_Peak]:
    """Return the CANDIDATES highest peaks that are not of the same head, the highest one first."""
    kept: list[_Peak] = []
    for peak in sorted(peaks, key=lambda peak: -peak.height):
        if all(np.linalg.norm(peak.place_mm - other.place_mm) > other.radius_mm for other in kept):
            kept.append(peak)
    return kept[:CANDIDATES]


def _voxel(view: CanonicalHip, place_mm: np.ndarray) -> np.ndarray:
    """Return (i, j, k) of a place (column, row, in mm) on the view."""
    return np.array([*(place_mm / view.volume.spacing_mm[:2]), 0.0])


def _looks(view: CanonicalHip, centres_mm: list[np.ndarray], side_mm: float, network: Network) -> list[list[_Peak]]:
    """Look at squares about some places and return the peaks of each."""
    size = network.bundle.input["size_px"][-1]
    pixel_mm = side_mm / size
    points = [as_point(view.volume.ras(_voxel(view, centre))) for centre in centres_mm]
    batch = np.concatenate([network_slices(view, point, size, pixel_mm)[:, 1:2] for point in points]) + OUTSIDE
    answers = network.engine(batch.astype(np.float32))
    found = []
    for centre, logits in zip(centres_mm, answers, strict=True):
        corner = centre - (size - 1) / 2 * pixel_mm
        found.append(
            [
                replace(peak, place_mm=corner + peak.place_mm * pixel_mm, radius_mm=peak.radius_mm * pixel_mm)
                for peak in peaks_of(logits)
            ]
        )
    return found


def peaks_of(logits: np.ndarray) -> list[_Peak]:
    """Return the peaks of the network's maps (3, row, column), the highest one first, in pixels instead of mm."""
    right, left = expit(np.nan_to_num(logits[:2].astype(np.float64), nan=-99.0))
    radii = RADIUS_UNIT_PX * np.exp(np.clip(np.nan_to_num(logits[2].astype(np.float64)), -3, 3))
    heat = np.minimum(right + left, 1.0)
    rows, columns = np.indices(heat.shape)
    rest, found = heat.copy(), list[_Peak]()
    while len(found) < CANDIDATES and rest.max() > DOUBTFUL / 2:
        row, column = np.unravel_index(int(rest.argmax()), rest.shape)
        radius, height = radii[row, column], heat[row, column]
        distance = np.hypot(rows - row, columns - column)
        near = distance <= max(0.5 * radius, 1.5)
        weight = np.clip(heat - BASE * height, 0, None) * near
        place = np.array([np.average(columns, weights=weight), np.average(rows, weights=weight)])
        radius = float(np.exp(np.average(np.log(radii), weights=weight)))
        share = float((right * weight).sum() / ((right + left) * weight).sum())
        if 2 * radius < len(heat):
            found.append(_Peak(place, radius, float(height), share))
        rest[distance < max(1.5 * radius, 3)] = 0
    return found


def _again(view: CanonicalHip, peak: _Peak, network: Network) -> _Peak | None:
    """Look again at a square about a head: it counts as sure as both looks are together; None where it is gone."""
    (seen,) = _looks(view, [peak.place_mm], LOOK_RADII * peak.radius_mm, network)
    near = [other for other in seen if np.linalg.norm(other.place_mm - peak.place_mm) < peak.radius_mm]
    if not near:
        return None
    best = near[0]
    return replace(best, height=float(np.sqrt(best.height * peak.height)), right=(best.right + peak.right) / 2)


def _pair(peaks: list[_Peak]) -> list[_Peak]:
    """Return the surest head, and the surest other one that can be its counterpart, from left to right on the view."""
    ranked = sorted(peaks, key=lambda peak: -peak.height)
    other = next((peak for peak in ranked[1:] if _is_counterpart(ranked[0], peak)), None)
    heads = ranked[:1] if other is None else [ranked[0], other]
    return sorted(heads, key=lambda peak: peak.place_mm[0])


def _is_counterpart(one: _Peak, other: _Peak) -> bool:
    offset = other.place_mm - one.place_mm
    apart = float(np.linalg.norm(offset))
    small, large = sorted((one.radius_mm, other.radius_mm))
    in_reach = APART_RADII[0] * large <= apart <= APART_RADII[1] * small
    return in_reach and large <= ALIKE * small and abs(offset[1]) <= TILT * apart


def _sides(heads: list[_Peak]) -> tuple[list[Side], list[float]]:
    """Return the sides of heads from left to right on the view, and how sure they are."""
    if len(heads) == 2:
        return ["right", "left"], [1.0, 1.0]
    sides: list[Side] = ["right" if head.right >= 0.5 else "left" for head in heads]
    return sides, [max(head.right, 1 - head.right) for head in heads]


def _is_whole(head: _Peak, low: np.ndarray, high: np.ndarray) -> bool:
    reach = (1 - BEYOND) * head.radius_mm
    return bool(np.all(head.place_mm - reach >= low) and np.all(head.place_mm + reach <= high))


def _guessed_scale(heads: list[_Peak], whole: list[bool]) -> float:
    """Millimetres in the patient for each of the grid, by the heads that are whole, or by all where none is."""
    chosen = [head.radius_mm for head, in_view in zip(heads, whole, strict=True) if in_view or not any(whole)]
    return HEAD_WIDTH_MM / (2 * float(np.mean(chosen))) if chosen else 1.0
