"""Finer images than the networks have learned from: the real T1 studies, resampled.

The smallest pixels and slice distances that the project wants are asked for here, ``VARIANTS``. Resampling adds no
detail, so this tells whether anything in the software depends on the grid, not how a sharper scanner would do.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from ONFHAssistLib.analysis import analyse
from ONFHAssistLib.core.metrics import segmentation_metrics
from ONFHAssistLib.core.sphere import head_from_femur
from ONFHAssistLib.core.volume import Volume
from training.measuring.runs import measure, open_models, spread
from training.measuring.truth import FEMUR, bones_of, study_of, truth_of
from training.real.data import TEST_CASES, TRAINING_CASES, to_image, to_volume

AS_ACQUIRED = "as acquired"
VARIANTS: dict[str, tuple[float | None, float | None]] = {
    AS_ACQUIRED: (None, None),
    "0.4 mm pixels": (0.4, None),
    "1 mm slices": (None, 1.0),
}
"""Pixel size and slice distance in mm; None: as in the study."""


def resampled(volume: Volume, pixel_mm: float | None, slice_mm: float | None) -> Volume:
    """Resample a stack of slices along k linearly to other pixels and slices; it covers the same part of the body.

    Returns:
        a float32 Volume.
    """
    image = to_image(volume.like(volume.array.astype(np.float32)))
    old, size = np.array(image.GetSpacing()), np.array(image.GetSize())
    count = np.round(size * old / [pixel_mm or old[0], pixel_mm or old[1], slice_mm or old[2]]).astype(int)
    new = size * old / count
    first = image.TransformContinuousIndexToPhysicalPoint(((new / old - 1) / 2).tolist())
    grid = (count.tolist(), sitk.Transform(), sitk.sitkLinear, first, new.tolist(), image.GetDirection())
    return to_volume(sitk.Resample(image, *grid))


def evaluate_resolution(cases: str, processes: int = 2) -> dict[str, Any]:
    """What finer pixels and slices change of the heads."""
    of = TRAINING_CASES if cases == "train" else TEST_CASES
    jobs = [(case, variant) for case in of for variant in VARIANTS]
    return summarise([row for rows in measure("resolution", measure_variant, jobs, processes) for row in rows])


def measure_variant(case: str, variant: str) -> list[dict[str, Any]]:
    """Return a row for each hip of a study that is resampled, as is its manual mask; the true sphere stays."""
    study, bones = study_of(case), bones_of(case)
    volume = resampled(study.volume, *VARIANTS[variant])
    femur = resampled(bones.like(bones.array == FEMUR), *VARIANTS[variant])
    result = analyse(replace(study, volume=volume), models=open_models())
    masks = {m.side: m.whole() for m in result.masks}
    rows = []
    for hip in result.hips:
        sphere, _ = truth_of(case, hip.side)
        row: dict[str, Any] = {"case": case, "side": hip.side, "variant": variant, "found": False}
        if hip.status == "graded":
            assert hip.sphere is not None and hip.volume_ratio is not None
            head = volume.like(head_from_femur(femur.like(femur.array > 0.5), sphere))
            row |= {
                "found": bool(np.linalg.norm(np.subtract(hip.sphere.centre_ras_mm, sphere.centre_ras_mm)) < 10),
                "dice": round(segmentation_metrics(masks[hip.side].head, head).dice, 4),
                "sphere": [round(float(x), 2) for x in (*hip.sphere.centre_ras_mm, hip.sphere.radius_mm)],
                "ratio": round(hip.volume_ratio, 5),
                "steinberg": hip.grades["steinberg"].grade,
            }
        rows.append(row)
    return rows


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return, for each variant, heads found, Dice, verdicts, and how far spheres lie from those as acquired."""
    first = {(r["case"], r["side"]): r for r in rows if r["variant"] == AS_ACQUIRED and r["found"]}
    summary: dict[str, Any] = {}
    for variant in VARIANTS:
        found = [r for r in rows if r["variant"] == variant and r["found"]]
        moved = [
            np.subtract(r["sphere"], first[key]["sphere"]) for r in found if (key := (r["case"], r["side"])) in first
        ]
        summary[variant] = {
            "heads": sum(r["variant"] == variant for r in rows),
            "found": len(found),
            "dice": spread([r["dice"] for r in found]),
            "without_onfh": sum(r["steinberg"] == "without ONFH" for r in found),
            "centre_moved_mm": spread([float(np.linalg.norm(m[:3])) for m in moved]),
            "radius_changed_mm": spread([abs(float(m[3])) for m in moved]),
        }
    return summary | {"rows": rows}
