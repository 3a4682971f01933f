"""The line about the study that is open, and what speaks against grading it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ONFHAssistLib.core.errors import InputError
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
    if study.form != "volume":
        return f"{kind[:1].upper()}{kind[1:]}."
    seen = _width(study.volume) if review is None else _found(review)
    return f"{kind[:1].upper()}{kind[1:]}, {seen}."


def volumes_only(source: Mapping[str, Any]) -> str:
    """Return what cannot be done with a slice or a picture, and what to do; "" of a volume.

    ``source``: facts about the image, see `imaging.read.Study`.
    """
    form = source.get("form", "volume")
    if form == "volume":
        return ""
    what = "one slice" if form == "slice" else "a picture"
    return (
        f"This is {what}: hips are outlined, corrected, signed and followed up in volumes only; open the whole series "
        "for that."
    )


def require_volume(source: Mapping[str, Any]) -> None:
    """Raise InputError where an image is no volume, see `volumes_only`."""
    if sentence := volumes_only(source):
        raise InputError(sentence)


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
