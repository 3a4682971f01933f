"""Procedural hips against the geometry that they are made from."""

from dataclasses import replace

import numpy as np
import pytest

from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import CanonicalHip
from training.learning.config import Patch
from training.learning.samples import LabelledHip, patches, procedural_hip, with_lesion
from training.phantoms.anatomy import (
    MeasuredFemur,
    Tissue,
    Waves,
    femur_distance,
    pelvis_distance,
    random_hip,
    random_waves,
)
from training.phantoms.render import (
    CONTRASTS,
    PLANES,
    acquire,
    classify,
    implant,
    intensities,
    random_body,
    render_stack,
    slice_points,
    trabeculae,
)

STILL = Waves(np.zeros((1, 3), np.float32), np.zeros(1, np.float32), np.zeros((1, 3), np.float32))
SEEDS = range(4)
SMALL = 182
"""Seed of a coronal T1 with few voxels, quick to render."""

ANATOMY_PATCH = Patch(size_px=112, pixel_mm=1.0, neighbour_mm=4.0)
NECROSIS_PATCH = Patch(size_px=96, pixel_mm=0.7, neighbour_mm=4.0, sphere_mm=10.0)


def hip_and_body(seed, warp=False):
    rng = np.random.default_rng(seed)
    hip = random_hip(rng)
    return (hip if warp else replace(hip, warp=STILL)), random_body(rng, hip)


def cube(half_mm, step_mm):
    axis = np.arange(-half_mm + step_mm / 2, half_mm, step_mm)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_head_is_the_femur_inside_the_enlarged_sphere(seed):
    hip, body = hip_and_body(seed)
    points = cube(34, 2.0)
    _, label = classify(hip, body, points)
    distance, head = np.linalg.norm(points, axis=-1), label == AnatomyLabel.HEAD
    assert head[distance < hip.radius_mm - 0.01].all()
    assert not head[distance > 1.04 * hip.radius_mm + 0.01].any()
    outside = (distance > 1.04 * hip.radius_mm + 0.01) & (femur_distance(hip, points) < 0)
    assert outside.any() and (label[outside] == AnatomyLabel.FEMUR).all()
    ball = 4 / 3 * np.pi * hip.radius_mm**3
    # A surface of area A cuts A * 1.5 / 2 voxels of 2 mm by 1/sqrt(12) each: five standard deviations are 0.5 %.
    assert 0.995 * ball < head.sum() * 8 < 1.005 * 1.04**3 * ball
    assert np.linalg.norm(points[head].mean(axis=0)) < 1.5  # the neck adds a little on its side


@pytest.mark.parametrize("seed", SEEDS)
def test_neck_shaft_and_hip_bone_lie_where_a_right_hip_has_them(seed):
    hip, body = hip_and_body(seed)
    points = cube(110, 5.5)
    _, label = classify(hip, body, points)
    head, femur, bone = (
        points[label == n].mean(axis=0) for n in (AnatomyLabel.HEAD, AnatomyLabel.FEMUR, AnatomyLabel.HIP_BONE)
    )
    assert femur[0] > head[0] + 15 and femur[2] < head[2] - 15  # lateral and below
    assert bone[0] < head[0] - 10  # medial
    assert (points[label == AnatomyLabel.HIP_BONE][:, 2] > 40).any()  # the ilium stands above


@pytest.mark.parametrize("seed", SEEDS)
def test_the_joint_space_stays_open(seed):
    hip, _ = hip_and_body(seed)
    points = cube(40, 2.0)
    near = np.linalg.norm(points, axis=-1) < hip.radius_mm + hip.cartilage_mm - 0.01
    assert (pelvis_distance(hip, points.astype(np.float32))[near] >= 0).all()


