"""Curated, versioned copies of a data set's approved cases, for nnU-Net v2, MONAI and MONAI Label.

Beside the images and masks lie a data card and a lock file, which makes the same export again, bit for bit, also after
the data set has grown or masks have been corrected. Nothing in an export tells when it was made: its version is a
checksum of what it holds.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ONFHAssistLib import __version__
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.plain import to_plain
from ONFHAssistLib.curation.case import entries, layout
from ONFHAssistLib.curation.case.labels import CaseLabel
from ONFHAssistLib.curation.case.record import CaseRecord
from ONFHAssistLib.curation.reports.condition import condition
from ONFHAssistLib.curation.reports.data_card import data_card
from ONFHAssistLib.curation.reports.export_lock import LOCK, ExportLock, read_lock, version_of
from ONFHAssistLib.curation.reports.training_case import FIELDS, TrainingCase, fields_of, training_case
from ONFHAssistLib.curation.store import disk, inside
from ONFHAssistLib.curation.store.content import mask_of_case
from ONFHAssistLib.curation.store.lists import dataset_content, splits_content
from ONFHAssistLib.curation.store.records import damaged, readable_records
from ONFHAssistLib.curation.store.store import Store
from ONFHAssistLib.exchange.publish import reason

APPROVED = "status == approved"
CARD = "DATACARD.md"
NOT_STATED = "not stated: ask the owner of the images before you pass them on"
_ATTEMPTS = 3
_SHOWN = 5


class _ChangedError(Exception):
    """Files of these cases are not what their records say: damaged, or somebody has saved them meanwhile."""

    def __init__(self, cases: Iterable[str]) -> None:
        """Keep their names."""
        super().__init__()
        self.cases = tuple(cases)


@dataclass(frozen=True)
class Format:
    """Where a software looks for its files.

    Attributes:
        image, label: path of a case's image and mask, given its name.
        lists: files that list all cases: path and content, given the lock file.
    """

    image: Callable[[str], str]
    label: Callable[[str], str]
    lists: Callable[[ExportLock], dict[str, bytes]]


@dataclass(frozen=True)
class Exported:
    """What was written: where, its version, and how many cases of how many patients.

    ``left_out``: names of the cases whose files are missing or damaged, and of files beside the cases that are none.
    """

    folder: Path
    version: str
    cases: int
    patients: int
    left_out: tuple[str, ...] = ()


def _nnunet(lock: ExportLock) -> dict[str, bytes]:
    folds = {case.case: case.fold for case in lock.cases}
    return {
        layout.DATASET: layout.json_bytes(dataset_content(lock.data_set, lock.modality, folds)),
        layout.SPLITS: layout.json_bytes(splits_content(folds)),
    }


def _monai(lock: ExportLock) -> dict[str, bytes]:
    content = {
        "name": lock.data_set,
        "description": "Femoral heads and their osteonecrosis, reviewed; every hip in the pose of a right one.",
        "modality": {"0": lock.modality},
        "labels": {str(int(label)): label.name.lower() for label in CaseLabel},
        "numTraining": len(lock.cases),
        "training": [{"image": case.image, "label": case.label, "fold": case.fold} for case in lock.cases],
    }
    return {layout.DATASET: layout.json_bytes(content)}


FORMATS = {
    "nnunet": Format(lambda name: layout.image_file(name, True), layout.label_file, _nnunet),
    "monai": Format(lambda name: f"images/{name}.nii.gz", lambda name: f"labels/{name}.nii.gz", _monai),
    "monailabel": Format(lambda name: f"{name}.nii.gz", lambda name: f"labels/final/{name}.nii.gz", lambda lock: {}),
}


def export(store: Store, out: Path, kind: str, where: str = APPROVED, licence: str = NOT_STATED) -> Exported:
    """Write the cases that meet a condition into a new folder.

    Args:
        store: the data set.
        out: a folder that does not exist; for nnU-Net called ``DatasetNNN_Name`` with a number that is free.
        kind: of FORMATS.
        where: see `condition`; which cases. All of them have to be approved.
        licence: of the images, for the data card.

    Raises:
        InputError: the condition can't be read, or selects nothing or cases that are not approved; ``out`` does not
            fit; no case has its files as they were saved, or they can't be written. Nothing is left behind.
    """
    if kind not in FORMATS:
        raise InputError(f"The format {kind!r} is not known; choose one of {', '.join(FORMATS)}.")
    spoilt: tuple[str, ...] = ()
    for attempt in range(_ATTEMPTS + 1):
        cases = [case for case in _selected(store, where) if case.case not in spoilt]
        if not cases:
            break
        lock = ExportLock(
            version="",
            software=__version__,
            data_set=store.folder.name,
            key_fingerprint=store.fingerprint,
            modality=store.modality,
            layout=kind,
            where=where,
            licence=licence,
            cases=_placed(cases, kind),
        )
        lock = replace(lock, version=version_of(to_plain(lock)))
        try:
            return replace(_write(store, lock, out), left_out=(*damaged(store.folder), *spoilt))
        except _ChangedError as error:
            if attempt == _ATTEMPTS - 1:  # it was not somebody's save
                spoilt = error.cases
    raise InputError(f"Files of {store.folder.name} are not as they were saved; check the data set, then export.")


def export_again(store: Store, lock_file: Path, out: Path, withdrawn: bool = False) -> Exported:
    """Make an export again from its lock file, bit for bit, whatever has been saved since.

    Args:
        store: the data set that it came from.
        lock_file: ``export.lock.json`` of the earlier export.
        out: see `export`.
        withdrawn: take cases too that have been withdrawn since.

    Raises:
        InputError: see `export`; or the lock file is damaged or of another data set, a case has been withdrawn since,
            or is no longer what it was.
    """
    lock = read_lock(lock_file)
    if (lock.data_set, lock.key_fingerprint) != (store.folder.name, store.fingerprint):
        raise InputError(f"The lock file is of the data set {lock.data_set}, not of {store.folder.name}; give that.")
    if lock.layout not in FORMATS:
        raise InputError(f"The lock file asks for the format {lock.layout!r}, which this version does not know.")
    gone = [case.case for case in lock.cases if store.record(case.case).status == "withdrawn"]
    if gone and not withdrawn:
        raise InputError(
            f"{_some(gone)} withdrawn since the export; make a new export, or ask for withdrawn cases on purpose."
        )
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(_ChangedError):
            return _write(store, lock, out)
    raise InputError(
        f"The export can't be made again: a case of {store.folder.name} is no longer what it was; "
        "check the data set, or make a new export."
    )


def _selected(store: Store, where: str) -> tuple[TrainingCase, ...]:
    wanted = condition(where, FIELDS)
    found, others = [], []
    for record in readable_records(store.folder):
        if wanted(fields_of(record)):
            if record.trained is None:
                others.append(record.case)
            else:
                found.append(training_case(record, record.trained, store.modality))
    if others:
        raise InputError(
            f"{_some(others)} not approved, and only what is approved may be trained with; "
            f"add: and {APPROVED}, or approve the rest."
        )
    if not found:
        raise InputError(f"No case of {store.folder.name} meets the condition {where!r}; see onfh-assist data status.")
    return tuple(found)


def _placed(cases: Iterable[TrainingCase], kind: str) -> tuple[TrainingCase, ...]:
    form = FORMATS[kind]
    return tuple(replace(case, image=form.image(case.case), label=form.label(case.case)) for case in cases)


def _write(store: Store, lock: ExportLock, out: Path) -> Exported:
    """Write an export beside its place, then give it its name; raises _ChangedError where checksums differ."""
    cases = lock.cases
    out = Path(os.path.abspath(out))
    _check_place(store, lock.layout, out)
    beside = out.parent / f".{out.name}-{secrets.token_hex(4)}"
    sums: dict[str, str] = {}

    def put(path: str, content: bytes) -> None:
        (beside / path).parent.mkdir(parents=True, exist_ok=True)
        disk.write(beside / path, content)
        sums[path] = entries.sha256(content)

    try:
        beside.mkdir(parents=True)
        changed = []
        for case in cases:
            found = _content(store, case)
            if found is None:
                changed.append(case.case)
            elif not changed:
                put(case.image, found[0])
                put(case.label, found[1])
        if changed:
            raise _ChangedError(changed)
        for path, content in FORMATS[lock.layout].lists(lock).items():
            put(path, content)
        put(LOCK, layout.json_bytes(to_plain(lock)))
        disk.write(beside / CARD, data_card(lock, sums).encode())
        disk.flush_folder(beside)
        if out.exists():
            raise InputError(f"{out} exists by now; choose a new folder for the export.")
        os.rename(beside, out)
        disk.flush_folder(out.parent)
    except OSError as error:
        raise InputError(f"The export could not be written to {out}: {reason(error)}.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Exported(out, lock.version, len(cases), len({case.patient for case in cases}))


def _check_place(store: Store, kind: str, out: Path) -> None:
    if out.exists():
        raise InputError(f"{out} exists; choose a new folder for the export.")
    if out.is_relative_to(store.folder.resolve()):
        raise InputError(f"The export would lie inside the data set {store.folder.name}; choose a folder elsewhere.")
    if kind != "nnunet":
        return
    found = layout.DATASET_NAME.fullmatch(out.name)
    if not found:
        raise InputError(f"{out.name} is no name for nnU-Net, which wants DatasetNNN_Name; choose such a folder.")
    named = [os.environ.get(name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")]
    for folder in [out.parent, *(Path(name) for name in named if name)]:
        taken = next(folder.glob(f"Dataset{found[1]}_*"), None) if folder.is_dir() else None
        if taken is not None:
            raise InputError(f"The number {found[1]} is taken by {taken.name} in {folder}; choose another number.")


def _content(store: Store, case: TrainingCase) -> tuple[bytes, bytes] | None:
    """Return image and mask of a case as the lock file has them, from the present files or from the history.

    None where they are not there like that.
    """
    record = store.record(case.case)
    try:
        image = inside.read(store.folder, record.image_file)
        label = _label(store, record, case)
    except (OSError, InputError):
        return None
    sound = (entries.sha256(image), entries.sha256(label)) == (case.image_sha256, case.label_sha256)
    return (image, label) if sound else None


def _label(store: Store, record: CaseRecord, case: TrainingCase) -> bytes:
    """Return the present mask, or where that is another one, the version's as it was trained with then."""
    current = layout.label_file(case.case)
    with contextlib.suppress(OSError):
        if current in record.files and entries.sha256(label := inside.read(store.folder, current)) == case.label_sha256:
            return label
    version = record.version(case.version)
    if version is None:
        return b""
    return entries.training_label(mask_of_case(store.folder, record.pose, case.version), version, record.pose)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"The case{'s' if len(names) > 1 else ''} {shown} {'are' if len(names) > 1 else 'is'}"
