"""Femoral heads on single slices: found, on their side, how exactly, with and without a pixel size; and none where
there is none.

``test``: the slice through the middle of each head of the test studies, against spheres of the manual masks; as it is,
without its pixel size, recast to T2 and STIR, and cropped to one hip. ``onfh``: pictures with real osteonecrosis,
against the circles of two readers. ``slabs``: 8-bit pictures of CT, of which only the sides in view are known.
``none``: slices of knees, shoulders and forearms, of the test studies far off the heads, and of the other planes.
"""

from functools import cache
from typing import Any, cast

import numpy as np
from PIL import Image

from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.grid import as_point, box_of
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import canonical_hip
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.segment import Network
from ONFHAssistLib.imaging.slice_heads import HEAD_WIDTH_MM, SliceHead, find_slice_heads
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import open_engine
from training.learning.slice_pictures import SHARED_OUT, circles
from training.measuring.real_lesions import one_slice, read_outlines, read_slices
from training.measuring.runs import spread
from training.measuring.truth import truth_of
from training.phantoms.recast import recast
from training.real.data import TEST_CASES, read_case, require_data_folder
from training.real.marks import images_without_head, read_image

BUNDLE = "slice_finder"
FAR_MM = 8.0
"""A slice is far off a head where it passes the sphere by so much."""
CROP_MM = 130.0
CROPS = 3
"""Crops of each hip, each about another place near the head."""
STEP_MM = 12.0
"""Between the slices of images without a head."""
SLAB_SIDES: dict[str, tuple[Side, ...]] = {"s09": ("right",), "s10": ("left",), "s11": ("right",), "s12": ("right",)}
"""Series of ``hip_ct_slabs`` that show one hip only, whose head is whole on all coronal pictures."""


@cache
def _network() -> Network:
    bundle = load_bundle(BUNDLE)
    return Network(bundle, open_engine(bundle, "cpu", threads=1))


def evaluate_slices() -> dict[str, Any]:
    """Measure the slice finder; rows are kept beside the summaries."""
    test = [row for case in TEST_CASES for row in _test_rows(case)]
    onfh, slabs, none = _onfh_rows(), _slab_rows(), _none_rows()
    ways = ("as it is", "no pixel size", "t2", "stir", "one hip")
    return {
        "test": {way: summarise([row for row in test if row["way"] == way]) for way in ways},
        "onfh": summarise(onfh),
        "slabs": {
            "pictures": len(slabs),
            "found": sum(row["found"] for row in slabs),
            "right_side": sum(row["right_side"] for row in slabs),
        },
        "none": {
            kind: {answer: sum(row["answer"] == answer for row in none if row["kind"] == kind) for answer in _ANSWERS}
            for kind in dict.fromkeys(row["kind"] for row in none)
        },
        "rows": {"test": test, "onfh": onfh, "slabs": slabs, "none": none},
    }


_ANSWERS = ("none", "doubtful", "found")


def picture(pixels: np.ndarray) -> Study:
    """Return pixels (row, column) as a picture of which nothing is known."""
    return Study(one_slice(pixels, "coronal", 1.0, 1.0), {"modality": "unknown", "spacing_mm": None})


