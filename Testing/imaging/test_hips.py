"""The finder's grid and its answers, on smooth blobs at known places; the network is a formula."""

import numpy as np
import pytest

from ONFHAssistLib.imaging.hips import COARSE_MM, FOUND, OUTSIDE, coarse_volume, find_heads
from Testing.hip_phantom import AXIAL, CORONAL, grid, hu

RIGHT, LEFT = np.array([86.0, 12.0, -31.0]), np.array([-79.0, 4.0, -22.0])
GRIDS = {
    "coronal": grid(CORONAL, (1.5, 1.5, 5.0), (260, 160, 120)),
    "axial, thin": grid(AXIAL, (2.5, 2.0, 1.5), (260, 130, 120), centre=(4, 10, -25)),
    "oblique": grid(CORONAL, (1.2, 2.0, 6.0), (300, 200, 130), turn_deg=(14, -11, 17)),
    "left-handed": grid(AXIAL, (2.0, 2.0, 4.0), (280, 160, 150), turn_deg=(-9, 5, 12), flip=(0,)),
    "stored upside down": grid(CORONAL, (1.8, 1.8, 4.4), (270, 170, 110), flip=(1, 2)),
}


def with_blobs(empty, *blobs):
    """Blobs of a standard deviation of 9 mm: (centre, code)."""
    points = empty.grid_ras()
    code = sum(c * np.exp(-((points - at) ** 2).sum(axis=-1) / (2 * 9.0**2)) for at, c in blobs)
    return empty.like(hu(code).astype(np.float32))


class Bright:
    """Heat where it is bright."""

    def __init__(self, gain=10.0):
        self.gain, self.shape = gain, None

    def __call__(self, batch):
        self.shape = batch.shape
        return self.gain * (batch - 0.5)


@pytest.mark.parametrize("name", GRIDS)
def test_heads_are_found_where_they_are_on_any_grid_the_likelier_one_first(name):
    engine = Bright()
    right, left = find_heads(with_blobs(GRIDS[name], (RIGHT, 1.0), (LEFT, 0.95)), "CT", engine)
    assert np.linalg.norm(right.centre_ras_mm - RIGHT) < 2.5
    assert np.linalg.norm(left.centre_ras_mm - LEFT) < 2.5
    assert 0.9 < right.confidence <= 1 and 0.9 < left.confidence <= 1
    assert engine.shape[:2] == (1, 1)
    assert all(n % 16 == 0 and n >= 32 for n in engine.shape[2:])


def test_a_single_head_is_found_alone():
    (head,) = find_heads(with_blobs(GRIDS["coronal"], (LEFT, 1.0)), "CT", Bright())
    assert np.linalg.norm(head.centre_ras_mm - LEFT) < 2.5


def test_a_peak_below_the_threshold_is_no_head():
    image = with_blobs(GRIDS["coronal"], (RIGHT, 1.0))
    peak = coarse_volume(image, "CT").array.max()

    def heat_of(probability):
        logit = np.log(probability / (1 - probability))
        return find_heads(image, "CT", lambda batch: 9 * (batch - peak) + logit)

    assert heat_of(FOUND - 0.01) == ()
    (found,) = heat_of(FOUND + 0.01)
    assert found.confidence == pytest.approx(FOUND + 0.01, abs=1e-3)


def test_two_peaks_within_a_head_are_one():
    image = with_blobs(GRIDS["coronal"], (RIGHT, 1.0), (RIGHT + [-12, 0, -8], 0.9))
    assert len(find_heads(image, "CT", Bright())) == 1


@pytest.mark.parametrize("name", GRIDS)
def test_the_coarse_grid_covers_the_image_and_runs_along_ras(name):
    volume = GRIDS[name]
    coarse = coarse_volume(volume, "CT")
    np.testing.assert_array_equal(coarse.ijk_to_ras[:3, :3], COARSE_MM * np.eye(3))
    last = np.array(volume.array.shape[::-1]) - 1
    corners = coarse.ijk(volume.ras(last * np.array(list(np.ndindex(2, 2, 2)))))
    assert (corners > -0.5).all() and (corners < np.array(coarse.array.shape[::-1]) - 0.5).all()


@pytest.mark.parametrize("name", GRIDS)
def test_a_ramp_keeps_its_values_and_outside_of_the_image_it_is_dark(name):
    slope = np.array([1.1, -0.7, 0.9])
    volume = GRIDS[name]
    volume = volume.like((300 + volume.grid_ras() @ slope).astype(np.float32))
    coarse = coarse_volume(volume, "CT")
    at = volume.ijk(coarse.grid_ras())
    beyond = np.maximum(-at, at - np.array(volume.array.shape[::-1]) + 1) * volume.spacing_mm  # mm outside, per axis
    inner = (beyond < -12).all(axis=-1)  # away from where smoothing meets the border
    assert inner.sum() > 500
    np.testing.assert_allclose(coarse.array[inner], (coarse.grid_ras() @ slope)[inner] / 500, atol=2e-3)
    assert (coarse.array[(beyond > 3.1).any(axis=-1)] == OUTSIDE).all()


def test_thin_dark_layers_are_averaged_and_not_skipped():
    """Alternating slices of 1.25 mm: sampling one point in 5 mm would give bright or dark."""
    empty = grid(AXIAL, (2.5, 2.5, 1.25), (160, 160, 121.25))  # coarse voxels are centred on layers of one kind
    layers = np.where(np.arange(empty.array.shape[0]) % 2, hu(0.8), hu(-0.8))
    volume = empty.like(np.broadcast_to(layers[:, None, None], empty.array.shape).astype(np.float32))
    coarse = coarse_volume(volume, "CT")
    depth = np.abs(volume.ijk(coarse.grid_ras()) - (np.array(volume.array.shape[::-1]) - 1) / 2)
    inner = (depth * volume.spacing_mm < 40).all(axis=-1)
    assert np.abs(coarse.array[inner]).max() < 0.1


def test_a_peak_outside_the_image_is_passed_over_and_hides_no_head_inside():
    """The grid is padded to a multiple of 16 voxels: there the network may see what it likes."""
    volume = with_blobs(GRIDS["coronal"], (RIGHT, 1.0))
    coarse = coarse_volume(volume, "CT")
    outside = np.unravel_index(int(np.abs(coarse.grid_ras() - [160, 12, -31]).sum(-1).argmin()), coarse.array.shape)

    def network(batch):
        logits = 10 * (batch - 0.5)
        logits[0, 0][outside] = 20
        return logits

    at = volume.ijk(coarse.grid_ras()[outside])
    assert (at < -0.5).any() or (at > np.array(volume.array.shape[::-1]) - 0.5).any()
    (head,) = find_heads(volume, "CT", network)
    assert np.linalg.norm(head.centre_ras_mm - RIGHT) < 2.5
