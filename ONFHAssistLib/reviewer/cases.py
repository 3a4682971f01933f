"""The cases of the data set as a list, the card of the one that is open, and how a case is withdrawn or renamed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.reports.overview import MOST_LISTED, Overview, following, hip_of, listed
from ONFHAssistLib.curation.store.codes import similar_codes
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.curation.store.open_case import OpenCase, Reading, told
from ONFHAssistLib.curation.store.rename import rename

NONE_WAITS = "No other case of the data set waits for a reader."


@dataclass(frozen=True)
class CaseLine:
    """One case of the list.

    Attributes:
        name: of the case.
        told: side and grades; the side alone while a case is read anew.
        status: draft, approved, flagged or withdrawn.
        readers: their codes; "" while a case is read anew.
        differ: whether they do.
        draft: whether it has a draft here.
        on: whether it is open.
    """

    name: str
    told: str
    status: str
    readers: str = ""
    differ: bool = False
    draft: bool = False
    on: bool = False

    @property
    def words(self) -> str:
        """Return all but the name in one line."""
        marks = ["readers differ"] * self.differ + ["draft here"] * self.draft
        return ", ".join(part for part in (self.told, self.status, self.readers, *marks) if part)


@dataclass(frozen=True)
class CaseCard:
    """The case that is open.

    Attributes:
        name: of the case.
        told: how it is open, and what an approval of it means.
        readings: those that can be drawn over the images and taken over.
        history: every save in one line.
        independent: whether it is a second reading, which its reader may end.
    """

    name: str
    told: str
    readings: tuple[Reading, ...]
    history: tuple[str, ...]
    independent: bool


def case_lines(
    found: Overview, words: str = "", here: str = "", blind: bool = False, drafted: Collection[str] = ()
) -> tuple[list[CaseLine], int]:
    """Return the cases that fit the words of the filter, and how many more there are.

    Args:
        found: what is known of the data set.
        words: each has to be in a case's name or line.
        here: name of the case that is open; "".
        blind: a case is read anew, and nothing is told that follows from what others have found. Even the order of the
            list, and what the filter finds, would tell in which cases readers differ.
        drafted: names of those that have a draft here.
    """
    cases = _by_name(found.cases, words) if blind else listed(found.cases, words)
    shown = [
        CaseLine(
            name=case.case_id,
            told=case.side if blind else hip_of(case),
            status=case.status,
            readers="" if blind else " and ".join(case.reviewers),
            differ=case.needs_adjudication and not blind,
            draft=case.case_id in drafted,
            on=case.case_id == here,
        )
        for case in cases[:MOST_LISTED]
    ]
    return shown, max(len(cases) - MOST_LISTED, 0)


def case_card(opened: OpenCase | None) -> CaseCard | None:
    """Return the card of a case; None where a study is open that is no case of the data set."""
    if opened is None:
        return None
    return CaseCard(opened.name, told(opened), opened.readings, opened.history, opened.independent)


def place_of(found: Overview) -> Path:
    """Return the data set's folder; raises InputError where there is none yet."""
    if found.folder is None:
        raise InputError("There is no data set yet; sign off a study first.")
    return found.folder


def next_case(found: Overview, here: str) -> str:
    """Return the case that is most worth a look after this one; raises InputError where none waits."""
    name = following(found, here)
    if not name:
        raise InputError(NONE_WAITS)
    return name


def withdraw_case(folder: Path, name: str, reviewer: str, why: str) -> str:
    """Take a case out of the training, and return a sentence that says so; raises InputError as `Store.withdraw`."""
    open_store(folder).withdraw(name, reviewer, why)
    return f"{name} is withdrawn; it is not trained with any more."


def code_question(folder: Path, code: str, renamed: str = "") -> str:
    """Return what is to be asked about a patient code before it is used; "" where nothing is.

    Takes a moment where the data set is large; ``renamed`` names the case whose code is put right, if any.
    """
    return " ".join(one.question for one in similar_codes(folder, code, renamed))


def rename_patient(folder: Path, name: str, code: str, reviewer: str, why: str) -> str:
    """Give a case, with the other hip of its image, to the patient with another code; return what was done.

    Raises InputError as `curation.store.rename.rename`.
    """
    return f"{' and '.join(rename(open_store(folder), name, code, reviewer, why))}: the patient's code is changed."


def _by_name(cases: Iterable[CaseSummary], words: str) -> list[CaseSummary]:
    """Return the cases that say each of the words in their name or side, in the order of their names."""
    wanted = words.casefold().split()
    found = [case for case in cases if all(word in f"{case.case_id} {case.side}".casefold() for word in wanted)]
    return sorted(found, key=lambda case: case.case_id)
