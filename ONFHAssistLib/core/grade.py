"""From the masks of a hip to its result: where an edit enters again."""

from ONFHAssistLib.core.gradings import grade_hip
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.measure import PlaneArcs, measure_hip
from ONFHAssistLib.core.measurements import HipMeasurement
from ONFHAssistLib.core.necrosis import look_first
from ONFHAssistLib.core.results import HipResult


def grade(masks: HipMasks, arcs: PlaneArcs | None = None) -> HipResult:
    """Measure and grade one hip from its masks; see `measure_hip`."""
    return result_of(measure_hip(masks, arcs))


def result_of(measured: HipMeasurement) -> HipResult:
    """Grade what was measured; nothing but the head where nobody has looked for necrosis."""
    if measured.not_sought and not measured.necrosis_volume_ml:
        return HipResult(
            measured.side,
            "not graded",
            measured.not_sought,
            measured.sphere,
            measured.landmarks,
            measured.head_volume_ml,
        )
    return HipResult(
        side=measured.side,
        status="graded",
        sphere=measured.sphere,
        landmarks=measured.landmarks,
        head_volume_ml=measured.head_volume_ml,
        necrosis_volume_ml=measured.necrosis_volume_ml,
        volume_ratio=measured.volume_ratio,
        ratio_interval=measured.ratio_interval,
        look_first=look_first(measured.slices),
        slices=measured.slices,
        grades=grade_hip(measured),
    )
