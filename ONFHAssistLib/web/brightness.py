"""Contrast and brightness by dragging in a slice view: to the side and up or down."""

from collections.abc import Callable

from vtkmodules.vtkCommonCore import vtkCommand
from vtkmodules.vtkRenderingCore import vtkRenderWindowInteractor

from ONFHAssistLib.scene.nodes import Node

ACROSS = 500.0
"""So many pixels to the right double the window's width, and up lower its level by one width."""


class Brightness:
    """Watches one view. What is dragged while it is ``active`` moves grey levels instead of anything else.

    Attributes:
        active: whether it does so.
    """

    def __init__(self, interactor: vtkRenderWindowInteractor, display: Callable[[], Node | None]) -> None:
        """Watch a view; ``display`` returns the display node of the volume that is shown."""
        self.active = False
        self._interactor, self._display = interactor, display
        self._start: tuple[int, int, float, float] | None = None
        for event, react in (
            (vtkCommand.LeftButtonPressEvent, self._press),
            (vtkCommand.MouseMoveEvent, self._move),
            (vtkCommand.LeftButtonReleaseEvent, self._release),
        ):
            interactor.AddObserver(event, react, 10.0)

    def _press(self, *_: object) -> None:
        display = self._display()
        if self.active and display is not None:
            self._start = (*self._interactor.GetEventPosition(), display.GetWindow(), display.GetLevel())

    def _move(self, *_: object) -> None:
        display = self._display()
        if self._start is None or display is None:
            return
        x, y, window, level = self._start
        right, up = (now - before for now, before in zip(self._interactor.GetEventPosition(), (x, y), strict=True))
        before = display.StartModify()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(window * 2 ** (right / ACROSS), level - window * up / ACROSS)
        display.EndModify(before)

    def _release(self, *_: object) -> None:
        self._start = None
