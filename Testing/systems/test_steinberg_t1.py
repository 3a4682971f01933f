"""The threshold of S-T1 on heads whose necrosis is known exactly."""

import numpy as np
import pytest

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.gradings.steinberg import steinberg_grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.systems.steinberg_t1 import SYSTEM
from ONFHAssistLib.systems.steinberg_t1.hip import finding, overlaps_of
from ONFHAssistLib.systems.steinberg_t1.threshold import CONTRAST_FROM, dice, extract_necrosis

RADIUS_MM = 24.0
SPACING_MM = (0.8, 0.8, 3.0)
SHAPE = (21, 80, 80)
MARROW, MUSCLE, DARK = 0.3, -0.5, -0.7
"""Normalised intensities."""


def head_image(noise: float = 0.05, seed: int = 0) -> tuple[Volume, np.ndarray, np.ndarray]:
    """A ball of marrow with a dark rim in muscle: image, head, and the offsets from its centre in mm (z, y, x)."""
    offset = (np.moveaxis(np.indices(SHAPE), 0, -1) - (np.array(SHAPE) - 1) / 2) * SPACING_MM[::-1]
    distance = np.linalg.norm(offset, axis=-1)
    head = distance < RADIUS_MM
    image = np.where(head, MARROW, MUSCLE)
    image[(distance < RADIUS_MM) & (distance > RADIUS_MM - 1.5)] = -1.0
    image = image + np.random.default_rng(seed).normal(0, noise, SHAPE)
    return Volume(image.astype(np.float32), np.diag([*SPACING_MM, 1.0])), head, offset


def cap(offset: np.ndarray, height_mm: float) -> tuple[np.ndarray, float]:
    """The cap of that height on the ball's anterior side, and its part of the ball: h² (3 r - h) / (4 r³)."""
    ratio = height_mm**2 * (3 * RADIUS_MM - height_mm) / (4 * RADIUS_MM**3)
    return offset[..., 1] < height_mm - RADIUS_MM, ratio


@pytest.mark.parametrize("height_mm", [8.0, 13.0, 19.0, 30.0])
def test_a_dark_cap_is_found_with_its_size_and_grade(height_mm):
    image, head, offset = head_image()
    lesion, ratio = cap(offset, height_mm)
    image.array[lesion & head] = DARK
    found = extract_necrosis(image, head)
    assert found.passed and DARK < found.threshold < MARROW
    assert found.necrosis.sum() / head.sum() == pytest.approx(ratio, abs=0.02)
    assert steinberg_grade(found.necrosis.sum() / head.sum()) == steinberg_grade(ratio)
    assert dice(found.necrosis, head & lesion) > 0.9
    assert not (found.necrosis & ~head).any()


def test_what_a_dark_band_encloses_is_necrotic_although_it_looks_like_marrow():
    image, head, offset = head_image()
    lesion, ratio = cap(offset, 19.0)
    inside, _ = cap(offset, 15.0)
    image.array[lesion & ~inside & head] = DARK
    assert image.array[inside & (np.linalg.norm(offset, axis=-1) < 20)].mean() == pytest.approx(MARROW, abs=0.01)
    found = extract_necrosis(image, head)
    assert found.necrosis.sum() / head.sum() == pytest.approx(ratio, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_in_a_normal_head(seed):
    image, head, offset = head_image(seed=seed)
    image = image.like(image.array - 0.004 * offset[..., 2].astype(np.float32))  # a coil is nearer on one side
    found = extract_necrosis(image, head)
    assert not found.passed and found.contrast < CONTRAST_FROM
    assert not found.necrosis.any()


def test_the_dark_rim_of_the_bone_is_no_necrosis():
    image, head, offset = head_image()
    image.array[cap(offset, 13.0)[0] & head] = DARK
    rim = (np.linalg.norm(offset, axis=-1) > RADIUS_MM - 1.5) & head
    found = extract_necrosis(image, head)
    assert found.necrosis[rim & (offset[..., 1] < -14)].mean() > 0.9  # with its marrow
    assert found.necrosis[rim & (offset[..., 1] > 0)].mean() < 0.01


def test_a_head_without_any_contrast_or_too_small_to_hold_marrow_has_no_necrosis():
    image, head, _ = head_image(noise=0.0)
    flat = extract_necrosis(image.like(np.full(SHAPE, 0.2, np.float32)), head)
    assert not flat.passed and flat.contrast == 0 and not flat.necrosis.any()
    speck = np.zeros(SHAPE, bool)
    speck[10, 40, 40] = True
    assert not extract_necrosis(image, speck).passed


def test_the_result_stands_beside_that_of_the_networks():
    image, head, offset = head_image()
    lesion, ratio = cap(offset, 13.0)
    image.array[lesion & head] = DARK
    found = extract_necrosis(image, head)
    sphere = Sphere(tuple(image.ras((np.array(SHAPE[::-1]) - 1) / 2).tolist()), RADIUS_MM)
    own = HipMasks.of("right", image.like(head), image.like(found.necrosis), sphere)
    half = head & (offset[..., 2] < 0)
    others = HipMasks.of("right", image.like(half), image.like(np.zeros(SHAPE, bool)), sphere)
    result = finding(found, own, overlaps_of(own, others))
    assert result.value("volume_ratio") == pytest.approx(ratio, abs=0.02)
    assert result.grades["steinberg"].grade == steinberg_grade(ratio)
    assert result.value("head_dice") == pytest.approx(2 * 0.5 / 1.5, abs=0.02) and result.value("necrosis_dice") == 0
    alone = finding(found, own, None)
    assert alone.value("head_dice") is None and not any("networks" in note for note in alone.notes)
    assert sum(s.necrosis_mm2 for s in result.slices) * SPACING_MM[2] / 1000 == pytest.approx(
        result.value("necrosis_volume_ml")
    )
    assert {s.steinberg for s in result.slices} <= {"without ONFH", "mild", "moderate", "severe"}


def test_dice_of_two_empty_masks_has_no_meaning():
    empty, full = np.zeros(4, bool), np.array([True, True, False, False])
    assert dice(empty, empty) is None
    assert dice(full, empty) == 0 and dice(full, full) == 1
    assert dice(full, np.array([False, True, True, False])) == 0.5


def why_not(source):
    return SYSTEM.why_not(Study(head_image()[0], source))


def test_axial_t1_is_accepted():
    assert why_not({"plane": "axial", "sequence": "T1", "fat_suppressed": False}) == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"plane": "coronal", "sequence": "T1", "fat_suppressed": False}, "this one is coronal, T1"),
        ({"plane": "axial", "sequence": "T2", "fat_suppressed": False}, "this one is axial, T2"),
        ({"plane": "axial", "sequence": "T1", "fat_suppressed": True}, "axial, fat-suppressed T1"),
        ({"plane": "axial", "sequence": "CT", "fat_suppressed": False}, "axial, CT"),
        ({"plane": "axial", "sequence": "unknown", "fat_suppressed": False}, "axial, of unknown sequence"),
    ],
)
def test_other_planes_and_sequences_are_refused_in_one_sentence(source, said):
    reason = why_not(source)
    assert said in reason and "give an axial T1 series" in reason
