"""The sign-off: hips become cases, what has to be asked is asked first, and what was saved is noted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.curation.case.reviewed import ReviewedCase, Status
from ONFHAssistLib.curation.store.folder import save_case
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.reviewer.cases import code_question
from ONFHAssistLib.reviewer.study import require_volume
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import SignOff


@dataclass(frozen=True)
class Signature:
    """What a reader says of the hips of a study, as their screen shows it at the click.

    Attributes:
        statuses: of each hip that is signed.
        reviewer: the reader's code.
        patient_code: the same for all studies of a patient; of a case of the data set it is not looked at.
        comment: without names.
    """

    statuses: Mapping[Side, Status]
    reviewer: str
    patient_code: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Signed:
    """Cases that are ready to be saved: all of them have checked themselves.

    Attributes:
        cases: one for each hip.
        opened: the case of the data set that they go on with; None for a study.
        folder: where a study's cases go.
    """

    cases: tuple[ReviewedCase, ...]
    opened: OpenCase | None
    folder: Path

    @property
    def reviewer(self) -> str:
        """The code of the reader who signs."""
        return self.cases[0].reviewer

    @property
    def anothers(self) -> bool:
        """Whether this is a second reading that another reader has begun: it is not independent of that one."""
        return self.opened is not None and self.opened.independent and self.opened.reader != self.reviewer

    def question(self) -> str:
        """Return what the reader has to be asked before this is saved; "" where nothing. May take a moment."""
        if self.opened is None:
            return code_question(self.folder, self.cases[0].patient_code)
        if not self.anothers:
            return ""
        return (
            f"This second reading was begun by {self.opened.reader}. Signed by {self.reviewer}, it is saved, but "
            "does not count as an independent reading. Sign it all the same?"
        )

    def save(self) -> OpenCase | None:
        """Write the cases; return what is to be known of the case of the data set then, None for a study.

        Touches no scene, so that it can be called in a thread.

        Raises:
            InputError: a case cannot be saved.
        """
        for case in self.cases:
            if self.opened is None:
                save_case(case, self.folder)
            else:
                self.opened.save(replace(case, independent=False) if self.anothers else case)
        return self.opened and self.opened.renewed(self.reviewer)


def sign(review: Review, signature: Signature, folder: Path) -> Signed:
    """Return hips of a review as cases, to be saved; nothing is written yet.

    Raises:
        InputError: nothing is segmented, a part is missing, or the study is no volume.
    """
    require_volume(review.result.source)
    review.update()
    if not review.segmented:
        raise InputError(
            "No hip is segmented, so there is no case to save; click on the centre of a head to segment it."
        )
    sides = [side for side in review.segmented if side in signature.statuses]
    if not sides:
        raise InputError("No hip is chosen, so there is nothing to sign; choose one.")
    if review.opened is None and not signature.patient_code:  # the header's is not signed where the form shows none
        raise InputError("The case has no patient code; enter one that is the same for all studies of the patient.")
    for side in sides:
        status = signature.statuses[side]
        review.set_sign_off(side, SignOff(signature.reviewer, status, signature.comment))
    return Signed(tuple(review.case(side, signature.patient_code) for side in sides), review.opened, folder)


def note_saved(review: Review, signed: Signed, renewed: OpenCase | None) -> None:
    """Let a review know that its cases were saved; what was changed since is not saved."""
    for case in signed.cases:
        review.mark_saved(case.side)
    if renewed is not None:
        review.renew(renewed)


def saved_in_words(cases: Sequence[ReviewedCase], renewed: OpenCase | None = None) -> str:
    """Say what was saved, such as "right hip approved, left hip flagged"; and whom it now differs from, if anybody."""
    said = ", ".join(f"{case.side} hip {_done(case.status)}" for case in cases)
    said = f"{said[:1].upper()}{said[1:]}."
    if renewed is not None and renewed.unseen and not renewed.independent:  # who reads anew is told nothing of others
        said += f" {_and(renewed.unseen)} had saved it since you opened it: readers differ."
    return said


def _done(status: Status) -> str:
    return "saved as draft" if status == "draft" else status


def _and(codes: Iterable[str]) -> str:
    return " and ".join(codes)
