"""Which hips are most worth annotating next, and why: those that the networks are unsure of, and those of a kind that
the data set lacks.

Candidates are the cases of the data set that nobody has approved, and hips of studies that are not in it yet, as the
networks graded them. They are taken one after the other: what was suggested counts as if the set had it, so that the
next suggestion is of another kind.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.curation.case.facts import ImageFacts
from ONFHAssistLib.curation.case.record import CaseRecord
from ONFHAssistLib.curation.case.summary import CaseSummary
from ONFHAssistLib.curation.reports.condition import Value
from ONFHAssistLib.curation.store.index import cache_file
from ONFHAssistLib.curation.store.records import readable_records
from ONFHAssistLib.curation.store.store import Store
from ONFHAssistLib.exchange.publish import publish, write_bytes

WIDE = 0.3
"""A 90 % interval of the ratio as wide as this, 30 percentage points, is as uncertain as it gets."""
NOT_KNOWN = 0.5
"""Uncertainty where the ratio has no interval (another sequence than the networks are calibrated for)."""
_GRADINGS = ("steinberg", "jic")
KINDS = ("grade", "jic", "plane", "sequence", "side")


@dataclass(frozen=True)
class Candidate:
    """A hip that nobody has approved.

    Attributes:
        where: the study's place for the reader, or the name of the case.
        side, plane, sequence: of the image.
        grade, jic: classes by the networks' or the reader's masks; None where there is none.
        ratio: necrosis / head; None where the hip was not graded.
        interval: of the ratio, where it is known.
        borderline: whether the grade could be another one.
        problem: why there is no grade; "".
        differ: whether readers have approved different masks.
        status: "new" for a hip that is not in the data set, else its status there.
    """

    where: str
    side: str
    plane: str
    sequence: str
    grade: str | None = None
    jic: str | None = None
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    borderline: bool = False
    problem: str = ""
    differ: bool = False
    status: str = "new"

    @property
    def uncertainty(self) -> float:
        """How unsure the networks are, 0 to 1."""
        if self.problem:
            return 1.0
        width = NOT_KNOWN if self.interval is None else min(1.0, (self.interval[1] - self.interval[0]) / WIDE)
        return 0.5 * width + 0.5 * self.borderline


@dataclass(frozen=True)
class Suggestion:
    """A hip to annotate, its score (0 to 2; 3 and more where readers differ), and the reason in one sentence."""

    candidate: Candidate
    score: float
    reason: str


def graded(where: str, source: Mapping[str, Any], hip: HipResult) -> Candidate:
    """Return a hip that the networks have just graded."""
    steinberg, jic = (hip.grades.get(name) for name in _GRADINGS)
    image = ImageFacts.of(source)
    return Candidate(
        where,
        hip.side,
        image.plane or "",
        image.sequence or "",
        hip.class_of("steinberg"),
        hip.class_of("jic"),
        hip.volume_ratio,
        hip.ratio_interval,
        bool(steinberg and is_borderline("steinberg", steinberg)) or bool(jic and is_borderline("jic", jic)),
        "" if hip.status == "graded" else hip.reason or "it was not graded",
    )


def unread(store: Store, cases: Iterable[CaseSummary]) -> list[Candidate]:
    """Return the cases that wait for somebody: drafts, flagged ones, and where readers differ.

    Args:
        store: the data set.
        cases: all of it (`Store.cases`); only the records of those that wait are read.
    """
    waiting = (case for case in cases if case.status in ("draft", "flagged") or case.needs_adjudication)
    return [_of_record(record) for record in readable_records(store.folder, [case.case_id for case in waiting])]


def approved_kinds(cases: Iterable[CaseSummary]) -> list[dict[str, Value]]:
    """Return the kind of each approved case, by KINDS."""
    return [
        {
            "grade": case.grades.get("steinberg"),
            "jic": case.grades.get("jic"),
            "plane": case.plane,
            "sequence": case.sequence,
            "side": case.side,
        }
        for case in cases
        if case.status == "approved"
    ]


def suggest(candidates: Iterable[Candidate], approved: Sequence[Mapping[str, Value]], count: int) -> list[Suggestion]:
    """Return the hips that are most worth annotating, best first.

    The score is the uncertainty (0 to 1) and the mean, over the kinds, of 1 / (1 + how many of this kind the set has).

    Args:
        candidates: see `unread` and `graded`.
        approved: see `approved_kinds`.
        count: at most this many.
    """
    left = list(candidates)
    has = {kind: Counter(str(fields[kind]) for fields in approved) for kind in KINDS}
    found: list[Suggestion] = []
    while left and len(found) < count:
        best = max(left, key=lambda candidate: (_score(candidate, has), candidate.where, candidate.side))
        found.append(Suggestion(best, round(_score(best, has), 3), _reason(best, has)))
        left.remove(best)
        for kind, value in _kinds(best).items():
            has[kind][value] += 1
    return found


def _score(candidate: Candidate, has: Mapping[str, Counter]) -> float:
    lack = [1 / (1 + has[kind][value]) for kind, value in _kinds(candidate).items()]
    return 2.0 * candidate.differ + candidate.uncertainty + (sum(lack) / len(lack) if lack else 0.0)


def _kinds(candidate: Candidate) -> dict[str, str]:
    """Return what is known of the kind of a hip; a hip that the networks could not grade may be of any grade."""
    return {kind: value for kind in KINDS if (value := getattr(candidate, kind))}


def _reason(candidate: Candidate, has: Mapping[str, Counter]) -> str:
    parts = []
    if candidate.differ:
        parts.append("readers differ and nobody has settled it")
    if candidate.problem:
        parts.append(f"the networks could not grade it ({candidate.problem.rstrip('.')})")
    elif candidate.borderline:
        parts.append("its grade could be another one")
    if candidate.interval is not None and candidate.interval[1] - candidate.interval[0] > 0.1:
        low, high = candidate.interval
        parts.append(f"its ratio is uncertain ({100 * low:.0f} to {100 * high:.0f} %)")
    words = {"grade": "{}", "jic": "JIC {}", "plane": "{}", "sequence": "{}", "side": "{}"}
    rare = sorted((has[kind][value], kind, value) for kind, value in _kinds(candidate).items())
    lacking = [words[kind].format(value) for n, kind, value in rare if n == 0]
    if lacking:
        parts.append(f"the set has no approved hip that is {' or '.join(lacking)}")
    elif rare and rare[0][0] < 5:
        n, kind, value = rare[0]
        parts.append(f"the set has only {n} approved that {'is' if n == 1 else 'are'} {words[kind].format(value)}")
    text = "; ".join(parts) or "nothing speaks for it but that it is unread"
    return f"{text[0].upper()}{text[1:]}."


def _of_record(record: CaseRecord) -> Candidate:
    version = record.shown
    # What a reader has drawn is not uncertain; what the networks had made of it was.
    result = (version.automatic and version.automatic.result) or version.result
    return Candidate(
        record.case,
        record.side,
        record.pose.plane,
        record.source.sequence or "",
        version.result.class_of("steinberg"),
        version.result.class_of("jic"),
        result.volume_ratio,
        result.ratio_interval,
        any(is_borderline(name, result.grades[name].as_grade()) for name in _GRADINGS if name in result.grades),
        "" if result.status == "graded" else result.reason or "it was not graded",
        record.needs_adjudication,
        record.status,
    )


@dataclass(frozen=True)
class _Kept:
    models: tuple[str, ...]
    studies: dict[str, tuple[Candidate, ...]]


class Remembered:
    """What the networks made of studies that are not in the data set, kept in the user's cache.

    It holds no name of a file or patient: a study is known by its name in the data set, made with the set's key.
    """

    def __init__(self, store: Store, models: Sequence[Mapping[str, Any]]) -> None:
        """Read what is kept; with other networks than ``models``, or damaged, it counts for nothing."""
        self._path = cache_file(store.folder, "next.json")
        self._kept = _Kept(tuple(str(model["sha256"]) for model in models), {})
        with contextlib.suppress(OSError, ValueError):
            found = from_plain(_Kept, json.loads(self._path.read_bytes()))
            if found.models == self._kept.models:
                self._kept = found

    def get(self, study: str, where: str) -> list[Candidate] | None:
        """Return the hips of a study, if they are kept; ``where`` is its place now."""
        hips = self._kept.studies.get(study)
        return None if hips is None else [replace(hip, where=where) for hip in hips]

    def put(self, study: str, hips: Sequence[Candidate]) -> None:
        """Keep the hips of a study; nothing happens where the cache can't be written."""
        self._kept.studies[study] = tuple(replace(hip, where="") for hip in hips)
        text = json.dumps(to_plain(self._kept))
        with contextlib.suppress(Exception):
            publish(self._path.parent, {self._path.name: write_bytes(text.encode("utf-8", "replace"))})
