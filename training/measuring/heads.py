"""``heads``: the real T1 studies, against spheres and heads cut from their manual femur masks by the project's rule."""

from typing import Any

import numpy as np

from ONFHAssistLib.analysis import analyse
from ONFHAssistLib.core.metrics import segmentation_metrics
from training.measuring.runs import measure, open_models, spread
from training.measuring.truth import study_of, true_landmarks, truth_of
from training.real.data import TEST_CASES, TRAINING_CASES, VALIDATION_CASES
from training.real.labels import read_marked_hips

GROUPS = {"test": TEST_CASES, "training": TRAINING_CASES, "validation": VALIDATION_CASES}


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
    masks = {m.side: m.whole() for m in result.masks}
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
                row[f"{point}_mm"] = apart(at, getattr(truth, f"{point}_ras_mm"))
                if marked:
                    # The eye's points lie on the slice, the software's on the plane through the centre.
                    row[f"{point}_by_eye_mm"] = apart(at, getattr(marked, f"{point}_ras_mm"), normal)
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


def apart(a: tuple | None, b: tuple | None, normal: np.ndarray | None = None) -> float | None:
    """Distance of two points in mm, within the plane of ``normal`` if it is given; None where one is missing."""
    if a is None or b is None:
        return None
    offset = np.subtract(a, b)
    return round(float(np.linalg.norm(offset if normal is None else offset - (offset @ normal) * normal)), 2)
