"""Sign-off: who has looked at the hips and what has become of them, saved as cases in the folder of the settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.curation.case.reviewed import STATUSES
from ONFHAssistLib.desktop.busy import confirmed, while_busy
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.settings import keep_reviewer, read_settings
from ONFHAssistLib.reviewer.signing import Signature, note_saved, saved_in_words, sign
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
        statuses = {side: self._status[side].currentData for side in review.segmented}
        reviewer, patient, comment = (
            field.text.strip() for field in (self._ui.reviewerEdit, self._ui.patientEdit, self._ui.commentEdit)
        )
        signed = sign(review, Signature(statuses, reviewer, patient, comment), read_settings().folder)
        if not confirmed(signed.question):
            if signed.opened is None:  # a slip, which is taken off the form
                self._ui.patientEdit.text = ""
            self.tell(_("Nothing was saved.") if signed.opened else _("Nothing was saved; enter the patient's code."))
            return False
        renewed = while_busy(signed.save)
        note_saved(review, signed, renewed)
        folder = Path(renewed.folder) if renewed else signed.folder
        said = saved_in_words(signed.cases, renewed)
        self.tell(_("{said} Saved to {folder}.").format(said=said, folder=folder.name))
        self.on_saved()
        return True
