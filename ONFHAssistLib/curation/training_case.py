"""What a training needs to know of a case, whether it lies in a data set or in an export of one."""

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.hip import SIDES, Point
from ONFHAssistLib.core.outside import read_json, shown
from ONFHAssistLib.core.plain import from_plain
from ONFHAssistLib.curation import inside, layout
from ONFHAssistLib.curation import record as records
from ONFHAssistLib.curation.case import LABELS, PROVENANCES
from ONFHAssistLib.curation.condition import Field, Value
from ONFHAssistLib.curation.folder import open_store
from ONFHAssistLib.curation.index import read_record
from ONFHAssistLib.curation.versions import CASE_STATUSES
from ONFHAssistLib.imaging.canonical import Plane

_IN_EXPORT = re.compile(r"(?:[A-Za-z]+/){0,3}p[0-9a-f_]+[RL](?:_0000)?\.nii\.gz")
LOCK = "export.lock.json"
LOCK_FORMAT = "onfh-assist-export/1"

FIELDS = {
    "case": Field(),
    "patient": Field(),
    "status": Field(values=CASE_STATUSES),
    "grade": Field(values=tuple(reversed(layout.GRADES[:-1]))),
    "jic": Field(values=("A", "B", "C1", "C2")),
    "ratio": Field(number=True),
    "side": Field(values=SIDES),
    "plane": Field(values=("coronal", "axial", "sagittal")),
    "sequence": Field(),
    "fold": Field(number=True),
    "reviewer": Field(),
    "head": Field(values=PROVENANCES),
    "necrosis": Field(values=PROVENANCES),
    "adjudicate": Field(values=("yes", "no")),
}
"""What a condition may ask for; ``grade`` is Steinberg's extent, ``ratio`` a fraction, ``head`` and ``necrosis`` tell
where these masks come from, ``adjudicate`` whether readers differ."""


@dataclass(frozen=True)
class TrainingCase:
    """An approved case.

    Attributes:
        case, patient, fold: names and split; all cases of a patient have one fold.
        version: number of the version that is trained with.
        side, plane, modality, sequence: of the image. In the files every hip lies like a right one.
        centre_ras_mm, radius_mm: the head's sphere, in the world of the files.
        grades: class of each grading by the reader's masks; None: no class.
        ratio: necrosis / head by volume; None where it was not measured.
        reviewer: code.
        provenance: "automatic", "corrected" or "manual" for "head" and "necrosis".
        partly_reviewed: whether some slices are not to be trained with (`CaseLabel.IGNORE`).
        models: the networks that took part, as far as they are told of.
        image, label: paths of the files in the folder.
        image_sha256, label_sha256: of these files.
    """

    case: str
    patient: str
    fold: int
    version: int
    side: str
    plane: Plane
    modality: str
    sequence: str
    centre_ras_mm: Point
    radius_mm: float
    grades: dict[str, str | int | None]
    ratio: float | None
    reviewer: str
    provenance: dict[str, str]
    partly_reviewed: bool
    models: tuple[dict[str, Any], ...]
    image: str
    label: str
    image_sha256: str
    label_sha256: str = field(default="")


def fields_of(record: Mapping[str, Any]) -> dict[str, Value]:
    """Return what a condition may ask of a case: of the version that is trained with, else of the newest one."""
    entry = shown_version(record)
    grades = {name: grade["grade"] for name, grade in entry["result"]["grades"].items()}
    return {
        "case": record["case"],
        "patient": record["patient"],
        "status": record["status"],
        "grade": grades.get("steinberg"),
        "jic": grades.get("jic"),
        "ratio": entry["result"]["volume_ratio"],
        "side": record["side"],
        "plane": record["pose"]["plane"],
        "sequence": record["source"].get("sequence"),
        "fold": record["fold"],
        "reviewer": entry["reviewer"],
        "head": entry["provenance"]["head"],
        "necrosis": entry["provenance"]["necrosis"],
        "adjudicate": "yes" if record["needs_adjudication"] else "no",
    }


