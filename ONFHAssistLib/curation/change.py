"""What a save changes in the folder, worked out before anything is touched."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.hip import HipMasks
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.core.volume import Volume, box_of
from ONFHAssistLib.curation import inside, layout
from ONFHAssistLib.curation import record as records
from ONFHAssistLib.curation.case import ReviewedCase, same_grid
from ONFHAssistLib.curation.content import file_of_case
from ONFHAssistLib.curation.journal import Change
from ONFHAssistLib.curation.labels import label_array
from ONFHAssistLib.curation.nifti import smallest
from ONFHAssistLib.curation.pose import Pose
from ONFHAssistLib.curation.versions import standing

_GZIP_FAST = 1


@dataclass(frozen=True)
class Prepared:
    """What of a save does not depend on the others' saves: made before the folder is locked.

    Attributes:
        pose: the way from the image to the files; that of the first save.
        mask, automatic: label values in the pose of the files; None where the networks had no part in it.
        mask_file, automatic_file: the same as files.
        image_file: None where the case has its image already.
    """

    pose: Pose
    mask: np.ndarray
    mask_file: bytes
    automatic: np.ndarray | None
    automatic_file: bytes | None
    image_file: bytes | None

    @classmethod
    def of(cls, case: ReviewedCase, known: Mapping[str, Any] | None) -> "Prepared":
        """Bring a case into the pose of its files; ``known`` is what the data set has of it, and `in_place` with it.

        Raises:
            InputError: a mask reaches beyond the part that is kept.
        """
        if known is None:
            pose = Pose.around(case.image, case.side, case.masks.sphere.centre_ras_mm)
            image_file = nifti_bytes(pose.file_volume(smallest(pose.place(case.image.array))), _GZIP_FAST)
        else:
            pose, image_file = Pose.from_json(known["pose"]), None

        def labels(masks: HipMasks) -> np.ndarray:
            return label_array(
                *(pose.place(mask.array.astype(bool, copy=False)) for mask in (masks.head, masks.necrosis))
            )

        def file(array: np.ndarray) -> bytes:
            return nifti_bytes(pose.file_volume(array))

        mask = labels(case.masks)
        if case.automatic is None:
            return cls(pose, mask, file(mask), None, None, image_file)
        automatic = labels(case.automatic)
        return cls(pose, mask, file(mask), automatic, file(automatic), image_file)


@dataclass(frozen=True)
class DataSet:
    """The files that tell of all cases, as they are now; read while the folder is locked.

    Attributes:
        folder: of the data set.
        modality: "MR" or "CT".
        patients: ``folds.json``.
        training: fold of each approved case.
    """

    folder: Path
    modality: str
    patients: dict[str, dict[str, Any]]
    training: dict[str, int]

    @classmethod
    def read(cls, folder: Path, modality: str) -> "DataSet":
        """Read them; raises InputError where one is damaged."""
        try:
            patients = layout.patients_of(inside.read_json(folder, layout.FOLDS))
            return cls(folder, modality, patients, layout.folds_of(inside.read_json(folder, layout.DATASET)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{layout.FOLDS} or {layout.DATASET} of the data set {folder.name} is missing or damaged; "
                "check the data set and let the check restore it."
            ) from error

    def with_case(self, case_id: str, fold: int, approved: bool) -> dict[str, bytes]:
        """Return the files as they are with a case in this state."""
        training = {name: n for name, n in self.training.items() if name != case_id} | (
            {case_id: fold} if approved else {}
        )
        return data_set_files(self.folder.name, self.modality, self.patients, training)


def data_set_files(
    name: str, modality: str, patients: Mapping[str, Mapping[str, Any]], training: Mapping[str, int]
) -> dict[str, bytes]:
    """Return the files that tell of all cases."""
    return {
        layout.FOLDS: layout.json_bytes({"patients": dict(sorted(patients.items()))}),
        layout.DATASET: layout.json_bytes(layout.dataset_content(name, modality, training)),
        layout.SPLITS: layout.json_bytes(layout.splits_content(training)),
    }


def saved(data: DataSet, case: ReviewedCase, known: Mapping[str, Any], prepared: Prepared, number: int) -> Change:
    """Say what saving one more version of a case does.

    Args:
        data: the present state.
        case: what is saved.
        known: the case's record; without versions if it is new.
        prepared: of the same case.
        number: of the save.
    """
    case_id, pose = known["case"], prepared.pose
    earlier = [entry for entry in known["versions"] if entry["status"] != "withdrawn"]
    previous = _kept_mask(data.folder, earlier[-1], pose) if earlier else None
    keep = {layout.MASK: prepared.mask_file}
    publish: dict[str, bytes] = {}
    automatic_number = number
    if prepared.automatic_file is not None:
        before = next((entry["automatic"]["number"] for entry in reversed(earlier) if entry["automatic"]), None)
        kept = None if before is None else known["files"][layout.kept_file(before, layout.AUTOMATIC)]
        if before is not None and kept == records.sha256(prepared.automatic_file):
            automatic_number = before
        else:
            keep[layout.AUTOMATIC] = publish[layout.original_file(case_id)] = prepared.automatic_file
    adjudicates = case.adjudicates and not any(_unseen(case, entry) for entry in earlier)
    entry = records.version_of(
        case, number, pose, prepared.mask, prepared.automatic, previous, automatic_number, adjudicates
    )
    if automatic_number != number and entry["automatic"]:
        # Opened again, it lacks the networks' probabilities, and with them the interval of the ratio.
        made = next(one["automatic"] for one in earlier if (one["automatic"] or {}).get("number") == automatic_number)
        unchanged = all(entry[name] == made[name] for name in ("sphere", "landmarks"))
        same_mask = prepared.automatic is not None and np.array_equal(prepared.mask, prepared.automatic)
        if unchanged and same_mask and made["result"]:
            entry["result"] = made["result"]
        entry["automatic"] = made
    stands = standing([*known["versions"], entry])
    if prepared.image_file is not None:
        publish[layout.image_file(case_id, stands.status == "approved")] = prepared.image_file
    if stands.newest != stands.trained_with:
        publish[layout.draft_file(case_id)] = prepared.mask_file
    if stands.trained_with is not None:
        mask, trained = prepared.mask, entry
        if stands.trained_with != number:
            trained = records.version(known, stands.trained_with)
            mask = _kept_mask(data.folder, trained, pose)
        publish[layout.label_file(case_id)] = records.training_label(mask, trained, pose)
    return _change(data, known, entry, keep, publish)


def withdrawn(data: DataSet, known: Mapping[str, Any], entry: Mapping[str, Any]) -> Change:
    """Say what a withdrawal does; ``entry`` is its version."""
    newest = standing(known["versions"]).newest
    assert newest is not None  # the first version of a case has a mask
    draft = inside.read(data.folder, layout.kept_file(newest, layout.MASK))
    return _change(data, known, entry, {}, {layout.draft_file(known["case"]): draft})


def _change(
    data: DataSet,
    known: Mapping[str, Any],
    entry: Mapping[str, Any],
    keep: dict[str, bytes],
    publish: dict[str, bytes],
) -> Change:
    """Add the case's own file and those of the whole data set; move the image, remove masks that no longer count."""
    case_id, number = known["case"], entry["number"]
    approved = standing([*known["versions"], entry]).status == "approved"
    here, there = layout.image_file(case_id, approved), layout.image_file(case_id, not approved)
    original = layout.original_file(case_id)
    files = {path: records.sha256(content) for path, content in publish.items()}
    files |= {layout.kept_file(number, name): records.sha256(content) for name, content in keep.items()}
    if here not in files:
        files[here] = known["files"].get(there) or known["files"][here]
    if original in known["files"]:
        files.setdefault(original, known["files"][original])
    content = layout.json_bytes(records.with_version(known, entry, files))
    gone = [path for path in (layout.label_file(case_id), layout.draft_file(case_id)) if path not in files]
    return Change(
        keep | {layout.KEPT_CASE: content},
        publish | {layout.case_file(case_id): content} | data.with_case(case_id, known["fold"], approved),
        ((there, here),) if there in known["files"] else (),
        tuple(path for path in gone if path in known["files"]),
    )


