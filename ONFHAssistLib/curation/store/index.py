"""A cache of what the case files say, so that a list of 10,000 cases need not read them all.

It lies in the user's own cache, not in the data set: SQLite and network drives do not go together, and a data set may
be read-only. A case file that has changed is read again; a damaged or missing cache is made anew.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
from pathlib import Path

from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.user_folders import user_folder
from ONFHAssistLib.curation.case.layout import case_file
from ONFHAssistLib.curation.case.summary import CaseSummary, summary_of
from ONFHAssistLib.curation.store import inside
from ONFHAssistLib.curation.store.records import read_record

_TABLE = "CREATE TABLE IF NOT EXISTS cases (case_id TEXT PRIMARY KEY, stamp TEXT, summary TEXT)"
_LAYOUT = 2


def cases(folder: Path) -> tuple[CaseSummary, ...]:
    """Return all cases of a data set, by name."""
    try:
        return _cases(folder, cache_file(folder, "cases.sqlite"))
    except (sqlite3.Error, OSError, ValueError):
        with contextlib.suppress(OSError):
            cache_file(folder, "cases.sqlite").unlink()
        return _cases(folder, None)


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