def shown_version(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the version that is trained with, else the newest one with a mask."""
    readable = [entry for entry in record["versions"] if entry["status"] != "withdrawn"]
    trained = record["trained_with"]
    return next((entry for entry in readable if entry["number"] == trained), readable[-1])


def training_case(record: Mapping[str, Any], modality: str, number: int | None = None) -> TrainingCase:
    """Return what a training needs to know of a case.

    Args:
        record: ``cases/<case>.json``.
        modality: of the data set.
        number: of the version; None: the one that is trained with. The checksum of another one's label is not known.
    """
    number = record["trained_with"] if number is None else number
    entry, case_id = records.version(record, number), record["case"]
    x, y, z = entry["sphere"]["centre_ras_mm"]
    image = next(path for path in record["files"] if path.endswith(f"_0000{layout.FILE_ENDING}"))
    label = layout.label_file(case_id)
    return TrainingCase(
        case_id,
        record["patient"],
        record["fold"],
        number,
        record["side"],
        record["pose"]["plane"],
        modality,
        record["source"].get("sequence", ""),
        (-x if record["side"] == "left" else x, y, z),
        entry["sphere"]["radius_mm"],
        {name: grade["grade"] for name, grade in entry["result"]["grades"].items()},
        entry["result"]["volume_ratio"],
        entry["reviewer"],
        dict(entry["provenance"]),
        entry["reviewed_slices"] is not None,
        tuple(entry["models"]),
        image,
        label,
        record["files"][image],
        record["files"].get(label, "") if number == record["trained_with"] else "",
    )


def readable_records(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the files of all cases that can be read, by name; `check` tells of the others."""
    for name in inside.case_names(folder):
        with contextlib.suppress(ValueError, OSError):
            yield read_record(folder, layout.case_file(name), name)


def damaged(folder: Path) -> tuple[str, ...]:
    """Return the names of the cases whose files can't be read, and of the files beside them that are no case's."""
    found = []
    for name in inside.case_names(folder):
        try:
            read_record(folder, layout.case_file(name), name)
        except FileNotFoundError:
            continue
        except (ValueError, OSError):
            found.append(name)
    return (*found, *map(shown, inside.strangers(folder)))


def all_records(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the files of all cases, by name; raises InputError where one is damaged."""
    for name in inside.case_names(folder):
        try:
            yield read_record(folder, layout.case_file(name), name)
        except (ValueError, OSError) as error:
            raise InputError(
                f"The file of the case {name} {error}; check the data set and let the check restore it."
            ) from error


def training_cases(folder: Path) -> tuple[str, tuple[TrainingCase, ...]]:
    """Return the name of a data set, or of the one that an export comes from, and its approved cases by name.

    Raises:
        InputError: the folder is neither, is damaged, or holds no approved case.
    """
    folder = Path(folder)
    if (folder / LOCK).is_file():
        lock = read_lock(folder / LOCK)
        name, cases = lock["data_set"], lock_cases(lock)
    else:
        store = open_store(folder)
        approved = (record for record in all_records(store.folder) if record["trained_with"] is not None)
        name, cases = store.folder.name, tuple(training_case(record, store.modality) for record in approved)
    if not cases:
        raise InputError(f"The data set {folder.name} holds no approved case; approve some first.")
    return name, cases


def read_lock(path: Path) -> dict[str, Any]:
    """Read the lock file of an export; raises InputError where it is something else, damaged, or of a newer version."""
    try:
        lock = read_json(path)
        kind = lock["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not the lock file of an export ({LOCK}); give the one that was written."
        ) from error
    if kind != LOCK_FORMAT:
        raise InputError(f"The lock file {path} has the format {kind}, this version reads {LOCK_FORMAT}; update it.")
    try:
        lock_cases(lock)
        if not all(isinstance(lock[key], str) for key in ("data_set", "modality", "layout", "where", "licence")):
            raise ValueError("its header")
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"The lock file {path} is damaged ({error}); get it back from a copy.") from error
    return lock


def lock_cases(lock: Mapping[str, Any]) -> tuple[TrainingCase, ...]:
    """Return the cases that a lock file lists."""
    cases = tuple(from_plain(TrainingCase, entry) for entry in lock["cases"])
    for case in cases:
        named = layout.CASE.fullmatch(case.case) and all(map(_is_below, (case.image, case.label)))
        sound = case.radius_mm > 0 and 0 < case.version <= layout.LARGEST_NUMBER and set(case.provenance) == set(LABELS)
        if not named or not sound or not all(map(math.isfinite, (*case.centre_ras_mm, case.radius_mm))):
            raise ValueError(f"the case {case.case!r:.60}")
        layout.fold_of(case.fold)
    if len({path for case in cases for path in (case.image, case.label)}) != 2 * len(cases):
        raise ValueError("two files of one name")
    return cases


def _is_below(path: str) -> bool:
    """Say whether a path of an export leads to an image in one of its folders."""
    return _IN_EXPORT.fullmatch(path) is not None
