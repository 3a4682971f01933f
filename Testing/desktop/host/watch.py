"""Looking at a panel: pictures of it in both themes, and how long it kept the window waiting."""

import time
from dataclasses import dataclass
from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets

from . import pythonqt

DARK = {"Window": "#323232", "Base": "#1e1e1e", "Text": "#f0f0f0", "Button": "#3c3c3c", "Highlight": "#2a82da"}
LIGHT = {"Window": "#efefef", "Base": "#ffffff", "Text": "#000000", "Button": "#f5f5f5", "Highlight": "#308cc6"}


def palette(dark: bool) -> QtGui.QPalette:
    """A palette like those of Slicer's two themes."""
    colours, roles = DARK if dark else LIGHT, QtGui.QPalette.ColorRole
    made = QtGui.QPalette(QtGui.QColor(colours["Button"]), QtGui.QColor(colours["Window"]))
    for role, name in (
        (roles.Base, "Base"),
        (roles.AlternateBase, "Window"),
        (roles.ToolTipBase, "Base"),
        (roles.Text, "Text"),
        (roles.WindowText, "Text"),
        (roles.ButtonText, "Text"),
        (roles.ToolTipText, "Text"),
        (roles.Highlight, "Highlight"),
    ):
        made.setColor(role, QtGui.QColor(colours[name]))
    for role in (roles.Text, roles.WindowText, roles.ButtonText):
        made.setColor(QtGui.QPalette.ColorGroup.Disabled, role, QtGui.QColor("#808080"))
    made.setColor(roles.HighlightedText, QtGui.QColor("#ffffff"))
    return made


def set_theme(application: QtCore.QObject, dark: bool) -> None:
    """Switch the theme as a user does in the settings: style, palette and signal."""
    QtWidgets.QApplication.setPalette(palette(dark))
    QtWidgets.QApplication.setStyle("Fusion")  # lets widgets with a style sheet follow
    application.paletteChanged.emit(QtWidgets.QApplication.palette())


def needed_width(widget) -> int:
    """The least width at which nothing of a panel is cut off, in pixels."""
    target = pythonqt.unwrap(widget)
    target.ensurePolished()
    return target.minimumSizeHint().width()


def picture(widget, path: Path, width: int = 400) -> Path:
    """Draw a panel at a width, as high as it wants to be, into a PNG file."""
    target = pythonqt.unwrap(widget)
    before = target.size()
    layout = target.layout()
    wanted = layout.totalHeightForWidth(width) if layout is not None and layout.hasHeightForWidth() else 0
    target.resize(width, max(wanted, target.sizeHint().height()))
    QtWidgets.QApplication.processEvents()
    path.parent.mkdir(parents=True, exist_ok=True)
    assert target.grab().save(str(path)), f"cannot write {path}"
    target.resize(before)
    return path


@dataclass(frozen=True)
class Stall:
    """The longest time that the window was kept waiting, and by what.

    Attributes:
        loop_ms: longest gap between two turns of the event loop while it was watched.
        slot_ms, slot: the longest slot of the module, by the clock, and its name.
        slot_processor_ms: the processor time that the same slot took; on a busy machine the more honest figure.
    """

    loop_ms: float
    slot_ms: float
    slot: str
    slot_processor_ms: float

    def __str__(self):
        return (
            f"longest gap of the event loop {self.loop_ms:.0f} ms; longest slot {self.slot} {self.slot_ms:.0f} ms "
            f"({self.slot_processor_ms:.0f} ms of processor time)"
        )


class StallWatch:
    """Watches the event loop of the main thread from ``with`` to its end; ``result`` tells the longest stall.

    A test's own code does not turn the loop: act with a QTimer, or through ``host.click`` and ``host.wait_for``, and
    look at ``slot_ms`` for what the module did in its slots.
    """

    EVERY_MS = 5

    def __init__(self, journal: pythonqt.Journal):
        self._journal, self._longest, self._last = journal, 0.0, 0.0
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def _tick(self):
        now = time.perf_counter()
        self._longest, self._last = max(self._longest, now - self._last), now

    def __enter__(self):
        self._slots_before, self._last = len(self._journal.slots), time.perf_counter()
        self._timer.start(self.EVERY_MS)
        return self

    def __exit__(self, *_error):
        self._tick()
        self._timer.stop()

    @property
    def result(self) -> Stall:
        """What was seen so far."""
        slots = self._journal.slots[self._slots_before :] or [("none", 0.0, 0.0)]
        name, wall, processor = max(slots, key=lambda slot: slot[2])
        return Stall(1000 * self._longest, wall, name, processor)
