"""One hip as a reader leaves it: what "Save case" hands over."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.grid import joint_box
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.volume import Volume

Status = Literal["draft", "approved", "flagged"]
STATUSES: tuple[Status, ...] = ("draft", "approved", "flagged")
Provenance = Literal["automatic", "corrected", "manual"]
PROVENANCES: tuple[Provenance, ...] = ("automatic", "corrected", "manual")
LABELS = ("head", "necrosis")

_REVIEWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}")


@dataclass(frozen=True)
class ReviewedCase:
    """One hip of one study after a reader has looked at it; checks itself.

    Attributes:
        patient_code: what tells this patient from others: the DICOM patient ID, or a code that the reader enters.
            It is never written: the store makes a pseudonym of it. May be empty with a ``case_id``.
        image: the whole input image, or for a case that was opened again, the part that the store keeps.
        masks: of the reader, on the grid of ``image``.
        result: measured from ``masks``.
        reviewer: the reader's code of up to 16 letters, digits, "-" and "_"; not a name.
        status: "draft" goes on later; "approved" is to be trained with; "flagged" must not be trained with until
            somebody has looked into it.
        automatic, automatic_result: what the networks had made of it; None where they had no part in it.
        source: JSON-ready facts about the input (`imaging.read.Study.source`).
        models: the networks, as `StudyResult.models` lists them.
        comment: free text; saving is refused where it holds something of ``identifiers``.
        provenance: of "head" and "necrosis"; what is not given follows from comparing the masks with the automatic.
        reviewed_slices: indices along k of ``image`` that the reader stands for; the others are not trained with.
            None: all of them.
        independent: the reader has drawn it without seeing what anybody had drawn of it before.
        adjudicates: the reader has seen the other readers' masks and settles the matter.
        seen: number of the newest version when the case was opened; what another reader has saved since is not settled
            by ``adjudicates``. None: nothing was opened, or all has been seen.
        identifiers: names, numbers and dates of the source's header that must not turn up in the data set; not written.
        study_date: of the image, or None; written shifted by a number of days that is kept for each patient.
        case_id: of a case that was opened again; None for a hip that comes from its image.

    Raises:
        InputError: a part is missing or does not fit; one sentence says which and what to do.
    """

    patient_code: str
    image: Volume
    masks: HipMasks
    result: HipResult
    reviewer: str
    status: Status = "draft"
    automatic: HipMasks | None = None
    automatic_result: HipResult | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[Mapping[str, Any], ...] = ()
    comment: str = ""
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    reviewed_slices: tuple[int, ...] | None = None
    independent: bool = True
    adjudicates: bool = False
    seen: int | None = None
    identifiers: tuple[str, ...] = ()
    study_date: date | None = None
    case_id: str | None = None

    def __post_init__(self) -> None:
        """Check the parts against each other, and complete the provenance."""
        if not self.patient_code.strip() and not self.case_id:
            raise InputError("The case has no patient code; enter one that is the same for all studies of the patient.")
        require_reviewer(self.reviewer)
        if self.status not in STATUSES:
            raise InputError(f"The status {self.status!r} is not known; choose one of {', '.join(STATUSES)}.")
        if self.result.side != self.side:
            raise InputError(
                f"The result is of the {self.result.side} hip, the masks of the {self.side}; give one hip."
            )
        _check_masks("masks", self.masks, self)
        if self.automatic is not None:
            _check_masks("automatic masks", self.automatic, self)
        self._check_slices()
        if self.status == "approved":
            self._check_approved()
        compared = {label: _provenance(label, self.masks, self.automatic) for label in LABELS}
        found = compared | dict(self.provenance)
        if set(found) != set(LABELS) or not set(found.values()) <= set(PROVENANCES):
            raise InputError(
                f"The provenance {dict(self.provenance)} is not known; "
                f"give {' and '.join(LABELS)} one of {', '.join(PROVENANCES)}."
            )
        for label in LABELS:
            if found[label] == "automatic":  # not any more, if the mask has been changed since
                found[label] = compared[label]
        object.__setattr__(self, "provenance", found)

    @property
    def side(self) -> Side:
        """Which hip."""
        return self.masks.side

    def _check_approved(self) -> None:
        head = self.masks.head.array
        if not head.any():
            raise InputError(
                f"The mask of the {self.side} femoral head is empty; draw the head before approving, or save a draft."
            )
        if head.sum() > 0.9 * np.prod(self.image.shape):
            raise InputError(
                f"The mask of the {self.side} femoral head covers the whole image; correct it before approving."
            )
        filled = np.flatnonzero(head.any(axis=(1, 2))) + self.masks.box[0].start
        if self.reviewed_slices is not None and not {*self.reviewed_slices} & {*filled.tolist()}:
            raise InputError(
                f"No slice of the {self.side} femoral head is marked as reviewed; mark those that you stand for."
            )

    def _check_slices(self) -> None:
        if self.reviewed_slices is None:
            return
        count = len(self.image.array)
        outside = [k for k in self.reviewed_slices if not 0 <= k < count]
        if outside:
            raise InputError(f"Reviewed slice {outside[0]} is not in the image; its slices are 0 to {count - 1}.")


def require_reviewer(code: str) -> None:
    """Raise InputError where this is no reviewer's code."""
    if not _REVIEWER.fullmatch(code):
        raise InputError(
            "The reviewer's code is missing or holds other signs than letters, digits, - and _ (up to 16); "
            "choose a short code that is not your name."
        )


def _check_masks(what: str, masks: HipMasks, case: ReviewedCase) -> None:
    if masks.side != case.side:
        raise InputError(f"The {what} are of the {masks.side} hip, the case is the {case.side} one; give one hip.")
    if not masks.grid.matches(case.image):
        raise InputError(
            f"The {what} of the {case.side} hip have another geometry than the image; "
            "export them on the image's own grid."
        )
    if (masks.necrosis.array & ~masks.head.array).any():
        raise InputError(
            f"Necrosis of the {case.side} hip ({what}) lies outside the femoral head; cut it off or enlarge the head."
        )


def _provenance(label: str, masks: HipMasks, automatic: HipMasks | None) -> Provenance:
    if automatic is None:
        return "manual"
    box = joint_box(masks.box, automatic.box)
    one, other = (getattr(hip.within(box), label).array for hip in (masks, automatic))
    return "automatic" if np.array_equal(one, other) else "corrected"