def test_the_left_hip_mirrors_the_right_one():
    hip, body = hip_and_body(1, warp=True)
    points = cube(60, 4.0)
    far = points * [-1, 1, 1] - [2 * hip.midline_mm, 0, 0]
    _, right = classify(hip, body, points, hip)
    _, left = classify(hip, body, far, hip)
    assert set(np.unique(right)) == {0, 1, 2, 3}
    assert (right == left).mean() > 0.999  # rounding of positions in 32 bits
    _, nobody = classify(hip, body, far)
    assert AnatomyLabel.HEAD not in nobody


def test_a_measured_femur_stands_in_for_the_parametric_one():
    """A ball measured on a grid in units of its own radius gives a ball of this hip's radius."""
    hip, _ = hip_and_body(2)
    low, step = np.array([-2.0, -2.0, -2.0]), 0.1
    grid = low + step * np.stack(np.meshgrid(*[np.arange(41)] * 3, indexing="ij"), -1)
    ball = MeasuredFemur((np.linalg.norm(grid, axis=-1) - 1).astype(np.float32), low, step)
    points = np.random.default_rng(0).uniform(-30, 30, (500, 3))
    measured = femur_distance(replace(hip, surface=ball), points.astype(np.float32))
    np.testing.assert_allclose(measured, np.linalg.norm(points, axis=-1) - hip.radius_mm, atol=0.8)
    far = np.linalg.norm(points, axis=-1) > 8  # linear interpolation rounds off the tip in the centre only
    np.testing.assert_allclose(measured[far], (np.linalg.norm(points, axis=-1) - hip.radius_mm)[far], atol=0.15)


def test_random_waves_have_the_size_that_was_asked_for():
    points = np.random.default_rng(3).uniform(-300, 300, (2000, 3)).astype(np.float32)
    sizes = [random_waves(np.random.default_rng(n), 40, 2.0, channels=2)(points).std() for n in range(40)]
    assert np.sqrt(np.mean(np.square(sizes))) == pytest.approx(2.0, rel=0.15)


def median_of(contrast, seed=0):
    hip, body = hip_and_body(seed)
    points = cube(80, 4.0).astype(np.float32)
    tissue, _ = classify(hip, body, points)
    value = intensities(tissue, points, body, contrast, np.random.default_rng(seed))
    return {kind: np.median(value[tissue == kind]) for kind in Tissue if (tissue == kind).any()}


@pytest.mark.parametrize("seed", SEEDS)
def test_contrasts_order_the_tissues_as_scanners_do(seed):
    t1, stir, ct = (median_of(contrast, seed) for contrast in ("t1", "stir", "ct"))
    assert t1[Tissue.HEAD_MARROW] > t1[Tissue.MUSCLE] > t1[Tissue.FEMUR_CORTEX]
    assert t1[Tissue.FAT] > t1[Tissue.MUSCLE]
    assert stir[Tissue.MUSCLE] > stir[Tissue.HEAD_MARROW]
    cortex = {Tissue.FEMUR_CORTEX, Tissue.PELVIS_CORTEX}
    assert min(ct[kind] for kind in cortex) > max(value for kind, value in ct.items() if kind not in cortex)
    assert -130 < ct[Tissue.FAT] < -70 and 0 < ct[Tissue.MUSCLE] < 100


def test_every_contrast_knows_every_tissue():
    for table in CONTRASTS.values():
        assert set(table) == set(Tissue)
        assert all(low <= high for low, high in table.values())


@pytest.mark.parametrize("plane", PLANES)
def test_a_stack_is_centred_on_the_head_and_runs_in_canonical_order(plane):
    points = slice_points(plane, 5, 4.0, 21, 1.5, np.eye(3), np.zeros(3))
    assert points.shape == (5, 21, 21, 3)
    np.testing.assert_allclose(points[2, 10, 10], 0, atol=1e-5)
    steps = [points[3, 10, 10], points[2, 11, 10], points[2, 10, 11]]
    lateral, anterior, superior = np.eye(3)
    expected = {
        "coronal": (-4 * anterior, -1.5 * superior, -1.5 * lateral),
        "axial": (-4 * superior, -1.5 * anterior, -1.5 * lateral),
        "sagittal": (-4 * lateral, -1.5 * superior, -1.5 * anterior),
    }[plane]
    np.testing.assert_allclose(steps, expected, atol=1e-5)


