"""Strokes fire many events: what they have changed is measured a moment after the last one."""

import asyncio
from collections.abc import Callable

SETTLE_S = 0.12


class Settling:
    """Waits for the end of a stroke.

    Attributes:
        held: whether changes are left alone for the moment, while a landmark is being placed.
    """

    def __init__(self, measure: Callable[[], None]) -> None:
        """``measure`` reads what has changed in the scene."""
        self.held = False
        self._measure = measure
        self._waiting: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """Something was changed: measure it a moment later."""
        if self.held:
            return
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = asyncio.get_running_loop().call_later(SETTLE_S, self.now)

    def now(self) -> None:
        """Measure now what was changed a moment ago, if anything was."""
        if self._waiting is None:
            return
        self._waiting.cancel()
        self._waiting = None
        if not self.held:
            self._measure()

    def release(self) -> None:
        """Measure soon what has changed while changes were `held`."""
        self.held = False
        self.soon()
