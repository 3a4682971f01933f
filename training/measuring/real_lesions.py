"""Real osteonecrosis as a benchmark: ``python -m training.evaluate real``.

The single MR slices of ``onfh_mr`` as they are: each is a volume of one slice, whose neighbours are the slice itself.
Where the head is, two readers say (``real_outlines.json``, drawn by eye before the network was run); the
necrosis network marks inside the mean of their circles, with the code and the rules of an analysis. Its outline, and
those of the readers, are compared with each other. Measured only: nothing learns from these images.

Three things a slice cannot tell are set, the same for all:

- The size of a pixel is the estimate of ``images.csv``, and where there is none the one with which the heads of the
  image, by the mean of both readers' circles, are HEAD_WIDTH_MM wide.
- The slice is taken to cross the middle of the head: the circle is the sphere's.
- Specks are dropped by area in proportion: an analysis drops pieces below 0.3 ml, 0.6 % of a head of 50 ml; here the
  slice is as thick as makes 50 ml of the head, so that the very rule drops what is below 0.6 % of the head's area.
"""

import csv
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage.draw import polygon2mask

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side, Sphere
from ONFHAssistLib.core.grid import as_point, moved
from ONFHAssistLib.core.metrics import segmentation_metrics
from ONFHAssistLib.core.necrosis import necrosis_above
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.segment import Network, crop_hip, head_probability
from ONFHAssistLib.imaging.slice_heads import HEAD_WIDTH_MM
from training.measuring.runs import spread
from training.real.data import require_data_folder

OUTLINES = Path(__file__).with_name("real_outlines.json")
HEAD_ML = 50.0
"""Volume of the head in proportion to which specks are dropped (``core/necrosis.py``)."""
MARKED_FROM = 0.01
"""A head is marked where the network calls at least this part of its area necrotic."""
PIXELS_OFF = (0.9, 1.1)
"""A pixel size that is a guess may be off by as much as this factor: what becomes of the figures then?"""
DICE = ("dice_a", "dice_b", "dice_readers", "dice_upper_half")
_TO_RAS = {
    "coronal": np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]]).T,
    "axial": np.array([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]]).T,
}
"""Columns, rows and slices of a picture that shows the patient's right at its left, as RAS directions."""

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Circle:
    """A circle in pixels of the picture: x to the right, y down."""

    x_px: float
    y_px: float
    radius_px: float


@dataclass(frozen=True)
class Reading:
    """What one reader drew: the head, what is necrotic in it, and another outline where two can be defended."""

    circle: Circle
    necrosis: tuple[Polygon, ...]
    alternative: tuple[Polygon, ...]
    confidence: str


@dataclass(frozen=True)
class DrawnHip:
    """One hip on one picture, as both readers drew it."""

    image: str
    side: Side
    a: Reading
    b: Reading

    @property
    def circle(self) -> Circle:
        """The mean of both readers' circles."""
        pairs = zip(vars(self.a.circle).values(), vars(self.b.circle).values(), strict=True)
        return Circle(*(sum(pair) / 2 for pair in pairs))

    @property
    def diseased(self) -> bool:
        """Whether the readers see osteonecrosis."""
        return bool(self.a.necrosis or self.b.necrosis)


@dataclass(frozen=True)
class Slice:
    """One picture: grey values (row, column), and what is known about it."""

    name: str
    patient: str
    sequence: str
    plane: str
    pixels: np.ndarray
    pixel_mm: float
    pixel_from: str
    hips: tuple[DrawnHip, ...]


