"""The line about the study that is open, and what speaks against grading it."""

import numpy as np

from ONFHAssistLib.core.geometry import SIDES
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.volumes import describe

BOTH_HIPS_FROM_MM = 250.0
"""Two adult femoral heads lie 160 to 200 mm apart, centre to centre; an image this wide has both, if it is centred."""


def study_line(study: Study, review: Review | None = None) -> str:
    """Return what a study is, such as "Coronal T1, 39 slices, 0.9 × 0.9 × 5.2 mm, both hips in view."

    Of a study that is not analysed yet how many hips may be in it, by its width.
    """
    kind = describe(study)
    seen = _width(study.volume) if review is None else _found(review)
    return f"{kind[:1].upper()}{kind[1:]}, {seen}."


def warnings_of(notices: tuple[Notice, ...], review: Review | None = None) -> tuple[str, ...]:
    """Return what speaks against grading a study, each sentence once; ``notices`` are those of its image."""
    told = review.result.warnings if review else notices
    return tuple(dict.fromkeys(notice.message for notice in told))


def _width(volume: Volume) -> str:
    across_mm = np.abs(volume.axes_ras[0]) @ (volume.size * volume.spacing_mm)
    hips = "both hips" if across_mm >= BOTH_HIPS_FROM_MM else "one hip"
    return f"wide enough for {hips} ({across_mm:.0f} mm)"


def _found(review: Review) -> str:
    seen = [side for side in review.sides if review.hip(side).segmented]
    return "both hips in view" if len(seen) == len(SIDES) else f"{seen[0]} hip in view" if seen else "no hip graded"
