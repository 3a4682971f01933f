"""The hips under review: how they are and were at each step, measured, and shown in the scene."""

from collections.abc import Callable

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import SIDES, Side
from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.scene.hip_state import Automatic, HipState, States
from ONFHAssistLib.scene.history import History
from ONFHAssistLib.scene.measured import Measured
from ONFHAssistLib.scene.move import Move
from ONFHAssistLib.scene.stage import Stage
from ONFHAssistLib.scene.state import keep
from ONFHAssistLib.scene.volumes import grid_of


class Hips:
    """The hips under review: whatever changes them is a step of the history, is measured, and is shown in the scene.

    Attributes:
        study: as the analysis made it, at the place where the volume is now.
        grid: of the volume.
        history: of the hips that have masks.
    """

    def __init__(self, stage: Stage, study: StudyResult, start: States) -> None:
        """Show the hips as they begin.

        Args:
            stage: the nodes of the review.
            study: as the analysis made it.
            start: the hips as they begin.
        """
        self.study = study
        self.grid = grid_of(stage.volume_node)
        self.history: History[States] = History(dict(start))
        self._stage = stage
        self._measured = Measured()
        self._kept: dict[Side, Automatic] | None = None
        self._show({})

    @property
    def states(self) -> States:
        """The hips that have masks, as they are now."""
        return self.history.present

    @property
    def sides(self) -> tuple[Side, ...]:
        """The hips that were asked for, right before left: segmented or not."""
        known = {hip.side for hip in self.study.hips} | set(self.states)
        return tuple(side for side in SIDES if side in known)

    @property
    def automatic(self) -> dict[Side, Automatic]:
        """What the networks made of the hips that have masks."""
        return {side: state.automatic for side, state in self.states.items()}

    def state(self, side: Side) -> HipState:
        """Return a hip as it is now; raises InputError where it has no masks."""
        if side not in self.states:
            raise InputError(f"The {side} hip is not segmented; click on the centre of its head to segment it.")
        return self.states[side]

    def result(self, side: Side) -> HipResult:
        """Return the result of a hip as it is now; "not graded" with the reason where there are no masks."""
        return self._measured.hip(side)

    def as_read(self, side: Side, masks: HipMasks) -> HipState:
        """Return a hip as another reading has it.

        Raises:
            InputError: the hip is not segmented, or the reading does not lie on the image.
        """
        here = masks.in_order_of(self.grid)
        if here is None or masks.grid.slice_map(self.grid) is None:
            raise InputError("The image was moved since it was saved, and the other reading was not; move it back.")
        return HipState.drawn(here, self.state(side).automatic)

    def change(self, words: str, side: Side, state: HipState) -> None:
        """Make a step of what becomes of one hip, unless nothing does; ``words`` say what it is."""
        before = self.states
        if side in before and state.same_as(before[side]):
            self._show(before)  # a segment may be missing
        else:
            self.go_on(words, {side: state})

    def go_on(self, words: str, changed: States) -> None:
        """Make a step of what becomes of some hips; ``words`` say what it is."""
        before = self.states
        self.history.push(words, {**before, **changed})
        self._show(before)

    def undo(self) -> str | None:
        """Take the last step back; return what it was, in words, or None at the start."""
        return self._step(self.history.undo)

    def redo(self) -> str | None:
        """Do again what was undone last; return what it was, in words, or None at the end."""
        return self._step(self.history.redo)

    def take_edits(self, points: bool = True) -> tuple[Side, ...]:
        """Make a step of what was changed in the scene; return the sides.

        Args:
            points: read spheres and landmarks, too; not while the volume lies elsewhere than they.
        """
        before, stage = self.states, self._stage
        with stage.writing():
            if stage.bring_back_landmarks():
                for side, state in before.items():
                    stage.show_points(side, state)
            now = {side: stage.masks_of(side, state) for side, state in before.items()}
            if points:
                now = {side: stage.points_of(side, state) for side, state in now.items()}
            changed = tuple(side for side in now if now[side] is not before[side])
            if changed:
                self.history.push("; ".join(f"{side} {now[side].change_since(before[side])}" for side in changed), now)
            for side in changed:
                stage.show_points(side, now[side])
                self._measure(side)
        return changed

    def move(self, grid: Grid) -> None:
        """Follow the volume to its new place, with every step of the history."""
        moved = Move(self.grid, grid)
        self.grid = grid
        self.history.change(lambda states: {side: moved.state(state) for side, state in states.items()})
        self.study = moved.result(self.study)
        with self._stage.writing():
            self._stage.place()
        self._show({})

    def show_numbers(self, side: Side) -> None:
        """Show again what a hip measures, and which of its slices are reviewed."""
        with self._stage.writing():
            self._stage.show_numbers(self.grid, self.states.get(side), self.result(side))

    def show_reading(self, side: Side, reading: HipState | None) -> None:
        """Draw a hip as another reading has it, see `as_read`; None: no more."""
        with self._stage.writing():
            self._stage.show_reading(side, self.grid, reading)

    def _step(self, step: Callable[[], str | None]) -> str | None:
        before = self.states
        words = step()
        if words is not None:
            self._show(before)
        return words

    def _show(self, before: States) -> None:
        """Bring the scene from one state to the present one, and measure what differs."""
        with self._stage.writing():
            for side in SIDES:
                state, earlier = self.states.get(side), before.get(side)
                if not before:
                    self._stage.show_reading(side, self.grid, None)
                if side not in self.sides and earlier is None:
                    continue
                self._stage.show_masks(side, state, earlier)
                if state is None or state is not earlier:
                    self._stage.show_points(side, state)
                    self._measure(side)
            if self.automatic != self._kept:
                self._kept = self.automatic
                keep(self._stage.volume_node, self.study, self._kept)

    def _measure(self, side: Side) -> None:
        self._measured.measure(side, self.states.get(side), self.study)
        self.show_numbers(side)