def test_thick_slices_average_what_they_cross():
    hip, body = hip_and_body(0)
    points = slice_points("coronal", 3, 6.0, 40, 2.5, np.eye(3), np.zeros(3))
    across = np.array([0.0, -6.0, 0.0])
    thick, label = render_stack(hip, body, points, across, "t1", 5, None)
    thirds = [render_stack(hip, body, points + n / 3 * across, 0 * across, "t1", 5, None) for n in (-1, 0, 1)]
    np.testing.assert_allclose(thick, np.mean([image for image, _ in thirds], axis=0), atol=1e-4)
    assert not np.allclose(thick, thirds[1][0], atol=0.05)
    np.testing.assert_array_equal(label, thirds[1][1])  # the label is that of the voxel's centre


@pytest.mark.parametrize("contrast", ["t1", "ct"])
def test_a_scanner_keeps_the_level_and_adds_noise(contrast):
    level = 50.0 if contrast == "ct" else 0.8
    clean = np.full((6, 40, 40), level)
    image = acquire(clean, contrast, np.random.default_rng(4), 1.0)
    assert image.shape == clean.shape and np.isfinite(image).all()
    assert image.mean() == pytest.approx(level, rel=0.6)
    assert np.diff(image, axis=2).std() > 0.005 * level
    if contrast != "ct":
        assert (image >= 0).all()  # magnitude image


@pytest.mark.parametrize("seed", SEEDS)
def test_an_implant_is_dense_on_ct_and_a_void_on_mr(seed):
    points = slice_points("coronal", 20, 4.0, 60, 2.0, np.eye(3), np.zeros(3))
    flat = np.full(points.shape[:-1], 100.0, np.float32)
    metal = implant(flat, points, 24.0, "ct", np.random.default_rng(seed)) > 2000
    assert metal.any() and metal.mean() < 0.02
    reach = points[metal] @ np.array([0.82, 0.0, -0.57])  # it runs along the neck
    assert np.ptp(reach) > 30
    marrow = implant(flat, points, 24.0, "t1", np.random.default_rng(seed))
    assert (marrow[metal] == 0).all()  # the void is wider than the metal
    assert (marrow == 0).sum() > metal.sum() and marrow.max() > 110
    far = np.linalg.norm(points, axis=-1) > 85
    assert marrow[far] == pytest.approx(100, abs=20)


def test_the_same_seed_gives_the_same_hip_and_a_lesion_lies_in_its_head():
    sample, again = (procedural_hip(SMALL, [], contrast="t1") for _ in range(2))
    np.testing.assert_array_equal(sample.hip.volume.array, again.hip.volume.array)
    np.testing.assert_array_equal(sample.anatomy, again.anatomy)
    # the grid carries the positions that were rendered
    np.testing.assert_allclose(sample.hip.volume.grid_ras(), sample.points_mm, atol=1e-3)
    head = sample.anatomy == AnatomyLabel.HEAD
    assert (sample.modality, sample.contrast) == ("MR", "t1")
    assert 4 / 3 * np.pi * (0.9 * sample.radius_mm) ** 3 < head.sum() * sample.hip.volume.voxel_ml * 1000
    with_one, label = with_lesion(sample, np.random.default_rng(1), chance=1.0)
    necrosis = label == 1  # all is known of a rendered hip
    assert necrosis.any() and not (necrosis & ~head).any()
    assert (with_one.hip.volume.array != sample.hip.volume.array)[necrosis].any()
    assert not with_lesion(sample, np.random.default_rng(1), chance=0.0)[1].any()

    images, labels = patches(sample, necrosis, "anatomy", ANATOMY_PATCH, np.random.default_rng(0))
    size = int(112 * 1.3)
    assert images.dtype == labels.dtype == np.uint8
    assert images.shape == (len(labels), 3, size, size) and labels.shape[1:] == (size, size)
    # the head lies in the middle of the patches, and its size is right
    area = (labels == AnatomyLabel.HEAD).sum(axis=(1, 2)).max()
    assert area == pytest.approx(np.pi * sample.radius_mm**2, rel=0.2)
    rows, columns = np.nonzero((labels == AnatomyLabel.HEAD).any(axis=0))
    assert np.mean([rows.min(), rows.max()]) == pytest.approx((size - 1) / 2, abs=5)
    assert np.mean([columns.min(), columns.max()]) == pytest.approx((size - 1) / 2, abs=5)
    seen, own = patches(sample, necrosis, "necrosis", NECROSIS_PATCH, np.random.default_rng(0))
    known = own[own != 255]
    assert set(np.unique(known)) == {0, 1}
    # the fourth channel tells where the head is: lesions lie inside the sphere, give or take its shift
    assert seen.shape[1] == 4
    assert (seen[:, 3][own == 1] > 128 - 80 * 0.35).all()
    assert (seen[:, 3] < 128).any()


