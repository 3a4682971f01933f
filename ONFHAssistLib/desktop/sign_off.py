"""Sign-off: who has looked at the hips and what has become of them, saved as cases in the folder of the settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.curation.case.reviewed import STATUSES, ReviewedCase
from ONFHAssistLib.curation.store.folder import save_case
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.desktop.busy import while_busy
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.patient_code import is_meant
from ONFHAssistLib.desktop.settings import keep_reviewer, read_settings
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import SignOff


class SignOffForm:
    """The form below the corrections; it saves each graded hip of a study as a case.

    Attributes:
        on_saved: called when cases were saved.
    """

    def __init__(self, ui: Any, review: Callable[[], Review | None]) -> None:
        """``review`` returns the current one."""
        self._ui, self._review = ui, review
        self.on_saved: Callable[[], None] = lambda: None
        self._status = {side: getattr(ui, f"{side}StatusBox") for side in SIDES}
        names = {
            "right": (_("Right: draft"), _("Right: approved"), _("Right: flagged")),
            "left": (_("Left: draft"), _("Left: approved"), _("Left: flagged")),
        }
        for side, box in self._status.items():
            for status, name in zip(STATUSES, names[side], strict=True):
                box.addItem(name, status)
            box.connect("activated(int)", lambda _index: self.keep())
        for field in (ui.commentEdit, ui.reviewerEdit, ui.patientEdit):
            field.connect("editingFinished()", self.keep)
        ui.saveButton.connect("clicked()", lambda: self.save())
        self._shown: Review | None = None
        self._codes: WeakKeyDictionary[Review, str] = WeakKeyDictionary()
        ui.reviewerEdit.text = read_settings().reviewer

    def tell(self, sentence: str) -> None:
        """Show a sentence below the form."""
        self._ui.savedLabel.text = sentence
        self._ui.savedLabel.setVisible(bool(sentence))

    @property
    def told(self) -> str:
        """The sentence below the form."""
        return self._ui.savedLabel.text

    def _complete(self) -> None:
        """Ask for what a case cannot do without, where the form is out of sight or about to go."""
        for field, question in (
            (self._ui.reviewerEdit, _("Reviewer (a code, not a name):")),
            (self._ui.patientEdit, _("Patient (a code, the same for all studies of a patient):")),
        ):
            if field.enabled and not field.text.strip():
                field.text = qt.QInputDialog.getText(slicer.util.mainWindow(), "ONFHAssist", question)

    def show(self, review: Review | None) -> None:
        """Fill the form with what is known of a review, when another one is chosen."""
        for side, box in self._status.items():
            box.enabled = review is not None and side in review.sides and review.hip(side).segmented
        if review is self._shown:
            return
        self._shown = review
        self.tell("")
        signed = [review.sign_off(side) if review and side in review.sides else SignOff() for side in SIDES]
        for one, box in zip(signed, self._status.values(), strict=True):
            box.setCurrentIndex(STATUSES.index(one.status))
        self._ui.reviewerEdit.text = read_settings().reviewer
        self._ui.commentEdit.text = next((one.comment for one in signed if one.comment), "")
        opened = review is not None and review.opened is not None
        known = review.result.patient.get("id", "") if review else ""
        self._ui.patientEdit.text = self._codes.get(review, known) if review else ""
        self._ui.patientEdit.enabled = not opened
        self._ui.patientEdit.placeholderText = (
            _("That of the case") if opened else _("The same for all studies of a patient")
        )

    def keep(self) -> None:
        """Keep what is in the form with the review, so that it is there again with the scene."""
        review, reviewer = self._shown, self._ui.reviewerEdit.text.strip()
        keep_reviewer(reviewer)
        if review is None or review.closed:
            return
        self._codes[review] = self._ui.patientEdit.text
        for side in review.sides:
            status = self._status[side].currentData
            review.set_sign_off(side, SignOff(reviewer, status, self._ui.commentEdit.text.strip()))

    @guarded
    def save(self, completed: bool = False) -> bool:
        """Save; return whether it was done. What went wrong is told in the panel, and nothing has changed then.

        Args:
            completed: ask for what is missing in the form first; it is out of sight or about to go.
        """
        if completed:
            self._complete()
        review = self._review()
        if review is None:
            return False
        self.keep()  # what is on the screen now is signed, whatever happens before it is written
        opened, patient, folder = review.opened, self._ui.patientEdit.text.strip(), read_settings().folder
        review.update()
        segmented = [side for side in review.sides if review.hip(side).segmented]
        if not segmented:
            raise InputError(_("No hip of this study is segmented, so there is no case to save; segment one first."))
        if opened is None and not patient:  # the header's number is not signed where the form shows none
            raise InputError(
                _("The case has no patient code; enter one that is the same for all studies of the patient.")
            )
        cases = [review.case(side, patient) for side in segmented]  # all check themselves before the first is written
        if not _signed_by_its_reader(cases, opened) or not (opened or self._is_meant(patient, folder)):
            return False
        while_busy(lambda: [opened.save(case) if opened else save_case(case, folder) for case in cases])
        for case in cases:
            review.mark_saved(case.side)
        if opened:
            review.renew(while_busy(lambda: opened.renewed(cases[0].reviewer)))
            folder = Path(opened.folder)
        count = _("one hip") if len(cases) == 1 else _("both hips")
        self.tell(_("Saved {count} to {folder}.").format(count=count, folder=folder.name))
        self.on_saved()
        return True

    def _is_meant(self, code: str, folder: Path) -> bool:
        """Ask about the patient code (`is_meant`); one that was a slip is taken off the form."""
        if is_meant(code, folder):
            return True
        self._ui.patientEdit.text = ""
        self.tell(_("Nothing was saved; enter the patient's code."))
        return False


def _signed_by_its_reader(cases: list[ReviewedCase], opened: OpenCase | None) -> bool:
    """Ask where somebody else signs a second reading; return whether to save."""
    if opened is None or not opened.independent or cases[0].reviewer == opened.reader:
        return True
    text = _(
        "This second reading was begun by {reader}. Signed by {reviewer}, it is saved, but does not count as an "
        "independent reading."
    ).format(reader=opened.reader, reviewer=cases[0].reviewer)
    return slicer.util.confirmOkCancelDisplay(text, windowTitle="ONFHAssist")
