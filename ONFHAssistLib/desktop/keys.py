"""Keys that work in the whole window while the module is open."""

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer


class Keys:
    """Shortcuts from key to action, alive between `on` and `off`."""

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        """Map for example "Ctrl+Z" to what it does."""
        self._actions = dict(actions)
        self._shortcuts: list[Any] = []

    def on(self) -> None:
        """Listen; text fields still get their keys first."""
        window = slicer.util.mainWindow()
        if self._shortcuts or window is None:
            return
        for key, action in self._actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), window)
            shortcut.connect("activated()", action)
            self._shortcuts.append(shortcut)

    def off(self) -> None:
        """Listen no more."""
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
