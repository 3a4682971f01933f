"""Procedural hips on CT: bone, decoys, lesions and scanners, against what was asked for."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from training.phantoms import second_ct_painter
from training.phantoms.ct_bone import SPACING_MM, FineHip, fine_points, shows, sound_hip
from training.phantoms.ct_decoys import arthritic, deformed, pressed, with_islands
from training.phantoms.ct_lesions import silent, with_lesion
from training.phantoms.ct_scan import Scanner, random_scanner, scan
from training.phantoms.second_ct_painter import other_scanner, paint_second
from training.phantoms.tissue import NECK

PLAIN = Scanner(0.1, 0.0, 0.0, 0.6, 0.5, 0.5, 3.0)


@pytest.fixture(scope="module")
def hip() -> FineHip:
    return sound_hip(3, [])


@pytest.fixture(scope="module")
def ball() -> FineHip:
    """A ball of bone of 22 mm in soft tissue, with a shell of pelvis 4 mm off."""
    points = fine_points(22.0, np.eye(3))
    distance = np.linalg.norm(points, axis=-1)
    head, pelvis = distance < 22.0, (distance > 26.0) & (points[..., 2] > 0)
    image = np.where(head | pelvis, 400.0, 40.0).astype(np.float32)
    return FineHip(image, points, head, head, pelvis, 22.0)


def at(hip: FineHip, place: tuple[float, float, float], reach_mm: float = 4.0) -> float:
    """Median HU about a place in radii."""
    near = np.linalg.norm(hip.points_mm - np.float32(place) * np.float32(hip.radius_mm), axis=-1) < reach_mm
    return float(np.median(hip.image[near & hip.femur]))


def test_a_sound_head_is_denser_than_its_neck_as_on_real_ct():
    heads = [sound_hip(seed, []) for seed in range(4)]
    assert np.mean([at(h, (0.0, 0.0, 0.4)) - at(h, tuple(1.4 * NECK)) for h in heads]) > 50


def test_the_same_seed_gives_the_same_hip_and_another_one_another(hip):
    again, other = sound_hip(3, []), sound_hip(4, [])
    assert np.array_equal(hip.image, again.image)
    assert hip.radius_mm != other.radius_mm


def test_the_head_lies_in_its_sphere_and_apart_from_the_socket(hip):
    distance = np.linalg.norm(hip.points_mm, axis=-1)
    assert distance[hip.head].max() < 1.2 * hip.radius_mm  # it is no perfect ball
    assert not (hip.femur & hip.pelvis).any()
    assert 0.6 < hip.head.sum() * np.prod(SPACING_MM) / (4 / 3 * np.pi * hip.radius_mm**3) < 1.13


def test_a_dome_that_is_pressed_in_by_3_mm_lies_3_mm_lower_and_the_socket_stays(ball):
    press = np.full(ball.head.shape, 3.0, np.float32)
    changed, (inner,) = pressed(ball, ball.head[None], press)
    distance = np.linalg.norm(ball.points_mm, axis=-1)
    assert distance[changed.head].max() == pytest.approx(19.0, abs=0.7)
    assert np.array_equal(inner, changed.head)
    assert np.abs(changed.image - ball.image)[distance > 26.8].max() < 1


@pytest.mark.parametrize("change", [arthritic, with_islands, deformed])
def test_decoys_change_the_bone_and_say_nothing_of_necrosis(hip, change):
    changed = change(hip, np.random.default_rng(5))
    assert np.abs(changed.image - hip.image).max() > 50
    assert not (changed.head & ~changed.femur).any()
    assert np.isfinite(changed.image).all()


@pytest.mark.parametrize("painter", [with_lesion, paint_second])
def test_a_lesion_lies_in_the_head_and_ct_shows_it(hip, painter):
    for seed in range(3):
        changed, necrosis = painter(hip, np.random.default_rng(seed))
        assert necrosis.any() and not (necrosis & ~changed.head).any()
        assert shows(hip.image, changed.image, necrosis)
        far = ~ndimage.binary_dilation(hip.femur, iterations=8)
        assert np.abs(changed.image - hip.image)[far].max() < 15


def test_the_second_painter_reaches_the_ratios_that_it_draws(hip):
    ratios = [paint_second(hip, np.random.default_rng(n))[1].sum() / hip.head.sum() for n in range(6)]
    low, high = second_ct_painter.RATIO_RANGE
    assert all(low - 0.01 < ratio < high + 0.01 for ratio in ratios)
    assert max(ratios) - min(ratios) > 0.05


def test_the_second_painter_knows_nothing_of_the_first():
    source = Path(second_ct_painter.__file__).read_text(encoding="utf-8")
    assert "ct_lesions import" not in source and "phantoms.lesions" not in source and "tissue import" not in source


def test_an_early_lesion_does_not_show(hip):
    changed, necrosis = silent(hip, np.random.default_rng(1))
    assert necrosis.any() and not shows(hip.image, changed.image, necrosis)


def test_a_scanner_leaves_the_noise_that_it_was_asked_for(ball):
    scanner = Scanner(0.5, 0.0, 25.0, 0.7, 2.0, 2.0, 3.0)
    quiet = Scanner(0.5, 0.0, 0.0, 0.7, 2.0, 2.0, 3.0)
    noisy = scan(ball.image, ball.head[None], scanner, np.random.default_rng(0))
    clean = scan(ball.image, ball.head[None], quiet, np.random.default_rng(0))
    assert (noisy.image - clean.image).std() == pytest.approx(25.0, rel=0.02)


def test_slices_lie_where_they_say_and_go_from_front_to_back(ball):
    stack = scan(ball.image, ball.head[None], PLAIN, np.random.default_rng(0))
    assert np.allclose(np.diff(stack.offset_mm), -3.0)
    areas = stack.masks[0].sum((1, 2)) * SPACING_MM[1] * SPACING_MM[2]
    expected = np.pi * np.clip(22.0**2 - stack.offset_mm**2, 0, None)
    assert np.abs(areas - expected).max() < 100  # half a millimetre off at the poles


def test_thick_slices_blur_what_thin_ones_show(ball):
    line = ball.image.copy()
    line[len(line) // 2] += 1000
    thin, thick = (
        scan(line, ball.head[None], Scanner(0.1, 0.0, 0.0, 0.6, 0.5, mm, 1.25), np.random.default_rng(0)).image.max()
        for mm in (0.5, 4.0)
    )
    assert thin > thick + 200


def test_scanners_of_the_test_are_not_drawn_for_training():
    rng = np.random.default_rng(0)
    known, others = ([draw(rng) for _ in range(200)] for draw in (random_scanner, other_scanner))
    low, high = min(s.blur_mm for s in known), max(s.blur_mm for s in known)
    assert all(not low <= other.blur_mm <= high for other in others)
