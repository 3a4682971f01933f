"""What a save changes in the folder, worked out before anything is touched."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.curation.case import entries, layout
from ONFHAssistLib.curation.case.labels import label_array
from ONFHAssistLib.curation.case.nifti import smallest
from ONFHAssistLib.curation.case.pose import Pose
from ONFHAssistLib.curation.case.record import CaseRecord, Version, Withdrawal, record_bytes
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.case.standing import standing
from ONFHAssistLib.curation.store import inside
from ONFHAssistLib.curation.store.content import mask_of_case
from ONFHAssistLib.curation.store.journal import Change
from ONFHAssistLib.curation.store.lists import Lists

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
    def of(cls, case: ReviewedCase, known: CaseRecord | None) -> "Prepared":
        """Bring a case into the pose of its files; ``known`` is what the data set has of it, and `in_place` with it.

        Raises:
            InputError: a mask reaches beyond the part that is kept.
        """
        if known is None:
            pose = Pose.around(case.image, case.side, case.masks.sphere.centre_ras_mm)
            image_file = nifti_bytes(pose.file_volume(smallest(pose.place(case.image.array))), _GZIP_FAST)
        else:
            pose, image_file = known.pose, None

        def labels(masks: HipMasks) -> np.ndarray:
            whole = masks.whole()
            return label_array(*(pose.place(mask.array) for mask in (whole.head, whole.necrosis)))

        def file(array: np.ndarray) -> bytes:
            return nifti_bytes(pose.file_volume(array))

        mask = labels(case.masks)
        if case.automatic is None:
            return cls(pose, mask, file(mask), None, None, image_file)
        automatic = labels(case.automatic)
        return cls(pose, mask, file(mask), automatic, file(automatic), image_file)


def saved(lists: Lists, case: ReviewedCase, known: CaseRecord, prepared: Prepared, number: int) -> Change:
    """Say what saving one more version of a case does.

    Args:
        lists: the present state.
        case: what is saved.
        known: the case's record; without versions if it is new.
        prepared: of the same case.
        number: of the save.
    """
    pose, earlier = prepared.pose, known.drawn
    previous = mask_of_case(lists.folder, pose, earlier[-1].number) if earlier else None
    keep = {layout.MASK: prepared.mask_file}
    publish: dict[str, bytes] = {}
    made = entries.automatic_of(case, number)
    if prepared.automatic_file is not None:
        before = next((one.automatic for one in reversed(earlier) if one.automatic), None)
        kept = before and known.files[layout.kept_file(before.number, layout.AUTOMATIC)]
        if before is not None and kept == entries.sha256(prepared.automatic_file):
            made = next(one.automatic for one in earlier if one.automatic and one.automatic.number == before.number)
        else:
            keep[layout.AUTOMATIC] = publish[layout.original_file(known.case)] = prepared.automatic_file
    adjudicates = case.adjudicates and not any(_unseen(case, one) for one in earlier)
    entry = entries.version_of(case, number, pose, prepared.mask, prepared.automatic, previous, made, adjudicates)
    if case.automatic is not None and made is not None and made.number != number:
        # Opened again, it lacks the networks' probabilities, and with them the interval of the ratio.
        unchanged = (case.automatic.sphere, case.automatic.landmarks) == (made.sphere, made.landmarks)
        same_mask = prepared.automatic is not None and np.array_equal(prepared.mask, prepared.automatic)
        if unchanged and same_mask and made.result:
            entry = replace(entry, result=made.result)
    stands = standing([*known.versions, entry])
    if prepared.image_file is not None:
        publish[layout.image_file(known.case, stands.status == "approved")] = prepared.image_file
    if stands.newest != stands.trained_with:
        publish[layout.draft_file(known.case)] = prepared.mask_file
    if stands.trained_with is not None:
        trained = known.version(stands.trained_with)
        mask = prepared.mask if trained is None else mask_of_case(lists.folder, pose, trained.number)
        publish[layout.label_file(known.case)] = entries.training_label(mask, trained or entry, pose)
    return _change(lists, known, entry, keep, publish)


def withdrawn(lists: Lists, known: CaseRecord, entry: Withdrawal) -> Change:
    """Say what a withdrawal does; ``entry`` is its version.

    The newest mask becomes a draft; where it can't be read, that alone is not done: to withdraw is the remedy then.
    """
    newest = layout.kept_file(known.drawn[-1].number, layout.MASK)
    publish = {}
    with contextlib.suppress(OSError, InputError):
        mask_of_case(lists.folder, known.pose, known.drawn[-1].number)
        publish[layout.draft_file(known.case)] = inside.read(lists.folder, newest)
    return _change(lists, known, entry, {}, publish)


def renamed(lists: Lists, record: CaseRecord) -> Change:
    """Say what giving a case to another patient does; ``record`` and ``lists`` say so already."""
    content = record_bytes(record)
    files = lists.with_case(record.case, record.fold, record.status == "approved")
    return Change({layout.KEPT_CASE: content}, {layout.case_file(record.case): content} | files)


def _change(
    lists: Lists, known: CaseRecord, entry: Version | Withdrawal, keep: dict[str, bytes], publish: dict[str, bytes]
) -> Change:
    """Add the case's own file and those of the whole data set; move the image, remove masks that no longer count."""
    case_id = known.case
    approved = standing([*known.versions, entry]).status == "approved"
    here, there = layout.image_file(case_id, approved), layout.image_file(case_id, not approved)
    original = layout.original_file(case_id)
    files = {path: entries.sha256(content) for path, content in publish.items()}
    files |= {layout.kept_file(entry.number, name): entries.sha256(content) for name, content in keep.items()}
    if here not in files:
        files[here] = known.files.get(there) or known.files[here]
    if original in known.files:
        files.setdefault(original, known.files[original])
    content = record_bytes(entries.with_entry(known, entry, files))
    gone = [path for path in (layout.label_file(case_id), layout.draft_file(case_id)) if path not in files]
    return Change(
        keep | {layout.KEPT_CASE: content},
        publish | {layout.case_file(case_id): content} | lists.with_case(case_id, known.fold, approved),
        ((there, here),) if there in known.files else (),
        tuple(path for path in gone if path in known.files),
    )


