"""A cache of what the case files say, so that a list of 10,000 cases need not read them all.

It lies in the user's own cache, not in the data set: SQLite and network drives do not go together, and a data set may
be read-only. A case file that has changed is read again; a damaged or missing cache is made anew.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.outside import parse_json
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.user_folders import user_folder
from ONFHAssistLib.curation import inside
from ONFHAssistLib.curation.layout import CASE_FORMAT, case_file
from ONFHAssistLib.curation.schema import require_case

_TABLE = "CREATE TABLE IF NOT EXISTS cases (case_id TEXT PRIMARY KEY, stamp TEXT, summary TEXT)"
_LAYOUT = 2


@dataclass(frozen=True)
class CaseSummary:
    """What a list shows of a case.

    Attributes:
        grades: class of each grading in the version that is trained with, else in the newest one; None: no class.
        reviewers: codes, in the order of their first version.
        saved_at: time of the last version; ``first_saved_at``, ``approved_at``: of the first, and of the one that is
            trained with.
        problem: why the file can't be read; everything else is then empty.
    """

    case_id: str
    patient: str = ""
    side: str = ""
    status: str = ""
    modality: str = ""
    sequence: str = ""
    plane: str = ""
    fold: int = -1
    grades: dict[str, str | int | None] = field(default_factory=dict)
    reviewers: tuple[str, ...] = ()
    versions: int = 0
    needs_adjudication: bool = False
    first_saved_at: str = ""
    saved_at: str = ""
    approved_at: str | None = None
    problem: str = ""


def summary_of(record: Mapping[str, Any]) -> CaseSummary:
    """Summarise the content of a case file."""
    versions = [entry for entry in record["versions"] if entry["status"] != "withdrawn"]
    trained = record["trained_with"]
    shown = next((entry for entry in versions if entry["number"] == trained), versions[-1])
    return CaseSummary(
        record["case"],
        record["patient"],
        record["side"],
        record["status"],
        record["source"].get("modality", ""),
        record["source"].get("sequence", ""),
        record["pose"]["plane"],
        record["fold"],
        {name: grade["grade"] for name, grade in shown["result"]["grades"].items()},
        tuple(dict.fromkeys(entry["reviewer"] for entry in versions)),
        len(record["versions"]),
        record["needs_adjudication"],
        record["versions"][0]["saved_at"],
        record["versions"][-1]["saved_at"],
        shown["saved_at"] if trained is not None else None,
    )


def cases(folder: Path) -> tuple[CaseSummary, ...]:
    """Return all cases of a data set, by name."""
    try:
        return _cases(folder, cache_file(folder, "cases.sqlite"))
    except (sqlite3.Error, OSError, ValueError):
        with contextlib.suppress(OSError):
            cache_file(folder, "cases.sqlite").unlink()
        return _cases(folder, None)


def read_record(folder: Path, path: str, case_id: str | None) -> dict[str, Any]:
    """Read a case file, or a copy of one.

    Args:
        folder: of the data set.
        path: of the file, relative to ``folder``.
        case_id: the case that it should be of; None: any.

    Raises:
        OSError: it is not there, can't be read, or lies elsewhere.
        ValueError: it is damaged, of another version, or of another case.
    """
    return record_of(inside.read(folder, path), case_id)


def record_of(content: bytes, case_id: str | None) -> dict[str, Any]:
    """Return what a case file says, see `read_record`; raises ValueError."""
    try:
        record = parse_json(content)
    except ValueError as error:
        raise ValueError("is damaged") from error
    try:
        kind = record["format"]
    except (KeyError, TypeError) as error:
        raise ValueError("is not complete") from error
    if kind != CASE_FORMAT:
        raise ValueError(f"has the format {kind!r:.60} of another version of this software")
    try:
        require_case(record)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise ValueError("is not complete, or holds what this software does not write") from error
    if case_id is not None and record["case"] != case_id:
        raise ValueError(f"is that of the case {record['case']}")
    return record


def _cases(folder: Path, cache: Path | None) -> tuple[CaseSummary, ...]:
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(cache or ":memory:", timeout=5)) as database, database:
        if database.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
            database.execute("DROP TABLE IF EXISTS cases")
            database.execute(f"PRAGMA user_version = {_LAYOUT}")
        database.execute(_TABLE)
        known = dict(database.execute("SELECT case_id, stamp FROM cases"))
        for entry in os.scandir(inside.own_folder(folder, "cases")):
            if not inside.is_case_file(entry.name):
                continue
            case_id, stamp = entry.name.removesuffix(".json"), _stamp(entry)
            if known.pop(case_id, None) == stamp:
                continue
            try:
                summary = summary_of(read_record(folder, case_file(case_id), case_id))
            except FileNotFoundError:
                continue
            except OSError as error:
                summary = CaseSummary(case_id, problem=f"can't be read ({error.strerror or error})")
            except ValueError as error:
                summary = CaseSummary(case_id, problem=str(error))
            row = case_id, stamp, json.dumps(to_plain(summary))
            database.execute("INSERT OR REPLACE INTO cases VALUES (?, ?, ?)", row)
        database.executemany("DELETE FROM cases WHERE case_id = ?", [(case_id,) for case_id in known])
        rows = database.execute("SELECT summary FROM cases ORDER BY case_id")
        return tuple(from_plain(CaseSummary, json.loads(text)) for (text,) in rows)


def _stamp(entry: os.DirEntry) -> str:
    facts = entry.stat(follow_symlinks=False)
    return f"{facts.st_mtime_ns} {facts.st_size} {facts.st_ino}"


def cache_file(folder: Path, kind: str) -> Path:
    """Return where something about a data set is kept in the user's own cache."""
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return user_folder("cache") / f"{name}-{kind}"
