"""The studies of a folder as the reader's list: what is there, what is known of it, what is most worth a look."""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.outside import read_json, shown
from ONFHAssistLib.core.plain import from_plain
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.imaging.studies import find_studies, study_at
from ONFHAssistLib.reviewer.systems import readable_forms
from ONFHAssistLib.scene.review import Review

STATUSES = ("new", "analysed", "draft", "approved", "flagged", "not usable")


@dataclass(frozen=True)
class Entry:
    """One study, or one thing in its place that is not usable.

    Attributes:
        key: names it in requests and in the state folder; 16 hexadecimal digits of the SHA-256 of its place, so that
            no name from the hospital gets there.
        title: its place in the folder, as the reader knows it.
        path: file, or folder of DICOM files.
        problem: why it is not usable; "".
    """

    key: str
    title: str
    path: Path
    problem: str = ""


@dataclass(frozen=True)
class HipSummary:
    """What the list shows of one hip.

    Attributes:
        side: which hip.
        steinberg, jic: its grades.
        ratio: a fraction.
        borderline: whether a grade is.
        reason: why there is no grade.
        status: as which it was signed; "" where it was not, or was changed since.
    """

    side: str
    steinberg: str | None
    jic: str | None
    ratio: float | None
    borderline: bool
    reason: str | None = None
    status: str = ""


@dataclass(frozen=True)
class Summary:
    """What is known of a study; kept in its state folder. ``status`` is one of STATUSES."""

    status: str = "new"
    plane: str = ""
    sequence: str = ""
    hips: tuple[HipSummary, ...] = ()
    reviewer: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    entry: Entry
    summary: Summary = field(default_factory=Summary)

    @property
    def status(self) -> str:
        """Return the study's status; what cannot be read is not usable, whatever it once was."""
        return "not usable" if self.entry.problem or self.summary.problem else self.summary.status


def studies_in(place: Path) -> list[Entry]:
    """Return the studies and pictures of a folder, or the one file that was named; raises as `find_studies` does."""
    folder = place.is_dir() or not place.exists()
    forms = readable_forms()
    found = find_studies(place, forms) if folder else [study_at(place, forms)]
    return [Entry(_key(one.place), one.title, one.path, one.problem) for one in found]


def stored_case(folder: Path, name: str, independent: bool, reader: str) -> Entry:
    """Return the entry of a case of a data set; each reader's second reading has a draft of its own."""
    place = f"{folder}/{name}" + (f" independent {reader}" if independent else "")
    return Entry(_key(place), shown(name), folder)


def entry_of(entries: Iterable[Entry], key: str) -> Entry:
    """Return the entry that a browser has asked for; a key is all that it may send, so no path leaves the folder.

    Raises:
        InputError: there is none of this key, or the study is gone.
    """
    for entry in entries:
        if entry.key == key:
            if not entry.path.exists():
                raise InputError(f"{entry.title} was removed from the folder; look through the folder again.")
            return entry
    raise InputError("This study is not in the list; look through the folder again.")


def summarise(source: Mapping[str, Any], hips: Iterable[HipResult], status: str, reviewer: str = "") -> Summary:
    """Return what the list shows of a graded study; ``source``: facts about its image."""
    return Summary(status, *_kind(source), tuple(map(_hip, hips)), reviewer)


def summarise_review(review: Review, reviewer: str) -> Summary:
    """Return what the list shows of a study under review: a draft until each of its hips is signed as it is."""
    unsaved, hips = review.unsaved_sides, []
    for side in review.sides:
        said = review.sign_off(side)
        signed = said.reviewer and side in review.segmented and side not in unsaved
        hips.append(replace(_hip(review.hip(side)), status=said.status if signed else ""))
    statuses = {hip.status for hip in hips if hip.side in review.segmented}
    if unsaved or "draft" in statuses or ("" in statuses and len(statuses) > 1):
        status = "draft"
    else:
        status = next((one for one in ("flagged", "approved") if one in statuses), "analysed")
    return Summary(status, *_kind(review.result.source), tuple(hips), reviewer)


def read_summary(state: Path, entry: Entry) -> Summary:
    """Return what is known of a study; a file that is missing or damaged says nothing."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = from_plain(Summary, read_json(summary_file(state, entry)))
        sides = [hip.side for hip in found.hips]
        sound = all((hip.ratio is None or 0 <= hip.ratio <= 1) and hip.status in _SIGNED_AS for hip in found.hips)
        if found.status in STATUSES and sound and set(sides) <= set(SIDES) and len(sides) == len(set(sides)):
            return found
    return Summary()


def summary_file(state: Path, entry: Entry) -> Path:
    """Return where the summary of a study is kept; its content is `plain_summary`."""
    return state / entry.key / "summary.json"


def plain_summary(summary: Summary) -> dict[str, Any]:
    """Return what `read_summary` reads back, as JSON-ready values."""
    return asdict(summary)


def rows(entries: Iterable[Entry], state: Path) -> list[Row]:
    """Return the list, the studies that are most worth a look first.

    A draft is unfinished work. Then come the hips on a threshold, those with a lesion, those that nobody has looked
    at, and those without ONFH; signed ones and what is not usable come last.
    """
    return ordered(Row(entry, read_summary(state, entry)) for entry in entries)


def ordered(listed: Iterable[Row]) -> list[Row]:
    """Return rows in the order of `rows`, after something has become known."""
    return sorted(listed, key=lambda row: (_urgency(row), row.entry.title))


def matching(listed: Iterable[Row], words: str) -> list[Row]:
    """Return the rows that say each of the words somewhere: place, status, plane, grade, reviewer, "borderline"."""
    wanted = words.lower().split()
    return [row for row in listed if all(word in _words(row) for word in wanted)]


def next_unsigned(listed: Iterable[Row], key: str) -> Row | None:
    """Return the first row that waits for a reader, other than the present one."""
    return next((row for row in listed if row.entry.key != key and _urgency(row) < _SIGNED), None)


_SIGNED_AS = ("", "draft", "approved", "flagged")
_SIGNED = 5
_URGENCY: Mapping[str, int] = {"draft": 0, "flagged": _SIGNED, "approved": _SIGNED + 1, "not usable": _SIGNED + 2}


def _urgency(row: Row) -> int:
    if row.status in _URGENCY:
        return _URGENCY[row.status]
    if row.status == "analysed" and not row.summary.hips:
        return _SIGNED  # a picture, of which nothing is to be signed
    if row.status == "new":
        return 3
    if any(hip.borderline for hip in row.summary.hips):
        return 1
    lesion = any(hip.steinberg not in (None, "without ONFH") for hip in row.summary.hips)
    return 2 if lesion else 4


def _words(row: Row) -> str:
    hips = row.summary.hips
    said = [row.entry.title, row.status, row.summary.plane, row.summary.sequence, row.summary.reviewer]
    said += [f"{hip.side} {hip.steinberg} {hip.jic}" for hip in hips]
    said += ["borderline"] * any(hip.borderline for hip in hips)
    return " ".join(said).lower()


def _hip(hip: HipResult) -> HipSummary:
    return HipSummary(
        hip.side,
        hip.class_of("steinberg"),
        hip.class_of("jic"),
        hip.volume_ratio,
        any(is_borderline(name, grade) for name, grade in hip.grades.items()),
        hip.reason,
    )


def _kind(source: Mapping[str, Any]) -> tuple[str, str]:
    """Return plane and sequence of an image; a picture has neither."""
    return ("picture", "") if source.get("form") == "picture" else (source["plane"], source["sequence"])


def _key(place: str) -> str:
    """Return what stands for a place; also of a name that is no UTF-8."""
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:16]
