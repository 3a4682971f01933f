"""What is read, off the event loop, before a study or a case of the data set is opened."""

from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.open_case import OpenCase, open_case
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.stored_case import study_of_case
from ONFHAssistLib.web import drafts
from ONFHAssistLib.web.drafts import Draft
from ONFHAssistLib.web.reading import checked, read_checked
from ONFHAssistLib.web.worklist import Entry


@dataclass(frozen=True)
class Opening:
    """A study with what is known of it.

    Attributes:
        study: the image.
        mark: its `drafts.fingerprint`.
        kept: its draft and analysis; None where there is neither.
        lost: what is to be told where they were there and are damaged; "".
        case: of a case of the data set, see `curation.store.open_case.open_case`; None for a study.
    """

    study: Study
    mark: str
    kept: Draft | None
    lost: str = ""
    case: tuple[OpenCase, ReviewedCase] | None = None


def read_entry(entry: Entry, state: Path) -> Opening:
    """Read a study of the list and its draft in the folder ``state``; raises InputError where it cannot be read."""
    return _with_draft(entry, read_checked(entry.path), state)


def read_case(entry: Entry, independent: bool, reviewer: str, state: Path) -> Opening:
    """Read a case of a data set (`worklist.stored_case`) and its draft; raises InputError as `open_case` does."""
    opened, case = open_case(entry.path, entry.title, reviewer, independent)
    return _with_draft(entry, checked(study_of_case(case)), state, (opened, case))


def _with_draft(entry: Entry, study: Study, state: Path, case: tuple[OpenCase, ReviewedCase] | None = None) -> Opening:
    mark = drafts.fingerprint(study)
    found = drafts.read(state / entry.key, study, mark)
    if isinstance(found, drafts.Damaged):
        return Opening(study, mark, None, found.sentence, case)
    return Opening(study, mark, found, "", case)
