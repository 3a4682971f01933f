"""What a list shows of a case."""

from dataclasses import dataclass, field

from ONFHAssistLib.curation.case.record import CaseRecord


@dataclass(frozen=True)
class CaseSummary:
    """What a list shows of a case.

    Attributes:
        grades: class of each grading in the version that is trained with, else in the newest one; None: no class.
        reviewers: codes, in the order of their first version.
        saved_at: time of the last version; ``first_saved_at``, ``approved_at``: of the first, and of the one that is
            trained with.
        problem: why the file can't be read; everything else is then empty.
    """

    case_id: str
    patient: str = ""
    side: str = ""
    status: str = ""
    modality: str = ""
    sequence: str = ""
    plane: str = ""
    fold: int = -1
    grades: dict[str, str | int | None] = field(default_factory=dict)
    reviewers: tuple[str, ...] = ()
    versions: int = 0
    needs_adjudication: bool = False
    first_saved_at: str = ""
    saved_at: str = ""
    approved_at: str | None = None
    problem: str = ""


def summary_of(record: CaseRecord) -> CaseSummary:
    """Summarise a record."""
    return CaseSummary(
        record.case,
        record.patient,
        record.side,
        record.status,
        record.source.modality or "",
        record.source.sequence or "",
        record.pose.plane,
        record.fold,
        record.shown.result.classes,
        tuple(dict.fromkeys(version.reviewer for version in record.drawn)),
        len(record.versions),
        record.needs_adjudication,
        record.versions[0].saved_at,
        record.versions[-1].saved_at,
        None if record.trained_with is None else record.shown.saved_at,
    )
