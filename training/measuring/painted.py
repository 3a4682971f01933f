"""``lesions`` and ``contrasts``: lesions painted into real heads, through the whole way.

The second painter's go into the test patients; for development the first painter paints into the patients that no
network learns from. On T2 and with fat suppression the painted T1 is recast (``training/phantoms/recast.py``).
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from ONFHAssistLib.analysis import AnalysisOptions, analyse
from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.gradings import grade_hip
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.metrics import confusion_matrix, segmentation_metrics, weighted_kappa
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import Study
from training.measuring.runs import measure, open_models, spread
from training.measuring.truth import study_of, true_landmarks, truth_of
from training.phantoms.lesions import paint
from training.phantoms.recast import recast_study
from training.phantoms.second_painter import LesionSpec, lesion_plan, paint_second
from training.real.data import TEST_CASES, VALIDATION_CASES
from training.real.labels import crop

RECAST = ("t2", "stir")
CLASSES = ("without ONFH", "mild", "moderate", "severe")
JIC = ("A", "B", "C1", "C2", "none")
SIZES = {"3-8 %": (0.0, 0.08), "8-15 %": (0.08, 0.15), "15-30 %": (0.15, 0.30), "30-50 %": (0.30, 1.0)}
"""Bands of the necrotic part of the head; each begins above its lower end."""


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
    image, necrosis, mitchell = paint_lesion(case, plan)
    ratio = float(necrosis.sum() / head.array.sum())
    dead = head.like(necrosis)
    truth = grade_hip(measure_hip(HipMasks.of(side, head, dead, sphere, true_landmarks(case, side))))
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
    return row | _compare(hip, result.masks[0].whole().necrosis, dead) if hip.status == "graded" else row


def paint_lesion(case: str, plan: LesionSpec) -> tuple[np.ndarray, np.ndarray, str]:
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
    image, necrosis = volume.array.astype(np.float32), np.zeros(volume.shape, bool)
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
