"""What a case file has to be before any of it is used: types, names, and that its parts fit each other.

The files of a data set may come from anybody, and a sync program or an editor may have spoiled them. The types are
those of `record`; what they do not say is checked here, and a record that is read needs no further check. Fields that
are not known are left alone: a later version may write them.
"""

import math
from dataclasses import replace
from datetime import date, datetime

import numpy as np

from ONFHAssistLib.core.geometry import FURTHEST_MM, Landmarks, Sphere, require_sound
from ONFHAssistLib.core.outside import parse_json
from ONFHAssistLib.core.plain import from_plain
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.facts import ResultFacts
from ONFHAssistLib.curation.case.pose import Pose
from ONFHAssistLib.curation.case.record import CaseRecord, Rename, Version, Withdrawal
from ONFHAssistLib.curation.case.reviewed import LABELS, require_reviewer
from ONFHAssistLib.curation.case.standing import standing

_LARGEST_ML = 1000.0
"""Of a head: an adult one has 30 to 70 ml."""
_LARGEST_MM = 1e3
_LONGEST = 2**16
_MOST_VOXELS = 2**28
_WORD_GRADES = ("steinberg", "jic")


def record_of(content: bytes, case_id: str | None) -> CaseRecord:
    """Return what a case file says.

    Args:
        content: of the file.
        case_id: the case that it should be of; None: any.

    Raises:
        ValueError: it is damaged, of another version, or of another case; the message goes on after the file's name.
    """
    try:
        plain = parse_json(content)
    except ValueError as error:
        raise ValueError("is damaged") from error
    if not isinstance(plain, dict) or "format" not in plain:
        raise ValueError("is not complete")
    kind = plain.get("format")
    if kind != layout.CASE_FORMAT:
        raise ValueError(f"has the format {kind!r:.60} of another version of this software")
    try:
        record = from_plain(CaseRecord, plain, others=True)
        _require_case(record)
    except (ValueError, ArithmeticError) as error:
        raise ValueError("is not complete, or holds what this software does not write") from error
    if case_id is not None and record.case != case_id:
        raise ValueError(f"is that of the case {record.case}")
    return replace(record, kept=plain)


def _require_case(record: CaseRecord) -> None:
    """Raise ValueError where this is not what this software writes about a case; the message names the place."""
    _require(layout.CASE.fullmatch(record.case), "case")
    _require(layout.PATIENT.fullmatch(record.patient), "patient")
    layout.fold_of(record.fold)
    if record.study_date is not None:
        date.fromisoformat(record.study_date)
    _require_pose(record.pose)
    _require(record.pose.side == record.side, "side")
    for entry in record.versions:
        _require_save(entry)
        if isinstance(entry, Version):
            _require_version(entry, record.pose.input_shape[0])
    for one in record.renames:
        _require_save(one)
        _require(layout.PATIENT.fullmatch(one.patient), "renames")
    numbers = [entry.number for entry in record.versions]
    _require(numbers == sorted(set(numbers)) and bool(numbers), "versions")
    _require(len(set(record.numbers)) == len(record.numbers), "renames")
    _require(isinstance(record.versions[0], Version), "versions")
    stands = standing(record.versions)
    now = record.status, record.trained_with, record.needs_adjudication
    _require(now == (stands.status, stands.trained_with, stands.needs_adjudication), "status")
    _require_files(record)


def _require(fine: object, where: str) -> None:
    if not fine:
        raise ValueError(f"{where} is none that this software writes")


def _require_save(one: Version | Withdrawal | Rename) -> None:
    _require(0 < one.number <= layout.LARGEST_NUMBER, "number")
    _require(datetime.fromisoformat(one.saved_at).tzinfo is not None, "saved_at")
    require_reviewer(one.reviewer)


def _require_version(version: Version, slices: int) -> None:
    _require(set(version.provenance) == set(LABELS), "provenance")
    _require(all(0 <= k < slices for k in version.reviewed_slices or ()), "reviewed_slices")
    _require_drawn(version.sphere, version.landmarks, version.result)
    if version.automatic is not None:
        _require_drawn(version.automatic.sphere, version.automatic.landmarks, version.automatic.result)
        _require(0 < version.automatic.number <= version.number, "automatic")


def _require_drawn(sphere: Sphere, landmarks: Landmarks, result: ResultFacts | None) -> None:
    require_sound(sphere, landmarks)
    classes = {} if result is None else result.classes
    _require(not any(isinstance(classes.get(name), int) for name in _WORD_GRADES), "grades")
    if result is not None:
        shares = [result.volume_ratio, *(result.ratio_interval or ())]
        _require(all(0 <= share <= 1 for share in shares if share is not None), "ratio")
        volumes = (result.head_volume_ml, result.necrosis_volume_ml)
        _require(all(0 <= volume <= _LARGEST_ML for volume in volumes if volume is not None), "volume")


def _require_pose(pose: Pose) -> None:
    _require(all(0 < n <= _LONGEST for n in pose.input_shape), "pose")
    _require(len(pose.box) == 3, "pose")
    ends = zip(pose.box, pose.input_shape, strict=True)
    _require(all(0 <= start < stop <= length for (start, stop), length in ends), "pose")
    _require(math.prod(stop - start for start, stop in pose.box) <= _MOST_VOXELS, "pose")
    _require(sorted(pose.axes) == [0, 1, 2] and [len(row) for row in pose.input_ijk_to_ras] == [4] * 4, "pose")
    matrix = np.array(pose.input_ijk_to_ras)
    _require((np.abs(matrix) <= FURTHEST_MM).all(), "pose")
    _ = pose.input_grid  # which checks the matrix
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    _require(((lengths >= 1 / _LARGEST_MM) & (lengths <= _LARGEST_MM)).all(), "pose")


def _require_files(record: CaseRecord) -> None:
    """Check that the case has these files and no others: its own, and its masks in the history."""
    kept = {layout.kept_file(one.number, layout.MASK) for one in record.drawn}
    made = {layout.kept_file(one.automatic.number, layout.AUTOMATIC) for one in record.drawn if one.automatic}
    images = {layout.image_file(record.case, approved) for approved in (True, False)}
    own = layout.files_of(record.case) - {layout.case_file(record.case)}
    _require(kept | made <= record.files.keys() <= kept | made | own, "files")
    _require(len(images & record.files.keys()) == 1, "files")
    _require(all(layout.CHECKSUM.fullmatch(digest) for digest in record.files.values()), "files")