def refuse_withdrawn(case: ReviewedCase, known: CaseRecord) -> None:
    """Raise InputError where somebody has withdrawn the case since it was opened: that is not undone unseen."""
    last = known.versions[-1] if known.versions else None
    if isinstance(last, Withdrawal) and case.seen is not None and last.number > case.seen:
        raise InputError(
            f"The case {known.case} was withdrawn by {last.reviewer} since you opened it ({last.comment}); "
            "open it again if you want to bring it back."
        )


def refuse_lost(known: CaseRecord, number: int) -> None:
    """Raise InputError where the case knows of saves that the history lacks: ``number`` is to be that of the next."""
    if known.numbers[-1] >= number:
        raise InputError(
            f"The last save of the case {known.case} is missing in the history; "
            f"get {layout.HISTORY}/{known.numbers[-1]:06d} back from a copy."
        )


def _unseen(case: ReviewedCase, version: Version) -> bool:
    """Say whether another reader has saved a version since the case was opened."""
    return case.seen is not None and version.number > case.seen and version.reviewer != case.reviewer


def in_place(case: ReviewedCase, known: CaseRecord | None) -> ReviewedCase:
    """Return a case with its voxels in the order in which it was saved first.

    The same image has its slices in reverse order where another program opens left-handed grids so, as Slicer does.

    Raises:
        InputError: the image lies elsewhere than before.
    """
    if known is None:
        return case
    pose = known.pose
    grids = (pose.input_grid, pose.kept_grid)
    if any(case.image.matches(grid) for grid in grids):
        return case
    for grid in grids:
        here = case.image.slice_map(grid)
        if here is not None:
            return _in_order(case, grid, here)
    raise InputError(
        "The image lies elsewhere than when this hip was first saved; "
        "move it back, or open the image that was saved then."
    )


def _in_order(case: ReviewedCase, grid: Grid, here: Callable[[int], int]) -> ReviewedCase:
    image, masks = case.image.in_order_of(grid), case.masks.in_order_of(grid)
    assert image is not None and masks is not None  # the masks have the image's grid, and ``here`` maps its slices
    slices = case.reviewed_slices
    return replace(
        case,
        image=image,
        masks=masks,
        automatic=case.automatic and case.automatic.in_order_of(grid),
        reviewed_slices=None if slices is None else tuple(map(here, slices)),
    )
