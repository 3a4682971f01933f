"""What became of a case: who saved it when, from which networks, and what each save changed."""

from dataclasses import dataclass, field, replace

from ONFHAssistLib.curation.case.record import CaseRecord, MaskChanges, Rename, Version, Withdrawal

RENAMED = "given to another patient code"
Grades = dict[str, str | int | None]


@dataclass(frozen=True)
class Change:
    """What a save changed.

    Attributes:
        since: "networks", or "save 12" for the version before, whoever made it.
        masks: of the head with its necrosis, and of necrosis.
        before, after: class of each grading, "steinberg" and "jic"; None: no class. Empty where none was kept.
    """

    since: str
    masks: MaskChanges
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


def saves_of(record: CaseRecord) -> tuple[Save, ...]:
    """Return all saves of a case, oldest first."""
    found: list[Save] = []
    previous: Version | None = None
    for entry in record.versions:
        if isinstance(entry, Version):
            found.append(_version(entry, previous, entry.number == record.trained_with))
            previous = entry
        else:
            found.append(_save(entry, entry.status))
    found += [_save(entry, RENAMED) for entry in record.renames]
    return tuple(sorted(found, key=lambda save: save.number))


def save_line(save: Save) -> str:
    """Return a save in one line: when, who, its status and grade, how the necrosis was changed, and the comment."""
    status = f"{save.status}, settles" if save.adjudicates and save.status == "approved" else save.status
    parts = [f"{save.saved_at[:16].replace('T', ' ')} UTC", save.reviewer, status]
    for change in save.changes[:1]:
        before, after = (str(grades.get("steinberg") or "no grade") for grades in (change.before, change.after))
        parts.append(f"{after} ({change.since}: {before})" if before != after and change.before else after)
        mask = change.masks.necrosis
        drawn = mask.added_mm3 or mask.removed_mm3
        changed = f"+{mask.added_mm3:.0f} −{mask.removed_mm3:.0f} mm³" if drawn else "unchanged"
        parts.append(f"necrosis {changed} from {'the ' * (change.since == 'networks')}{change.since}")
    if save.models:
        parts.append(", ".join(save.models))
    if save.comment:
        parts.append(f"“{save.comment}”")
    return " · ".join(parts)


def _save(entry: Version | Withdrawal | Rename, status: str) -> Save:
    return Save(
        number=entry.number,
        saved_at=entry.saved_at,
        reviewer=entry.reviewer,
        status=status,
        adjudicates=not isinstance(entry, Rename) and entry.adjudicates,
        trained_with=False,
        comment=entry.comment,
        software=entry.software,
    )


def _version(version: Version, previous: Version | None, trained_with: bool) -> Save:
    sources = (
        ("networks", version.changes.from_automatic, version.automatic),
        (f"save {previous.number}" if previous else "", version.changes.from_previous, previous),
    )
    changes = tuple(
        Change(since, masks, before.result.classes if before.result else {}, version.result.classes)
        for since, masks, before in sources
        if before is not None and masks is not None
    )
    return replace(
        _save(version, version.status),
        trained_with=trained_with,
        models=tuple(filter(None, (f"{one.name or ''} {one.version or ''}".strip() for one in version.models))),
        provenance=dict(version.provenance),
        reviewed=None if version.reviewed_slices is None else len(version.reviewed_slices),
        changes=changes,
    )