def row_of(heads: tuple[SliceHead, ...], side: Side, truth: np.ndarray, study: Study, mm: float) -> dict[str, Any]:
    """Compare what was found of one side with the truth.

    Args:
        heads: what was found.
        side: which hip.
        truth: column, row, radius in pixels of the study's one slice.
        study: that was looked at.
        mm: in the patient for each mm of the study's grid.
    """
    place, radius_mm = study.volume.ras(np.array([truth[0], truth[1], 0])), truth[2] * study.volume.spacing_mm[0]
    row: dict[str, Any] = {"side": side, "found": False, "right_side": False, "answer": "none"}
    near = [head for head in heads if np.linalg.norm(np.subtract(head.centre_ras_mm, place)) < radius_mm]
    for head in near[:1]:
        off_mm = float(np.linalg.norm(np.subtract(head.centre_ras_mm, place))) * mm
        row |= {"found": True, "right_side": head.side == side, "answer": head.answer, "whole": head.whole}
        row |= {"confidence": round(head.confidence, 3), "side_sure": round(head.side_sure, 3)}
        row |= {"centre_mm": round(off_mm, 2), "radius_error_mm": round((head.radius_mm - radius_mm) * mm, 2)}
        row |= {"radius_percent": round(100 * (head.radius_mm / radius_mm - 1), 1)}
        if head.pixel_from != "image":
            row |= {"scale_percent": round(100 * (head.scale / mm - 1), 1)}
    return row


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count heads, and spread the errors of those found."""
    found = [row for row in rows if row["found"]]
    summary: dict[str, Any] = {
        "heads": len(rows),
        "found": len(found),
        "doubtful": sum(row["answer"] == "doubtful" for row in found),
        "right_side": sum(row["right_side"] for row in found),
    }
    for key in ("centre_mm", "radius_error_mm", "radius_percent", "scale_percent"):
        if known := [row[key] for row in found if key in row]:
            summary[key] = spread(known, 2)
    return summary


def _front(volume: Volume) -> Volume:
    """Return a coronal volume with slices from front to back, rows downwards and the patient's right at the left."""
    reach = 4 * float(np.max(volume.size * np.array(volume.spacing_mm)))
    return canonical_hip(volume, "right", as_point(volume.ras((volume.size - 1) / 2)), (reach,) * 3).volume


def _slice(volume: Volume, axis: int, index: int) -> Volume:
    """Return one slice of a volume across an axis of its array."""
    ends = [(index, index + 1) if n == axis else (0, length) for n, length in enumerate(volume.shape)]
    return volume.cropped(box_of(ends))


def _test_rows(case: str) -> list[dict[str, Any]]:
    volume = _front(read_case(case))
    spheres = [truth_of(case, side)[0] for side in SIDES]
    source = {"modality": "MR", "spacing_mm": list(volume.spacing_mm)}
    mm, rows = volume.spacing_mm[0], []
    rng = np.random.default_rng(int(case))
    marrow = float(np.percentile(volume.array, 90))
    for n, side in enumerate(SIDES):
        k = round(float(volume.ijk(np.array(spheres[n].centre_ras_mm))[2]))
        at = _slice(volume, 0, k)
        truth = circles([spheres[n]], at.grid_ras()[0])[0]
        pixels = at.array[0].astype(np.float32)
        known = Study(at, source)
        ways = [("as it is", known, truth, 1.0), ("no pixel size", picture(pixels), truth, mm)]
        for contrast in ("t2", "stir"):
            ways.append((contrast, Study(at.like(recast(at.array, marrow, contrast)), source), truth, 1.0))
        for _ in range(CROPS):
            half = round(CROP_MM / 2 / mm)
            column, row = np.round(truth[:2] + rng.uniform(-25, 25, 2) / mm).astype(int)
            low = np.maximum([column - half, row - half], 0)
            cut = pixels[low[1] : row + half, low[0] : column + half]
            ways.append(("one hip", picture(cut), np.array([*(truth[:2] - low), *truth[2:]]), mm))
        for way, study, place, scale in ways:
            found = row_of(find_slice_heads(study, _network()), side, place, study, scale)
            rows.append({"case": case, "way": way} | found)
    return rows


def _onfh_rows() -> list[dict[str, Any]]:
    rows = []
    for shown in read_slices(require_data_folder() / "onfh_mr", read_outlines()):
        if shown.plane != "coronal":
            continue
        study = picture(shown.pixels)
        heads = find_slice_heads(study, _network())
        for hip in shown.hips:
            truth = np.array([hip.circle.x_px, hip.circle.y_px, hip.circle.radius_px])
            mm = HEAD_WIDTH_MM / (2 * hip.circle.radius_px)  # what a millimetre is here is a guess
            row = {"image": shown.name, "diseased": hip.diseased} | row_of(heads, hip.side, truth, study, mm)
            rows.append({key: value for key, value in row.items() if key != "scale_percent"})
    return rows


