"""Real images of every kind, and places without a head: what is found, and what must not be.

``heads``: each femoral head that was marked by eye (``real/marks.py``): whether it is found, on its side, and how far
its sphere lies from the mark. ``none``: images without a head, ``CROPS`` boxes cut from real studies beside their
heads, and procedural knees and shoulders: how many of them are graded, and how many ask for a look. ``noise``: the real
T1 studies with noise added, whose heads are sound: what comes, and whether a warning comes with it.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ONFHAssistLib.analysis import analyse, grade_file
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.grid import box_of
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import Study, read_study
from training.learning.samples import measured_femora
from training.measuring.runs import measure, open_models, spread
from training.measuring.truth import study_of, truth_of
from training.phantoms.anatomy import random_hip
from training.phantoms.render import PLANES, acquire, intensities, random_body, slice_points
from training.phantoms.strangers import stranger
from training.real.data import TEST_CASES, TRAINING_CASES, VALIDATION_CASES, read_case, require_data_folder
from training.real.labels import real_heads
from training.real.marks import images_without_head, marked_heads, read_image

NEAR_MM = 3.0
"""A sphere counts as right where its centre lies at most this far from the mark."""
CROPS = 200
STRANGERS = 40
"""Half of them knees, half shoulders, in four contrasts."""
NOISE = (0.02, 0.04, 0.06, 0.09, 0.12)
"""Noise that is added, as a part of the range from the 1st to the 99th percentile of the image."""
_FIRST_SEED = 90_000_000  # far from those that any network has learned from


def evaluate_elsewhere(cases: str, processes: int = 2) -> dict[str, Any]:
    """Heads marked by eye, places without a head, and noise."""
    of = VALIDATION_CASES if cases == "train" else TEST_CASES
    found = measure("marked", measure_image, [(image,) for image in images()], processes)
    nowhere = measure("nowhere", measure_nowhere, nowhere_jobs(), processes)
    noisy = measure("noise", measure_noise, [(case, level) for case in of for level in NOISE], processes)
    return {
        "heads": summarise_heads([row for rows in found for row in rows]),
        "none": summarise_nowhere(nowhere),
        "noise": summarise_noise([row for rows in noisy for row in rows]),
    }


def measure_image(image: str) -> list[dict[str, Any]]:
    """Return a row for each marked head of an image, with the status that the software gives it."""
    folder = require_data_folder()
    try:
        result = grade_file(folder / image, models=open_models())
    except InputError as error:
        return [_row(head, "refused", str(error).replace(str(folder), "")) for head in _heads_of(image)]
    hips = {hip.side: hip for hip in result.hips}
    rows = []
    for head in _heads_of(image):
        hip = hips[head.side]
        row = _row(head, hip.status, hip.reason)
        if hip.sphere:
            apart = np.subtract(hip.sphere.centre_ras_mm, head.sphere.centre_ras_mm)
            row |= {
                "centre_mm": round(float(np.linalg.norm(apart)), 1),
                "radius_error_mm": round(hip.sphere.radius_mm - head.sphere.radius_mm, 1),
                "segmented": hip.segmented,
                "ratio": None if hip.volume_ratio is None else round(hip.volume_ratio, 4),
                "steinberg": hip.grades["steinberg"].grade if hip.grades else None,
            }
        rows.append(row)
    return rows


def _heads_of(image: str) -> list:
    return [head for head in marked_heads() if head.image == image]


def _row(head: Any, status: str, reason: str | None) -> dict[str, Any]:
    known = {"image": head.image, "side": head.side, "whole": head.whole}
    return known | {"status": status, "reason": reason, "segmented": False}


def images() -> list[str]:
    """Return the images with marked heads."""
    return sorted({head.image for head in marked_heads()})


def summarise_heads(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count the heads that are wholly in view and those that the image cuts; the distances are of the former."""
    whole, cut = ([r for r in rows if r["whole"] == is_whole] for is_whole in (True, False))
    found = [r for r in whole if r["segmented"]]
    mr = [r for r in found if "ct.nii" not in r["image"]]
    return {
        "whole": len(whole),
        "found": len(found),
        "near": sum(r["centre_mm"] <= NEAR_MM for r in found),
        "centre_mm": spread([r["centre_mm"] for r in found]),
        "cut": len(cut),
        "cut_graded": sum(r["status"] == "graded" for r in cut),
        "mr_found": len(mr),
        "mr_without_onfh": sum(r["steinberg"] in ("without ONFH", None) for r in mr),
        "ct_with_number": sum(r["ratio"] is not None for r in found if "ct.nii" in r["image"]),
        "rows": rows,
    }


def measure_nowhere(kind: str, number: int) -> dict[str, Any]:
    """Return what the software says of a place without a head: "graded", "asks" or "none", and the sides.

    Args:
        kind: "image" (one of ``images_without_head``), "crop" of a real study, or "stranger".
        number: which one.
    """
    made = {"image": _image, "crop": _crop, "stranger": _stranger}[kind](number)
    if made is None:
        return {"kind": kind, "number": number, "answer": "no such place"}
    name, study = made
    try:
        result = analyse(study, models=open_models())
    except InputError:
        return {"kind": kind, "number": number, "what": name, "answer": "none"}
    graded = [hip.side for hip in result.hips if hip.segmented]
    asks = [hip.side for hip in result.hips if hip.sphere and not hip.segmented]
    answer = "graded" if graded else "asks" if asks else "none"
    return {"kind": kind, "number": number, "what": name, "answer": answer}


