"""Measure models: ``python -m training.evaluate heads|lesions|contrasts|resolution|others|elsewhere|pair|real|all``.

- ``heads``: the 15 real T1 studies, against spheres and heads cut from their manual femur masks by the project's rule,
  and the landmarks against those found by the same rule on their manual hip-bone masks.
- ``lesions``: lesions painted into the 5 test studies by the second painter, through the whole way.
- ``contrasts``: the same lesions on T2 and with fat suppression, to which the painted T1 is recast
  (``training/recast.py``).
- ``resolution``: the 5 test studies resampled to finer pixels and slices (``training/resolution.py``).
- ``others``: the CT, axial T1, VIBE, localizer and coronal T1 DICOM studies.
- ``elsewhere``: heads marked by eye in real images of every kind, images without a head, and noise
  (``training/elsewhere.py``).
- ``pair``: where the head lies on CT and on axial T1 of the same hip.
- ``real``: real osteonecrosis on single slices, against outlines drawn by eye (``training/real_lesions.py``); it also
  writes the page ``real_onfh.md``, and with ``--pictures`` the slices with all outlines on them.

Results go into ``docs/evaluation.json``, beside those of the same models; ``--table`` prints them as Markdown. Two
processes measure case by case; what a killed run has measured is kept in ``training/cache/evaluation`` for the next run
with the same models and code.

``--cases train`` is for development: ``heads`` and ``resolution`` of the training studies, ``elsewhere`` with noise in
the patients that no network learns from, and ``lesions`` by the first painter in these patients. Nothing of it goes
into ``docs/evaluation.json``.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib import analysis
from ONFHAssistLib.analysis import AnalysisOptions, analyse
from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.files import replace_file
from ONFHAssistLib.core.gradings import grade_hip, steinberg_grade
from ONFHAssistLib.core.hip import HipMasks, HipResult, Landmarks, Side, Sphere, StudyResult
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.metrics import confusion_matrix, segmentation_metrics, weighted_kappa
from ONFHAssistLib.core.sphere import articular_sphere, head_from_femur, initial_head_sphere
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.landmarks import find_landmarks
from ONFHAssistLib.imaging.read import Study, read_study
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.systems.base import Models
from training.data import (
    CACHE,
    NO_DATA,
    ROOT,
    TEST_CASES,
    TRAINING_CASES,
    VALIDATION_CASES,
    data_folder,
    read_volume,
    require_data_folder,
)
from training.label_real import crop, read_marked_hips
from training.lesions import paint
from training.recast import recast_study
from training.second_painter import LesionSpec, lesion_plan, paint_second

RESULTS = ROOT / "docs" / "evaluation.json"
KEPT = CACHE / "evaluation"
BUNDLES = ("hip_finder", "head_check", "anatomy", "necrosis")
RECAST = ("t2", "stir")
CLASSES = ("without ONFH", "mild", "moderate", "severe")
JIC = ("A", "B", "C1", "C2", "none")
SIZES = {"3-8 %": (0.0, 0.08), "8-15 %": (0.08, 0.15), "15-30 %": (0.15, 0.30), "30-50 %": (0.30, 1.0)}
"""Bands of the necrotic part of the head; each begins above its lower end."""
OTHERS = {
    "ct": ("CT with metal in the left femur", "right hip found; left hip not graded, metal named"),
    "ct_mr_pair_t1": ("axial T1 of a right hip", "head found; without ONFH, or mild and borderline"),
    "ct_mr_pair_ct": ("CT of the same hip", "–"),
    "axial_vibe_dicom": ("VIBE", "graded with a domain warning, or refused with a reason"),
    "mixed_localizer_dicom": ("localizer", "refused: three orientations are mixed"),
}
BONE_ISLAND_RAS_MM = {"ct_mr_pair_t1": (97.5, -32.3, -751.9), "ct_mr_pair_ct": (92.5, -27.8, -745.9)}
"""A bone island in the head of the patient who has CT and T1, dark on T1 and bright on CT: the centre of mass of the
spot, marked on each image. It lies 8.9 mm apart on the two: the patient was placed differently in the two scanners."""
GROUPS = {"test": TEST_CASES, "training": TRAINING_CASES, "validation": VALIDATION_CASES}
SPHERE_MOVED = ("centre_moved_mm", "radius_changed_mm")
FEMUR, HIP_BONE = 1, 2
"""Labels of both femora and both hip bones in the manual masks."""


@cache
def open_models() -> Models:
    """Open the bundles on one thread of the CPU, once in each process: the processes share the cores."""
    return analysis.open_models("cpu", threads=1)


def weights() -> dict[str, str]:
    """Return the SHA-256 of the weights that are measured, by the name of the bundle."""
    return {name: load_bundle(name).metadata["onfh_assist"]["sha256"]["model.safetensors"] for name in BUNDLES}


@cache
def study_of(case: str) -> Study:
    """Read a real T1 study."""
    return read_study(require_data_folder() / "t1_coronal" / f"case_{case}_t1.nii.gz")


@cache
def bones_of(case: str) -> Volume:
    """Read the manual mask of a real T1 study."""
    return read_volume(require_data_folder() / "t1_coronal" / f"case_{case}_bones.nii.gz")


@cache
def truth_of(case: str, side: Side) -> tuple[Sphere, Volume]:
    """Sphere and head of the manual femur mask: the truth for this hip."""
    bones = bones_of(case)
    femur = bones.like(bones.array == FEMUR)
    sphere = articular_sphere(femur, initial_head_sphere(femur, side))
    return sphere, femur.like(head_from_femur(femur, sphere))


@cache
def true_landmarks(case: str, side: Side) -> Landmarks:
    """Landmarks of the manual hip-bone mask with the true sphere, by the rule that the software has."""
    bones = bones_of(case)
    return find_landmarks(bones.like(bones.array == HIP_BONE), truth_of(case, side)[0], side)


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Median, quartiles, extremes and count."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    numbers = {"median": middle, "q1": low, "q3": high, "min": min(values), "max": max(values)}
    return {name: round(float(x), digits) for name, x in numbers.items()} | {"n": len(values)}


def measure(section: str, function: Callable[..., Any], jobs: list[tuple], processes: int) -> list[Any]:
    """Return ``function(*job)`` for each job, in their order, measured in processes of one thread each.

    Args:
        section: names the file in which results are kept until models or code change.
        function: of this module; what it returns is JSON-ready.
        jobs: arguments, JSON-ready too.
        processes: how many.
    """
    path = KEPT / f"{section}-{_measured_with()}.jsonl"
    names = [json.dumps(job) for job in jobs]
    kept = _read_kept(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"  # what the processes inherit: they share the cores
    with (
        path.open("a", encoding="utf-8") as file,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        asked = {pool.submit(function, *job): name for name, job in zip(names, jobs, strict=True) if name not in kept}
        for future in as_completed(asked):
            name, result = asked[future], future.result()
            kept[name] = result
            file.write("\n" + json.dumps([name, result]))  # begins a line of its own, whatever was cut off before
            file.flush()
            print(len(names) - sum(n not in kept for n in names), "of", len(names), name, result, flush=True)
    return [kept[name] for name in names]


def _read_kept(path: Path) -> dict[str, Any]:
    """Read what an earlier run has measured; a line that was cut off when it was killed does not count."""
    kept = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            name, result = json.loads(line)
        except ValueError:
            continue
        kept[name] = result
    return kept


def _measured_with() -> str:
    """Return a checksum of the models, their calibration, and the code that measures."""
    calibrations = [load_bundle(name).metadata["onfh_assist"].get("calibration") for name in BUNDLES]
    digest = hashlib.sha256(json.dumps([weights(), calibrations], sort_keys=True).encode())
    painters = [
        ROOT / "training" / f"{name}.py"
        for name in ("elsewhere", "evaluate", "lesions", "recast", "resolution", "second_painter", "tissue")
    ]
    for path in [*sorted((ROOT / "ONFHAssistLib").rglob("*.py")), *painters]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def evaluate_heads(cases: str, processes: int = 2) -> dict[str, Any]:
    """Real heads: found on the correct side, centre, head, landmarks, and what is wrongly called necrotic.

    The manual masks tell the truth; points are also compared with those marked by eye in the training studies. Heads
    without found or true landmarks do not count for these.
    """
    jobs = [(case,) for case in sorted(TRAINING_CASES if cases == "train" else TRAINING_CASES + TEST_CASES)]
    rows = [row for study in measure("heads", measure_heads, jobs, processes) for row in study]
    found = [r for r in rows if r["found"]]
    summary = {"found": len(found), "heads": len(rows), "centre_mm": spread([r["centre_mm"] for r in found])}
    summary |= {
        "all_ratio_below_1_percent": sum(r["ratio"] < 0.01 for r in found),
        "all_without_onfh": sum(r["steinberg"] == "without ONFH" for r in found),
    }
    for group, of in GROUPS.items():
        if own := [r for r in found if r["case"] in of]:
            summary |= {f"{group}_{key}": value for key, value in _summarise_heads(own).items()}
    return summary | {"rows": rows}


def measure_heads(case: str) -> list[dict[str, Any]]:
    """Return a row for each hip of a real study."""
    study = study_of(case)
    result = analyse(study, models=open_models())
    masks = {m.side: m for m in result.masks}
    by_eye = {(m.case, m.side): m for m in read_marked_hips()}
    normal = study.volume.axes_ras[:, 2]
    rows = []
    for hip in result.hips:
        sphere, head = truth_of(case, hip.side)
        row: dict[str, Any] = {"case": case, "side": hip.side, "test": case in TEST_CASES, "found": False}
        if hip.status == "graded":
            assert hip.sphere is not None and hip.volume_ratio is not None
            metrics = segmentation_metrics(masks[hip.side].head, head)
            error = np.linalg.norm(np.subtract(hip.sphere.centre_ras_mm, sphere.centre_ras_mm))
            row |= {
                "found": bool(error < sphere.radius_mm),
                "centre_mm": round(float(error), 2),
                "radius_error_mm": round(hip.sphere.radius_mm - sphere.radius_mm, 2),
                "dice": round(metrics.dice, 4),
                "assd_mm": round(metrics.assd_mm, 3),
                "hd95_mm": round(metrics.hd95_mm, 2),
                "signed_bias_mm": round(metrics.signed_bias_mm, 3),
                "ratio": round(hip.volume_ratio, 5),
                "steinberg": hip.grades["steinberg"].grade,
            }
            truth, marked = true_landmarks(case, hip.side), by_eye.get((case, hip.side))
            for point in ("acetabular_edge", "teardrop"):
                at = getattr(hip.landmarks, f"{point}_ras_mm")
                row[f"{point}_confidence"] = getattr(hip.landmarks, f"{point}_confidence")
                row[f"{point}_mm"] = _apart(at, getattr(truth, f"{point}_ras_mm"))
                if marked:
                    # The eye's points lie on the slice, the software's on the plane through the centre.
                    row[f"{point}_by_eye_mm"] = _apart(at, getattr(marked, f"{point}_ras_mm"), normal)
        rows.append(row)
    return rows


def _summarise_heads(rows: list[dict[str, Any]]) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "heads": len(rows),
        "patients": len({r["case"] for r in rows}),
        "ratio_below_1_percent": sum(r["ratio"] < 0.01 for r in rows),
        "without_onfh": sum(r["steinberg"] == "without ONFH" for r in rows),
    }
    points = [f"{point}{by}_mm" for point in ("acetabular_edge", "teardrop") for by in ("", "_by_eye")]
    for name in ("dice", "assd_mm", "hd95_mm", "signed_bias_mm", "radius_error_mm", *points):
        if known := [r[name] for r in rows if r.get(name) is not None]:
            summary[name] = spread(known)
    return summary


def _apart(a: tuple | None, b: tuple | None, normal: np.ndarray | None = None) -> float | None:
    """Distance of two points in mm, within the plane of ``normal`` if it is given; None where one is missing."""
    if a is None or b is None:
        return None
    offset = np.subtract(a, b)
    return round(float(np.linalg.norm(offset if normal is None else offset - (offset @ normal) * normal)), 2)


def evaluate_lesions(cases: str, count: int, processes: int = 2) -> dict[str, Any]:
    """Paint lesions and grade each hip through the whole way.

    A hip that is not graded has a Dice of 0 and a wrong class; kappa, distances and ratio errors are of the others. A
    JIC class is right or wrong where the truth has one: masks, sphere and landmarks of the manual masks and the painted
    lesion, by the same rules.
    """
    of = VALIDATION_CASES if cases == "train" else TEST_CASES
    plan = lesion_plan(count, seed=2026, cases=len(of))
    rows = measure("lesions", measure_lesion, [(of[spec.case], *asdict(spec).values()) for spec in plan], processes)
    graded = [r for r in rows if r["graded"]]
    truth, predicted = [r["truth"] for r in graded], [r["predicted"] for r in graded]
    wrong = [r for r in rows if r.get("predicted") != r["truth"]]
    groups = {
        "mitchell": {m: [r for r in rows if r["mitchell"] == m] for m in "ABCD"},
        "class": {c: [r for r in rows if r["truth"] == c] for c in CLASSES},
        "size": {name: [r for r in rows if low < r["ratio"] <= high] for name, (low, high) in SIZES.items()},
    }
    summary: dict[str, Any] = {
        "lesions": len(rows),
        "graded": len(graded),
        "hips": len({(r["case"], r["side"]) for r in rows}),
        "patients": len({r["case"] for r in rows}),
        "painter": "first" if cases == "train" else "second",
        "dice": spread([r["dice"] for r in rows]),
        "assd_mm": spread(_known(rows, "assd_mm")),
    }
    for group, parts in groups.items():
        parts = {name: part for name, part in parts.items() if part}
        summary[f"dice_by_{group}"] = {name: spread([r["dice"] for r in part]) for name, part in parts.items()}
        summary[f"assd_by_{group}"] = {
            name: spread(known) for name, part in parts.items() if (known := _known(part, "assd_mm"))
        }
    return summary | {
        "ratio_error_points": spread([100 * abs(r["predicted_ratio"] - r["ratio"]) for r in graded]),
        "ratio_bias_points": spread([100 * (r["predicted_ratio"] - r["ratio"]) for r in graded]),
        "steinberg_right": round(1 - len(wrong) / len(rows), 4),
        "wrong_but_called_borderline": sum(r.get("borderline", False) for r in wrong),
        "borderline": sum(r["borderline"] for r in graded),
        "kappa": round(weighted_kappa(truth, predicted, CLASSES), 4),
        "confusion": confusion_matrix(truth, predicted, CLASSES).tolist(),
        "interval": _interval(graded),
        "jic": _jic(rows),
        "rows": rows,
    }


def evaluate_contrasts(cases: str, count: int, processes: int = 2) -> dict[str, Any]:
    """The lesions of ``evaluate_lesions`` on T2 and with fat suppression."""
    of = VALIDATION_CASES if cases == "train" else TEST_CASES
    plan = lesion_plan(count, seed=2026, cases=len(of))
    summary: dict[str, Any] = {}
    for contrast in RECAST:
        jobs = [(contrast, of[spec.case], *asdict(spec).values()) for spec in plan]
        rows = measure("contrasts", measure_recast, jobs, processes)
        graded = [r for r in rows if r["graded"]]
        summary[contrast] = {
            "lesions": len(rows),
            "graded": len(graded),
            "dice": spread([r["dice"] for r in rows]),
            "ratio_bias_points": spread([100 * (r["predicted_ratio"] - r["ratio"]) for r in graded]),
            "steinberg_right": round(sum(r.get("predicted") == r["truth"] for r in rows) / len(rows), 4),
            "interval": _interval(graded),
        }
    return summary


def measure_recast(contrast: str, case: str, *spec: Any) -> dict[str, Any]:
    """As ``measure_lesion``, with the painted image recast to a contrast of ``recast.py``."""
    return measure_lesion(case, *spec, contrast=contrast)


def measure_lesion(case: str, *spec: Any, contrast: str = "t1") -> dict[str, Any]:
    """Paint one lesion, grade the hip, and return a row; ``spec`` are the fields of a LesionSpec."""
    plan = LesionSpec(*spec)
    side = plan.side
    sphere, head = truth_of(case, side)
    image, necrosis, mitchell = _painted(case, plan)
    ratio = float(necrosis.sum() / head.array.sum())
    dead = head.like(necrosis)
    truth = grade_hip(measure_hip(HipMasks(side, head, dead, sphere, true_landmarks(case, side))))
    row = {"case": case, "side": side, "mitchell": mitchell, "ratio": round(ratio, 4)}
    row |= {"truth": steinberg_grade(ratio), "jic_truth": truth["jic"].grade, "graded": False, "dice": 0.0}
    study = Study(head.like(image), study_of(case).source)
    if contrast != "t1":
        study = recast_study(study, float(np.median(study_of(case).volume.array[head.array])), contrast)
    try:
        result = analyse(study, AnalysisOptions(sides=(side,)), models=open_models())
    except InputError:
        return row
    hip = result.hips[0]
    return row | _compare(hip, result.masks[0].necrosis, dead) if hip.status == "graded" else row


def _painted(case: str, plan: LesionSpec) -> tuple[np.ndarray, np.ndarray, str]:
    """Paint a lesion: image, necrosis (bool) and Mitchell class; by the second painter into a test patient only."""
    sphere, head = truth_of(case, plan.side)
    volume, rng = study_of(case).volume, np.random.default_rng(plan.seed)
    if case in TEST_CASES:
        second = paint_second(volume, head.array, sphere, plan.side, plan.target_ratio, plan.mitchell, rng)
        return second.image, second.necrosis, plan.mitchell
    centre = np.array(sphere.centre_ras_mm)
    near, near_head = crop(volume, centre), crop(head, centre)
    points = (near.grid_ras() - centre) * [1.0 if plan.side == "right" else -1.0, 1.0, 1.0]
    step = points[1, 0, 0] - points[0, 0, 0]
    lesion = paint(
        near.array.astype(np.float32), points.astype(np.float32), near_head.array, sphere.radius_mm, "t1", step, rng,
        plan.target_ratio,
    )  # fmt: skip
    start = np.round(volume.ijk(near.ijk_to_ras[:3, 3])).astype(int)[::-1]
    box = tuple(slice(a, a + n) for a, n in zip(start, near.array.shape, strict=True))
    image, necrosis = volume.array.astype(np.float32), np.zeros(volume.array.shape, bool)
    image[box], necrosis[box] = lesion.image, lesion.necrosis
    return image, necrosis, lesion.mitchell


def _compare(hip: HipResult, necrosis: Volume, truth: Volume) -> dict[str, Any]:
    assert hip.volume_ratio is not None  # it is graded
    metrics = segmentation_metrics(necrosis, truth)
    interval = hip.ratio_interval
    return {
        "graded": True,
        "dice": round(metrics.dice, 4),
        "assd_mm": round(metrics.assd_mm, 3) if np.isfinite(metrics.assd_mm) else None,
        "predicted_ratio": round(hip.volume_ratio, 4),
        "interval": None if interval is None else [round(float(x), 4) for x in interval],
        "predicted": hip.grades["steinberg"].grade,
        "borderline": is_borderline("steinberg", hip.grades["steinberg"]),
        "jic": hip.grades["jic"].grade,
    }


def _known(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [r[name] for r in rows if r.get(name) is not None]


def _interval(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How many true ratios lie within their interval, and how wide that is in percentage points."""
    told = [r for r in rows if r["interval"] is not None]
    if not told:
        return None
    inside = sum(r["interval"][0] <= r["ratio"] <= r["interval"][1] for r in told)
    width = spread([100 * (r["interval"][1] - r["interval"][0]) for r in told])
    return {"coverage": round(inside / len(told), 4), "n": len(told), "width_points": width}


