"""The painter of the test lesions, on a procedural head: a bright ball with a dark rind in grey soft tissue."""

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.volume import Volume
from training.phantoms.second_painter import MITCHELL_CLASSES, RATIO_TOLERANCE, lesion_plan, paint_second

MARROW, MUSCLE, CORTEX = 400.0, 150.0, 40.0
SPHERE = Sphere((0.0, 0.0, 0.0), 23.0)


def make_head(spacing_mm=(0.9, 0.9, 5.2)):
    """A head about the origin of a coronal grid (i right, j up, k forwards) that mirrors onto itself along i."""
    half = [int(np.ceil(45 / step)) for step in spacing_mm]
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[2, 1], matrix[1, 2], matrix[3, 3] = *spacing_mm, 1
    shape = tuple(2 * n + 1 for n in reversed(half))
    matrix[:3, 3] = -matrix[:3, :3] @ half
    grid = Volume(np.zeros(shape, dtype=np.float32), matrix)
    distance = np.linalg.norm(grid.grid_ras(), axis=-1)
    noise = np.random.default_rng(0).normal(0, 8, size=shape)
    noise = (noise + noise[:, :, ::-1]) / np.sqrt(2)
    signal = np.where(distance < 22, MARROW, np.where(distance < 24, CORTEX, MUSCLE)) + noise
    return grid.like(signal.astype(np.float32)), distance <= 1.04 * SPHERE.radius_mm


@pytest.fixture(scope="module")
def coarse():
    return make_head()


def paint(scene, ratio=0.25, mitchell="A", side="right", seed=1):
    return paint_second(*scene, SPHERE, side, ratio, mitchell, np.random.default_rng(seed))


def enclosed_and_band(lesion, head):
    """Voxels well inside the band, and those along the truth's margin that lie well inside the head."""
    step = ndimage.generate_binary_structure(3, 1)
    step[[0, 2]] = False  # only within the slices: these are thick
    deep = ndimage.binary_erosion(head, step, iterations=6)
    margin = lesion.necrosis & ~ndimage.binary_erosion(lesion.necrosis, step) & deep
    enclosed = ndimage.binary_erosion(lesion.necrosis, step, iterations=7) & deep
    return enclosed, margin


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ratio", [0.03, 0.15, 0.30, 0.50])
def test_the_ratio_is_the_one_that_was_asked_for(coarse, ratio, seed):
    lesion = paint(coarse, ratio, seed=seed)
    assert lesion.ratio == lesion.necrosis.sum() / coarse[1].sum()
    assert abs(lesion.ratio - ratio) <= RATIO_TOLERANCE


@pytest.mark.parametrize("mitchell", MITCHELL_CLASSES)
def test_nothing_outside_the_head_changes(coarse, mitchell):
    image, head = coarse
    lesion = paint(coarse, 0.5, mitchell)
    assert not lesion.necrosis[~head].any()
    np.testing.assert_array_equal(lesion.image[~head], image.array[~head])
    assert lesion.image.dtype == np.float32


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mitchell", MITCHELL_CLASSES)
def test_the_truth_is_all_that_changed_and_reaches_the_surface(coarse, mitchell, seed):
    image, head = coarse
    lesion = paint(coarse, 0.2, mitchell, seed=seed)
    # Partial volume may reach one voxel beyond the truth, across a thick slice included.
    beyond = ~ndimage.binary_dilation(lesion.necrosis, np.ones((3, 3, 3)))
    np.testing.assert_allclose(lesion.image[beyond], image.array[beyond], atol=0.05 * MARROW)
    _, pieces = ndimage.label(lesion.necrosis, np.ones((3, 3, 3)))
    assert pieces == 1
    assert (ndimage.binary_fill_holes(lesion.necrosis) == lesion.necrosis).all()
    assert (lesion.necrosis & ~ndimage.binary_erosion(head)).any()


@pytest.mark.parametrize("mitchell", MITCHELL_CLASSES)
def test_the_band_is_about_as_dark_as_muscle_and_belongs_to_the_truth(mitchell):
    scene = make_head((0.8, 0.8, 0.8))
    lesion = paint(scene, 0.3, mitchell)
    _, margin = enclosed_and_band(lesion, scene[1])
    inner = ndimage.binary_erosion(lesion.necrosis, iterations=1) & ndimage.binary_dilation(margin, iterations=1)
    assert np.median(lesion.image[inner]) < 1.1 * MUSCLE


@pytest.mark.parametrize(
    ("mitchell", "low", "high"), [("A", 0.8, 1.15), ("B", 0.95, 1.4), ("C", 0.3, 0.6), ("D", 0.2, 0.4)]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_inside_has_the_signal_of_its_mitchell_class(coarse, mitchell, low, high, seed):
    lesion = paint(coarse, 0.4, mitchell, seed=seed)
    enclosed, _ = enclosed_and_band(lesion, coarse[1])
    assert enclosed.sum() > 50
    assert low * MARROW < np.median(lesion.image[enclosed]) < high * MARROW


def test_the_dark_rind_of_the_head_is_never_brightened(coarse):
    image, _ = coarse
    distance = np.linalg.norm(image.grid_ras(), axis=-1)
    rind = (distance > 22) & (distance < 24)
    for mitchell in MITCHELL_CLASSES:
        assert (paint(coarse, 0.4, mitchell).image <= image.array)[rind].all()


def test_a_left_hip_gets_the_mirror_image_of_a_right_one(coarse):
    right, left = (paint(coarse, side=side, seed=3).necrosis for side in ("right", "left"))
    assert (right != left).any()
    np.testing.assert_array_equal(left, right[:, :, ::-1])


def test_lesions_sit_in_the_anterosuperior_dome(coarse):
    points = coarse[0].grid_ras()
    centres = np.array([points[paint(coarse, 0.15, seed=seed).necrosis].mean(axis=0) for seed in range(8)])
    assert (centres[:, 2] > 5).all()
    assert centres[:, 1].mean() > 2


def test_the_same_seed_paints_the_same_lesion(coarse):
    first, again, other = (paint(coarse, mitchell="D", seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.necrosis, again.necrosis)
    assert (first.necrosis != other.necrosis).any()


def test_wrong_arguments_are_named(coarse):
    image, head = coarse
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="Mitchell class 'E'"):
        paint_second(image, head, SPHERE, "right", 0.2, "E", rng)
    with pytest.raises(ValueError, match="boolean mask"):
        paint_second(image, head.astype(np.uint8), SPHERE, "right", 0.2, "A", rng)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        paint_second(image, head, SPHERE, "right", 30.0, "A", rng)
    with pytest.raises(ValueError, match="fits into this head"):
        paint_second(image, head, SPHERE, "right", 0.99, "A", rng)


def test_the_plan_is_fixed_and_gives_every_hip_every_class():
    plan = lesion_plan(120, seed=7)
    assert plan == lesion_plan(120, seed=7)
    assert plan != lesion_plan(120, seed=8)
    assert set(Counter((spec.case, spec.side, spec.mitchell) for spec in plan).values()) == {3}
    ratios = sorted(spec.target_ratio for spec in plan)
    assert ratios[0] == pytest.approx(0.03)
    assert ratios[-1] == pytest.approx(0.50)
    mild, severe = sum(r < 0.15 for r in ratios), sum(r > 0.30 for r in ratios)
    assert min(mild, severe, 120 - mild - severe) >= 30
    assert len({spec.seed for spec in plan}) == 120
