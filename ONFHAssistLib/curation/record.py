"""What is written about a case: ``cases/<case>.json``, made of its versions."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ONFHAssistLib import __version__
from ONFHAssistLib.core.hip import HipResult
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.core.plain import to_plain
from ONFHAssistLib.curation import layout, privacy
from ONFHAssistLib.curation.case import ReviewedCase
from ONFHAssistLib.curation.labels import CaseLabel, changes
from ONFHAssistLib.curation.pose import Pose
from ONFHAssistLib.curation.versions import standing


def sha256(content: bytes) -> str:
    """Return the checksum of a file's content."""
    return hashlib.sha256(content).hexdigest()


def now() -> str:
    """Return the time, as it is written."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def version_of(
    case: ReviewedCase,
    number: int,
    pose: Pose,
    mask: np.ndarray,
    automatic: np.ndarray | None,
    previous: np.ndarray | None,
    automatic_number: int | None,
    adjudicates: bool = False,
) -> dict[str, Any]:
    """Return the entry of one save: who, when, from which model, what changed.

    Args:
        case: what is saved.
        number: of the save.
        pose: the way to the files.
        mask: label values in the pose of the files, as saved now.
        automatic: the same as the networks had it.
        previous: the same in the version before.
        automatic_number: the save whose folder in the history holds ``automatic``.
        adjudicates: whether it settles what readers differ in.
    """
    voxel_mm3 = case.image.voxel_ml * 1000
    first = 0 if case.image.array.shape == pose.input_shape else pose.box[0][0]
    slices = case.reviewed_slices
    return {
        "number": number,
        "saved_at": now(),
        "software": __version__,
        "reviewer": case.reviewer,
        "status": case.status,
        "independent": case.independent and not adjudicates,
        "adjudicates": adjudicates,
        "comment": case.comment,
        "models": [privacy.allowed(model, privacy.MODEL_FIELDS) for model in case.models],
        "provenance": dict(case.provenance),
        "reviewed_slices": None if slices is None else sorted({k + first for k in slices}),
        "sphere": to_plain(case.masks.sphere),
        "landmarks": to_plain(case.masks.landmarks),
        "result": _numbers(case.result),
        "mask_sha256": sha256(np.ascontiguousarray(mask).tobytes()),
        "automatic": None
        if case.automatic is None
        else {
            "number": automatic_number,
            "sphere": to_plain(case.automatic.sphere),
            "landmarks": to_plain(case.automatic.landmarks),
            "result": case.automatic_result and _numbers(case.automatic_result),
        },
        "changes": {
            "from_automatic": None if automatic is None else changes(automatic, mask, voxel_mm3),
            "from_previous": None if previous is None else changes(previous, mask, voxel_mm3),
        },
    }


def withdrawal(number: int, reviewer: str, why: str) -> dict[str, Any]:
    """Return the entry of a withdrawal."""
    return {
        "number": number,
        "saved_at": now(),
        "software": __version__,
        "reviewer": reviewer,
        "status": "withdrawn",
        "adjudicates": False,
        "comment": why,
    }


def training_label(mask: np.ndarray, version: Mapping[str, Any], pose: Pose) -> bytes:
    """Return the file that is trained with: the mask, and `CaseLabel.IGNORE` on slices that were not reviewed."""
    slices = version["reviewed_slices"]
    reviewed = pose.of_slices(None if slices is None else tuple(slices))
    return nifti_bytes(pose.file_volume(np.where(reviewed, mask, np.uint8(CaseLabel.IGNORE))))


def with_version(record: Mapping[str, Any], version: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts of a case with one more version.

    Args:
        record: what was known; ``versions`` may be empty.
        version: the new entry.
        files: path and checksum of each file of the case, those in the history of earlier versions left out.
    """
    versions = [*record["versions"], version]
    now_stands = standing(versions)
    kept = {path: checksum for path, checksum in record["files"].items() if path.startswith(f"{layout.HISTORY}/")}
    return {
        **record,
        "status": now_stands.status,
        "trained_with": now_stands.trained_with,
        "needs_adjudication": now_stands.needs_adjudication,
        "files": kept | dict(files),
        "versions": versions,
    }


def new_record(
    case: ReviewedCase, case_id: str, patient: str, fold: int, pose: Pose, study_date: str | None
) -> dict[str, Any]:
    """Return what is known of a case before its first version."""
    return {
        "format": layout.CASE_FORMAT,
        "case": case_id,
        "patient": patient,
        "side": case.side,
        "fold": fold,
        "status": "draft",
        "trained_with": None,
        "needs_adjudication": False,
        "study_date": study_date,
        "source": privacy.allowed(case.source, privacy.SOURCE_FIELDS),
        "pose": pose.to_json(),
        "files": {},
        "versions": [],
    }


def numbers(record: Mapping[str, Any]) -> list[int]:
    """Return the numbers of all saves of a case, in order; at least one."""
    return sorted(entry["number"] for entry in (*record["versions"], *record.get("renames", ())))


def version(record: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the version with this number."""
    return next(entry for entry in record["versions"] if entry["number"] == number)


def _numbers(result: HipResult) -> dict[str, Any]:
    """Return the result without what depends on the numbering of slices; it can be measured again from the masks."""
    content = to_plain(replace(result, slices=(), look_first=()))
    for name in ("slices", "look_first", "sphere", "landmarks", "side"):
        content.pop(name)
    for grade in content["grades"].values():
        grade.pop("details")
    return _finite(content)


def _finite(content: Any) -> Any:
    """Replace numbers that JSON does not know by null."""
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
