"""What the versions of a case come to: its status, and which of them is trained with."""

from collections.abc import Sequence
from dataclasses import dataclass

from ONFHAssistLib.curation.case.record import CaseStatus, Version, Withdrawal


@dataclass(frozen=True)
class Standing:
    """Where a case stands after all that was saved of it.

    Attributes:
        status: withdrawn by the last version; flagged while one reader's flag stands; approved if somebody has; draft.
        trained_with: number of the version whose mask is in ``labelsTr``; None unless approved.
        newest: number of the last version with a mask.
        needs_adjudication: readers have approved different masks, and nobody has settled it since.
    """

    status: CaseStatus
    trained_with: int | None
    newest: int | None
    needs_adjudication: bool


def standing(versions: Sequence[Version | Withdrawal]) -> Standing:
    """Go through the versions of a case, oldest first.

    A later version of a reader takes the place of the earlier one, but a draft does not take back what was approved.
    Of several readers' masks that of the first one is trained with until somebody adjudicates; who adjudicates also
    lifts the others' flags.
    """
    approved: dict[str, Version] = {}
    flagged: set[str] = set()
    settled: Version | None = None
    newest: int | None = None
    withdrawn = False
    for version in versions:
        withdrawn = isinstance(version, Withdrawal)
        if isinstance(version, Withdrawal):
            approved, flagged, settled = {}, set(), None
            continue
        newest = version.number
        reader = version.reviewer
        if version.status == "flagged":
            flagged.add(reader)
        elif version.status == "approved":
            approved[reader] = version
            flagged.discard(reader)
            if version.adjudicates:
                settled = version
                flagged.clear()
    differ = len({version.mask_sha256 for version in approved.values()}) > 1
    since = any(settled is None or version.number > settled.number for version in approved.values())
    if withdrawn or flagged or not approved:
        status: CaseStatus = "withdrawn" if withdrawn else "flagged" if flagged else "draft"
        return Standing(status, None, newest, differ and since)
    chosen = settled or next(iter(approved.values()))
    return Standing("approved", chosen.number, newest, differ and since)
