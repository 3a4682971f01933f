"""``others`` and ``pair``: images outside of the coronal T1 that the software knows best, and a hip on CT and T1."""

from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib.analysis import AnalysisOptions, grade_file
from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.study import StudyResult
from training.measuring.heads import apart
from training.measuring.runs import measure, open_models
from training.real.data import require_data_folder

BONE_ISLAND_RAS_MM = {"ct_mr_pair_t1": (97.5, -32.3, -751.9), "ct_mr_pair_ct": (92.5, -27.8, -745.9)}
"""A bone island in the head of the patient who has CT and T1, dark on T1 and bright on CT: the centre of mass of the
spot, marked on each image. It lies 8.9 mm apart on the two: the patient was placed differently in the two scanners."""


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
        return _summary(grade_file(path, models=open_models()))
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
        "centre_mm": apart(*from_island),
        "scanner_mm": apart(t1[:3], ct[:3]),
        "radius_mm": round(ct[3] - t1[3], 2),
    }


def measure_sphere(name: str, side: Side) -> list[float] | None:
    """Return centre (RAS, mm) and radius of a head, None where it was not found."""
    try:
        (hip,) = grade_file(_inputs()[name], AnalysisOptions(sides=(side,)), models=open_models()).hips
    except InputError:
        return None
    return None if hip.sphere is None else [*hip.sphere.centre_ras_mm, hip.sphere.radius_mm]
