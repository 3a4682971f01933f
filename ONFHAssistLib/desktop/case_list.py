"""The cases of the data set as a list: one is opened again, read anew by a second reader, renamed or withdrawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.reports.overview import Overview
from ONFHAssistLib.desktop.busy import confirmed, while_busy
from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.settings import keep_reviewer
from ONFHAssistLib.reviewer.cases import case_lines, code_question, next_case, place_of, rename_patient, withdraw_case

CaseOpener = Callable[[Path, str, bool], bool]
"""Opens a case: the data set's folder, the case's name, whether it is read independently; tells whether it is open."""


class CaseList:
    """Filter, list and buttons; the cases come from `show`.

    Attributes:
        on_changed: called when a case was withdrawn or renamed.
    """

    def __init__(self, ui: Any, open_case: CaseOpener) -> None:
        """Wire the widgets."""
        self.on_changed: Callable[[], None] = lambda: None
        self._ui, self._open_case = ui, open_case
        self._found = Overview()
        self._names: list[str] = []
        self._last = ""
        self._blind = False
        ui.caseFilterEdit.connect("textChanged(QString)", lambda _text: self._fill())
        ui.caseList.connect("itemSelectionChanged()", self._show_buttons)
        ui.caseList.connect("itemDoubleClicked(QListWidgetItem*)", lambda _item: self.open_chosen())
        for button, action in (
            (ui.openCaseButton, self.open_chosen),
            (ui.independentButton, self.read_anew),
            (ui.renameButton, self.rename),
            (ui.withdrawButton, self.withdraw),
            (ui.nextCaseButton, self.open_next),
            (ui.followingCaseButton, self.open_next),
        ):
            button.connect("clicked()", action)
        self._fill()

    def tell(self, sentence: str) -> None:
        """Show a sentence below the buttons."""
        self._ui.caseListLabel.text = sentence
        self._ui.caseListLabel.setVisible(bool(sentence))

    def hide_findings(self, blind: bool) -> None:
        """Tell nothing of what others have found, while a case is read anew; or tell it again."""
        if blind != self._blind:
            self._blind = blind
            self._fill()

    def show(self, found: Overview) -> None:
        """List the cases of a data set."""
        self._found = found
        self._fill()

    @guarded
    def open_chosen(self) -> None:
        """Open the case chosen as it was left, with what others have drawn."""
        self._open(self._chosen(), independent=False)

    @guarded
    def read_anew(self) -> None:
        """Open the case chosen for a second reading, which sees nothing of the first."""
        field = self._ui.reviewerEdit
        field.text = field.text.strip() or _ask(_("Reviewer (a code, not a name):"))
        keep_reviewer(field.text)
        self._open(self._chosen(), independent=True)

    @guarded
    def open_next(self) -> None:
        """Open the case that is most worth a look after the one that was opened last."""
        self._open(next_case(self._found, self._last), independent=False)

    @guarded
    def rename(self) -> None:
        """Ask for the right patient code and why, and give the case chosen, with the other hip of its image, to it."""
        name, folder = self._chosen(), place_of(self._found)
        reviewer = self._ui.reviewerEdit.text.strip() or _ask(_("Reviewer (a code, not a name):"))
        code = reviewer and _ask(_("The right patient code of {case}:").format(case=name))
        if not code:
            return
        if not confirmed(lambda: code_question(folder, code, name)):
            self.tell(_("Nothing was changed; give the right code of {case}.").format(case=name))
            return
        why = _ask(_("Why was the code of {case} wrong? Do not name the patient.").format(case=name))
        if not why:
            return
        self.tell(while_busy(lambda: rename_patient(folder, name, code, reviewer, why)))
        self.on_changed()

    @guarded
    def withdraw(self) -> None:
        """Ask why, and take the case chosen out of the training."""
        name = self._chosen()
        reviewer = self._ui.reviewerEdit.text.strip() or _ask(_("Reviewer (a code, not a name):"))
        why = reviewer and _ask(_("Why is {case} withdrawn? Do not name the patient.").format(case=name))
        if not why:
            return
        folder = place_of(self._found)
        self.tell(while_busy(lambda: withdraw_case(folder, name, reviewer, why)))
        self.on_changed()

    def _open(self, name: str, independent: bool) -> None:
        self.tell("")
        if self._open_case(place_of(self._found), name, independent):
            self._last = name

    def _chosen(self) -> str:
        row = self._ui.caseList.currentRow
        if not 0 <= row < len(self._names):
            raise InputError(_("No case is chosen; click on one in the list."))
        return self._names[row]

    def _fill(self) -> None:
        box, before = self._ui.caseList, self._names
        row = box.currentRow
        chosen = before[row] if 0 <= row < len(before) else None
        lines, more = case_lines(self._found, self._ui.caseFilterEdit.text, blind=self._blind)
        self._names = [line.name for line in lines]
        box.clear()
        box.addItems([f"{line.name}\n    {line.words}" for line in lines])
        if more > 0:
            box.addItem(_("{n} more: find them by words").format(n=more))
        if chosen in self._names:
            box.setCurrentRow(self._names.index(chosen))
        self._show_buttons()

    def _show_buttons(self) -> None:
        ui = self._ui
        chosen = 0 <= ui.caseList.currentRow < len(self._names)
        for button in (ui.openCaseButton, ui.independentButton, ui.renameButton, ui.withdrawButton):
            button.enabled = chosen
        ui.nextCaseButton.enabled = ui.followingCaseButton.enabled = bool(self._found.waiting)
        for widget in (ui.caseFilterEdit, ui.caseList):
            widget.setVisible(bool(self._found.cases))


def _ask(question: str) -> str:
    return (qt.QInputDialog.getText(slicer.util.mainWindow(), "ONFHAssist", question) or "").strip()
