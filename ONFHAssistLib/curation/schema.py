"""What a case file has to be before any of it is used: types, names, and that its parts fit each other.

The files of a data set may come from anybody, and a sync program or an editor may have spoiled them. What is read here
needs no further check. Fields that are not known are left alone: a later version may write them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import numpy as np

from ONFHAssistLib.core.hip import Landmarks, Side, Sphere
from ONFHAssistLib.core.plain import from_plain
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation import layout
from ONFHAssistLib.curation.case import LABELS, Provenance, Status, require_reviewer
from ONFHAssistLib.curation.versions import CaseStatus, standing

_FURTHEST_MM = 1e6
_LARGEST_MM = 1e3
_LONGEST = 2**16
_MOST_VOXELS = 2**28
_WORDS = ("kind", "modality", "sequence", "plane", "body_part")
_MODEL_WORDS = ("name", "version", "licence")


@dataclass(frozen=True)
class MaskChange:
    """How a mask differs from an earlier one."""

    added_voxels: int
    removed_voxels: int
    added_mm3: float
    removed_mm3: float


@dataclass(frozen=True)
class _Grade:
    grade: str | int | None
    rule: str = ""
    value: float | None = None
    margin: float | None = None
    unit: str = ""
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Result:
    status: Literal["graded", "not graded"]
    volume_ratio: float | None
    grades: dict[str, _Grade]
    reason: str | None = None
    ratio_interval: tuple[float, float] | None = None
    head_volume_ml: float | None = None
    necrosis_volume_ml: float | None = None


@dataclass(frozen=True)
class _Automatic:
    number: int
    sphere: Sphere
    landmarks: Landmarks
    result: _Result | None


@dataclass(frozen=True)
class _Changes:
    from_automatic: dict[str, MaskChange] | None
    from_previous: dict[str, MaskChange] | None


@dataclass(frozen=True)
class _Withdrawal:
    number: int
    saved_at: str
    software: str
    reviewer: str
    status: Literal["withdrawn"]
    adjudicates: bool
    comment: str


@dataclass(frozen=True)
class _Version:
    number: int
    saved_at: str
    software: str
    reviewer: str
    status: Status
    adjudicates: bool
    comment: str
    models: tuple[dict[str, Any], ...]
    provenance: dict[str, Provenance]
    reviewed_slices: tuple[int, ...] | None
    sphere: Sphere
    landmarks: Landmarks
    result: _Result
    mask_sha256: str
    automatic: _Automatic | None
    changes: _Changes
    independent: bool = False


@dataclass(frozen=True)
class _Rename:
    number: int
    saved_at: str
    software: str
    reviewer: str
    comment: str
    patient: str


@dataclass(frozen=True)
class _Case:
    case: str
    patient: str
    side: Side
    fold: int
    status: CaseStatus
    trained_with: int | None
    needs_adjudication: bool
    study_date: str | None
    source: dict[str, Any]
    pose: dict[str, Any]
    files: dict[str, str]
    versions: tuple[dict[str, Any], ...]
    renames: tuple[_Rename, ...] = field(default=())


@dataclass(frozen=True)
class _Pose:
    side: Side
    plane: Literal["coronal", "axial", "sagittal"]
    input_shape: tuple[int, int, int]
    input_ijk_to_ras: tuple[tuple[float, float, float, float], ...]
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]


def require_case(record: Mapping[str, Any]) -> None:
    """Raise ValueError where this is not what `record` writes about a case; the message names the place in the file."""
    case = from_plain(_Case, record, others=True)
    _require(layout.CASE.fullmatch(case.case), "case")
    _require(layout.PATIENT.fullmatch(case.patient), "patient")
    layout.fold_of(case.fold)
    if case.study_date is not None:
        date.fromisoformat(case.study_date)
    _require_words(case.source, _WORDS, "source")
    pose = from_plain(_Pose, record["pose"], others=True)
    _require_pose(pose)
    _require(pose.side == case.side, "side")
    versions = [_version(entry, pose.input_shape[0]) for entry in case.versions]
    for one in case.renames:
        _require_save(one)
        _require(layout.PATIENT.fullmatch(one.patient), "renames")
    numbers = [one.number for one in versions]
    _require(numbers == sorted(set(numbers)) and bool(numbers), "versions")
    _require(len({*numbers, *(one.number for one in case.renames)}) == len(numbers) + len(case.renames), "renames")
    _require(isinstance(versions[0], _Version), "versions")
    stands = standing(record["versions"])
    now = case.status, case.trained_with, case.needs_adjudication
    _require(now == (stands.status, stands.trained_with, stands.needs_adjudication), "status")
    _require_files(case, versions)


def _require(fine: object, where: str) -> None:
    if not fine:
        raise ValueError(f"{where} is none that this software writes")


def _version(entry: Mapping[str, Any], slices: int) -> _Version | _Withdrawal:
    if entry.get("status") == "withdrawn":
        withdrawal = from_plain(_Withdrawal, entry, others=True)
        _require_save(withdrawal)
        return withdrawal
    found = from_plain(_Version, entry, others=True)
    _require_save(found)
    _require(set(found.provenance) == set(LABELS), "provenance")
    _require(all(0 <= k < slices for k in found.reviewed_slices or ()), "reviewed_slices")
    for model in found.models:
        _require_words(model, _MODEL_WORDS, "models")
    for change in (found.changes.from_automatic, found.changes.from_previous):
        _require(change is None or set(change) == set(LABELS), "changes")
    _require_drawn(found.sphere, found.landmarks, found.result)
    if found.automatic is not None:
        _require_drawn(found.automatic.sphere, found.automatic.landmarks, found.automatic.result)
        _require(0 < found.automatic.number <= found.number, "automatic")
    return found


def _require_save(one: _Version | _Withdrawal | _Rename) -> None:
    _require(0 < one.number <= layout.LARGEST_NUMBER, "number")
    _require(datetime.fromisoformat(one.saved_at).tzinfo is not None, "saved_at")
    require_reviewer(one.reviewer)


def _require_drawn(sphere: Sphere, landmarks: Landmarks, result: _Result | None) -> None:
    points = [sphere.centre_ras_mm, landmarks.acetabular_edge_ras_mm, landmarks.teardrop_ras_mm]
    _require(all(abs(x) <= _FURTHEST_MM for point in points if point is not None for x in point), "sphere")
    _require(0 < sphere.radius_mm <= _LARGEST_MM, "sphere")
    grades = {} if result is None else result.grades
    for name in ("steinberg", "jic"):
        _require(name not in grades or not isinstance(grades[name].grade, int), "grades")


def _require_words(facts: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    _require(all(isinstance(facts[name], str) for name in names if name in facts), where)


def _require_pose(pose: _Pose) -> None:
    _require(all(0 < n <= _LONGEST for n in pose.input_shape), "pose")
    ends = zip(pose.box, pose.input_shape, strict=True)
    _require(all(0 <= start < stop <= length for (start, stop), length in ends), "pose")
    _require(math.prod(stop - start for start, stop in pose.box) <= _MOST_VOXELS, "pose")
    _require(sorted(pose.axes) == [0, 1, 2] and len(pose.input_ijk_to_ras) == 4, "pose")
    matrix = np.array(pose.input_ijk_to_ras)
    _require((np.abs(matrix) <= _FURTHEST_MM).all(), "pose")
    Volume(np.broadcast_to(np.zeros(1, bool), pose.input_shape), matrix)  # which checks the matrix
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    _require(((lengths >= 1 / _LARGEST_MM) & (lengths <= _LARGEST_MM)).all(), "pose")


def _require_files(case: _Case, versions: list[_Version | _Withdrawal]) -> None:
    """Check that the case has these files and no others: its own, and its masks in the history."""
    kept = {layout.kept_file(one.number, layout.MASK) for one in versions if isinstance(one, _Version)}
    made = {
        layout.kept_file(one.automatic.number, layout.AUTOMATIC)
        for one in versions
        if isinstance(one, _Version) and one.automatic is not None
    }
    images = {layout.image_file(case.case, approved) for approved in (True, False)}
    own = layout.files_of(case.case) - {layout.case_file(case.case)}
    _require(kept | made <= case.files.keys() <= kept | made | own, "files")
    _require(len(images & case.files.keys()) == 1, "files")
    _require(all(layout.CHECKSUM.fullmatch(digest) for digest in case.files.values()), "files")