def _slab_rows() -> list[dict[str, Any]]:
    rows = []
    for path in sorted((require_data_folder() / "hip_ct_slabs").glob("*_coronal_*.png")):
        wanted = SLAB_SIDES.get(path.name[:3])
        if wanted is None:
            continue
        heads = find_slice_heads(_read(path), _network())
        sides = tuple(head.side for head in heads)
        row = {"image": path.name, "found": bool(heads), "right_side": sides == wanted, "sides": sides}
        rows.append(row | {"confidence": [round(head.confidence, 3) for head in heads]})
    return rows


def _read(path: Any) -> Study:
    return picture(np.asarray(Image.open(path).convert("L"), np.float32))


def _none_rows() -> list[dict[str, Any]]:
    """Look at what shows no head on a coronal slice: the surest answer of each."""
    rows = []

    def look(kind: str, what: str, study: Study) -> None:
        heads = find_slice_heads(study, _network())
        best = max(heads, key=lambda head: head.confidence, default=None)
        answer = best.answer if best else "none"
        rows.append({"kind": kind, "what": what, "answer": answer, "confidence": best and round(best.confidence, 3)})

    for name in images_without_head():
        kind = "other joints, never learned from" if name.startswith(SHARED_OUT) else "other joints, learned from"
        volume = read_image(name)
        for axis in (0, 1):  # axial ones are given as pictures, whose plane nobody knows
            step = max(1, round(STEP_MM / volume.spacing_mm[2 - axis]))
            for index in range(step, volume.shape[axis] - step, step):
                look(kind, f"{name} {axis} {index}", _upright(volume, axis, index))
    for case in TEST_CASES:
        volume = _front(read_case(case))
        spheres = [truth_of(case, side)[0] for side in SIDES]
        middles = np.array([volume.ijk(np.array(sphere.centre_ras_mm)) for sphere in spheres])
        for k in range(len(volume.array)):
            off_mm = np.abs(k - middles[:, 2]) * volume.spacing_mm[2]
            if all(off > sphere.radius_mm + FAR_MM for off, sphere in zip(off_mm, spheres, strict=True)):
                look("coronal, far off the heads", f"{case} {k}", picture(volume.array[k].astype(np.float32)))
        for axis, name in ((1, "axial"), (2, "sagittal")):
            for n in range(2):
                look(f"{name}, through a head", case, _upright(volume, axis, round(float(middles[n, 2 - axis]))))
    for path in sorted((require_data_folder() / "hip_ct_slabs").glob("*_axial_*.png")):
        look("axial CT, a picture", path.name, _read(path))
    return rows


def _upright(volume: Volume, axis: int, index: int) -> Study:
    """Return one slice of a volume as a picture with square pixels, upright where it is coronal or sagittal."""
    pixels = _slice(volume, axis, index).array.squeeze(axis).astype(np.float32)
    rest = [2 - n for n in range(3) if n != axis]  # voxel axes of rows and columns
    if abs(volume.axes_ras[2, rest[1]]) > 0.5:  # columns run along the body, as on sagittal slices
        pixels, rest = pixels.T, rest[::-1]
    if volume.axes_ras[2, rest[0]] > 0.5:  # rows run upwards
        pixels = pixels[::-1]
    if volume.axes_ras[0, rest[1]] > 0.5:  # columns run to the patient's right
        pixels = pixels[:, ::-1]
    spacing = [volume.spacing_mm[n] for n in rest]
    size = [round(n * mm / min(spacing)) for n, mm in zip(pixels.shape, spacing, strict=True)]
    scaled = Image.fromarray(np.ascontiguousarray(pixels)).resize(
        cast(Any, tuple(size[::-1])), Image.Resampling.BILINEAR
    )
    return picture(np.asarray(scaled))
