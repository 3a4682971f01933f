"""Patient codes that look like a slip of the fingers: almost the code of another patient of the data set.

The data set holds no code, only pseudonyms (`keys`). So the likely slips of a new code are made, and their pseudonyms
are looked for among the patients that are there. Longer codes can be tried by a few signs only: from "P" one gets to
P06 and P123, not to P-2024-007.
"""

import contextlib
import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.store import keys
from ONFHAssistLib.curation.store.index import cases
from ONFHAssistLib.curation.store.keys import normal_code
from ONFHAssistLib.curation.store.marker import read_marker

Likeness = Literal["beginning", "longer", "one sign"]
_SIGNS = string.ascii_lowercase + string.digits + "-_./"
_DIGITS_MORE, _SIGNS_MORE = 3, 2
_SHOWN = 3
_QUESTION = {
    "beginning": "begins with the code of another patient",
    "longer": "is the beginning of another patient's code",
    "one sign": "differs by one character from the code of another patient",
}


@dataclass(frozen=True)
class SimilarCode:
    """A patient of the data set whose code is almost the one that was entered.

    Attributes:
        code: the other one, as far as case and blanks do not matter; to be shown to the reader, never written.
        likeness: it is the "beginning" of the entered one, goes on after it ("longer"), or differs in "one sign": one
            is wrong, missing or too much, or two neighbours are exchanged.
        patient: the other patient's pseudonym.
        cases: names of the other patient's cases.
        question: what to ask the reader, one sentence; the answer "yes" means that it is another patient.
    """

    code: str
    likeness: Likeness
    patient: str
    cases: tuple[str, ...]
    question: str


def similar_codes(folder: Path, code: str, renamed: str = "") -> tuple[SimilarCode, ...]:
    """Return the patients of a data set whose code a new code may have been meant to be; to be asked before a save.

    Args:
        folder: the data set, or the folder that holds data sets side by side, as for `folder.save_case`.
        code: as the reader has entered it.
        renamed: name of the case whose code is put right, if any; its present code is known to be wrong, and not
            another patient's.

    Returns:
        nothing where there is no data set yet, its key is not here, or the code's own patient is there already.
    """
    found: dict[str, SimilarCode] = {}
    for place, fingerprint in _data_sets(Path(folder)):
        if not keys.key_file(fingerprint).exists():
            continue  # without it nothing can be saved either, which says so
        key = keys.key_of(fingerprint, place.name)
        of_patient: dict[str, list[str]] = {}
        found_here = [case for case in cases(place) if not case.problem]
        wrong = {case.patient for case in found_here if case.case_id == renamed}
        for case in found_here:
            if case.patient not in wrong:
                of_patient.setdefault(case.patient, []).append(case.case_id)
        if not of_patient or key.pseudonym(code) in of_patient:
            continue
        for other, likeness in _slips(normal_code(code)):
            patient = key.pseudonym(other)
            if patient in of_patient and patient not in found:
                found[patient] = _similar(code.strip(), other, likeness, patient, of_patient[patient])
    return tuple(found.values())


def _data_sets(folder: Path) -> Iterator[tuple[Path, str]]:
    """Return the data sets that a folder is or holds, with the fingerprints of their keys."""
    for marker in [folder / layout.MARKER, *sorted(folder.glob(f"Dataset*/{layout.MARKER}"))]:
        with contextlib.suppress(OSError, ValueError):
            fingerprint = read_marker(marker.parent).key_fingerprint
            if keys.is_fingerprint(fingerprint):
                yield marker.parent, fingerprint


def _similar(code: str, other: str, likeness: Likeness, patient: str, names: list[str]) -> SimilarCode:
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    question = (
        f"The code {code} is new to the data set and {_QUESTION[likeness]}, {other} (capitals do not count; {shown}); "
        f"is {code} really another patient?"
    )
    return SimilarCode(other, likeness, patient, tuple(names), question)


def _slips(code: str) -> Iterator[tuple[str, Likeness]]:
    """Return the codes that this one may have been meant to be, the likeliest kind first."""
    for n in range(len(code) - 1, 0, -1):
        yield code[:n], "beginning"
    for n in range(1, _DIGITS_MORE + 1):
        for more in itertools.product(string.digits if n > _SIGNS_MORE else _SIGNS, repeat=n):
            yield code + "".join(more), "longer"
    for n in range(len(code)):
        yield code[:n] + code[n + 1 :], "one sign"
        yield from ((code[:n] + sign + code[n + 1 :], "one sign") for sign in _SIGNS if sign != code[n])
        if n:
            yield code[: n - 1] + code[n] + code[n - 1] + code[n + 1 :], "one sign"
    for n in range(len(code)):
        yield from ((code[:n] + sign + code[n:], "one sign") for sign in _SIGNS)
