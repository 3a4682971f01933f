"""A strip whose numbers are known: eight slices from front to back, of which the third to the sixth are positive."""

from ONFHAssistLib.core.findings import SliceProbability, Strip
from ONFHAssistLib.core.grid import Point

PROBABILITIES = (0.02, 0.1, 0.4, 0.95, 0.7, 0.41, 0.39, 0.0)
THRESHOLD = 0.4
STEP_MM = 3.0


def made_up_strip(front: Point = (80.0, 20.0, -5.0), first_index: int | None = None) -> Strip:
    """Return it; the first slice lies at ``front``, and has this number along k, the others those after it."""
    slices = tuple(
        SliceProbability(
            None if first_index is None else first_index + n,
            (front[0], front[1] - STEP_MM * n, front[2]),
            probability,
        )
        for n, probability in enumerate(PROBABILITIES)
    )
    return Strip("necrosis", THRESHOLD, (0.0, -1.0, 0.0), slices)
