"""The list on the panel that says whether all is in place, with a tick or a remedy for each."""

import threading
import time
from html import escape
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ONFHAssistLib.desktop.guard import unexpected
from ONFHAssistLib.desktop.preflight import Check, as_text, checks, gather, slicer_version
from ONFHAssistLib.desktop.settings import read_settings

LOOK_MS = 50


class PreflightPanel:
    """Looks at the machine each time the section is opened; in a thread, as checksums take a while."""

    def __init__(self, ui: Any) -> None:
        """Wire the section; nothing is looked at yet."""
        self._ui = ui
        self._checks: list[Check] = []
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(LOOK_MS)
        self._timer.connect("timeout()", self._look)
        ui.preflightSection.connect("toggled(bool)", self._toggled)
        ui.copyPreflightButton.connect("clicked()", self._copy)
        ui.copyPreflightButton.enabled = False

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()

    def _toggled(self, is_open: bool) -> None:
        if not is_open or self._timer.isActive():
            return
        self._ui.preflightLabel.text = _("Looking …")
        settings = read_settings()
        found = settings.device, settings.folder, slicer_version()
        self._thread = threading.Thread(target=self._gather, args=found, daemon=True)
        self._thread.start()
        self._timer.start()

    def _gather(self, *how: Any) -> None:
        try:
            self._checks, self._error = checks(gather(*how)), None
        except Exception as error:  # told on the main thread
            self._error = error

    def _look(self) -> None:
        time.sleep(0.002)  # the thread's turn: Slicer's event loop keeps Python's lock
        if self._thread is None or self._thread.is_alive():
            return
        self._timer.stop()
        if self._error is not None:
            self._ui.preflightLabel.text = unexpected(self._error)
            return
        self._ui.preflightLabel.text = f"<table>{''.join(_row(check) for check in self._checks)}</table>"
        self._ui.copyPreflightButton.enabled = True

    def _copy(self) -> None:
        slicer.app.clipboard().setText(as_text(self._checks))
        self._ui.copyPreflightButton.text = _("Copied")
        qt.QTimer.singleShot(1500, self._copied)

    def _copied(self) -> None:
        self._ui.copyPreflightButton.text = _("Copy for a bug report")


def _row(check: Check) -> str:
    mark = "✓" if check.ok else "✗"
    remedy = f"<br/><b>{escape(check.remedy)}</b>" if check.remedy else ""
    return f"<tr><td>{mark}&nbsp;</td><td>{escape(check.name)}: {escape(check.value)}{remedy}</td></tr>"
