"""Measure the shipped models: ``python -m training.evaluate heads|lesions|others|speed|all``.

- ``heads``: the 15 real T1 studies, against spheres and heads cut from their manual femur masks by the project's rule.
- ``lesions``: lesions painted into the 5 test studies by the second painter, through the whole way.
- ``others``: the CT, axial T1, VIBE, localizer and coronal T1 DICOM studies.
- ``speed``: one cold process on one real study, wall time and peak memory.

Results are merged into ``docs/evaluation.json``; ``--table`` prints them as Markdown.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from functools import cache
from typing import Any

import numpy as np

from ONFHAssistLib.analysis import AnalysisOptions, Models, analyse, open_models
from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.gradings import steinberg_grade
from ONFHAssistLib.core.hip import Side, Sphere, StudyResult
from ONFHAssistLib.core.metrics import confusion_matrix, segmentation_metrics, weighted_kappa
from ONFHAssistLib.core.sphere import articular_sphere, head_from_femur, initial_head_sphere
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import Study, read_study
from training.data import NO_DATA, ROOT, TEST_CASES, TRAINING_CASES, data_folder, read_volume
from training.second_painter import lesion_plan, paint_second

RESULTS = ROOT / "docs" / "evaluation.json"
CLASSES = ("without ONFH", "mild", "moderate", "severe")
OTHERS = {
    "ct": ("CT with metal in the left femur", "right hip found; left hip not graded, metal named"),
    "ct_mr_pair_t1": ("axial T1 of a right hip", "head found; without ONFH, or mild and borderline"),
    "ct_mr_pair_ct": ("CT of the same hip", "–"),
    "axial_vibe_dicom": ("VIBE", "graded with a domain warning, or refused with a reason"),
    "mixed_localizer_dicom": ("localizer", "refused: three orientations are mixed"),
}
FEMUR = 1
"""Label of both femora in the manual masks."""


@cache
def study_of(case: str) -> Study:
    """Read a real T1 study."""
    return read_study(data_folder() / "t1_coronal" / f"case_{case}_t1.nii.gz")


@cache
def truth_of(case: str, side: Side) -> tuple[Sphere, Volume]:
    """Sphere and head of the manual femur mask: the truth for this hip."""
    bones = read_volume(data_folder() / "t1_coronal" / f"case_{case}_bones.nii.gz")
    femur = bones.like(bones.array == FEMUR)
    sphere = articular_sphere(femur, initial_head_sphere(femur, side))
    return sphere, femur.like(head_from_femur(femur, sphere))


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Median, quartiles, extremes and count."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    numbers = {"median": middle, "q1": low, "q3": high, "min": min(values), "max": max(values)}
    return {name: round(float(x), digits) for name, x in numbers.items()} | {"n": len(values)}


def evaluate_heads(models: Models) -> dict[str, Any]:
    """All 30 real heads: found on the correct side, centre error, Dice, and what is wrongly called necrotic."""
    rows = []
    for case in sorted(TRAINING_CASES + TEST_CASES):
        result = analyse(study_of(case), models=models)
        masks = {m.side: m for m in result.masks}
        for hip in result.hips:
            sphere, head = truth_of(case, hip.side)
            row: dict[str, Any] = {"case": case, "side": hip.side, "test": case in TEST_CASES, "found": False}
            if hip.status == "graded":
                error = np.linalg.norm(np.subtract(hip.sphere.centre_ras_mm, sphere.centre_ras_mm))
                metrics = segmentation_metrics(masks[hip.side].head, head)
                row |= {
                    "found": bool(error < sphere.radius_mm),
                    "centre_mm": round(float(error), 2),
                    "radius_error_mm": round(hip.sphere.radius_mm - sphere.radius_mm, 2),
                    "dice": round(metrics.dice, 4),
                    "assd_mm": round(metrics.assd_mm, 3),
                    "hd95_mm": round(metrics.hd95_mm, 2),
                    "ratio": round(hip.volume_ratio, 5),
                    "steinberg": hip.grades["steinberg"].grade,
                }
            rows.append(row)
            print(row, flush=True)
    found = [r for r in rows if r["found"]]
    test = [r for r in found if r["test"]]
    normal = [r for r in found if r["steinberg"] == "without ONFH"]
    return {
        "found": len(found),
        "heads": len(rows),
        "centre_mm": spread([r["centre_mm"] for r in found]),
        "test_dice": spread([r["dice"] for r in test]),
        "test_assd_mm": spread([r["assd_mm"] for r in test]),
        "test_ratio_below_1_percent": sum(r["ratio"] < 0.01 for r in test),
        "all_ratio_below_1_percent": sum(r["ratio"] < 0.01 for r in found),
        "test_without_onfh": sum(r["test"] for r in normal),
        "all_without_onfh": len(normal),
        "rows": rows,
    }


def evaluate_lesions(models: Models, count: int, cases: tuple[str, ...] = TEST_CASES) -> dict[str, Any]:
    """Paint lesions by the second painter and grade each hip through the whole way.

    A hip that is not graded has a Dice of 0 and a wrong class; kappa, distances and ratio errors are of the others.
    """
    rows = []
    for n, spec in enumerate(lesion_plan(count, seed=2026, cases=len(cases))):
        case, side = cases[spec.case], spec.side
        sphere, head = truth_of(case, side)
        study = study_of(case)
        rng = np.random.default_rng(spec.seed)
        painted = paint_second(study.volume, head.array, sphere, side, spec.target_ratio, spec.mitchell, rng)
        volume = study.volume.like(painted.image)
        result = analyse(Study(volume, study.source), AnalysisOptions(sides=(side,)), models=models)
        hip = result.hips[0]
        row = {"case": case, "side": side, "mitchell": spec.mitchell, "ratio": round(painted.ratio, 4)}
        row |= {"truth": steinberg_grade(painted.ratio), "graded": hip.status == "graded", "dice": 0.0}
        if hip.status == "graded":
            metrics = segmentation_metrics(result.masks[0].necrosis, volume.like(painted.necrosis))
            row |= {
                "dice": round(metrics.dice, 4),
                "assd_mm": round(metrics.assd_mm, 3) if np.isfinite(metrics.assd_mm) else None,
                "predicted_ratio": round(hip.volume_ratio, 4),
                "predicted": hip.grades["steinberg"].grade,
            }
        rows.append(row)
        print(n, row, flush=True)
    graded = [r for r in rows if r["graded"]]
    truth, predicted = [r["truth"] for r in graded], [r["predicted"] for r in graded]
    right = sum(t == p for t, p in zip(truth, predicted, strict=True))
    return {
        "lesions": len(rows),
        "graded": len(graded),
        "hips": len({(r["case"], r["side"]) for r in rows}),
        "dice": spread([r["dice"] for r in rows]),
        "dice_by_mitchell": {m: spread([r["dice"] for r in rows if r["mitchell"] == m]) for m in "ABCD"},
        "dice_by_class": {
            c: spread([r["dice"] for r in rows if r["truth"] == c]) for c in CLASSES if c in {r["truth"] for r in rows}
        },
        "assd_mm": spread([r["assd_mm"] for r in graded if r["assd_mm"] is not None]),
        "ratio_error_points": spread([100 * abs(r["predicted_ratio"] - r["ratio"]) for r in graded]),
        "steinberg_right": round(right / len(rows), 4),
        "kappa": round(weighted_kappa(truth, predicted, CLASSES), 4),
        "confusion": confusion_matrix(truth, predicted, CLASSES).tolist(),
        "rows": rows,
    }


def evaluate_others(models: Models) -> dict[str, Any]:
    """What the software says of images outside of the coronal T1 that it knows best."""
    folder = data_folder()
    inputs = {
        "ct": folder / "ct" / "pelvis_ct.nii.gz",
        "ct_mr_pair_t1": folder / "ct_mr_pair" / "hip_t1.nii.gz",
        "ct_mr_pair_ct": folder / "ct_mr_pair" / "hip_ct.nii.gz",
        "axial_vibe_dicom": folder / "axial_vibe_dicom",
        "mixed_localizer_dicom": folder / "mixed_localizer_dicom",
        "t1_coronal_dicom": folder / "t1_coronal_dicom",
    }
    outcome = {}
    for name, path in inputs.items():
        try:
            outcome[name] = _summary(analyse(read_study(path), models=models))
        except InputError as error:
            outcome[name] = {"refused": str(error).replace(str(path), path.name)}
        print(name, json.dumps(outcome[name], indent=1), flush=True)
    return outcome


def _summary(result: StudyResult) -> dict[str, Any]:
    hips = {}
    for hip in result.hips:
        hips[hip.side] = {"status": hip.status, "reason": hip.reason}
        if hip.status == "graded":
            steinberg = hip.grades["steinberg"]
            hips[hip.side] = {
                "centre_ras_mm": [round(x, 1) for x in hip.sphere.centre_ras_mm],
                "radius_mm": round(hip.sphere.radius_mm, 1),
                "ratio": round(hip.volume_ratio, 4),
                "steinberg": steinberg.grade + (", borderline" if is_borderline("steinberg", steinberg) else ""),
            }
    return {"source": result.source, "hips": hips, "warnings": [w.code for w in result.warnings]}


def evaluate_speed(runs: int = 3) -> dict[str, Any]:
    """Grade ``case_03`` in a cold process, with the report; wall seconds and peak memory."""
    path = data_folder() / "t1_coronal" / "case_03_t1.nii.gz"
    seconds, memory = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            command = [
                sys.executable,
                "-m",
                "ONFHAssistLib.cli",
                "grade",
                str(path),
                "--out",
                f"{out}/report",
                "--device",
                "cpu",
            ]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds.append(time.perf_counter() - start)
            memory.append(usage.ru_maxrss / 1024)
            if status:
                raise RuntimeError(f"The command failed: {' '.join(command)}")
    return {
        "wall_s": [round(s, 2) for s in seconds],
        "peak_mib": [round(m) for m in memory],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def table(results: dict[str, Any]) -> str:
    """Write the results as the README's Markdown table."""
    lines = ["| what | on | wanted | measured | `python -m training.evaluate` |", "|---|---|---|---|---|"]

    def add(command: str, *cells: str) -> None:
        lines.append("| " + " | ".join([*cells, f"`{command}`"]) + " |")

    def middle(numbers: dict[str, float], digits: int) -> str:
        return "median {median:.{d}f} ({q1:.{d}f}–{q3:.{d}f})".format(**numbers, d=digits)

    if heads := results.get("heads"):
        centre, dice = heads["centre_mm"], heads["test_dice"]
        studies = "15 real T1 studies"
        add(
            "heads",
            "both heads found, on the correct side",
            studies,
            "30 of 30",
            f"{heads['found']} of {heads['heads']}",
        )
        measured = f"{middle(centre, 2)} mm, worst {centre['max']:.2f} mm, of {centre['n']} heads"
        what = "centre, against a sphere fitted to the manual femur mask"
        add("heads", what, "the same", "median ≤ 1.5 mm, worst ≤ 4 mm", measured)
        measured = f"{middle(dice, 3)}, worst {dice['min']:.3f}"
        add("heads", "head Dice, by the same rule", f"5 test studies, {dice['n']} heads", "median ≥ 0.90", measured)
        below = f"{heads['test_ratio_below_1_percent']}; {heads['all_ratio_below_1_percent']}"
        add("heads", "heads without visible necrosis: ratio below 1 %", "10 test heads; all 30", "9; 27", below)
        without = f"{heads['test_without_onfh']}; {heads['all_without_onfh']}"
        add("heads", "the same: called “without ONFH”", "10 test heads; all 30", "counted", without)
    if lesions := results.get("lesions"):
        on = f"{lesions['lesions']} lesions painted into the {lesions['hips']} test hips by the second painter"
        add("lesions", "necrosis Dice", on, "median ≥ 0.80", middle(lesions["dice"], 3))
        right = f"{100 * lesions['steinberg_right']:.0f} % right, kappa {lesions['kappa']:.2f}"
        add("lesions", "Steinberg class of the hip; quadratic-weighted kappa", "the same", "≥ 80 % right", right)
        add("lesions", "error of the ratio", "the same", "–", middle(lesions["ratio_error_points"], 1) + " points")
    for name, (what, wanted) in OTHERS.items():
        if name in results.get("others", {}):
            add("others", what, f"`{name}`", wanted, _outcome(results["others"][name]))
    if speed := results.get("speed"):
        measured = f"{max(speed['wall_s']):.1f} s, {max(speed['peak_mib']) / 1024:.2f} GiB (worst of 3)"
        what = "one real study of two hips, cold process, with the report"
        add("speed", what, f"`t1_coronal/case_03`, {speed['cores']} cores", "≤ 15 s, ≤ 2 GiB", measured)
    return "\n".join(lines)


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
    parser.add_argument("what", choices=["heads", "lesions", "others", "speed", "all"])
    parser.add_argument("--count", type=int, default=120, help="how many lesions to paint")
    parser.add_argument("--table", action="store_true", help="print the Markdown table at the end")
    options = parser.parse_args()
    if data_folder() is None:
        sys.exit(NO_DATA)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    models = open_models("cpu")
    steps = {
        "heads": lambda: evaluate_heads(models),
        "lesions": lambda: evaluate_lesions(models, options.count),
        "others": lambda: evaluate_others(models),
        "speed": evaluate_speed,
    }
    for name in steps if options.what == "all" else [options.what]:
        results[name] = steps[name]()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(json.dumps({k: v for k, v in results[name].items() if k != "rows"}, indent=1))
    if options.table:
        print(table(results))


if __name__ == "__main__":
    main()
