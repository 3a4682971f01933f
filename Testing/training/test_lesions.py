"""The painter is judged on a synthetic head: a bright ball in grey muscle, coronal slices of 5 mm."""

import numpy as np
import pytest

from ONFHAssistLib.core.errors import InputError
from training.phantoms import lesions

RADIUS_MM = 23.0
NOISE = 10.0
NORMAL_MM = np.array([0.0, -5.0, 0.0])
MARROW = {"t1": 800.0, "t2": 800.0, "stir": 100.0, "ct": 300.0}
MUSCLE = {"t1": 250.0, "t2": 250.0, "stir": 250.0, "ct": 50.0}


def hip(contrast="t1"):
    lateral, superior = np.meshgrid(np.arange(-40, 40), np.arange(40, -40, -1), indexing="xy")
    points = np.stack([np.stack([lateral, np.full_like(lateral, 37 - 5 * k), superior], -1) for k in range(16)])
    distance = np.linalg.norm(points, axis=-1)
    head = distance < RADIUS_MM
    image = np.where(distance < RADIUS_MM - 1, MARROW[contrast], MUSCLE[contrast])
    image = image + np.random.default_rng(0).normal(0, NOISE, image.shape)
    return image.astype(np.float32), points.astype(np.float32), head


def painted(seed, contrast="t1", **options):
    image, points, head = hip(contrast)
    rng = np.random.default_rng(seed)
    return lesions.paint(image, points, head, RADIUS_MM, contrast, NORMAL_MM, rng, **options)


@pytest.mark.parametrize("contrast", ["t1", "t2", "stir", "ct"])
def test_necrosis_lies_inside_the_head_and_can_be_seen(contrast):
    image, _, head = hip(contrast)
    for seed in range(12):
        lesion = painted(seed, contrast)
        assert lesion.necrosis.any()
        assert not (lesion.necrosis & ~head).any()
        assert lesion.image.dtype == np.float32 and np.isfinite(lesion.image).all()
        assert lesion.mitchell in "ABCD"
        assert np.abs(lesion.image - image)[lesion.necrosis].max() > 3 * NOISE


@pytest.mark.parametrize("ratio", [0.01, 0.15, 0.3, 0.6])
def test_a_wanted_ratio_is_met_within_two_points(ratio):
    _, _, head = hip()
    for seed in range(8):
        lesion = painted(seed, target_ratio=ratio)
        assert lesion.necrosis.sum() / head.sum() == pytest.approx(ratio, abs=0.02)


def test_the_same_seed_paints_the_same_lesion_and_another_seed_another_one():
    first, again, other = painted(3), painted(3), painted(4)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.necrosis, again.necrosis)
    assert (first.necrosis != other.necrosis).any()


def test_the_band_is_darker_than_marrow_on_t1():
    """Most lesions have a dark line just inside their outer margin, whatever the inside looks like."""
    _, points, head = hip()
    dark = []
    for seed in range(20):
        lesion = painted(seed, target_ratio=0.3)
        inner = np.linalg.norm(points, axis=-1) < RADIUS_MM - 4
        outside = head & ~lesion.necrosis
        near = np.zeros_like(head)
        for axis in (1, 2):
            for shift in (-1, 1, -2, 2):
                near |= np.roll(outside, shift, axis)
        band = near & lesion.necrosis & inner
        dark.append(np.median(lesion.image[band]) < MARROW["t1"] - 100)
    assert np.mean(dark) >= 0.8


def test_the_rim_of_the_head_and_everything_far_away_keep_their_signal():
    image, points, _ = hip()
    distance = np.linalg.norm(points, axis=-1)
    lesion = painted(5, target_ratio=0.4)
    np.testing.assert_array_equal(lesion.image[distance > 1.35 * RADIUS_MM], image[distance > 1.35 * RADIUS_MM])
    rim = lesion.necrosis & (distance > RADIUS_MM - 0.5)
    assert rim.any(), "the truth must reach the surface"
    assert np.abs(lesion.image - image)[rim].mean() < 60


def test_the_input_image_is_not_changed():
    image, points, head = hip()
    before = image.copy()
    lesions.paint(image, points, head, RADIUS_MM, "t1", NORMAL_MM, np.random.default_rng(1))
    np.testing.assert_array_equal(image, before)


def test_a_missing_head_an_unknown_contrast_and_an_impossible_ratio_are_refused():
    image, points, head = hip()
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="head mask is empty"):
        lesions.paint(image, points, np.zeros_like(head), RADIUS_MM, "t1", NORMAL_MM, rng)
    with pytest.raises(InputError, match="'pd' is not known"):
        lesions.paint(image, points, head, RADIUS_MM, "pd", NORMAL_MM, rng)
    with pytest.raises(InputError, match="target ratio"):
        painted(0, target_ratio=1.5)


@pytest.mark.parametrize("contrast", ["t1", "t2", "stir", "ct"])
def test_decoys_change_the_head_but_nothing_far_from_it(contrast):
    image, points, head = hip(contrast)
    before = image.copy()
    far = np.linalg.norm(points, axis=-1) >= 1.3 * RADIUS_MM
    changed = 0
    for seed in range(10):
        out = lesions.decoys(image, points, head, RADIUS_MM, contrast, np.random.default_rng(seed))
        again = lesions.decoys(image, points, head, RADIUS_MM, contrast, np.random.default_rng(seed))
        np.testing.assert_array_equal(out, again)
        assert out.dtype == np.float32 and np.isfinite(out).all()
        np.testing.assert_array_equal(out[far], image[far])
        changed += bool((out != image)[head].any())
    assert changed >= 8
    np.testing.assert_array_equal(image, before)


def test_decoys_without_a_head_are_refused():
    image, points, head = hip()
    with pytest.raises(InputError, match="head mask is empty"):
        lesions.decoys(image, points, np.zeros_like(head), RADIUS_MM, "t1", np.random.default_rng(0))