@dataclass(frozen=True)
class Measured:
    """Masks (row, column) of a hip on its picture: the head, and what each calls necrotic."""

    picture: Slice
    hip: DrawnHip
    head: np.ndarray
    a: np.ndarray
    b: np.ndarray
    network: np.ndarray

    @cached_property
    def row(self) -> dict[str, Any]:
        """The figures, JSON-ready; a Dice is None where both masks are empty."""
        ratios = {name: round(float(getattr(self, name).sum() / self.head.sum()), 4) for name in ("a", "b", "network")}
        # What a mask gets that knows nothing of the image: lesions lie above, and large ones are easily hit.
        upper = self.head & (np.arange(len(self.head))[:, None] < self.hip.circle.y_px)
        outlines = self.hip.a.alternative
        alternative = filled(outlines, self.head.shape) if outlines else None
        return {
            "image": self.picture.name,
            "side": self.hip.side,
            "sequence": self.picture.sequence,
            "plane": self.picture.plane,
            "diseased": self.hip.diseased,
            "pixel_mm": round(self.picture.pixel_mm, 3),
            "pixel_from": self.picture.pixel_from,
            "confidence": [self.hip.a.confidence, self.hip.b.confidence],
            "ratio": ratios,
            "marked": ratios["network"] >= MARKED_FROM,
            "dice_a": dice(self.network, self.a),
            "dice_b": dice(self.network, self.b),
            "dice_readers": dice(self.a, self.b),
            "dice_alternative": dice(self.network, alternative) if alternative is not None else None,
            "dice_upper_half": _mean(dice(upper, self.a), dice(upper, self.b)),
        }


def read_outlines(path: Path = OUTLINES) -> tuple[DrawnHip, ...]:
    """Read what both readers drew."""

    def polygons(points: list[list[list[float]]]) -> tuple[Polygon, ...]:
        return tuple(tuple((float(x), float(y)) for x, y in one) for one in points)

    def reading(drawn: dict[str, Any]) -> Reading:
        circle, other = Circle(*drawn["circle_px"]), drawn.get("alternative_px", [])
        return Reading(circle, polygons(drawn["necrosis_px"]), polygons(other), drawn["confidence"])

    hips = json.loads(path.read_text(encoding="utf-8"))["hips"]
    return tuple(
        DrawnHip(hip["image"], hip["side"], reading(hip["readers"]["A"]), reading(hip["readers"]["B"])) for hip in hips
    )


def read_slices(folder: Path, hips: tuple[DrawnHip, ...]) -> list[Slice]:
    """Read the pictures that the readers drew on.

    Raises:
        InputError: the folder, its table or one of the pictures is missing.
    """
    if not (folder / "images.csv").is_file():
        raise InputError(f"{folder} with its images.csv is not there; real osteonecrosis is measured on its pictures.")
    with (folder / "images.csv").open(encoding="utf-8", newline="") as file:
        table = {line["file"]: line for line in csv.DictReader(file)}
    slices = []
    for name in dict.fromkeys(hip.image for hip in hips):
        if name not in table or not (folder / name).is_file():
            raise InputError(f"The picture {name} is not in {folder} or its images.csv; copy the whole folder anew.")
        own, line = tuple(hip for hip in hips if hip.image == name), table[name]
        pixels = np.asarray(Image.open(folder / name).convert("L"), np.float32)
        size = pixel_size(own, line["mm_per_pixel_estimate"])
        slices.append(Slice(name, line["patient"], line["sequence"], line["plane"], pixels, *size, own))
    return slices


def pixel_size(hips: tuple[DrawnHip, ...], estimate: str) -> tuple[float, str]:
    """Return the size of a picture's pixels in mm, and where it is from."""
    if estimate:
        return float(estimate), "images.csv"
    return HEAD_WIDTH_MM / (2 * float(np.mean([hip.circle.radius_px for hip in hips]))), "head's width"


