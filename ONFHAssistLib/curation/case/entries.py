"""What a save adds to the record of a case."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from ONFHAssistLib import __version__
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.facts import ImageFacts, ModelFacts, ResultFacts
from ONFHAssistLib.curation.case.labels import CaseLabel, is_head
from ONFHAssistLib.curation.case.pose import Pose
from ONFHAssistLib.curation.case.record import (
    Automatic,
    CaseRecord,
    Changes,
    MaskChange,
    MaskChanges,
    Rename,
    Version,
    Withdrawal,
)
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.case.standing import standing


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
    made: Automatic | None,
    adjudicates: bool = False,
) -> Version:
    """Return the entry of one save: who, when, from which model, what changed.

    Args:
        case: what is saved.
        number: of the save.
        pose: the way to the files.
        mask: label values in the pose of the files, as saved now.
        automatic: the same as the networks had it.
        previous: the same in the version before.
        made: what is known of the masks of the networks.
        adjudicates: whether it settles what readers differ in.
    """
    voxel_mm3 = case.image.voxel_ml * 1000
    first = 0 if case.image.shape == pose.input_shape else pose.box[0][0]
    slices = case.reviewed_slices
    return Version(
        number=number,
        saved_at=now(),
        software=__version__,
        reviewer=case.reviewer,
        status=case.status,
        independent=case.independent and not adjudicates,
        adjudicates=adjudicates,
        comment=case.comment,
        models=tuple(map(ModelFacts.of, case.models)),
        provenance=dict(case.provenance),
        reviewed_slices=None if slices is None else tuple(sorted({k + first for k in slices})),
        sphere=case.masks.sphere,
        landmarks=case.masks.landmarks,
        result=ResultFacts.of(case.result),
        mask_sha256=sha256(np.ascontiguousarray(mask).tobytes()),
        automatic=made,
        changes=Changes(
            from_automatic=None if automatic is None else changes(automatic, mask, voxel_mm3),
            from_previous=None if previous is None else changes(previous, mask, voxel_mm3),
        ),
    )


def automatic_of(case: ReviewedCase, number: int) -> Automatic | None:
    """Return what the networks had made of a case; ``number`` is that of the save that keeps their masks."""
    if case.automatic is None:
        return None
    return Automatic(
        number=number,
        sphere=case.automatic.sphere,
        landmarks=case.automatic.landmarks,
        result=None if case.automatic_result is None else ResultFacts.of(case.automatic_result),
    )


def withdrawal(number: int, reviewer: str, why: str) -> Withdrawal:
    """Return the entry of a withdrawal."""
    return Withdrawal(number=number, saved_at=now(), software=__version__, reviewer=reviewer, comment=why)


def rename_of(number: int, reviewer: str, why: str, patient: str) -> Rename:
    """Return the entry of a change of the patient's code; ``patient`` is the pseudonym before."""
    return Rename(number=number, saved_at=now(), software=__version__, reviewer=reviewer, comment=why, patient=patient)


def training_label(mask: np.ndarray, version: Version, pose: Pose) -> bytes:
    """Return the file that is trained with: the mask, and `CaseLabel.IGNORE` on slices that were not reviewed."""
    reviewed = pose.of_slices(version.reviewed_slices)
    return nifti_bytes(pose.file_volume(np.where(reviewed, mask, np.uint8(CaseLabel.IGNORE))))


def with_entry(record: CaseRecord, entry: Version | Withdrawal, files: Mapping[str, str]) -> CaseRecord:
    """Return the record of a case with one more version.

    Args:
        record: what was known; ``versions`` may be empty.
        entry: the new one.
        files: path and checksum of each file of the case, those in the history of earlier versions left out.
    """
    versions = (*record.versions, entry)
    stands = standing(versions)
    kept = {path: checksum for path, checksum in record.files.items() if path.startswith(f"{layout.HISTORY}/")}
    return replace(
        record,
        status=stands.status,
        trained_with=stands.trained_with,
        needs_adjudication=stands.needs_adjudication,
        files=kept | dict(files),
        versions=versions,
    )


def new_record(
    case: ReviewedCase, case_id: str, patient: str, fold: int, pose: Pose, study_date: str | None
) -> CaseRecord:
    """Return what is known of a case before its first version."""
    return CaseRecord(
        case=case_id,
        patient=patient,
        side=case.side,
        fold=fold,
        status="draft",
        trained_with=None,
        needs_adjudication=False,
        study_date=study_date,
        source=ImageFacts.of(case.source),
        pose=pose,
        files={},
        versions=(),
    )


def changes(before: np.ndarray, after: np.ndarray, voxel_mm3: float) -> MaskChanges:
    """Return how label values differ: voxels and mm³ added and removed."""

    def change(was: np.ndarray, is_now: np.ndarray) -> MaskChange:
        added, removed = int((is_now & ~was).sum()), int((was & ~is_now).sum())
        return MaskChange(
            added_voxels=added,
            removed_voxels=removed,
            added_mm3=round(added * voxel_mm3, 3),
            removed_mm3=round(removed * voxel_mm3, 3),
        )

    return MaskChanges(
        head=change(is_head(before), is_head(after)),
        necrosis=change(before == CaseLabel.NECROSIS, after == CaseLabel.NECROSIS),
    )
