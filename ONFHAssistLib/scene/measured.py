"""What the hips under review measure as they are now."""

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.measure import PlaneArcs
from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.scene.hip_state import HipState


class Measured:
    """The result of each hip as it was measured last; measured in earnest only where a reader has changed something."""

    def __init__(self) -> None:
        """Know no hip yet."""
        self._results: dict[Side, HipResult] = {}
        self._arcs: dict[Side, PlaneArcs] = {}

    def hip(self, side: Side) -> HipResult:
        """Return the result of a hip; "not graded" with the reason where there are no masks."""
        return self._results.get(side) or _not_asked_for(side)

    def measure(self, side: Side, state: HipState | None, study: StudyResult) -> None:
        """Measure and grade a hip as it is now.

        Args:
            side: which hip.
            state: as it is now; None: without masks.
            study: as the analysis made it; tells why a hip has no masks.
        """
        self._results[side] = self._result(side, state, study)

    def _result(self, side: Side, state: HipState | None, study: StudyResult) -> HipResult:
        if state is None:
            missed = next((hip for hip in study.hips if hip.side == side), None)
            return missed or _not_asked_for(side)
        if not state.changed:
            return state.automatic.result
        if state.head_bits.size == 0:
            reason = "the mask of its head is empty; draw the head, or go back to the automatic result"
            return HipResult(side, "not graded", reason, state.sphere, state.landmarks)
        arcs = self._arcs.setdefault(side, PlaneArcs())
        return grade(state.masks, arcs)


def _not_asked_for(side: Side) -> HipResult:
    return HipResult(side, "not graded", "it was not asked for")