def _jic(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy where the truth has a class, and the confusion of all; "none" where no class is given."""
    truth, predicted = ([r.get(name) or "none" for r in rows] for name in ("jic_truth", "jic"))
    classed = [(t, p) for t, p in zip(truth, predicted, strict=True) if t != "none"]
    return {
        "right": round(sum(t == p for t, p in classed) / len(classed), 4) if classed else None,
        "n": len(classed),
        "classes": list(JIC),
        "confusion": confusion_matrix(truth, predicted, JIC).tolist(),
    }


def evaluate_resolution(cases: str, processes: int = 2) -> dict[str, Any]:
    """What finer pixels and slices change of the heads; see ``training/resolution.py``."""
    from training.resolution import VARIANTS, measure_variant, summarise  # it measures with this module

    of = TRAINING_CASES if cases == "train" else TEST_CASES
    jobs = [(case, variant) for case in of for variant in VARIANTS]
    return summarise([row for rows in measure("resolution", measure_variant, jobs, processes) for row in rows])


def evaluate_elsewhere(cases: str, processes: int = 2) -> dict[str, Any]:
    """Heads marked by eye, places without a head, and noise; see ``training/elsewhere.py``."""
    from training import elsewhere as e  # it measures with this module

    of = VALIDATION_CASES if cases == "train" else TEST_CASES
    noise = [(case, level) for case in of for level in e.NOISE]
    images = measure("marked", e.measure_image, [(image,) for image in e.images()], processes)
    nowhere = measure("nowhere", e.measure_nowhere, e.nowhere_jobs(), processes)
    noisy = measure("noise", e.measure_noise, noise, processes)
    return {
        "heads": e.summarise_heads([row for rows in images for row in rows]),
        "none": e.summarise_nowhere(nowhere),
        "noise": e.summarise_noise([row for rows in noisy for row in rows]),
    }


def _inputs() -> dict[str, Path]:
    folder = require_data_folder()
    return {
        "ct": folder / "ct" / "pelvis_ct.nii.gz",
        "ct_mr_pair_t1": folder / "ct_mr_pair" / "hip_t1.nii.gz",
        "ct_mr_pair_ct": folder / "ct_mr_pair" / "hip_ct.nii.gz",
        "axial_vibe_dicom": folder / "axial_vibe_dicom",
        "mixed_localizer_dicom": folder / "mixed_localizer_dicom",
        "t1_coronal_dicom": folder / "t1_coronal_dicom",
    }


def evaluate_others(processes: int = 2) -> dict[str, Any]:
    """What the software says of images outside of the coronal T1 that it knows best."""
    names = list(_inputs())
    return dict(zip(names, measure("others", measure_other, [(name,) for name in names], processes), strict=True))


def measure_other(name: str) -> dict[str, Any]:
    """Return what the software says of one of the other images."""
    path = _inputs()[name]
    try:
        return _summary(analyse(read_study(path), models=open_models()))
    except InputError as error:
        return {"refused": str(error).replace(str(path), path.name)}


def _summary(result: StudyResult) -> dict[str, Any]:
    hips: dict[str, dict[str, Any]] = {}
    for hip in result.hips:
        hips[hip.side] = {"status": hip.status, "reason": hip.reason}
        if hip.status == "graded":
            assert hip.sphere is not None and hip.volume_ratio is not None
            steinberg = hip.grades["steinberg"]
            hips[hip.side] = {
                "centre_ras_mm": [round(x, 1) for x in hip.sphere.centre_ras_mm],
                "radius_mm": round(hip.sphere.radius_mm, 1),
                "ratio": round(hip.volume_ratio, 4),
                "steinberg": f"{steinberg.grade}{', borderline' if is_borderline('steinberg', steinberg) else ''}",
            }
    return {"source": result.source, "hips": hips, "warnings": [w.code for w in result.warnings]}


def evaluate_pair(processes: int = 2) -> dict[str, Any]:
    """How far the sphere on CT lies from that on axial T1 of the same hip; None where one was not found.

    ``centre_mm`` is measured from the bone island in the head, and so without the different position of the patient in
    the two scanners; ``scanner_mm`` is the distance in the scanners' coordinates, that position included.
    """
    names = ("ct_mr_pair_t1", "ct_mr_pair_ct")
    t1, ct = measure("pair", measure_sphere, [(name, "right") for name in names], processes)
    if None in (t1, ct):
        return {"centre_mm": None, "scanner_mm": None, "radius_mm": None}
    from_island = [np.subtract(s[:3], BONE_ISLAND_RAS_MM[name]) for s, name in zip((t1, ct), names, strict=True)]
    return {
        "centre_mm": _apart(*from_island),
        "scanner_mm": _apart(t1[:3], ct[:3]),
        "radius_mm": round(ct[3] - t1[3], 2),
    }


def measure_sphere(name: str, side: Side) -> list[float] | None:
    """Return centre (RAS, mm) and radius of a head, None where it was not found."""
    try:
        (hip,) = analyse(read_study(_inputs()[name]), AnalysisOptions(sides=(side,)), models=open_models()).hips
    except InputError:
        return None
    return None if hip.sphere is None else [*hip.sphere.centre_ras_mm, hip.sphere.radius_mm]


def evaluate_real(docs: Path, pictures: Path | None) -> dict[str, Any]:
    """Real osteonecrosis on single slices; its page goes into ``docs``, pictures of the slices into ``pictures``."""
    from training import real_lesions, real_page  # they measure with this module

    network = open_models()["necrosis"]
    measured = real_lesions.measure_all(network)
    section = real_lesions.results(network, measured)
    real_page.write_page(docs, section, measured, network.bundle)
    if pictures:
        real_page.write_pictures(pictures, measured)
    return section


def table(results: dict[str, Any]) -> str:
    """Write the results as the Markdown table of docs/figures.md."""
    lines = ["| what | on | wanted | measured | `python -m training.evaluate` |", "|---|---|---|---|---|"]

    def add(command: str, *cells: str) -> None:
        lines.append("| " + " | ".join([*cells, f"`{command}`"]) + " |")

    if heads := results.get("heads"):
        centre = heads["centre_mm"]
        found = f"{heads['found']} of {heads['heads']}"
        add("heads", "both heads found, on the correct side", "15 real T1 studies", "30 of 30", found)
        measured = f"{_middle(centre, 2)} mm, worst {centre['max']:.2f} mm, of {centre['n']} heads"
        what = "centre, against a sphere fitted to the manual femur mask"
        add("heads", what, "the same", "median ≤ 1.5 mm, worst ≤ 4 mm", measured)
        on = f"{heads['test_heads']} heads of the {heads['test_patients']} real test studies"
        dice, hd95, bias = (heads[f"test_{name}"] for name in ("dice", "hd95_mm", "signed_bias_mm"))
        add("heads", "head Dice, by the same rule", on, "≥ 0.945", f"{_middle(dice, 3)}, worst {dice['min']:.3f}")
        add("heads", "ASD", "the same", "≤ 0.8 mm", f"{_middle(heads['test_assd_mm'], 2)} mm")
        add("heads", "HD95", "the same", "≤ 4.5 mm", f"{_middle(hd95, 2)} mm")
        add("heads", "signed surface bias", "the same", "within ± 0.4 mm", f"{_middle(bias, 2, sign='+')} mm")
        without = f"{heads['test_without_onfh']}; {heads['all_without_onfh']}"
        what = "heads without visible necrosis, called “without ONFH”"
        add("heads", what, "10 test heads; all 30", "10; 29", without)
        below = f"{heads['test_ratio_below_1_percent']}; {heads['all_ratio_below_1_percent']}"
        add("heads", "the same: ratio below 1 %", "the same", "9; 27", below)
        for point, name in (("acetabular_edge", "lateral acetabular edge"), ("teardrop", "teardrop")):
            if apart := heads.get(f"test_{point}_mm"):
                what = f"{name}, against the manual hip-bone mask by the same rule"
                on = f"{apart['n']} hips of the {heads['test_patients']} test studies"
                add("heads", what, on, "≤ 3 mm", f"{_middle(apart, 1)} mm")
    if lesions := results.get("lesions"):
        on = f"{lesions['lesions']} lesions painted into the {lesions['hips']} test hips by the second painter"
        add("lesions", "necrosis Dice", on, "≥ 0.90", _middle(lesions["dice"], 3))
        add("lesions", "necrosis ASD", "the same", "≤ 0.76 mm", f"{_middle(lesions['assd_mm'], 2)} mm")
        groups = {"mitchell": "by Mitchell class", "size": "by necrotic part of the head"}
        for group, what in groups.items():
            parts = lesions[f"dice_by_{group}"], lesions[f"assd_by_{group}"]
            add("lesions", f"Dice; ASD (mm), {what}", "the same", "–", _parts(*parts))
        right = f"{100 * lesions['steinberg_right']:.1f} %; {lesions['kappa']:.3f}"
        bias = lesions["ratio_bias_points"]["median"]
        add("lesions", "signed error of the ratio", "the same", "median within ± 0.5 points", f"{bias:+.1f} points")
        what = "Steinberg class of the hip right; quadratic-weighted kappa"
        add("lesions", what, "the same", "≥ 95 %; ≥ 0.95", right)
        add("lesions", "error of the ratio", "the same", "–", f"{_middle(lesions['ratio_error_points'], 1)} points")
        if interval := lesions["interval"]:
            inside = f"{100 * interval['coverage']:.1f} %, width {_middle(interval['width_points'], 1)} points"
            add("lesions", "true ratio within its 90 % interval", "the same", "85–95 %", inside)
        if jic := lesions["jic"]:
            what = "JIC class from predicted masks and landmarks, against true ones"
            on = f"the {jic['n']} of them with a true class"
            add("lesions", what, on, "≥ 90 %", f"{100 * jic['right']:.1f} %")
    for contrast, own in results.get("contrasts", {}).items():
        if "dice" in own:
            name = {"t2": "T2", "stir": "fat suppression"}[contrast]
            told = own["interval"]
            interval = f"{100 * told['coverage']:.1f} %, width {_middle(told['width_points'], 1)}" if told else "none"
            figures = f"{_middle(own['dice'], 3)}; {own['ratio_bias_points']['median']:+.1f} points; {interval}"
            what = f"{name}: necrosis Dice; signed error of the ratio; true ratio within its interval"
            add("contrasts", what, f"{own['lesions']} of these lesions, recast", "≥ 0.85; –; 87–93 %", figures)
    for variant, own in results.get("resolution", {}).items():
        if "dice" in own and variant != "as acquired":
            before = results["resolution"]["as acquired"]
            what = f"MR with {variant}: head Dice; “without ONFH”; centre, radius from those as acquired"
            wanted = f"as acquired: {before['dice']['median']:.3f}; {before['without_onfh']}"
            figures = f"{_middle(own['dice'], 3)}; {own['without_onfh']}"
            moved = [f"{own[name]['median']:.2f} (worst {own[name]['max']:.2f})" for name in SPHERE_MOVED]
            add(
                "resolution", what, f"{own['heads']} test heads, resampled", wanted, f"{figures}; {', '.join(moved)} mm"
            )
    for name, (what, wanted) in OTHERS.items():
        if name in results.get("others", {}):
            add("others", what, f"`{name}`", wanted, _outcome(results["others"][name]))
    if elsewhere := results.get("elsewhere"):
        _add_elsewhere(elsewhere, add)
    if pair := results.get("pair"):
        apart = "not found on both"
        if pair["centre_mm"] is not None:
            apart = f"{pair['centre_mm']:.1f} mm ({pair['scanner_mm']:.1f} mm in the scanners' coordinates)"
        what = "CT and axial T1 of the same hip: sphere centres, from a bone island in the head"
        add("pair", what, "`ct_mr_pair`", "≤ 2.5 mm", apart)
    if real := results.get("real"):
        from training.real_lesions import table_cells  # it measures with this module

        for cells in table_cells(real):
            add("real", *cells)
    return "\n".join(lines)


def _add_elsewhere(results: dict[str, Any], add: Callable[..., None]) -> None:
    heads, none, noise = (results[name] for name in ("heads", "none", "noise"))
    on = f"{heads['whole']} heads wholly in view, marked by eye"
    measured = f"{heads['found']} found, {heads['near']} within 3 mm; {_middle(heads['centre_mm'], 1)} mm"
    add("elsewhere", "found on the right side, sphere within 3 mm of the mark", on, "all", measured)
    add("elsewhere", "graded though the image cuts them", f"{heads['cut']} heads", "0", str(heads["cut_graded"]))
    sound = f"{heads['mr_without_onfh']} of {heads['mr_found']}"
    add("elsewhere", "sound heads on MR: without ONFH, or no number", "those found", "all", sound)
    add("elsewhere", "a number for the necrosis on CT", "those found", "0", str(heads["ct_with_number"]))
    names = {"image": "real images", "crop": "crops of real studies", "stranger": "procedural knees and shoulders"}
    for kind, what in names.items():
        own = none[kind]
        measured = f"{own['graded']} graded; {own['asks']} ask for a look"
        add("elsewhere", "without a head, and graded", f"{own['places']} {what}", "0 graded", measured)
    parts = [
        f"{level}: {own['without_onfh']} of {own['heads']}, {own['wrong']} wrong ({own['wrong_without_warning']} "
        f"unwarned), {own['not_graded']} not graded"
        for level, own in noise.items()
    ]
    add(
        "elsewhere",
        "sound heads without ONFH where noise is added",
        "test heads",
        "none wrong unwarned",
        "; ".join(parts),
    )


def _middle(numbers: dict[str, float], digits: int, sign: str = "") -> str:
    """Write median and quartiles."""
    median, low, high = (f"{numbers[name]:{sign}.{digits}f}" for name in ("median", "q1", "q3"))
    return f"median {median} ({low}–{high})" if not sign else f"median {median} ({low} to {high})"


def _parts(dice: dict[str, Any], assd: dict[str, Any]) -> str:
    """Write the medians of both figures for each part, such as a class."""
    return ", ".join(
        f"{name}: {own['median']:.2f}; " + (f"{assd[name]['median']:.2f}" if name in assd else "–")
        for name, own in dice.items()
    )


def _outcome(result: dict[str, Any]) -> str:
    """Put what the software said of one study into a cell."""
    if "refused" in result:
        return f"refused: {result['refused']}"
    cells = []
    for side, hip in result["hips"].items():
        if "steinberg" in hip:
            cells.append(f"{side}: {hip['steinberg']} ({100 * hip['ratio']:.1f} %)")
        else:
            cells.append(f"{side} not graded: {hip['reason'].split(';')[0].rstrip('.')}")
    warnings = f"; warnings: {', '.join(result['warnings'])}" if result["warnings"] else ""
    return "; ".join(cells) + warnings


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", choices=["heads", "lesions", "contrasts", "resolution", "others", "elsewhere", "pair", "real", "all"]
    )
    parser.add_argument("--cases", choices=["test", "train"], default="test", help="patients: see above")
    parser.add_argument("--count", type=int, default=200, help="how many lesions to paint")
    parser.add_argument("--bundles", type=Path, help="measure the models in this folder; results go there too")
    parser.add_argument("--processes", type=int, default=2, help="how many measure at a time, each on one thread")
    parser.add_argument("--pictures", type=Path, help="real: write the slices with the outlines into this folder")
    parser.add_argument("--table", action="store_true", help="print the Markdown table at the end")
    options = parser.parse_args()
    if options.table and options.cases == "train":
        parser.error("--table shows figures of the test patients; leave --cases out.")
    if data_folder() is None:
        sys.exit(NO_DATA)
    path = RESULTS
    if options.bundles:
        os.environ["ONFH_BUNDLES"] = str(options.bundles.resolve())
        path = options.bundles / RESULTS.name
    if options.cases == "train":
        path = (options.bundles or CACHE) / "evaluation-train.json"
    steps = {
        "heads": lambda: evaluate_heads(options.cases, options.processes),
        "lesions": lambda: evaluate_lesions(options.cases, options.count, options.processes),
        "contrasts": lambda: evaluate_contrasts(options.cases, options.count, options.processes),
        "resolution": lambda: evaluate_resolution(options.cases, options.processes),
        "elsewhere": lambda: evaluate_elsewhere(options.cases, options.processes),
    }
    if options.cases == "test":
        steps |= {
            "others": lambda: evaluate_others(options.processes),
            "pair": lambda: evaluate_pair(options.processes),
            "real": lambda: evaluate_real(path.parent, options.pictures),
        }
    wanted = list(steps) if options.what == "all" else [options.what]
    if not set(wanted) <= set(steps):
        sys.exit(f"{options.what} has no training patients; leave --cases out.")
    try:
        models = weights()
        results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        # Figures of other models do not stand beside these.
        results = {name: part for name, part in results.items() if name in steps and part.get("models") == models}
        for name in wanted:
            results[name] = steps[name]() | {"models": models}
            _write(path, results)
            print(json.dumps({k: v for k, v in results[name].items() if k != "rows"}, indent=1))
    except InputError as error:
        sys.exit(str(error))
    if options.table:
        print(table(results))


def _write(path: Path, results: dict[str, Any]) -> None:
    replace_file(path, (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
