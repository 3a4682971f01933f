"""Samples of the slice finder: heat and radius stay on the heads, and a mirrored right hip is a left one."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from ONFHAssistLib.core.geometry import Sphere  # noqa: E402
from ONFHAssistLib.imaging.slice_heads import OUTSIDE, RADIUS_UNIT_PX  # noqa: E402
from training.learning import slice_finder, slice_pictures  # noqa: E402
from training.learning.config import Config, Patch, Samples, Training, cache_path  # noqa: E402
from training.learning.slice_finder import augment, loss_of, target_of  # noqa: E402
from training.learning.slice_pictures import NEAR_MM, STORED_PX, Picture, circles, procedural_picture  # noqa: E402

HEADS = np.array([[62.0, 108.0, 14.0, 1.0], [160.0, 114.0, 14.0, 1.0]])  # right, left
SIZE = 160
CONFIG = Config(
    name="slices",
    task="slice_finder",
    network={"_target_": "none", "spatial_dims": 2, "in_channels": 1, "out_channels": 3},
    patch=Patch(pixel_mm=1.0, size_px=SIZE),
    samples=Samples(procedural=3, seed=1),
    training=Training(steps=9, batch=2, learning_rate=0.01, seed=3, real_share=0.0),
)


def picture(*blobs):
    rows, columns = np.indices((STORED_PX, STORED_PX))
    image = np.full((STORED_PX, STORED_PX), -0.4, np.float32)
    for column, row, radius, _ in blobs:
        image += np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (0.3 * radius**2)).astype(np.float32)
    return Picture(image, HEADS, False, False)


def peak(array):
    return np.array(np.unravel_index(array.argmax(), array.shape))


@pytest.fixture(scope="module")
def cases():
    """For each seed the target, and what a blob in the right head adds: changes depend on the seed alone."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slice_finder, "_toned", lambda image, rng: image)  # tones move nothing
        for seed in range(60):
            plain, target = augment(picture(), SIZE, np.random.default_rng(seed))
            blob, _ = augment(picture(HEADS[0]), SIZE, np.random.default_rng(seed))
            found.append((target, np.abs(blob - plain)[0], plain[0] > OUTSIDE + 0.01))
    return found


def test_tones_stay_finite_and_within_what_the_network_sees():
    seen = [augment(picture(*HEADS), SIZE, np.random.default_rng(seed))[0] for seed in range(30)]
    assert all(np.isfinite(image).all() and image.min() >= -1.5 and image.max() <= 1.5 for image in seen)
    assert np.std([image.mean() for image in seen]) > 0.1


def test_the_heat_lies_on_the_head_and_a_mirrored_right_head_is_a_left_one(cases):
    sides = [0, 0]
    for target, added, _ in cases:
        place = peak(added)
        if added.max() < 0.9 or min(place.min(), (SIZE - 1 - place).min()) < 8:
            continue  # out of view
        near = [np.linalg.norm(peak(heat) - place) < 5 for heat in target[:2]]
        assert any(near)
        sides[near.index(True)] += 1
    assert min(sides) >= 10


def test_the_right_head_is_at_the_left_of_the_left_one_and_both_have_their_radius(cases):
    compared = 0
    apart = np.linalg.norm(HEADS[0, :2] - HEADS[1, :2]) / HEADS[0, 2]
    for target, _, _ in cases:
        places = [peak(heat) for heat in target[:2]]
        if min(heat.max() for heat in target[:2]) < 0.9:
            continue
        assert places[0][1] < places[1][1]
        radius = RADIUS_UNIT_PX * np.exp(target[2][tuple(places[0])])
        assert np.linalg.norm(places[0] - places[1]) / radius == pytest.approx(apart, rel=0.15)
        compared += 1
    assert compared >= 10


def test_a_head_out_of_view_has_no_heat(cases):
    seen = [heat.max() for target, *_ in cases for heat in target[:2]]
    assert min(seen) == 0 and max(seen) > 0.9
    for target, _, inside in cases:
        for heat in target[:2]:
            assert heat.max() < 0.1 or inside[tuple(peak(heat))]


def test_the_circle_of_a_slice_is_that_of_the_sphere_there():
    spheres = [Sphere((-30.0, 5.0, 10.0), 25.0), Sphere((40.0, 60.0, 0.0), 24.0)]
    step = np.arange(100) * 2.0
    # Columns to the left, rows downwards, from (90, 20, 80): 15 mm before the first sphere, 40 mm off the other one.
    points = np.stack(np.broadcast_arrays(90 - step, 20.0, (80 - step)[:, None]), axis=-1)
    right, left = circles(spheres, points)
    np.testing.assert_allclose(right, [60.0, 35.0, 10.0, 10 / (25 - NEAR_MM)])
    assert not left.any()


def test_what_is_right_has_the_least_loss_for_small_and_large_heads_alike():
    losses = {}
    for radius in (10.0, 30.0):
        target = torch.from_numpy(target_of(np.array([[70.0, 80.0, radius, 1.0], [0, 0, 0, 0]]), SIZE))[None]
        right = torch.cat([torch.logit(target[:, :2], eps=1e-4), target[:, 2:]], dim=1)
        other_side, larger, nothing = right[:, [1, 0, 2]], right.clone(), right.clone()
        larger[:, 2] += 0.2
        nothing[:, :2] = -9
        losses[radius] = [float(loss_of(given, target)) for given in (right, other_side, larger, nothing)]
        assert losses[radius][0] < 0.75 * min(losses[radius][1:])
    small, large = losses.values()
    assert 0.5 < (small[3] - small[0]) / (large[3] - large[0]) < 2


@pytest.fixture(scope="module")
def rendered():
    return [procedural_picture(seed) for seed in range(8)]


def test_rendered_pictures_have_their_right_head_at_the_left_and_heads_look_like_bone(rendered):
    both = 0
    for made in rendered:
        assert made.image.shape == (STORED_PX, STORED_PX) and np.isfinite(made.image).all()
        (x, _, r, shown), (other, *_, other_shown) = made.heads
        if shown and other_shown:
            both += 1
            assert 5 < (other - x) / r < 12
    assert both >= 2


def test_the_cache_is_made_once_and_the_batches_depend_on_the_seed_alone(tmp_path, monkeypatch, rendered):
    monkeypatch.setattr("training.real.data.CACHE", tmp_path)
    monkeypatch.setattr(slice_finder, "run_jobs", lambda make, jobs: ([rendered[n]] for n, _ in enumerate(jobs)))
    first, again = (next(slice_finder.make_task(CONFIG, 4, torch.device("cpu"), slice(0, 2)).batches) for _ in range(2))
    assert cache_path(CONFIG).is_file()
    assert first[0].shape == (2, 1, SIZE, SIZE) and first[1].shape == (2, 3, SIZE, SIZE)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert slice_pictures.jobs_of(CONFIG.samples) == [1_000_003, 1_000_004, 1_000_005]
