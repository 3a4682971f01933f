"""Work that takes a while and touches neither scene nor widgets: in a thread, while the window goes on being drawn."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import qt
import slicer

Result = TypeVar("Result")
TURN_S = 0.01
"""Slicer's event loop keeps Python's lock; the thread works while this one sleeps."""


def while_busy(work: Callable[[], Result]) -> Result:
    """Do some work and return its result; clicks and keys wait until then. What it raises is raised here."""
    done: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # of whatever kind, it belongs to the caller
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    with slicer.util.WaitCursor():
        thread.start()
        while thread.is_alive():
            slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)
            time.sleep(TURN_S)
    if failed:
        raise failed[0]
    return done[0]


def confirmed(question: Callable[[], str]) -> bool:
    """Ask what ``question`` returns, which may take a while; return the answer, True where there is nothing to ask."""
    asked = while_busy(question)
    return not asked or slicer.util.confirmYesNoDisplay(asked, windowTitle="ONFHAssist")
