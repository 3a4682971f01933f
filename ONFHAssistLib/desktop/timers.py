"""Qt's timers, made in one line."""

from collections.abc import Callable
from typing import Any

import qt


def after(milliseconds: int, work: Callable[[], None]) -> Any:
    """Return a timer that does some work once, so long after it was started last; not started yet."""
    timer = each(milliseconds, work)
    timer.setSingleShot(True)
    return timer


def each(milliseconds: int, work: Callable[[], None]) -> Any:
    """Return a timer that does some work again and again; not started yet."""
    timer = qt.QTimer()
    timer.setInterval(milliseconds)
    timer.connect("timeout()", work)
    return timer
