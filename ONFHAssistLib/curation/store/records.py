"""The records of a data set, read one by one: a damaged one costs its own case."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.outside import shown
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.record import CaseRecord
from ONFHAssistLib.curation.case.schema import record_of
from ONFHAssistLib.curation.store import inside


def read_record(folder: Path, path: str, case_id: str | None) -> CaseRecord:
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


def readable_records(folder: Path, names: Iterable[str] | None = None) -> Iterator[CaseRecord]:
    """Read the files of these cases, all by name if None is given, that can be read; `check` tells of the others."""
    for name in inside.case_names(folder) if names is None else names:
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


def all_records(folder: Path) -> Iterator[CaseRecord]:
    """Read the files of all cases, by name; raises InputError where one is damaged."""
    for name in inside.case_names(folder):
        try:
            yield read_record(folder, layout.case_file(name), name)
        except (ValueError, OSError) as error:
            raise InputError(
                f"The file of the case {name} {error}; check the data set and let the check restore it."
            ) from error