def filled(polygons: tuple[Polygon, ...], shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels (row, column) whose middle lies in one of the polygons."""
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        mask |= polygon2mask(shape, np.array(polygon)[:, ::-1])
    return mask


def disc(circle: Circle, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels (row, column) whose middle lies in a circle."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (columns - circle.x_px) ** 2 + (rows - circle.y_px) ** 2 <= circle.radius_px**2


def one_slice(pixels: np.ndarray, plane: str, pixel_mm: float, thickness_mm: float) -> Volume:
    """Turn a picture into a volume of one slice."""
    matrix = np.eye(4)
    matrix[:3, :3] = _TO_RAS[plane] * [pixel_mm, pixel_mm, thickness_mm]
    return Volume(pixels[None], matrix)


def network_mask(picture: Slice, hip: DrawnHip, network: Network) -> np.ndarray:
    """Return what a necrosis network marks in the head: bool (row, column), as ``imaging.segment`` does it."""
    radius_mm = hip.circle.radius_px * picture.pixel_mm
    thickness_mm = HEAD_ML * 1000 / (np.pi * radius_mm**2)
    volume = one_slice(picture.pixels, picture.plane, picture.pixel_mm, thickness_mm)
    centre = as_point(volume.ras(np.array([hip.circle.x_px, hip.circle.y_px, 0])))
    canonical = crop_hip(volume, "MR", hip.side, centre)
    probability = canonical.back(head_probability(canonical, Sphere(centre, radius_mm), network))
    back = moved(probability, canonical.slices, volume.whole)
    return necrosis_above(volume.like(back), disc(hip.circle, picture.pixels.shape)[None])[0]


def measure_hip(picture: Slice, hip: DrawnHip, network: Network) -> Measured:
    """Mark one hip, and lay the outlines of the readers beside it, as they drew them."""
    shape = picture.pixels.shape
    a, b = (filled(reader.necrosis, shape) for reader in (hip.a, hip.b))
    return Measured(picture, hip, disc(hip.circle, shape), a, b, network_mask(picture, hip, network))


def dice(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return the Dice coefficient of two masks (row, column), None where both are empty."""
    grid = Volume(one[None], np.eye(4))
    found = segmentation_metrics(grid, grid.like(other[None])).dice
    return None if np.isnan(found) else round(found, 4)


def measure_all(network: Network, folder: Path | None = None, pixel_scale: float = 1.0) -> list[Measured]:
    """Measure each hip of each picture.

    Args:
        network: a necrosis network.
        folder: with the pictures and ``images.csv``; None for ``onfh_mr`` of the real data.
        pixel_scale: takes the pixels to be so much larger than they are said to be.

    Raises:
        InputError: the pictures are not there.
    """
    slices = read_slices(folder or require_data_folder() / "onfh_mr", read_outlines())
    slices = [replace(picture, pixel_mm=picture.pixel_mm * pixel_scale) for picture in slices]
    return [measure_hip(picture, hip, network) for picture in slices for hip in picture.hips]


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How many heads are marked, and how well, on T1 and on the fat-suppressed sequences: diseased ones, sound ones."""
    summary: dict[str, Any] = {}
    for name, wanted in (("t1", True), ("fat_suppressed", False)):
        own = [row for row in rows if (row["sequence"] == "T1") == wanted]
        diseased = [row for row in own if row["diseased"]]
        sound = [row for row in own if not row["diseased"]]
        summary[name] = {
            "hips": len(diseased),
            "marked": sum(row["marked"] for row in diseased),
            **{key: spread([row[key] for row in diseased]) for key in DICE if diseased},
            "sound": len(sound),
            "sound_marked": sum(row["marked"] for row in sound),
        }
    return summary


def results(network: Network, measured: list[Measured], folder: Path | None = None) -> dict[str, Any]:
    """Return the section of ``evaluation.json``: summary, the same with other pixel sizes, and a row for each hip."""
    rows = [one.row for one in measured]
    off = {f"{scale:g}": summarise([one.row for one in measure_all(network, folder, scale)]) for scale in PIXELS_OFF}
    return summarise(rows) | {"pixels_off": off, "rows": rows}


def _mean(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if len(known) == len(values) else None


def table_cells(real: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return rows of the table in docs/figures.md: what, on what, wanted, measured."""
    names = {"t1": ("T1", "4 of 4; 0.80"), "fat_suppressed": ("STIR and fat-suppressed T2", "4 of 5; –")}
    cells = []
    for name, (sequence, wanted) in names.items():
        own = real[name]
        figures = ", ".join(f"{own[key]['median']:.2f}" for key in ("dice_a", "dice_b", "dice_readers"))
        what = "real osteonecrosis: heads marked; median Dice against readers A and B, and of A against B"
        on = f"{own['hips']} heads on single {sequence} slices"
        cells.append((what, on, wanted, f"{own['marked']} of {own['hips']}; {figures}"))
        on = f"{own['sound']} heads on single {sequence} slices"
        cells.append(("heads without osteonecrosis that are marked", on, "–", str(own["sound_marked"])))
    return cells
