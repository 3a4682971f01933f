"""The steps back and forth of a review: whole states, so that a step can never be half undone. Plain Python."""

from collections.abc import Callable
from typing import Generic, TypeVar

State = TypeVar("State")
STEPS = 200
"""Older steps are forgotten. A step of one hip takes about 10 kB on 0.9 x 0.9 x 4.5 mm, 60 kB on a CT of 0.75 mm."""


class History(Generic[State]):
    """A line of states with the words for what led to each; ``present`` is where the reader is."""

    def __init__(self, start: State, steps: int = STEPS) -> None:
        """Begin with a state that nothing leads back from."""
        self._line: list[tuple[str, State]] = [("", start)]
        self._at = 0
        self._steps = steps

    @property
    def present(self) -> State:
        """The state now."""
        return self._line[self._at][1]

    @property
    def can_undo(self) -> bool:
        """Whether there is a step back."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back."""
        return self._at < len(self._line) - 1

    def push(self, words: str, state: State) -> None:
        """Go on to a new state; what had been undone is forgotten."""
        self._line[self._at + 1 :] = [(words, state)]
        self._line = self._line[-self._steps - 1 :]
        self._at = len(self._line) - 1

    def change(self, change: Callable[[State], State]) -> None:
        """Replace every state by what ``change`` makes of it; the steps stay."""
        self._line = [(words, change(state)) for words, state in self._line]

    def undo(self) -> str | None:
        """Go one step back; return what is undone, or None at the start."""
        if not self.can_undo:
            return None
        self._at -= 1
        return self._line[self._at + 1][0]

    def redo(self) -> str | None:
        """Go one step forth; return what is done again, or None at the end."""
        if not self.can_redo:
            return None
        self._at += 1
        return self._line[self._at][0]
