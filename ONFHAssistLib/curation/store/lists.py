"""The lists of all cases: ``folds.json``, and for nnU-Net and MONAI ``dataset.json`` and ``splits_final.json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.labels import CaseLabel
from ONFHAssistLib.curation.store import inside


@dataclass(frozen=True)
class Patient:
    """What ``folds.json`` says of a patient.

    Attributes:
        fold: never changed.
        grade: Steinberg's extent of the patient's worse hip, of `layout.GRADES`.
    """

    fold: int
    grade: str

    def __post_init__(self) -> None:
        """Raise ValueError where it is none that this software writes."""
        layout.fold_of(self.fold)
        if self.grade not in layout.GRADES:
            raise ValueError("a grade that is none")


@dataclass(frozen=True)
class _Folds:
    patients: dict[str, Patient]


@dataclass(frozen=True)
class _Entry:
    label: str
    fold: int


@dataclass(frozen=True)
class _Dataset:
    training: tuple[_Entry, ...]


@dataclass(frozen=True)
class Lists:
    """What the lists say, as they are now; read while the folder is locked.

    Attributes:
        folder: of the data set.
        modality: "MR" or "CT".
        patients: by pseudonym.
        training: fold of each approved case.
    """

    folder: Path
    modality: str
    patients: Mapping[str, Patient]
    training: Mapping[str, int]

    @classmethod
    def read(cls, folder: Path, modality: str) -> "Lists":
        """Read them; raises InputError where one is damaged."""
        try:
            patients = patients_of(inside.read_json(folder, layout.FOLDS))
            return cls(folder, modality, patients, folds_of(inside.read_json(folder, layout.DATASET)))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{layout.FOLDS} or {layout.DATASET} of the data set {folder.name} is missing or damaged; "
                "check the data set and let the check restore it."
            ) from error

    def with_case(self, case_id: str, fold: int, approved: bool) -> dict[str, bytes]:
        """Return the files as they are with a case in this state."""
        others = {name: n for name, n in self.training.items() if name != case_id}
        training = others | ({case_id: fold} if approved else {})
        return list_files(self.folder.name, self.modality, self.patients, training)


def list_files(
    name: str, modality: str, patients: Mapping[str, Patient], training: Mapping[str, int]
) -> dict[str, bytes]:
    """Return the files that tell of all cases; see `Lists`."""
    return {
        layout.FOLDS: layout.json_bytes({"patients": to_plain(dict(sorted(patients.items())))}),
        layout.DATASET: layout.json_bytes(dataset_content(name, modality, training)),
        layout.SPLITS: layout.json_bytes(splits_content(training)),
    }


def dataset_content(name: str, modality: str, folds: Mapping[str, int]) -> dict[str, Any]:
    """Return ``dataset.json``.

    Args:
        name: of the data set.
        modality: "MR" or "CT"; nnU-Net scales CT by its HU and everything else by mean and standard deviation.
        folds: of each approved case.
    """
    return {
        "name": name,
        "description": "Femoral heads and their osteonecrosis, reviewed; every hip in the pose of a right one.",
        "channel_names": {"0": modality},
        "labels": {label.name.lower(): int(label) for label in CaseLabel},
        "numTraining": len(folds),
        "file_ending": layout.FILE_ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
        "training": [
            {"image": layout.image_file(case_id, True), "label": layout.label_file(case_id), "fold": fold}
            for case_id, fold in sorted(folds.items())
        ],
    }


def splits_content(folds: Mapping[str, int]) -> list[dict[str, list[str]]]:
    """Return ``splits_final.json``: for each fold the cases to train and to validate with."""
    cases = sorted(folds)
    return [
        {
            "train": [case_id for case_id in cases if folds[case_id] != fold],
            "val": [case_id for case_id in cases if folds[case_id] == fold],
        }
        for fold in range(layout.N_FOLDS)
    ]


def folds_of(dataset: Any) -> dict[str, int]:
    """Return the approved cases of a ``dataset.json`` with their folds.

    Raises:
        ValueError: it is none that this software has written.
    """
    found = {}
    for entry in from_plain(_Dataset, dataset, others=True).training:
        case_id = entry.label.removeprefix("labelsTr/").removesuffix(layout.FILE_ENDING)
        if entry.label != layout.label_file(case_id) or not layout.CASE.fullmatch(case_id):
            raise ValueError("a file of another kind")
        found[case_id] = layout.fold_of(entry.fold)
    return found


def patients_of(folds: Any) -> dict[str, Patient]:
    """Return the patients of a ``folds.json``; raises as `folds_of`."""
    found = from_plain(_Folds, folds, others=True).patients
    if not all(map(layout.PATIENT.fullmatch, found)):
        raise ValueError("a patient that is none")
    return found


def with_patient(patients: Mapping[str, Patient], name: str, grade: str | None) -> dict[str, Patient]:
    """Return the patients with one more.

    A patient keeps the fold. A new one goes where fewest patients of the same grade are, then where fewest are at all.
    """
    grade = grade if grade in layout.GRADES else layout.GRADES[-1]
    if name in patients:
        own = patients[name]
        return {**patients, name: Patient(own.fold, worse_grade(own.grade, grade))}
    alike, all_in = [0] * layout.N_FOLDS, [0] * layout.N_FOLDS
    for one in patients.values():
        all_in[one.fold] += 1
        alike[one.fold] += one.grade == grade
    fold = min(range(layout.N_FOLDS), key=lambda n: (alike[n], all_in[n], n))
    return {**patients, name: Patient(fold, grade)}


def worse_grade(one: str, other: str | None) -> str:
    """Return the worse of two of `layout.GRADES`; anything else counts as not graded."""
    return min(one, other if other in layout.GRADES else layout.GRADES[-1], key=layout.GRADES.index)
