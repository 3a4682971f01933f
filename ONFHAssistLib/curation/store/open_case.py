"""A case of the data set, opened again: to go on with it, or to read it without seeing what others have drawn."""

from dataclasses import dataclass, replace
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.curation.case.facts import ResultFacts
from ONFHAssistLib.curation.case.history import save_line, saves_of
from ONFHAssistLib.curation.case.record import CaseRecord, Version, Withdrawal
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.curation.store.store import Store

NETWORKS = 0
"""Number of the reading that the networks made."""


@dataclass(frozen=True)
class Reading:
    """What one reader, or the networks, made of a case.

    Attributes:
        number: of the version; NETWORKS.
        whose: the reader's code, or "networks".
        words: whose, when and with what result, for a list.
        reviewed: the slices (indices along k of the case's image) that the reader stood for; None: all.
    """

    number: int
    whose: str
    words: str
    reviewed: tuple[int, ...] | None = None


@dataclass(frozen=True)
class OpenCase:
    """A case of the data set that is under review; plain values, so that a saved scene can keep it.

    Attributes:
        folder: of the data set.
        name: of the case.
        side: which hip.
        reader: code of who has opened it; "".
        independent: whether it is read without seeing others' masks: a second reading, to be compared with theirs.
        readers: codes of those who have drawn a mask of it.
        readings: the last one of each reader, to be looked at and taken over; of an independent reading none.
        seen: number of the newest version.
        history: every save in one line, oldest first; of an independent reading none.
        withdrawn: by whom and why, where the newest version is a withdrawal; "".
        differ: whether readers have approved different masks, and nobody has settled it.
        unseen: codes of those who have saved it since; what they drew is in none of these.
    """

    folder: str
    name: str
    side: Side
    reader: str = ""
    independent: bool = False
    readers: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    seen: int = 0
    history: tuple[str, ...] = ()
    withdrawn: str = ""
    differ: bool = False
    unseen: tuple[str, ...] = ()

    def adjudicates(self, reviewer: str) -> bool:
        """Say whether an approval of this reader settles the case: they could see what others had drawn.

        What others have saved since it was opened is not settled: `Store.save` sees to that.
        """
        return not self.independent and any(reader != reviewer for reader in self.readers)

    def masks(self, number: int) -> HipMasks:
        """Read the masks of one of ``readings``; raises InputError where that is not possible."""
        return open_store(Path(self.folder)).masks(self.name, number)

    def save(self, case: ReviewedCase) -> Path:
        """Save the case as a further version; raises InputError as `Store.save`, and where the data set is gone."""
        return open_store(Path(self.folder)).save(case)

    def renewed(self, reader: str) -> "OpenCase":
        """Return what is to be known of the case after this reader has saved it.

        Where others have saved it since it was opened, only their codes: what they drew has not been seen.
        """
        store = open_store(Path(self.folder))
        record = store.record(self.name)
        opener = self.reader if self.independent else reader  # whose reading it is, whoever has signed it
        since = [entry for entry in record.versions if entry.number > self.seen]
        unseen = tuple(dict.fromkeys(entry.reviewer for entry in since if entry.reviewer != reader))
        if unseen:
            return replace(self, reader=opener, differ=record.needs_adjudication, unseen=unseen)
        return _opened(store, record, opener, self.independent)


def told(opened: OpenCase) -> str:
    """Say how a case is open, and what an approval of it means."""
    readers = " and ".join(opened.readers)
    if opened.unseen and not opened.independent:
        how = f"saved by {' and '.join(opened.unseen)} since it was opened; open it again to see that and settle it"
    elif opened.withdrawn:
        how = f"withdrawn by {opened.withdrawn}; it is not trained with, and saving it brings it back"
    elif opened.independent:
        how = "read anew; what others have drawn is hidden"
    elif opened.differ:
        how = f"{readers} differ; compare them, your approval settles it"
    elif opened.adjudicates(opened.reader):
        how = f"drawn by {readers}; your approval settles it"
    else:
        how = f"drawn by {readers}"
    return f"{opened.side} hip, {how}."


def only_one_hip(opened: OpenCase) -> str:
    """Say that a case is one hip, to somebody who wants to segment the other one in its image."""
    return f"The case {opened.name} is the {opened.side} hip only; open the whole image to segment the other one."


def open_case(folder: Path, name: str, reviewer: str = "", independent: bool = False) -> tuple[OpenCase, ReviewedCase]:
    """Open a case of a data set again.

    Args:
        folder: the data set.
        name: of the case.
        reviewer: who opens it; "" where that is not known yet.
        independent: see nothing of what other readers have drawn. It begins with what the networks had made of it
            first, or with a draft of such a reading that this reader has left. Else it begins with what this reader
            has saved last, or with what is trained with where that is newer, or else with the newest version.

    Returns:
        what has to be known of it to save it again, and the case as it begins: status and comment are those of the
        version only where it is this reader's.

    Raises:
        InputError: there is no such case, or a file of it is missing or damaged; or it is to be read independently, and
            nobody says by whom, or the networks had no part in it.
    """
    if independent and not reviewer:
        raise InputError("A second reading is one reader's own; enter your reviewer's code first.")
    store = open_store(folder)
    record = store.record(name)
    own = [version for version in record.drawn if version.reviewer == reviewer]
    if independent:
        left = own and own[-1].status == "draft" and own[-1].independent
        begins_with = own[-1].number if left else NETWORKS
    else:
        begins_with = max([record.trained_with or 0, *(version.number for version in own)])
        begins_with = begins_with or record.drawn[-1].number
    case = replace(store.reopen(name, begins_with), independent=independent)
    if case.reviewer != reviewer:
        case = replace(case, comment="", status="draft")  # others' words stay theirs
    return _opened(store, record, reviewer, independent), case


def _opened(store: Store, record: CaseRecord, reader: str, independent: bool) -> OpenCase:
    newest = record.versions[-1]
    return OpenCase(
        folder=str(store.folder),
        name=record.case,
        side=record.side,
        reader=reader,
        independent=independent,
        readers=tuple(dict.fromkeys(version.reviewer for version in record.drawn)),
        readings=() if independent else tuple(_readings(record)),
        seen=newest.number,
        withdrawn=f"{newest.reviewer} ({newest.comment})" if isinstance(newest, Withdrawal) else "",
        history=() if independent else tuple(map(save_line, saves_of(record))),
        differ=record.needs_adjudication,
    )


def _readings(record: CaseRecord) -> list[Reading]:
    """Return the last reading of each reader, and that of the networks."""
    first = record.pose.box[0][0]  # slice of the whole image that the case's image begins with
    last = {version.reviewer: version for version in record.drawn}
    found = [Reading(one.number, reader, _words(one), one.slices_from(first)) for reader, one in last.items()]
    made = next((version.automatic for version in record.drawn if version.automatic), None)
    if made is not None:
        found.append(Reading(NETWORKS, "networks", f"networks{_grade(made.result)}"))
    return found


def _words(version: Version) -> str:
    status = "settled" if version.adjudicates and version.status == "approved" else version.status
    return f"{version.reviewer}, {version.saved_at[:10]}, {status}{_grade(version.result)}"


def _grade(result: ResultFacts | None) -> str:
    """Return ": moderate, 21.3 %"; nothing where it was not graded."""
    if result is None or result.volume_ratio is None or "steinberg" not in result.grades:
        return ""
    return f": {result.class_of('steinberg')}, {100 * result.volume_ratio:.1f} %"
