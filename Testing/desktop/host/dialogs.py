"""Modal dialogs, which a test answers beforehand; one that it did not expect fails the test instead of hanging it."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6 import QtCore, QtWidgets

FILE_DIALOGS = ("getExistingDirectory", "getOpenFileName", "getOpenFileNames", "getSaveFileName")
MESSAGE_BOXES = ("question", "information", "warning", "critical", "about")
GIVE_UP_MS = 5000
Buttons = QtWidgets.QMessageBox.StandardButton


class UnansweredDialog(RuntimeError):
    """A dialog came up that the test had no answer for."""


@dataclass(frozen=True)
class Shown:
    """A dialog that came up: its texts, its buttons (empty for others than message boxes) and the answer it got."""

    title: str
    text: str
    buttons: tuple[str, ...]
    answer: object


@dataclass
class _Expected:
    containing: str
    answer: object
    used: bool = False


class Dialogs:
    """Answers to dialogs, and which ones came up."""

    def __init__(self):
        self.shown: list[Shown] = []
        self.unanswered: list[str] = []
        self._expected: list[_Expected] = []

    def expect(self, containing: str, answer: "str | bool | Callable" = "Ok") -> None:
        """Answer the next dialog whose title or text contains this text.

        The answer is the name or text of a button ("Yes", "Cancel", "Discard"), a path for a file dialog ("" cancels),
        or a function that gets the real QDialog once it is shown and has to close it (accept, reject, click).
        """
        self._expected.append(_Expected(containing, answer))

    def missing(self) -> list[str]:
        """What was expected and did not come up."""
        return [expected.containing for expected in self._expected if not expected.used]

    def texts(self) -> list[str]:
        """The texts of the dialogs that came up, in order."""
        return [shown.text for shown in self.shown]

    def answers(self, instance) -> bool:
        """Whether exec() of this object opens a modal dialog."""
        return isinstance(instance._living(), QtWidgets.QDialog)

    def answers_static(self, class_name: str, function: str) -> bool:
        """Whether this static function opens a modal dialog."""
        if class_name == "QFileDialog":
            return function in FILE_DIALOGS
        return (class_name in ("QMessageBox", "ctkMessageBox") and function in MESSAGE_BOXES) or (
            class_name == "QInputDialog" and function.startswith("get")
        )

    def _answer(self, title: str, text: str, buttons: tuple[str, ...]) -> object:
        for expected in self._expected:
            if not expected.used and expected.containing.lower() in f"{title}\n{text}".lower():
                expected.used = True
                if isinstance(expected.answer, str) and buttons and expected.answer not in buttons:
                    raise UnansweredDialog(f"'{title}: {text}' has the buttons {buttons} and no '{expected.answer}'")
                self.shown.append(Shown(title, text, buttons, expected.answer))
                return expected.answer
        self.unanswered.append(f"{title}: {text} {list(buttons)}")
        raise UnansweredDialog(f"a dialog came up that the test does not expect: {self.unanswered[-1]}")

    def run(self, instance):
        """Answer a dialog on which exec() was called: its result as exec() gives it."""
        dialog = instance._living()
        if isinstance(dialog, QtWidgets.QMessageBox):
            return self._run_message_box(dialog)
        texts = [label.text() for label in dialog.findChildren(QtWidgets.QLabel)]
        answer = self._answer(dialog.windowTitle(), " ".join(texts), ())
        if not callable(answer):
            accepted = answer in (True, "Ok", "Yes", "Save")
            dialog.done(QtWidgets.QDialog.DialogCode.Accepted if accepted else QtWidgets.QDialog.DialogCode.Rejected)
            return dialog.result()
        QtCore.QTimer.singleShot(0, lambda: answer(dialog))
        left_open = QtCore.QTimer()
        left_open.setSingleShot(True)
        left_open.timeout.connect(dialog.reject)
        left_open.start(GIVE_UP_MS)
        try:
            return dialog.exec()
        finally:
            left_open.stop()

    def _run_message_box(self, box: QtWidgets.QMessageBox):
        buttons = {_plain(button.text()): button for button in box.buttons()}
        for button in box.buttons():
            standard = box.standardButton(button)
            if standard != Buttons.NoButton:
                buttons.setdefault(standard.name, button)
        if not buttons:
            buttons = {"Ok": box.addButton(Buttons.Ok)}
        text = " ".join(filter(None, (box.text(), box.informativeText())))
        answer = self._answer(box.windowTitle(), text, tuple(buttons))
        if callable(answer):
            QtCore.QTimer.singleShot(0, lambda: answer(box))
            return box.exec()
        QtCore.QTimer.singleShot(0, buttons[answer].click)
        return box.exec()

    def run_static(self, class_name: str, function: str, arguments: list):
        """Answer a static function such as QFileDialog.getSaveFileName; PythonQt gives the path alone, as text."""
        texts = [str(argument) for argument in arguments if isinstance(argument, str)]
        if class_name == "QFileDialog":
            answer = self._answer(f"{function} {texts[0] if texts else ''}", " ".join(texts[1:]), ())
            return (answer,) if function.endswith("Names") else str(answer)
        if class_name == "QInputDialog":
            return self._answer(texts[0] if texts else "", " ".join(texts[1:]), ())
        given = [a for a in arguments if isinstance(a, Buttons)]
        names = tuple(b.name for b in Buttons if given and b & given[0] and b.name not in _RANGES) or ("Ok",)
        answer = self._answer(texts[0] if texts else "", " ".join(texts[1:]), names)
        return Buttons[answer]


_RANGES = ("FirstButton", "LastButton", "ButtonMask", "FlagMask", "NoButton", "Default", "Escape")


def _plain(text: str) -> str:
    return text.replace("&", "")
