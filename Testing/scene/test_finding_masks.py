"""Slices and pictures under review: the masks of the systems are drawn over them, and are there again in a scene."""

import numpy as np
import pytest
from review_parts import add_volume

from ONFHAssistLib.core.findings import Finding, FindingMask
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import source_facts
from ONFHAssistLib.imaging.sequence import ImageKind
from ONFHAssistLib.reviewer.cards import cards
from ONFHAssistLib.scene.finding_masks import MASKS, SEGMENTATION
from ONFHAssistLib.scene.nodes import find_node
from ONFHAssistLib.scene.restoring import restore
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.volumes import study_from_node

LARGE = 2600
"""Rows of an X-ray without its pixel size: it seems to be larger than a body."""


def flat(form: str, rows: int = 40) -> StudyResult:
    """A slice or picture, with a mask and a map of one hip, and a probability of the patient."""
    array = np.add.outer(np.arange(rows), np.arange(50)).astype(np.float32)[None]
    volume = Volume(array, np.array([[-1.0, 0, 0, 5], [0, 0, 1, 6], [0, -1, 0, 7], [0, 0, 0, 1]]))
    mask, looked = np.zeros(array.shape, bool), np.zeros(array.shape, np.float32)
    mask[0, 5:15, 20:30], looked[0, 8, 25] = True, 0.75
    marked = FindingMask("toy_square", "Square", 101, "#3366cc", "a~b~c", volume.like(mask))
    source = source_facts("PNG", volume, ImageKind("unknown", "unknown")) | {"form": form}
    source |= {"spacing_mm": None} if form == "picture" else {}
    findings = (
        Finding("toy", "A toy", "left", masks=(marked,), attention=volume.like(looked)),
        Finding("toy", "A toy", "patient", probabilities={"collapse": 0.25}),
    )
    return StudyResult(volume, source, (), (), findings=findings)


@pytest.mark.parametrize(("form", "rows"), [("slice", 40), ("picture", 40), ("picture", LARGE)])
def test_a_picture_under_review_is_the_same_in_an_opened_scene(scene, reopened, form, rows):
    result = flat(form, rows)
    review = Review.begin(scene, add_volume(scene, result.volume), result)
    assert review.sides == () and not review.unsaved and review.update() == ()
    opened = reopened()
    (again,) = restore(opened)
    assert cards(again) == cards(review) and [card.side for card in cards(again)] == ["left", "patient"]
    assert cards(again)[1].headline == "Probability of collapse: 25.0 %"
    before, after = (one.findings("left")[0] for one in (review, again))
    assert np.array_equal(after.masks[0].volume.array, before.masks[0].volume.array)
    assert np.array_equal(after.attention.array, before.attention.array)
    assert again.result.source["form"] == form and study_from_node(again.volume_node).form == form
    segmentation = find_node(again.volume_node, MASKS, SEGMENTATION).GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 1
    assert segmentation.GetNthSegment(0).GetColor() == pytest.approx((0.2, 0.4, 0.8))


def test_masks_go_with_the_image_under_a_transform_and_with_the_review(scene):
    result = flat("slice")
    node = add_volume(scene, result.volume)
    review = Review.begin(scene, node, result)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetAndObserveTransformNodeID(transform.GetID())
    matrix = transform.GetMatrixTransformToParent()
    matrix.SetElement(0, 3, 12.0)
    transform.SetMatrixTransformToParent(matrix)
    review.update()
    marked = find_node(node, MASKS, SEGMENTATION)
    assert marked.GetTransformNodeID() == transform.GetID() and marked.GetDisplayNode().GetVisibility()
    review.show_masks(False)
    assert not marked.GetDisplayNode().GetVisibility()
    review.remove()
    assert find_node(node, MASKS, SEGMENTATION) is None