def refuse_withdrawn(case: ReviewedCase, known: Mapping[str, Any]) -> None:
    """Raise InputError where somebody has withdrawn the case since it was opened: that is not undone unseen."""
    last = known["versions"][-1] if known["versions"] else None
    if last and last["status"] == "withdrawn" and case.seen is not None and last["number"] > case.seen:
        raise InputError(
            f"The case {known['case']} was withdrawn by {last['reviewer']} since you opened it ({last['comment']}); "
            "open it again if you want to bring it back."
        )


def _unseen(case: ReviewedCase, entry: Mapping[str, Any]) -> bool:
    """Say whether another reader has saved a version since the case was opened."""
    return case.seen is not None and entry["number"] > case.seen and entry["reviewer"] != case.reviewer


def _kept_mask(folder: Path, entry: Mapping[str, Any], pose: Pose) -> np.ndarray:
    return file_of_case(folder, layout.kept_file(entry["number"], layout.MASK), pose).array


def in_place(case: ReviewedCase, known: Mapping[str, Any] | None) -> ReviewedCase:
    """Return a case with its voxels in the order in which it was saved first.

    The same image has its slices in reverse order where another program opens left-handed grids so, as Slicer does.

    Raises:
        InputError: the image lies elsewhere than before.
    """
    if known is None:
        return case
    pose = Pose.from_json(known["pose"])
    whole = Volume(np.broadcast_to(np.zeros(1, bool), pose.input_shape), np.array(pose.input_ijk_to_ras))
    part = whole.cropped(box_of(pose.box))
    if same_grid(case.image, whole) or same_grid(case.image, part):
        return case
    for grid in (whole, part):
        here = case.image.index_map(grid)
        if here is not None and here[2, 2]:
            return _in_order(case, grid, here)
    raise InputError(
        "The image lies elsewhere than when this hip was first saved; "
        "move it back, or open the image that was saved then."
    )


def _in_order(case: ReviewedCase, grid: Volume, here: np.ndarray) -> ReviewedCase:
    def turned(volume: Volume) -> Volume:
        found = volume.in_order_of(grid)
        assert found is not None  # the masks have the image's grid, and ``here`` maps that
        return found

    def masks(of: HipMasks) -> HipMasks:
        # What the networks were how sure of is not saved.
        return replace(of, head=turned(of.head), necrosis=turned(of.necrosis), probability=None)

    slices = case.reviewed_slices
    return replace(
        case,
        image=turned(case.image),
        masks=masks(case.masks),
        automatic=masks(case.automatic) if case.automatic else None,
        reviewed_slices=None if slices is None else tuple(int(here[2, 2] * k + here[2, 3]) for k in slices),
    )
