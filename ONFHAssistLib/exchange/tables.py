"""The numbers as files: report.json (schema onfh-assist-report/1) and slices.csv.

The same result gives the same bytes: no time and no machine is written.
"""

import csv
import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np

from ONFHAssistLib import __version__
from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.findings import Finding
from ONFHAssistLib.core.plain import to_plain
from ONFHAssistLib.core.results import Grade, HipResult
from ONFHAssistLib.core.study import StudyResult

SCHEMA = "onfh-assist-report/1"
RESEARCH_USE = (
    "For research use only. Not a medical device; not for diagnosis or treatment. "
    "The extent of necrosis is graded, not its stage (collapse, joint space)."
)
SLICE_COLUMNS = (
    "side",
    "index",
    "position_r_mm",
    "position_a_mm",
    "position_s_mm",
    "head_mm2",
    "necrosis_mm2",
    "ratio",
    "steinberg",
    "uncertain_mm2",
)
PROBABILITY_COLUMNS = (
    "system",
    "about",
    "of",
    "slice",
    "position_r_mm",
    "position_a_mm",
    "position_s_mm",
    "probability",
    "threshold",
)


def report_json(result: StudyResult, identify: bool = False) -> str:
    """Return the text of ``report.json``; see `report`."""
    return json.dumps(report(result, identify), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def report(result: StudyResult, identify: bool = False) -> dict[str, Any]:
    """Return the study as JSON-ready values, as Resources/Schemas/onfh-assist-report-1.schema.json describes it.

    Ratios are fractions, points RAS in mm. A number that is not finite becomes null.

    Args:
        result: the study.
        identify: also give the patient's name and ID.
    """
    content = {
        "schema": SCHEMA,
        "software": {"name": "ONFHAssist", "version": __version__},
        "research_use": RESEARCH_USE,
        **({"patient": shown_patient(result)} if identify else {}),
        "input": result.source,
        "warnings": [{"code": notice.code, "message": notice.message} for notice in result.warnings],
        "models": result.models,
        "hips": [_hip(hip) for hip in result.hips],
        "findings": [_finding(finding) for finding in result.findings],
    }
    return _json_ready(content)


def shown_patient(result: StudyResult) -> dict[str, str]:
    """Return what a report that names the patient says of him: name and ID, as far as they are known."""
    return {key: result.patient[key] for key in ("name", "id") if key in result.patient}


def slices_csv(result: StudyResult) -> str:
    """Return ``slices.csv``: one row for each slice and side, positions RAS in mm, ratio as a fraction.

    ``uncertain_mm2`` is empty where the uncertainty of the necrosis mask is not known.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(SLICE_COLUMNS)
    for hip in result.hips:
        for s in hip.slices:
            position = [f"{x:.3f}" for x in s.position_ras_mm]
            areas = [f"{s.head_mm2:.2f}", f"{s.necrosis_mm2:.2f}", f"{s.ratio:.6f}"]
            uncertain = "" if s.uncertain_mm2 is None else f"{s.uncertain_mm2:.2f}"
            rows.writerow([hip.side, s.index, *position, *areas, s.steinberg, uncertain])
    return text.getvalue()


def probabilities_csv(result: StudyResult) -> str:
    """Return ``slice_probabilities.csv``: one row for each slice that a system tells a probability of.

    ``slice`` is the index along k of the input, empty where the system has reformatted it; positions are RAS in mm.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(PROBABILITY_COLUMNS)
    for found, strip in ((found, found.strip) for found in result.findings if found.strip):
        for s in strip.slices:
            position = [f"{x:.3f}" for x in s.position_ras_mm]
            index = "" if s.index is None else s.index
            numbers = [f"{s.probability:.6f}", f"{strip.threshold:.6f}"]
            rows.writerow([found.system, found.about, strip.of, index, *position, *numbers])
    return text.getvalue()


def _hip(hip: HipResult) -> dict[str, Any]:
    """The fields of a hip under their own names, and what a reader of the report wants to know beside each grade."""
    return {
        **to_plain(replace(hip, grades={})),
        "grades": {name: _grade(name, grade) for name, grade in hip.grades.items()},
        "threshold": None,  # version 0.1.0 had the result of another system here; ``findings`` has them all
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "system": finding.system,
        "title": finding.title,
        "about": finding.about,
        "reason": finding.reason,
        "grades": {name: _grade(name, grade) for name, grade in finding.grades.items()},
        "probabilities": finding.probabilities,
        "figures": {figure.name: {"value": figure.value, "unit": figure.unit} for figure in finding.figures},
        "slices": to_plain(finding.slices),
        "strip": to_plain(finding.strip),
        "masks": [{"name": mask.name, "label": mask.label} for mask in finding.masks],
        "notes": finding.notes,
    }


def _grade(name: str, grade: Grade) -> dict[str, Any]:
    return {
        "grade": grade.grade,
        "rule": grade.rule,
        "value": grade.value,
        "unit": grade.unit,
        "margin": grade.margin,
        "interval": grade.interval,
        "borderline": is_borderline(name, grade),
        "reason": grade.rule if grade.grade is None else None,
        **grade.details,
    }


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _json_ready(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
