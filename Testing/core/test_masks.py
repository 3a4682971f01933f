"""Masks of a hip are a box on the grid of the input: nothing is lost by it, and nothing else is kept."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from core_phantoms import CENTRE, CORONAL, RADIUS_MM, cone, direction, grid, hip, reordered

from ONFHAssistLib.core.grid import NO_BOX, Grid, shape_of
from ONFHAssistLib.core.masks import HipMasks

IMAGE = grid((2.0, 3.0, 4.0), CORONAL, (4, -6, 3), half_mm=60.0)
NAMES = ("head", "necrosis", "probability")


def of_a_hip(empty: bool = False) -> HipMasks:
    whole = hip(IMAGE, cone(60, direction(10)))
    probability = IMAGE.like(np.where(whole.necrosis.array, np.float32(0.75), np.float32(0)))
    images = [mask.like(mask.array & (not empty)) for mask in (whole.head, whole.necrosis)]
    return HipMasks.of("right", *images, whole.sphere, probability=probability)


def test_masks_keep_no_more_than_the_box_that_holds_them():
    masks, whole = of_a_hip(), hip(IMAGE, cone(60, direction(10)))
    reach = np.ceil(2 * RADIUS_MM / np.array(IMAGE.spacing_mm[::-1])) + 1
    assert (np.array(shape_of(masks.box)) <= reach).all()
    for name in NAMES:
        image = getattr(masks, name)
        assert image.shape == shape_of(masks.box) and image.array.base is None
    assert masks.head.array.sum() == whole.head.array.sum() and masks.grid.matches(IMAGE)


def test_the_whole_masks_are_what_was_given_each_voxel_in_its_place():
    whole = hip(IMAGE, cone(60, direction(10)))
    masks = of_a_hip()
    for image, given in ((masks.whole().head, whole.head), (masks.whole().necrosis, whole.necrosis)):
        np.testing.assert_array_equal(image.array, given.array)
        assert image.matches(IMAGE)
    at = masks.head.grid_ras()[masks.head.array]
    assert np.linalg.norm(at - CENTRE, axis=-1).max() <= RADIUS_MM
    again = masks.whole().tight()
    assert again.box == masks.box and np.array_equal(again.probability.array, masks.probability.array)


@pytest.mark.parametrize("empty", [False, True])
def test_on_a_grid_with_its_axes_in_another_order_the_same_voxels_are_marked(empty):
    masks = of_a_hip(empty)
    assert (masks.box == NO_BOX) == empty
    for order, flips in itertools.product(itertools.permutations(range(3)), itertools.product([False, True], repeat=3)):
        other = reordered(IMAGE, order, flips).grid
        found = masks.in_order_of(other)
        for name in NAMES:
            expected = getattr(masks.whole(), name).in_order_of(other)
            np.testing.assert_array_equal(getattr(found.whole(), name).array, expected.array)
    assert masks.in_order_of(grid((2.0, 3.0, 4.0))) is None


def test_masks_that_do_not_belong_together_are_refused():
    masks = of_a_hip()
    with pytest.raises(ValueError, match="different grids"):
        replace(masks, necrosis=masks.whole().necrosis)
    with pytest.raises(ValueError, match="different grids"):
        replace(masks, grid=Grid(masks.grid.shape, np.diag([1.0, 1.0, 1.0, 1.0])))
    with pytest.raises(ValueError, match="not boolean"):
        replace(masks, head=masks.head.like(masks.head.array * np.uint8(7)))
