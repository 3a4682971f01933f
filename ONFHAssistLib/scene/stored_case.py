"""A case of a data set under review again: what it began with, and how its reader had left it."""

from collections.abc import Mapping
from typing import Any

from ONFHAssistLib.core.geometry import Side
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.store.open_case import OpenCase
from ONFHAssistLib.imaging.read import Study, source_facts
from ONFHAssistLib.imaging.sequence import ImageKind
from ONFHAssistLib.scene.hip_state import Automatic, HipState
from ONFHAssistLib.scene.nodes import Node, Scene
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.state import SignOff


def study_of_case(case: ReviewedCase) -> Study:
    """Return the part of the image that the data set keeps, with what is known of it, as a study of its own."""
    return Study(case.image, _source(case.source, case.image))


def begin_case(scene: Scene, volume_node: Node, opened: OpenCase, case: ReviewedCase) -> Review:
    """Put a case into the scene as it was left; "back to the automatic result" goes back to what the networks made.

    Args:
        scene: where the volume is.
        volume_node: the image of the case.
        opened: see `curation.store.open_case.open_case`.
        case: see there.
    """
    masks = case.automatic or case.masks
    hip = case.automatic_result or case.result
    start: dict[Side, HipState] = {}
    if masks.head.array.any():
        automatic = Automatic(masks, hip, models=case.models if case.automatic else None)
        start[case.side] = HipState.drawn(case.masks, automatic)
    result = StudyResult(case.image, study_of_case(case).source, (hip,), (masks,) if start else (), models=case.models)
    review = Review.begin(scene, volume_node, result, start, opened)
    review.set_sign_off(case.side, SignOff(status=case.status, comment=case.comment))
    review.set_reviewed(case.side, case.reviewed_slices)
    if start:
        review.mark_as_stored(case.side)
    return review


def _source(known: Mapping[str, Any], image: Volume) -> dict[str, Any]:
    """Return what is known of the whole image, with size and plane of the part that is kept."""
    kind = ImageKind(known.get("modality", "unknown"), known.get("sequence", "unknown"))
    return {**source_facts("data set", image, kind), **known, "shape": list(image.shape)}
