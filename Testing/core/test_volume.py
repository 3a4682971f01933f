"""Grids and the images on them; the same voxels in another order of the axes are known for the same."""

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.grid import Grid
from ONFHAssistLib.core.volume import Volume

ORDERS = [
    (order, flips) for order in itertools.permutations(range(3)) for flips in itertools.product((False, True), repeat=3)
]


@pytest.fixture
def volume():
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [10, -20, 30], degrees=True).as_matrix() * (0.7, 1.1, 4.0)
    matrix[:3, 3] = (12.3, -45.6, 78.9)
    return Volume(np.arange(3 * 4 * 5).reshape(3, 4, 5), matrix)


def turned(volume: Volume, order, flips) -> Volume:
    """The same voxels; each keeps its place in the patient."""
    array = np.transpose(volume.array, [2 - axis for axis in reversed(order)])
    matrix = volume.ijk_to_ras[:, [*order, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            array = np.flip(array, 2 - axis)
            matrix[:3, 3] += matrix[:3, axis] * (array.shape[2 - axis] - 1)
            matrix[:3, axis] *= -1
    return Volume(array, matrix)


@pytest.mark.parametrize(("order", "flips"), ORDERS)
def test_an_image_is_brought_into_another_order_of_its_axes_and_back(volume, order, flips):
    other = turned(volume, order, flips)
    at = {tuple(np.round(place, 6)): value for place, value in zip(
        volume.grid_ras().reshape(-1, 3), volume.array.ravel(), strict=True)}  # fmt: skip
    places = zip(other.grid_ras().reshape(-1, 3), other.array.ravel(), strict=True)
    assert all(at[tuple(np.round(place, 6))] == value for place, value in places), "the test turns it rightly"
    assert np.array_equal(volume.in_order_of(other).array, other.array)
    back = other.in_order_of(volume)
    assert np.array_equal(back.array, volume.array) and np.array_equal(back.ijk_to_ras, volume.ijk_to_ras)


def test_other_voxels_are_not_taken_for_the_same(volume):
    moved, finer = volume.ijk_to_ras.copy(), volume.ijk_to_ras.copy()
    moved[0, 3] += 0.2
    finer[:3, 0] /= 2
    one_slice_on = volume.ijk_to_ras.copy()
    one_slice_on[:3, 3] += one_slice_on[:3, 2]
    for matrix in (moved, finer, one_slice_on):
        assert volume.index_map(Volume(volume.array, matrix)) is None
        assert volume.in_order_of(Volume(volume.array, matrix)) is None
    assert volume.index_map(Volume(volume.array[1:], volume.ijk_to_ras)) is None


def test_a_slice_is_found_again_where_the_slices_are_counted_the_other_way(volume):
    for order, flips in ORDERS:
        other = turned(volume, order, flips)
        here = volume.slice_map(other)
        if order[2] != 2:
            assert here is None, "the slices of one run across those of the other"
            continue
        for k in range(3):
            assert set(other.array[here(k)].ravel()) == set(volume.array[k].ravel())
    assert volume.slice_map(Volume(volume.array[1:], volume.ijk_to_ras)) is None


def test_a_grid_without_voxels_lies_where_its_image_does(volume):
    grid, box = volume.grid, (slice(1, 3), slice(0, 2), slice(2, 5))
    assert not hasattr(grid, "array")
    assert grid.matches(volume) and grid.cropped(box).matches(volume.cropped(box))
    assert not grid.cropped(box).matches(volume)
    assert np.array_equal(grid.index_map(volume), np.eye(4))


def test_a_grid_that_lies_a_tenth_of_a_millimetre_away_is_another_one(volume):
    beside = volume.ijk_to_ras.copy()
    beside[1, 3] += 0.1
    assert not volume.matches(Grid(volume.shape, beside))


def test_an_array_of_another_shape_is_not_put_on_a_grid(volume):
    with pytest.raises(ValueError, match="shape"):
        Volume.on(volume.grid, np.zeros((3, 4, 6)))


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3), np.eye(4) + np.eye(4, k=1)])
def test_a_grid_without_a_place_is_refused(bad):
    with pytest.raises(ValueError):
        Grid((2, 2, 2), bad)


def test_an_image_cannot_be_changed_in_place(volume):
    with pytest.raises(AttributeError):
        volume.array = volume.array + 1
