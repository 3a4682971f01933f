"""The lock file of an export: what it holds, so that it can be made again bit for bit."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import read_json
from ONFHAssistLib.core.plain import UNSET, Unset, from_plain
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.entries import sha256
from ONFHAssistLib.curation.case.reviewed import LABELS
from ONFHAssistLib.curation.reports.training_case import TrainingCase

LOCK = "export.lock.json"
FORMAT = "onfh-assist-export/1"
_IN_EXPORT = re.compile(r"(?:[A-Za-z]+/){0,3}p[0-9a-f_]+[RL](?:_0000)?\.nii\.gz")


@dataclass(frozen=True, kw_only=True)
class ExportLock:
    """What an export holds, in the order of the file.

    Attributes:
        version: of the export: a checksum of the rest.
        software: version of this program.
        data_set: name of the data set that it comes from.
        key_fingerprint: of the data set's key.
        modality: "MR" or "CT".
        layout: of `export.FORMATS`.
        where: the condition that chose the cases.
        licence: of the images.
        cases: by name.
    """

    format: str = FORMAT
    version: str
    software: str
    data_set: str
    key_fingerprint: str | Unset = UNSET
    modality: str
    layout: str
    where: str
    licence: str
    cases: tuple[TrainingCase, ...]


def read_lock(path: Path) -> ExportLock:
    """Read the lock file of an export; raises InputError where it is something else, damaged, or of a newer version."""
    try:
        content = read_json(path)
        if not isinstance(content, dict) or "format" not in content:
            raise ValueError
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not the lock file of an export ({LOCK}); give the one that was written."
        ) from error
    kind = content.get("format")
    if kind != FORMAT:
        raise InputError(f"The lock file {path} has the format {kind!s:.60}, this version reads {FORMAT}; update it.")
    try:
        lock = from_plain(ExportLock, content, others=True)
        _require_sound(lock.cases)
        if lock.version != version_of(content):
            raise ValueError("it was changed: its version is that of another content")
    except ValueError as error:
        raise InputError(f"The lock file {path} is damaged ({error}); get it back from a copy.") from error
    return lock


def version_of(content: dict[str, Any]) -> str:
    """Return the version of a lock's content (JSON-ready, in the order of the file): a checksum of the rest."""
    return sha256(layout.json_bytes({**content, "version": ""}))[:12]


def _require_sound(cases: tuple[TrainingCase, ...]) -> None:
    for case in cases:
        named = layout.CASE.fullmatch(case.case) and all(map(_IN_EXPORT.fullmatch, (case.image, case.label)))
        sound = case.radius_mm > 0 and 0 < case.version <= layout.LARGEST_NUMBER and set(case.provenance) == set(LABELS)
        if not named or not sound or not all(map(math.isfinite, (*case.centre_ras_mm, case.radius_mm))):
            raise ValueError(f"the case {case.case!r:.60}")
        layout.fold_of(case.fold)
    if len({path for case in cases for path in (case.image, case.label)}) != 2 * len(cases):
        raise ValueError("two files of one name")
