"""The same voxels in another order of the axes are known for the same."""

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

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
