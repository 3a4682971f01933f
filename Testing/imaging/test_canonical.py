import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import (
    canonical_hip,
    from_network,
    network_slices,
    normalise,
    plane_of,
    sphere_slices,
)

PERMUTATIONS = list(itertools.permutations(range(3)))
SIGNS = list(itertools.product([1, -1], repeat=3))


def make_volume(permutation=(0, 1, 2), signs=(1, 1, 1), degrees=(0, 0, 0), spacing=(1, 1, 4), shape=(7, 9, 11)):
    matrix = np.eye(4)
    axes = np.eye(3)[:, list(permutation)] * signs
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ axes * spacing
    matrix[:3, 3] = (-3, 5, 8)
    array = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return Volume(array, matrix)


@st.composite
def volumes(draw):
    angles = st.floats(-180, 180)
    return make_volume(
        draw(st.sampled_from(PERMUTATIONS)),
        draw(st.sampled_from(SIGNS)),
        (draw(angles), draw(angles), draw(angles)),
        draw(st.tuples(*[st.sampled_from([0.5, 1.0, 1.3, 5.0])] * 3)),
        draw(st.tuples(*[st.integers(1, 9)] * 3)),
    )


@settings(max_examples=150, deadline=None)
@given(volumes(), st.sampled_from(["right", "left"]), st.data())
def test_a_canonical_hip_goes_back_onto_the_input_voxel_by_voxel(volume, side, data):
    inside = [data.draw(st.floats(0, n - 1)) for n in volume.array.shape[::-1]]
    size = data.draw(st.tuples(*[st.floats(1, 20)] * 3))
    hip = canonical_hip(volume, side, tuple(volume.ras(np.array(inside))), size)
    np.testing.assert_array_equal(hip.back(hip.volume.array), volume.array[hip.slices])
    # each voxel keeps its place in the patient
    positions = np.stack([hip.view(volume.grid_ras()[..., n]) for n in range(3)], axis=-1)
    np.testing.assert_allclose(hip.volume.grid_ras(), positions, atol=1e-6)
    centre = hip.volume.ijk(volume.ras(np.array(inside)))
    assert (centre > -0.5).all() and (centre[::-1] < np.array(hip.volume.array.shape) - 0.5).all()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PERMUTATIONS), st.sampled_from(SIGNS), st.sampled_from([0, 1, 2]), st.floats(-25, 25))
def test_each_plane_runs_in_its_documented_order_on_both_sides(permutation, signs, stack, tilt):
    spacing = [1.0, 1.0, 1.0]
    spacing[stack] = 4.0
    volume = make_volume(permutation, signs, (tilt, 0, 0), spacing, (6, 6, 6))
    centre = tuple(volume.ras(np.array([2.5, 2.5, 2.5])))
    for side, medial in (("right", (-1, 0, 0)), ("left", (1, 0, 0))):
        hip = canonical_hip(volume, side, centre)
        assert hip.plane == plane_of(volume)[0]
        assert plane_of(hip.volume)[0] == hip.plane
        expected = {
            "coronal": ((0, -1, 0), (0, 0, -1), medial),
            "axial": ((0, 0, -1), (0, -1, 0), medial),
            "sagittal": (medial, (0, 0, -1), (0, -1, 0)),
        }[hip.plane]
        directions = hip.volume.axes_ras.T[::-1]  # slice, row, column
        assert (np.sum(directions * expected, axis=1) > 0.9).all()


def test_the_left_hip_of_a_symmetric_body_looks_like_the_right_one():
    matrix = np.diag([1.0, -1.0, -4.0, 1.0])
    matrix[0, 3] = -9.5
    half = np.random.default_rng(0).normal(size=(5, 8, 10))
    volume = Volume(np.concatenate([half, half[..., ::-1]], axis=-1), matrix)
    hips = [canonical_hip(volume, s, (x, -3, -8), (100, 100, 8)) for s, x in (("right", 5), ("left", -5))]
    np.testing.assert_array_equal(hips[0].volume.array, hips[1].volume.array)


def test_a_nearly_isotropic_image_is_stacked_along_k():
    assert plane_of(make_volume(spacing=(1.4, 1, 1)))[0] == "axial"
    assert plane_of(make_volume(spacing=(1.6, 1, 1)))[0] == "sagittal"


def test_the_obliquity_is_the_angle_of_the_stack_axis():
    plane, degrees = plane_of(make_volume((0, 2, 1), degrees=(12, 0, 0)))
    assert plane == "coronal"
    assert degrees == pytest.approx(12)


def test_a_centre_outside_the_image_is_refused_with_one_sentence():
    with pytest.raises(InputError, match="outside the image"):
        canonical_hip(make_volume(), "left", (500, 0, 0), (20, 20, 20))


def ramp(side="left", spacing=(0.7, 0.9, 4)):
    """Intensity = anatomical position, so that resampling has an exact answer."""
    volume = make_volume((0, 2, 1), spacing=spacing, shape=(9, 90, 100))
    volume = volume.like(volume.grid_ras() @ np.array([1.0, 0, 2.0]))
    centre = tuple(volume.ras(np.array([52.3, 40.1, 4])))
    return canonical_hip(volume, side, centre), centre


