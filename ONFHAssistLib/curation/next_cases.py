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
from dataclasses import dataclass
from typing import Any

from ONFHAssistLib.core.borderline import is_borderline
from ONFHAssistLib.core.hip import Grade, HipResult
from ONFHAssistLib.core.plain import from_plain, to_plain
from ONFHAssistLib.curation.condition import Value
from ONFHAssistLib.curation.index import cache_file
from ONFHAssistLib.curation.store import Store
from ONFHAssistLib.curation.training_case import fields_of, readable_records, shown_version
from ONFHAssistLib.exchange.publish import publish, write_bytes

WIDE = 0.3
"""A 90 % interval of the ratio as wide as this, 30 percentage points, is as uncertain as it gets."""
NOT_KNOWN = 0.5
"""Uncertainty where the ratio has no interval (another sequence than the networks are calibrated for)."""
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
    steinberg, jic = (hip.grades.get(name) for name in ("steinberg", "jic"))
    return Candidate(
        where,
        hip.side,
        source.get("plane", ""),
        source.get("sequence", ""),
        hip.class_of("steinberg"),
        hip.class_of("jic"),
        hip.volume_ratio,
        hip.ratio_interval,
        bool(steinberg and is_borderline("steinberg", steinberg)) or bool(jic and is_borderline("jic", jic)),
        "" if hip.status == "graded" else hip.reason or "it was not graded",
    )


def unread(store: Store) -> list[Candidate]:
    """Return the cases of the data set that wait for somebody: drafts, flagged ones, and where readers differ."""
    return [
        _of_record(record)
        for record in readable_records(store.folder)
        if record["status"] in ("draft", "flagged") or record["needs_adjudication"]
    ]


def approved_kinds(store: Store) -> list[dict[str, Value]]:
    """Return what the data set has: the fields of each approved case."""
    return [fields_of(record) for record in readable_records(store.folder) if record["status"] == "approved"]


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


def _of_record(record: Mapping[str, Any]) -> Candidate:
    version, fields = shown_version(record), fields_of(record)
    # What a reader has drawn is not uncertain; what the networks had made of it was.
    result = (version["automatic"] or {}).get("result") or version["result"]
    grades = {}
    for name in ("steinberg", "jic"):
        if name in result["grades"]:
            with contextlib.suppress(ValueError):
                grades[name] = from_plain(Grade, result["grades"][name])
    interval = result.get("ratio_interval")
    return Candidate(
        record["case"],
        record["side"],
        record["pose"]["plane"],
        str(fields["sequence"] or ""),
        _text(fields["grade"]),
        _text(fields["jic"]),
        result["volume_ratio"],
        interval and (interval[0], interval[1]),
        any(is_borderline(name, grade) for name, grade in grades.items()),
        "" if result["status"] == "graded" else result["reason"] or "it was not graded",
        record["needs_adjudication"],
        record["status"],
    )


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


class Remembered:
    """What the networks made of studies that are not in the data set, kept in the user's cache.

    It holds no name of a file or patient: a study is known by its name in the data set, made with the set's key.
    """

    def __init__(self, store: Store, models: Sequence[Mapping[str, Any]]) -> None:
        """Read what is kept; with other networks than ``models``, or damaged, it counts for nothing."""
        self._path = cache_file(store.folder, "next.json")
        self._models = [str(model["sha256"]) for model in models]
        self._known: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(self._path.read_bytes())
            if content["models"] == self._models:
                self._known = dict(content["studies"])

    def get(self, study: str, where: str) -> list[Candidate] | None:
        """Return the hips of a study, if they are kept; ``where`` is its place now."""
        with contextlib.suppress(KeyError, ValueError, TypeError):
            return [from_plain(Candidate, entry | {"where": where}) for entry in self._known[study]]
        return None

    def put(self, study: str, hips: Sequence[Candidate]) -> None:
        """Keep the hips of a study; nothing happens where the cache can't be written."""
        self._known[study] = [to_plain(hip) | {"where": ""} for hip in hips]
        text = json.dumps({"models": self._models, "studies": self._known})
        with contextlib.suppress(Exception):
            publish(self._path.parent, {self._path.name: write_bytes(text.encode("utf-8", "replace"))})
