"""Which systems look at the image: a check box for each, kept in the settings; and what they ask of the patient."""

from typing import Any

import qt

from ONFHAssistLib.desktop.guard import guarded
from ONFHAssistLib.desktop.session import Session
from ONFHAssistLib.desktop.settings import keep_systems, read_settings
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.reviewer.systems import NOBODY, choices, those_for, turned, variable_fields, with_variable
from ONFHAssistLib.systems import at_hand


class Systems:
    """The check boxes below the button, and fields of patient variables; the next analysis takes what is there."""

    def __init__(self, ui: Any, session: Session) -> None:
        """Make a box for each system; the session takes the patient variables, and says what went wrong."""
        self.tell = session.tell
        self._session = session
        self._study: Study | None = None
        self._boxes: dict[str, Any] = {}
        self._fields: dict[str, Any] = {}
        layout = ui.systemsFrame.layout()
        for choice in choices(read_settings().systems):
            box = qt.QCheckBox(choice.title)
            box.connect("clicked()", lambda name=choice.id: self.turn(name))
            layout.addWidget(box)
            self._boxes[choice.id] = box
        for one in variable_fields(at_hand(), NOBODY):
            field = qt.QLineEdit()
            field.placeholderText = f"{one.title}: {one.limits}"
            field.connect("editingFinished()", lambda name=one.name: self.give(name))
            layout.addWidget(field)
            self._fields[one.name] = field
        ui.systemsFrame.setVisible(len(self._boxes) > 1)
        self.show(None)

    @guarded
    def turn(self, name: str) -> None:
        """Choose a system, or do without it; the last one stays."""
        keep_systems(turned(read_settings().systems, name, self._study))
        self._show()

    @guarded
    def give(self, name: str) -> None:
        """Take what is in the field of a patient variable."""
        self._session.patient = with_variable(self._session.patient, name, self._fields[name].text)
        self._show()

    def show(self, study: Study | None) -> None:
        """Show what is chosen, and what can't read this study; variables of another patient are forgotten."""
        if study is not self._study:
            self._session.patient = NOBODY
        self._study = study
        self._show()

    def _show(self) -> None:
        wanted, patient = read_settings().systems, self._session.patient
        for choice in choices(wanted, self._study, patient):
            box = self._boxes[choice.id]
            box.checked, box.enabled = choice.chosen, choice.offered
            box.toolTip = choice.why_not or choice.about
            box.text = f"{choice.title} ⚠" if choice.chosen and choice.why_not else choice.title
        asked = {one.name: one for one in variable_fields(those_for(wanted, self._study), patient)}
        for name, field in self._fields.items():
            field.setVisible(name in asked)
            if name in asked:
                field.text = asked[name].value
                field.toolTip = f"{asked[name].title}: {asked[name].limits}"