@pytest.mark.parametrize("pixel_mm", [0.5, 0.8, 1.6])
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_patch_is_centred_on_the_head_with_square_pixels(side, pixel_mm):
    hip, centre = ramp(side)
    patches = network_slices(hip, centre, 20, pixel_mm)
    assert patches.shape == (9, 3, 20, 20) and patches.dtype == np.float32
    middle = patches[4, 1]
    assert middle.mean() == pytest.approx(centre[0] + 2 * centre[2], abs=1e-3)
    medial = -1 if side == "right" else 1
    np.testing.assert_allclose(np.diff(middle, axis=1), medial * pixel_mm, atol=1e-3)
    np.testing.assert_allclose(np.diff(middle, axis=0), -2 * pixel_mm, atol=1e-3)


def test_the_outer_channels_are_the_slices_four_millimetres_away_and_repeat_at_the_ends():
    volume = make_volume((0, 2, 1), spacing=(1, 1, 1.9), shape=(9, 30, 30))
    volume = volume.like(np.broadcast_to(np.arange(9.0)[:, None, None], (9, 30, 30)).copy())
    centre = tuple(volume.ras(np.array([15, 15, 4])))
    hip = canonical_hip(volume, "right", centre)
    numbers = network_slices(hip, centre, 8, 1.0)[:, :, 4, 4]
    own = hip.volume.array[:, 0, 0]
    np.testing.assert_allclose(numbers[:, 1], own)
    np.testing.assert_allclose(numbers[:, 0], own[[0, 0, *range(7)]])
    np.testing.assert_allclose(numbers[:, 2], own[[*range(2, 9), 8, 8]])


def test_outside_the_image_a_patch_is_zero():
    hip, centre = ramp()
    patches = network_slices(hip.like(np.ones(hip.volume.array.shape)), centre, 200, 1.0)
    assert patches[:, :, 100, 100] == pytest.approx(1)
    assert not patches[..., 0].any() and not patches[..., -1, :].any()


@pytest.mark.parametrize("pixel_mm", [0.5, 0.8])
def test_a_patch_comes_back_onto_the_slices(pixel_mm):
    hip, centre = ramp()
    size = 40
    patches = network_slices(hip, centre, size, pixel_mm)[:, 1:2]
    back = from_network(np.concatenate([patches, np.ones_like(patches)], axis=1), hip, centre, pixel_mm)
    assert back.shape == (2, *hip.volume.array.shape)
    inside = back[1] > 0.999
    per_slice = (size * pixel_mm) ** 2 / (0.7 * 0.9)
    assert inside.sum() / len(inside) == pytest.approx(per_slice, rel=0.08)
    inner = inside & np.roll(inside, 2, 1) & np.roll(inside, -2, 1) & np.roll(inside, 2, 2) & np.roll(inside, -2, 2)
    np.testing.assert_allclose(back[0][inner], hip.volume.array[inner], atol=1e-3)
    assert not back[:, :, 0, 0].any()


def test_ct_is_scaled_by_its_window_alone():
    np.testing.assert_allclose(normalise(np.array([-1000, -200, 300, 800, 3000]), "CT"), [-1, -1, 0, 1, 1])


def test_mr_intensities_do_not_depend_on_gain_or_the_share_of_air():
    body = np.random.default_rng(1).uniform(100, 1000, 5000)
    image = np.concatenate([body, np.zeros(1000)])
    scaled = normalise(image, "MR")
    assert scaled.dtype == np.float32 and scaled.min() >= -1.5 and scaled.max() <= 1.5
    low, high = np.percentile(body[body > 0.1 * np.percentile(body, 99)], [1, 99])
    np.testing.assert_allclose(scaled[:5000], np.clip((body - low) / (high - low) * 2 - 1, -1.5, 1.5), atol=1e-5)
    np.testing.assert_allclose(normalise(image * 37, "MR"), scaled, atol=1e-4)
    np.testing.assert_allclose(normalise(np.concatenate([body, np.zeros(90000)]), "MR")[:5000], scaled[:5000])


def test_a_constant_image_is_scaled_to_zero():
    assert not normalise(np.full((3, 3), 7), "MR").any()
    assert not normalise(np.zeros((3, 3)), "MR").any()


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_sphere_that_a_network_sees_is_the_one_in_the_image(side):
    empty = make_volume((2, 0, 1), (-1, 1, -1), (12, -8, 20), (0.8, 0.8, 3.0), (21, 90, 90))
    sphere = Sphere(tuple(empty.ras(np.array([44.3, 46.1, 9.7])).tolist()), 22.0)
    distance_mm = 22.0 - np.linalg.norm(empty.grid_ras() - np.array(sphere.centre_ras_mm), axis=-1)
    hip = canonical_hip(empty.like(np.clip(distance_mm / 10, -1.5, 1.5)), side, sphere.centre_ras_mm)
    drawn = network_slices(hip, sphere.centre_ras_mm, 64, 0.7)[:, 1]
    told = sphere_slices(hip, sphere, 64, 0.7, 10.0)[:, 0]
    np.testing.assert_allclose(told, drawn, atol=0.03)
    assert told.max() == pytest.approx(1.5) and told.min() == pytest.approx(-1.5)
