"""What the report's pictures show: grey levels, outlines and points as numbers; `drawings` gives them their look.

Pictures follow the radiological convention: the patient's right is at the left, superior (axial: anterior) at the
top; sagittal slices have anterior at the left. Lengths are mm from the picture's upper left corner.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.arcs import (
    WeightBearing,
    circle_ras_mm,
    section_radius_mm,
    surface_map,
    weight_bearing_portion,
)
from ONFHAssistLib.core.geometry import Landmarks, Sphere
from ONFHAssistLib.core.grid import Box, Grid, box_of
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import LARGE_SLICE
from ONFHAssistLib.core.measurements import SliceMeasurement
from ONFHAssistLib.core.necrosis import outlines
from ONFHAssistLib.core.planes import Plane, mid_plane, sample
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.exchange.shapes import Spot

MAX_TILES = 20
POLAR_TO_DEG = 120.0
"""The surface map ends here: below lies the neck."""

AXIS_ENDS = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
_RIGHT_OF_PICTURE = np.array([[0, -1, 0], [-1, 0, 0], [-1, 0, 0]])
_TOP_OF_PICTURE = np.array([[0, 0, 1], [0, 0, 1], [0, 1, 0]])

Outline = tuple[np.ndarray, ...]
"""Closed lines around the parts of a mask and around the holes in them, points of shape (n, 2); empty for no mask."""
Contours = Callable[[np.ndarray, float], Sequence[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Picture:
    """A slice of ``width`` × ``height`` mm as grey levels, uint8 of shape (rows, columns), with outlines on it.

    ``uncertain`` goes around what is possibly and what is certainly necrotic; empty where that is not known.
    """

    image: np.ndarray
    width: float
    height: float
    head: Outline
    necrosis: Outline
    uncertain: Outline


@dataclass(frozen=True, eq=False)
class Coronal:
    """The mid-coronal slice with sphere, thirds of the weight-bearing portion (medial first) and landmarks.

    Attributes:
        centre, radius: the section of the sphere.
        thirds: (line, letter's place) of each third; empty where the portion is not known.
        lesion_end: line across the outline where the lesion ends laterally, by which JIC classes it; None if unknown.
        edge, teardrop: landmarks projected on the slice, or None.
    """

    picture: Picture
    centre: Spot
    radius: float
    thirds: tuple[tuple[np.ndarray, Spot], ...]
    lesion_end: np.ndarray | None
    edge: Spot | None
    teardrop: Spot | None


@dataclass(frozen=True)
class PortionLines:
    """The weight-bearing portion as lines on the mid-coronal plane; points (..., 3) are RAS in mm.

    Attributes:
        thirds: points (13, 3) along each third, medial first; empty where the portion is not known.
        letters: the place (3,) of each third's class.
        lesion_end: line (2, 3) across the outline where the lesion ends laterally; None if unknown.
    """

    thirds: tuple[np.ndarray, ...]
    letters: tuple[np.ndarray, ...]
    lesion_end: np.ndarray | None


@dataclass(frozen=True)
class Tile:
    """One slice of the contact sheet."""

    measured: SliceMeasurement
    picture: Picture


@dataclass(frozen=True)
class RatioPlot:
    """Points of the ratio along the slices; ``x`` in mm from the first slice, ``large`` for slices that count."""

    points: tuple[tuple[float, SliceMeasurement, bool], ...]
    length: float
    top: float
    ends: tuple[str, str]


@dataclass(frozen=True, eq=False)
class Polar:
    """The surface from above as a disc of radius POLAR_TO_DEG, centre at (0, 0), x to the right, y downwards.

    Attributes:
        tint: uint8, shape (n, n, 4), over the disc's square, anterior in row 0: the darker, the more necrosis below.
        involved: where necrosis reaches the surface.
        zone: the weight-bearing zone; empty where it is not known.
        lateral: the side of the picture that is lateral, "left" or "right".
        deepest_mm: the most necrosis below one place.
    """

    tint: np.ndarray
    involved: Outline
    zone: Outline
    lateral: str
    deepest_mm: float


def crop(volume: Volume, masks: HipMasks, radii: float = 2.2) -> tuple[Volume, HipMasks]:
    """Cut image and masks about the head, so that large images cost nothing."""
    box = head_box(volume, masks.sphere, radii)
    return volume.cropped(box), masks.within(box)


def head_box(grid: Grid, sphere: Sphere, radii: float = 2.2) -> Box:
    """Return the part of a grid that pictures of a head show."""
    centre = grid.ijk(np.array(sphere.centre_ras_mm))
    reach = radii * sphere.radius_mm / np.array(grid.spacing_mm)
    size = grid.size
    low = np.clip(np.floor(centre - reach), 0, size - 1).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, low + 1, size).astype(int)
    return box_of(zip(low[::-1], high[::-1], strict=True))


def coronal_figure(volume: Volume, masks: HipMasks, hip: HipResult) -> Coronal | None:
    """Show the mid-coronal slice of a hip; None where the image does not reach it."""
    plane = mid_plane(volume, "coronal", masks.sphere)
    if plane is None:
        return None
    pixel = np.array(plane.pixel_mm)
    image = sample(volume, plane)
    head, necrosis = (sample(mask, plane) for mask in (masks.head, masks.necrosis))
    bounds = [sample(masks.head.like(mask), plane) & head for mask in outlines(masks) or ()]
    picture = _picture(image, window(image), head, necrosis & head, bounds, pixel, enlarge=3)

    def spot(ras_mm: np.ndarray | tuple) -> Spot:
        x, y = (plane.pixels(np.array(ras_mm)) + 0.5) * pixel
        return float(x), float(y)

    lines = portion_lines(plane, masks.sphere, masks.landmarks, hip)

    def line(points_ras_mm: np.ndarray) -> np.ndarray:
        return np.array([spot(point) for point in points_ras_mm])

    thirds = tuple((line(third), spot(letter)) for third, letter in zip(lines.thirds, lines.letters, strict=True))
    edge, teardrop = (
        spot(point) if point else None
        for point in (masks.landmarks.acetabular_edge_ras_mm, masks.landmarks.teardrop_ras_mm)
    )
    lesion_end = None if lines.lesion_end is None else line(lines.lesion_end)
    centre, radius = spot(masks.sphere.centre_ras_mm), section_radius_mm(plane, masks.sphere)
    return Coronal(picture, centre, radius, thirds, lesion_end, edge, teardrop)


def portion_lines(plane: Plane, sphere: Sphere, landmarks: Landmarks, hip: HipResult) -> PortionLines:
    """Place the weight-bearing portion and the lesion's lateral end on the mid-coronal plane, just off the head."""

    def on_circle(angle_deg: float | np.ndarray, radii: float) -> np.ndarray:
        return circle_ras_mm(plane, sphere, hip.side, angle_deg, radii)

    thirds, letters = [], []
    portion = weight_bearing_portion(plane, sphere, landmarks, hip.side)
    if portion:
        for start, stop in itertools.pairwise(np.linspace(portion.medial_deg, portion.lateral_deg, 4)):
            thirds.append(on_circle(np.linspace(start, stop, 13), 1.05))
            letters.append(on_circle((start + stop) / 2, 1.16))
    end = hip.grades["jic"].details.get("lateral_end_deg") if "jic" in hip.grades else None
    lesion_end = None if end is None else np.stack([on_circle(end, 0.9), on_circle(end, 1.12)])
    return PortionLines(tuple(thirds), tuple(letters), lesion_end)


def contact_sheet(volume: Volume, masks: HipMasks, hip: HipResult, first_index: int) -> list[Tile]:
    """Show the head's slices along k, at most MAX_TILES of them, see `chosen_slices`.

    Args:
        volume: cropped, see `crop`.
        masks: cropped in the same way.
        hip: its slices have indices of the whole image.
        first_index: the crop's first slice there.
    """
    turn, pixel = in_view(volume)
    centre = volume.ijk(np.array(masks.sphere.centre_ras_mm))
    reach = 1.25 * masks.sphere.radius_mm / np.array(volume.spacing_mm)
    low = np.maximum(np.rint(centre - reach), 0).astype(int)
    high = np.rint(centre + reach).astype(int) + 1

    def turned(array: np.ndarray) -> np.ndarray:
        return turn(array[low[1] : high[1], low[0] : high[0]])

    levels = window(volume.array[:, low[1] : high[1], low[0] : high[0]])
    bounds = outlines(masks) or ()
    tiles = []
    for measured in chosen_slices(hip):
        k = measured.index - first_index
        image, head, necrosis = (turned(v.array[k]) for v in (volume, masks.head, masks.necrosis))
        near = [turned(mask[k]) for mask in bounds]
        tiles.append(Tile(measured, _picture(image, levels, head, necrosis & head, near, pixel)))
    return tiles


def in_view(grid: Grid) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """Return what turns a slice (along k) as a reader expects it, and the size of its pixels then, (x, y) in mm."""
    normal = int(np.argmax(np.abs(grid.axes_ras[:, 2])))
    right, top = _RIGHT_OF_PICTURE[normal], _TOP_OF_PICTURE[normal]
    columns = int(np.argmax(np.abs(grid.axes_ras[:, :2].T @ right)))
    flip_columns = grid.axes_ras[:, columns] @ right < 0
    flip_rows = grid.axes_ras[:, 1 - columns] @ top > 0

    def turn(array: np.ndarray) -> np.ndarray:
        part = array if columns == 0 else array.T
        return part[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]

    return turn, np.array([grid.spacing_mm[columns], grid.spacing_mm[1 - columns]])


def ratio_plot(hip: HipResult, grid: Grid) -> RatioPlot | None:
    """Place each slice along the axis k, from left, posterior or inferior to the other end."""
    if not hip.slices:
        return None
    direction, ends = slice_axis(grid)
    places = np.array([np.array(s.position_ras_mm) @ direction for s in hip.slices])
    large = LARGE_SLICE * max(s.head_mm2 for s in hip.slices)
    points = sorted(
        ((float(x - places.min()), s, s.head_mm2 >= large) for x, s in zip(places, hip.slices, strict=True)),
        key=lambda point: point[0],
    )
    highest = max(s.ratio for s in hip.slices)
    top = min(1.0, max(0.5, np.ceil(10 * highest + 0.3) / 10))
    length = max(float(np.ptp(places)), grid.spacing_mm[2])
    return RatioPlot(tuple(points), length, float(top), ends)


def slice_axis(grid: Grid) -> tuple[np.ndarray, tuple[str, str]]:
    """Return the RAS unit vector along k towards right, anterior or superior, and the names of both its ends."""
    direction = grid.axes_ras[:, 2]
    axis = int(np.argmax(np.abs(direction)))
    return direction * np.sign(direction[axis]), AXIS_ENDS[axis]


def polar_figure(
    masks: HipMasks, portion: WeightBearing | None, half: int = 100, contours: Contours | None = None
) -> Polar:
    """Show where necrosis comes close to the surface, and how much of it lies below, seen along the S axis.

    Azimuthal equidistant about the superior pole, laid out as an axial slice: anterior at the top, the patient's
    right at the left.

    Args:
        masks: of the hip; cropped about the head (`crop`) it is quicker.
        portion: on the mid-coronal slice; None where it is not known.
        half: pixels from the pole to the rim.
        contours: finds the outlines, see `outline`.
    """
    mapped = surface_map(masks.necrosis, masks.sphere, masks.side, portion, step_deg=2.0)
    y, x = (np.mgrid[0 : 2 * half, 0 : 2 * half] + 0.5) / half - 1
    lateral = -x if masks.side == "right" else x
    polar, azimuth = np.hypot(x, y) * POLAR_TO_DEG, np.rad2deg(np.arctan2(-y, lateral)) % 360
    step = mapped.polar_deg[1] - mapped.polar_deg[0]
    index = np.stack([polar / step + 0.5, azimuth / step + 0.5])  # one cell of padding, centres at half steps

    def spread(values: np.ndarray) -> np.ndarray:
        padded = np.pad(np.pad(values.astype(float), ((0, 0), (1, 1)), mode="wrap"), ((1, 1), (0, 0)), mode="edge")
        return np.where(polar <= POLAR_TO_DEG, ndimage.map_coordinates(padded, index, order=1, mode="nearest"), 0)

    strength = np.clip(spread(mapped.depth_mm) / masks.sphere.radius_mm, 0, 1)
    tint = np.zeros((2 * half, 2 * half, 4), np.uint8)
    tint[..., :3] = (213, 94, 0)  # Okabe and Ito's vermillion
    tint[..., 3] = np.where(strength > 0.02, 255 * (0.15 + 0.75 * strength), 0)
    degrees = np.array([POLAR_TO_DEG / half] * 2)
    involved, zone = (
        outline(spread(values), degrees, -POLAR_TO_DEG, contours) for values in (mapped.involved, mapped.weight_bearing)
    )
    left = "left" if masks.side == "right" else "right"
    return Polar(tint, involved, zone, left, float(mapped.depth_mm.max()))


def slice_picture(image: np.ndarray, head: np.ndarray, necrosis: np.ndarray, pixel_mm: tuple[float, float]) -> Picture:
    """Show one slice as it lies in its array.

    Args:
        image: grey levels, shape (rows, columns).
        head: mask of the same shape.
        necrosis: mask of the same shape.
        pixel_mm: size of a pixel along the columns' and along the rows' index, (x, y).
    """
    return _picture(image, window(image), head, necrosis, (), np.array(pixel_mm))


def window(values: np.ndarray) -> tuple[float, float]:
    """Return the grey levels shown as black and white: 1st and 99.5th percentile."""
    low, high = (float(v) for v in np.percentile(values, (1.0, 99.5)))
    return low, max(high, low + 1e-6)


def outline(mask: np.ndarray, pixel_mm: np.ndarray, offset: float = 0.0, contours: Contours | None = None) -> Outline:
    """Return the outline (at 0.5) of a 2D mask in mm, to a hundredth; empty when the mask is.

    Args:
        mask: boolean, or how much of it lies in a pixel (0 to 1); shape (rows, columns).
        pixel_mm: size of a pixel, (x, y).
        offset: added to x and y.
        contours: where there is no scikit-image: takes values of shape (rows, columns) and a level, and returns lines
            of (row, column), as `skimage.measure.find_contours` does.
    """
    if contours is None:
        from skimage.measure import find_contours

        contours = find_contours
    lines = contours(np.pad(mask.astype(float), 1), 0.5)
    return tuple(np.round((line[:, ::-1] - 0.5) * pixel_mm + offset, 2) for line in lines)


def chosen_slices(hip: HipResult) -> list[SliceMeasurement]:
    """Return at most MAX_TILES slices: evenly chosen, always with the first, last, worst, mid and doubtful ones."""
    slices = hip.slices
    if len(slices) <= MAX_TILES:
        return list(slices)
    steinberg = hip.grades.get("steinberg")
    details = steinberg.details if steinberg else {}
    wanted = {s["index"] for s in (details.get("worst_slice"), details.get("mid_slice")) if s} | {*hip.look_first}
    even = np.rint(np.linspace(0, len(slices) - 1, MAX_TILES - len(wanted))).astype(int)
    wanted |= {slices[n].index for n in even}
    return [s for s in slices if s.index in wanted]


def _picture(
    image: np.ndarray,
    levels: tuple[float, float],
    head: np.ndarray,
    necrosis: np.ndarray,
    bounds: Sequence[np.ndarray],
    pixel_mm: np.ndarray,
    enlarge: int = 1,
) -> Picture:
    """Not every viewer of a printed page smooths pictures, so large ones are enlarged here."""
    low, high = levels
    grey = np.clip((image - low) / (high - low), 0, 1) * 255
    grey = ndimage.zoom(grey, enlarge, order=1, mode="nearest", grid_mode=True).astype(np.uint8)
    height, width = image.shape * pixel_mm[::-1]
    uncertain = tuple(line for mask in bounds for line in outline(mask, pixel_mm))
    outer, inner = outline(head, pixel_mm), outline(necrosis, pixel_mm)
    return Picture(grey, float(width), float(height), outer, inner, uncertain)