def test_heads_in_mr_images_begin_at_the_edge_of_the_marrow_and_those_in_ct_images_at_the_bone():
    spacing, radius = 0.9, 22.3
    axis = (np.arange(120) - 59.5) * spacing
    points = np.zeros((3, 120, 120, 3), np.float32)
    points[..., 1] = (np.arange(3) - 1)[:, None, None] * 4.0
    points[..., 2], points[..., 0] = -axis[:, None], -axis
    disc = np.hypot(axis[:, None], axis) < radius  # a rod along the slices: every slice has the same radius
    matrix = np.diag([-spacing, 0, 0, 1.0])
    matrix[1, 2], matrix[2, 1] = 4.0, -spacing
    matrix[:3, 3] = points[0, 0, 0]
    volume = Volume(np.repeat(disc[None].astype(np.float32) + 1, 3, axis=0), matrix)
    hip = CanonicalHip(volume, "right", "coronal", (slice(None),) * 3, (0, 1, 2), (False,) * 3)
    anatomy = np.repeat(disc[None], 3, axis=0).astype(np.uint8) * AnatomyLabel.HEAD
    radii = {}
    for modality, contrast in (("MR", "t1"), ("CT", "ct")):
        rod = LabelledHip(hip, modality, contrast, anatomy, radius, (0.0, 0.0, 0.0), points)
        labels = patches(rod, anatomy > 5, "anatomy", replace(ANATOMY_PATCH, pixel_mm=0.5), np.random.default_rng(0))[1]
        radii[modality] = np.sqrt((labels[1] == AnatomyLabel.HEAD).sum() * 0.25 / np.pi)
    assert radii["CT"] == pytest.approx(radius, abs=0.15)
    assert radii["MR"] == pytest.approx(radius - 0.5, abs=0.15)


def test_a_sound_head_in_ct_has_a_dense_column_and_keeps_its_cortex():
    points = cube(30.0, 1.0).astype(np.float32)
    head = np.linalg.norm(points, axis=-1) < 24
    image = np.where(head, 250.0, 50.0)
    image[28:32, 28:32, 55] = 1200  # cortex
    head[28:32, 28:32, 55] = True
    for seed in range(5):
        made = trabeculae(image, points, head, 24.0, np.random.default_rng(seed))
        np.testing.assert_array_equal(made[~head], image[~head])
        np.testing.assert_array_equal(made[28:32, 28:32, 55], 1200)
        middle = np.abs(points[..., 0]) + np.abs(points[..., 1]) < 6
        rim = head & (np.hypot(points[..., 0], points[..., 1]) > 20) & (np.abs(points[..., 2]) < 6)
        assert made[head & middle].mean() > made[rim].mean() - 1
