"""What became of a case: who saved it when, from which networks, and what each save changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ONFHAssistLib.core.plain import from_plain
from ONFHAssistLib.curation.schema import MaskChange
from ONFHAssistLib.curation.store import Store

RENAMED = "given to another patient code"
Grades = dict[str, str | int | None]


@dataclass(frozen=True)
class Change:
    """What a save changed.

    Attributes:
        since: "networks", or "save 12" for the version before, whoever made it.
        masks: of "head" (with its necrosis) and "necrosis".
        before, after: class of each grading, "steinberg" and "jic"; None: no class. Empty where none was kept.
    """

    since: str
    masks: dict[str, MaskChange]
    before: Grades
    after: Grades


@dataclass(frozen=True)
class Save:
    """One version of a case, its withdrawal, or a change of its patient's code.

    Attributes:
        number: of the save in the data set, whose folder in ``history/`` has this number.
        saved_at: ISO time, UTC.
        reviewer: code.
        status: "draft", "approved", "flagged", "withdrawn", or RENAMED where the patient's code was put right.
        adjudicates: it settles a difference between readers.
        trained_with: its mask is the one that is trained with now.
        comment: of the reader; of a withdrawal the reason.
        software: version of this program.
        models: the networks, as in "necrosis 0.2.0".
        provenance: "automatic", "corrected" or "manual" for "head" and "necrosis"; empty for a withdrawal.
        reviewed: number of the slices that the reader stood for; None: all.
        changes: from what the networks had made and from the version before, as far as there are these.
    """

    number: int
    saved_at: str
    reviewer: str
    status: str
    adjudicates: bool
    trained_with: bool
    comment: str
    software: str
    models: tuple[str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)
    reviewed: int | None = None
    changes: tuple[Change, ...] = ()


def history(store: Store, case_id: str) -> tuple[Save, ...]:
    """Return all saves of a case, oldest first; InputError where it is missing or its file damaged."""
    return saves_of(store.record(case_id))


def saves_of(facts: Mapping[str, Any]) -> tuple[Save, ...]:
    """Return all saves of a case, oldest first; ``facts``: ``cases/<case>.json``."""
    found, previous = [], None
    for entry in facts["versions"]:
        found.append(_save(entry, previous, facts["trained_with"]))
        previous = previous if entry["status"] == "withdrawn" else entry
    for entry in facts.get("renames", ()):
        told = {name: entry[name] for name in ("number", "saved_at", "reviewer", "comment", "software")}
        found.append(Save(**told, status=RENAMED, adjudicates=False, trained_with=False))
    return tuple(sorted(found, key=lambda save: save.number))


def save_line(save: Save) -> str:
    """Return a save in one line: when, who, its status and grade, how the necrosis was changed, and the comment."""
    status = f"{save.status}, settles" if save.adjudicates and save.status == "approved" else save.status
    parts = [f"{save.saved_at[:16].replace('T', ' ')} UTC", save.reviewer, status]
    for change in save.changes[:1]:
        before, after = (str(grades.get("steinberg") or "no grade") for grades in (change.before, change.after))
        parts.append(f"{after} ({change.since}: {before})" if before != after and change.before else after)
        mask = change.masks["necrosis"]
        drawn = mask.added_mm3 or mask.removed_mm3
        changed = f"+{mask.added_mm3:.0f} −{mask.removed_mm3:.0f} mm³" if drawn else "unchanged"
        parts.append(f"necrosis {changed} from {'the ' * (change.since == 'networks')}{change.since}")
    if save.models:
        parts.append(", ".join(save.models))
    if save.comment:
        parts.append(f"“{save.comment}”")
    return " · ".join(parts)


def _save(entry: Mapping[str, Any], previous: Mapping[str, Any] | None, trained_with: int | None) -> Save:
    told = {name: entry[name] for name in ("number", "saved_at", "reviewer", "status", "adjudicates", "comment")}
    told |= {"software": entry["software"], "trained_with": entry["number"] == trained_with}
    if entry["status"] == "withdrawn":
        return Save(**told)
    sources = (
        ("networks", "from_automatic", entry["automatic"]),
        (f"save {previous['number']}" if previous else "", "from_previous", previous),
    )
    changes = tuple(
        Change(since, _masks(entry["changes"][name]), _grades(before["result"]), _grades(entry["result"]))
        for since, name, before in sources
        if before is not None and entry["changes"][name] is not None
    )
    slices = entry["reviewed_slices"]
    reviewed = None if slices is None else len(slices)
    models = tuple(f"{model.get('name', '')} {model.get('version', '')}".strip() for model in entry["models"])
    return Save(
        **told, models=tuple(filter(None, models)), provenance=entry["provenance"], reviewed=reviewed, changes=changes
    )


def _masks(changes: Mapping[str, Any]) -> dict[str, MaskChange]:
    return {label: from_plain(MaskChange, one, others=True) for label, one in changes.items()}


def _grades(result: Mapping[str, Any] | None) -> Grades:
    return {name: grade["grade"] for name, grade in result["grades"].items()} if result else {}