def nowhere_jobs() -> list[tuple[str, int]]:
    """Return the arguments of ``measure_nowhere`` for all places."""
    counts = {"image": len(images_without_head()), "crop": CROPS, "stranger": STRANGERS}
    return [(kind, number) for kind, count in counts.items() for number in range(count)]


def summarise_nowhere(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count the answers for each kind of place."""
    kinds = {}
    for kind in ("image", "crop", "stranger"):
        own = [r for r in rows if r["kind"] == kind and r["answer"] != "no such place"]
        kinds[kind] = {"places": len(own)} | {a: sum(r["answer"] == a for r in own) for a in ("graded", "asks", "none")}
    return kinds | {"rows": [r for r in rows if r["answer"] in ("graded", "asks")]}


def _image(number: int) -> tuple[str, Study]:
    name = images_without_head()[number]
    return name, read_study(require_data_folder() / name)


def _crop(number: int) -> tuple[str, Study] | None:
    """Cut a box out of a real study that no head reaches into."""
    rng = np.random.default_rng([_FIRST_SEED, number])
    cases = TRAINING_CASES + TEST_CASES
    names = [*cases, *images()]
    name = names[number % len(names)]
    if name in cases:
        study, volume = study_of(name), read_case(name)
        spheres = [real_heads().get((name, side)) or truth_of(name, side)[0] for side in ("right", "left")]
    else:
        study, volume = read_study(require_data_folder() / name), read_image(name)
        spheres = [head.sphere for head in _heads_of(name)]
    size = np.array(volume.shape[::-1])
    spacing = np.array(volume.spacing_mm)
    for _ in range(500):
        wanted = np.minimum(np.ceil(rng.uniform(60, 160, 3) / spacing).astype(int), size)
        low = np.array([rng.integers(0, s - w + 1) for s, w in zip(size, wanted, strict=True)])
        if not any(_reaches(volume, sphere, low, low + wanted) for sphere in spheres):
            box = box_of((int(a), int(a + n)) for a, n in zip(low[::-1], wanted[::-1], strict=True))
            return name, replace(study, volume=study.volume.cropped(box))
    return None


def _reaches(volume: Volume, sphere: Sphere, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether a sphere reaches into a box of voxels (i, j, k)."""
    centre = volume.ijk(np.array(sphere.centre_ras_mm))
    outside_mm = np.maximum(np.maximum(low - centre, centre - high), 0) * np.array(volume.spacing_mm)
    return bool(np.linalg.norm(outside_mm) < sphere.radius_mm)


def _stranger(number: int) -> tuple[str, Study]:
    """Render a knee or a shoulder as a coronal or axial series."""
    kind = ("knee", "shoulder")[number % 2]
    contrast = ("t1", "t2", "stir", "ct")[number // 2 % 4]
    seed = _FIRST_SEED + number
    rng = np.random.default_rng(seed)
    hip = random_hip(rng, measured_femora())
    body = random_body(rng, hip)
    plane = ("coronal", "axial")[number // 8 % 2]
    spacing = 2.5 if contrast == "ct" else 4.0
    points = slice_points(plane, round(120 / spacing), spacing, 170, 1.0, np.eye(3), np.zeros(3))
    tissue = stranger(kind, hip, body, points, np.random.default_rng([seed, 2]))
    image = intensities(tissue, points, body, contrast, np.random.default_rng([seed, 1]))
    image = acquire(image, contrast, rng, 1.0)
    image = image if contrast == "ct" else np.round(image * 500)
    axes = PLANES[plane]
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([axes[2], axes[1], axes[0] * spacing], axis=1)
    matrix[:3, 3] = points[0, 0, 0]
    source: dict[str, Any] = {"modality": "CT" if contrast == "ct" else "MR", "sequence": contrast.upper()}
    source |= {"sequence_from": "tags", "fat_suppressed": contrast == "stir", "contrast_agent": None}
    source |= {"body_part": "", "plane": plane}
    return f"{kind}, {contrast}, {plane}", Study(Volume(image.astype(np.float32), matrix), source)


def measure_noise(case: str, level: float) -> list[dict[str, Any]]:
    """Return a row for each head of a real T1 study with Rician noise of this level."""
    study = study_of(case)
    array = study.volume.array.astype(np.float32)
    rng = np.random.default_rng([int(case), round(1000 * level)])
    sd = level * float(np.subtract(*np.percentile(array[array > 0], [99, 1])))
    noisy = np.hypot(array + rng.normal(0, sd, array.shape), rng.normal(0, sd, array.shape))
    try:
        result = analyse(replace(study, volume=study.volume.like(noisy.astype(np.float32))), models=open_models())
    except InputError as error:
        return [{"case": case, "level": level, "side": side, "status": str(error)} for side in ("right", "left")]
    return [
        {
            "case": case,
            "level": level,
            "side": hip.side,
            "status": hip.status,
            "steinberg": hip.grades["steinberg"].grade if hip.grades else None,
            "warned": any(w.code == "noise" and hip.side in w.message for w in result.warnings),
        }
        for hip in result.hips
    ]


def summarise_noise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count, for each level, sound heads: without ONFH, called necrotic with and without a warning, and not graded."""
    summary = {}
    for level in NOISE:
        own = [r for r in rows if r["level"] == level]
        wrong = [r for r in own if r.get("steinberg") not in (None, "without ONFH")]
        summary[f"{level:.0%}"] = {
            "heads": len(own),
            "without_onfh": sum(r.get("steinberg") == "without ONFH" for r in own),
            "wrong": len(wrong),
            "wrong_without_warning": sum(not r["warned"] for r in wrong),
            "not_graded": sum(r["status"] != "graded" for r in own),
        }
    return summary
