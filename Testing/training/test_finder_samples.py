"""Samples of the hip finder: the heat stays on the heads whatever happens to the image."""

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch", reason="torch is not installed")

from ONFHAssistLib.imaging.hips import COARSE_MM, OUTSIDE  # noqa: E402
from training.learning import finder  # noqa: E402
from training.learning.config import Config, Patch, Samples, Training, cache_path  # noqa: E402

SIZE = (60, 40, 84)
HEADS = np.array([[31.0, 20.0, 58.0], [29.0, 21.0, 25.0]])  # right, left; (k, j, i)
SEEDS = range(12)
CONFIG = Config(
    name="finder",
    task="finder",
    network={"_target_": "none", "spatial_dims": 3, "in_channels": 1, "out_channels": 1},
    patch=Patch(pixel_mm=5.0),
    samples=Samples(procedural=2, seed=1),
    training=Training(steps=9, batch=2, learning_rate=0.01, seed=3, real_share=0.0),
)


def pelvis(*blobs):
    """A grey image with bright blobs at (k, j, i)."""
    at = np.stack(np.meshgrid(*[np.arange(n) for n in SIZE], indexing="ij"), -1)
    image = np.full(SIZE, -0.5, np.float32)
    for blob in blobs:
        image += np.exp(-((at - blob) ** 2).sum(-1) / (2 * 2.0**2)).astype(np.float32)
    return image


def augmented(seed, *blobs):
    image, heat = finder.augment(pelvis(*blobs), HEADS, np.random.default_rng(seed))
    return image[0].numpy(), heat.numpy()


@pytest.fixture(scope="module")
def cases():
    """For each seed: heat maps, where the image is in view, and what a blob at each head adds to the image.

    The changes of an image depend on the seed alone, so the difference of two images is the blob, moved.
    """
    found = []
    for seed in SEEDS:
        plain, heat = augmented(seed)
        added = [np.abs(augmented(seed, head)[0] - plain) for head in HEADS]
        found.append((heat, plain != OUTSIDE, added))
    return found


def peak(array):
    return np.array(np.unravel_index(array.argmax(), array.shape))


def test_the_heat_peaks_on_the_heads_in_mirrored_images_too(cases):
    compared = mirrored = 0
    for heat, _, added in cases:
        assert heat.shape == (1, *finder.SHAPE)
        if min(blob.max() for blob in added) < 0.2:
            continue  # a head out of view, or a contrast in which the blob looks like its surroundings
        places = [peak(blob) for blob in added]
        for place in places:
            compared += around(heat[0], place, 2).max() > 0.9  # thick slices move by one
        mirrored += places[0][2] < places[1][2]  # the right head of the image before is the left one now
    assert compared >= 6 and mirrored > 0


def around(array, place, reach):
    return array[tuple(slice(max(p - reach, 0), p + reach + 1) for p in place)]


def test_a_head_outside_of_the_field_of_view_gives_no_heat(cases):
    cut = 0
    for heat, inside, added in cases:
        assert not heat.any() or inside[tuple(peak(heat[0]))]
        for blob in added:
            place = peak(blob)
            if around(heat[0], place, 2).max() > 0.5:
                continue
            # The blob of a head without heat is gone, or what is left of it lies at the border of the view.
            box = around(inside, place, 3)
            assert blob.max() < 0.2 or box.size < 7**3 or not box.all()
            cut += 1
    assert cut >= 3


def test_the_heat_is_a_bell_of_eight_millimetres(cases):
    whole = (np.sqrt(2 * np.pi) * finder.HEAT_SIGMA_MM / COARSE_MM) ** 3
    compared = 0
    for heat, _, _ in cases:
        pieces, count = ndimage.label(heat[0] > 0.5)
        tops = [peak(np.where(pieces == n + 1, heat[0], 0)) for n in range(count)]
        if count and all(min(top.min(), (np.array(finder.SHAPE) - 1 - top).min()) >= 6 for top in tops):
            assert heat.sum() == pytest.approx(count * whole, rel=0.02)  # away from the borders
            compared += 1
    assert compared >= 3


def test_a_procedural_pelvis_has_its_right_head_on_the_right(monkeypatch):
    monkeypatch.setattr(finder, "measured_femora", list)
    image, heads = finder.procedural_pelvis(4)
    assert image.shape == finder.SHAPE and image.dtype == np.float16 and np.isfinite(image).all()
    assert heads[0, 2] > heads[1, 2]
    assert 140 < (heads[0, 2] - heads[1, 2]) * COARSE_MM < 210
    # Both heads lie in the body, which is not air.
    for head in heads:
        box = tuple(slice(round(h) - 2, round(h) + 3) for h in head)
        assert image[box].mean() > OUTSIDE + 0.2


def test_batches_depend_on_the_step_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("training.real.data.CACHE", tmp_path)
    np.savez(cache_path(CONFIG), images=[pelvis(*HEADS)] * 2, heads=[HEADS] * 2)

    def task(first_step, part=slice(None)):
        return finder.make_task(CONFIG, first_step, torch.device("cpu"), part)

    stream = task(0).batches
    next(stream)
    image, heat = next(stream)
    assert image.shape == (2, 1, *finder.SHAPE) and heat.shape == (2, 1, *finder.SHAPE)
    assert torch.isfinite(task(0).loss(torch.zeros_like(heat), heat))
    for one, two in zip((image, heat), next(task(1).batches), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)
    second = next(task(1, slice(1, 2)).batches)  # of two processes the second one's part
    for one, two in zip((image[1:], heat[1:]), second, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_every_tenth_procedural_pelvis_is_held_out_where_no_real_ones_are(tmp_path, monkeypatch):
    monkeypatch.setattr("training.real.data.CACHE", tmp_path)
    monkeypatch.setattr(finder, "SCORED_CHANGES", 2)
    images = [pelvis(*HEADS) * (1 if n % 10 == 9 else 0) for n in range(20)]
    np.savez(cache_path(CONFIG), images=images, heads=[HEADS] * 20)
    seen = []
    task = finder.make_task(CONFIG, 0, torch.device("cpu"), slice(None))
    monkeypatch.setattr(finder, "augment", lambda image, heads, rng: seen.append(image.any()) or nothing())
    next(task.batches)
    assert not any(seen)
    seen.clear()
    right, wrong = task.score(lambda images: images * 0 - 20), task.score(lambda images: images * 0 + 20)
    assert seen == [True] * 8 and right > wrong  # 2 pelves, 2 changes, 2 scores; there is no heat


def nothing():
    return torch.zeros((1, *finder.SHAPE)), torch.zeros((1, *finder.SHAPE))
