"""Names of the files, and how a JSON file is written. What is in the lists of all cases: `store.lists`.

::

    DatasetNNN_Name/
        onfh-assist.json          what this folder is: format, fingerprint of the key, modality
        dataset.json              nnU-Net's keys, and MONAI's list "training"
        splits_final.json         nnU-Net's folds, by patient
        imagesTr/<case>_0000.nii.gz, labelsTr/<case>.nii.gz        approved cases, and nothing else
        staging/                  the same two files of cases that are not approved; drafts of cases that are
        original/<case>.nii.gz    what the networks had made of it
        cases/<case>.json         all that is known about a case
        history/<number>/         every save: case.json as it was then, and the reader's mask
        folds.json                the fold of each patient; never changed for a patient
        set-aside/                what a repair took out of the way
"""

import json
import re
from typing import Any

MARKER = "onfh-assist.json"
FORMAT = "onfh-assist-data/1"
CASE_FORMAT = "onfh-assist-case/1"
DATASET = "dataset.json"
SPLITS = "splits_final.json"
FOLDS = "folds.json"
FOLDERS = ("imagesTr", "labelsTr", "staging", "original", "cases", "history")
HISTORY = "history"
MASK, AUTOMATIC, KEPT_CASE = "mask.nii.gz", "automatic.nii.gz", "case.json"
"""Names in ``history/<number>/``."""
SET_ASIDE = "set-aside"
N_FOLDS = 5
FILE_ENDING = ".nii.gz"
IMAGE_ENDING = f"_0000{FILE_ENDING}"
IMAGE_BYTES = 2**30
LISTS = (DATASET, SPLITS, FOLDS)
DATASET_NAME = re.compile(r"Dataset(\d{3})_[A-Za-z0-9_-]+")
PATIENT = re.compile(r"p[0-9a-f]{12}")
CASE = re.compile(r"p[0-9a-f]{12}_[0-9a-f]{10}_[RL]")
"""Names of patients and cases: pseudonym, image, side (`store.Store.save`)."""
LARGEST_NUMBER = 999_999_999
"""Of a save."""
CHECKSUM = re.compile(r"[0-9a-f]{64}")
_SAVE = re.compile(r"[0-9]{6,9}")
GRADES = ("severe", "moderate", "mild", "without ONFH", "not graded")
"""Strata of the folds: Steinberg's extent of the patient's worse hip when first seen."""


def image_file(case_id: str, approved: bool) -> str:
    """Return where the image of a case lies."""
    return f"{'imagesTr' if approved else 'staging'}/{case_id}{IMAGE_ENDING}"


def label_file(case_id: str) -> str:
    """Return where the mask lies that is trained with."""
    return f"labelsTr/{case_id}{FILE_ENDING}"


def draft_file(case_id: str) -> str:
    """Return where the newest mask lies if it is not the one that is trained with."""
    return f"staging/{case_id}{FILE_ENDING}"


def original_file(case_id: str) -> str:
    """Return where the mask of the networks lies."""
    return f"original/{case_id}{FILE_ENDING}"


def case_file(case_id: str) -> str:
    """Return where the facts of a case lie."""
    return f"cases/{case_id}.json"


def kept_file(number: int, name: str) -> str:
    """Return the path of something in the history."""
    return f"{HISTORY}/{number:06d}/{name}"


def save_number(name: str) -> int | None:
    """Return the number of a save by the name of its folder in the history; None where it is something else."""
    number = int(name) if _SAVE.fullmatch(name) else 0
    return number if number and name == f"{number:06d}" else None


def files_of(case_id: str) -> frozenset[str]:
    """Return all files that a case may have outside of the history."""
    images = (image_file(case_id, approved) for approved in (True, False))
    return frozenset([*images, label_file(case_id), draft_file(case_id), original_file(case_id), case_file(case_id)])


def is_known(path: str) -> bool:
    """Say whether a data set may have a file of this path: known folders and patterns, and nothing else."""
    if path in LISTS or path == MARKER:
        return True
    parts = path.split("/")
    if parts[0] == HISTORY:
        return len(parts) == 3 and save_number(parts[1]) is not None and parts[2] in (MASK, AUTOMATIC, KEPT_CASE)
    found = CASE.match(parts[-1])
    return found is not None and path in files_of(found[0])


def json_bytes(content: Any) -> bytes:
    """Return JSON for people and programs."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    # Numbers of a list in one line; a line break never stands in a JSON string.
    text = re.sub(r'\[\n([^][{}"]*)\]', lambda found: f"[{' '.join(found[1].split())}]", text)
    return text.encode() + b"\n"


def fold_of(value: Any) -> int:
    """Return a fold; ValueError where it is none."""
    if type(value) is not int or not 0 <= value < N_FOLDS:
        raise ValueError("a fold that is none")
    return value
