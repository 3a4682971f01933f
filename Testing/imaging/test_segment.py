"""A hip from a rough centre to masks, on solids of known size; the networks only read codes off the image."""

import numpy as np
import pytest
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.labels import AnatomyLabel
from ONFHAssistLib.core.necrosis import SMALLEST_LESION_ML
from ONFHAssistLib.imaging.segment import NoHead, crop_hip, label_anatomy, segment_hip
from Testing.hip_phantom import (
    AXIAL,
    CODES,
    CORONAL,
    LESION_OFFSET,
    RADIUS_MM,
    add_hip,
    anatomy_network,
    grid,
    head_ml,
    hu,
    lesion_ml,
    necrosis_network,
    network,
)

CENTRE = {"right": np.array([84.0, 9.0, -20.0]), "left": np.array([-81.0, 9.0, -20.0])}
GRIDS = {
    "coronal": (CORONAL, (0.9, 0.9, 4.0), (0, 0, 0), ()),
    "oblique": (CORONAL, (0.8, 1.1, 3.5), (9, -7, 11), ()),
    "left-handed": (AXIAL, (1.1, 0.9, 3.0), (6, 8, -10), (0,)),
}


def image(name="coronal", side="right", **parts):
    axes, spacing, turn, flip = GRIDS[name]
    return add_hip(grid(axes, spacing, (130, 130, 110), CENTRE[side], turn, flip), side, CENTRE[side], **parts)


def segment(volume, side="right", seed=None, radius=None, anatomy=None, necrosis=None):
    seed = tuple(CENTRE[side] if seed is None else seed)
    return segment_hip(
        volume, "CT", side, seed, anatomy or anatomy_network(), necrosis or necrosis_network(), radius_mm=radius
    )


def ml(mask):
    return mask.array.sum() * mask.voxel_ml


def centre_of(mask):
    return mask.ras(np.argwhere(mask.array).mean(axis=0)[::-1])


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", GRIDS)
def test_head_and_necrosis_have_their_size_and_place_on_any_grid(name, side):
    volume = image(name, side)
    masks = segment(volume, side, CENTRE[side] + [3, -2, 2])
    assert masks.side == side
    assert np.linalg.norm(masks.sphere.centre_ras_mm - CENTRE[side]) < 0.7
    assert masks.sphere.radius_mm == pytest.approx(RADIUS_MM, abs=0.7)
    for mask in (masks.head, masks.necrosis):
        assert mask.matches(volume.cropped(masks.box)) and mask.array.dtype == bool
    assert not (masks.necrosis.array & ~masks.head.array).any()
    assert ml(masks.head) == pytest.approx(head_ml(), rel=0.04)
    assert ml(masks.necrosis) == pytest.approx(lesion_ml(), rel=0.07)
    lesion = CENTRE[side] + LESION_OFFSET * [1 if side == "right" else -1, 1, 1]
    assert np.linalg.norm(centre_of(masks.necrosis) - lesion) < 0.5


def test_a_seed_twelve_millimetres_off_gives_the_same_sphere():
    volume = image()
    one_look, two_looks = anatomy_network(), anatomy_network()
    near = segment(volume, anatomy=one_look)
    far = segment(volume, seed=CENTRE["right"] + [-7, 6, 8], anatomy=two_looks)
    assert two_looks.engine.calls == 2 * one_look.engine.calls
    assert np.linalg.norm(np.subtract(far.sphere.centre_ras_mm, near.sphere.centre_ras_mm)) < 0.2
    assert far.sphere.radius_mm == pytest.approx(near.sphere.radius_mm, abs=0.2)
    assert ml(far.necrosis) == pytest.approx(ml(near.necrosis), rel=0.02)


def test_a_hip_without_necrosis_has_none():
    assert not segment(image(lesion=False)).necrosis.array.any()


def test_the_sphere_that_a_reader_has_placed_is_kept():
    seed = CENTRE["right"] + [1.5, -1.0, 2.0]
    masks = segment(image(), seed=seed, radius=21.5)
    assert masks.sphere.radius_mm == 21.5
    assert masks.sphere.centre_ras_mm == tuple(seed)
    distance = np.linalg.norm(masks.head.grid_ras() - seed, axis=-1)
    assert distance[masks.head.array].max() <= 1.04 * 21.5


def test_where_the_network_sees_no_bone_the_sphere_of_the_reader_counts():
    masks = segment(image(femur=False), radius=20.0)
    assert ml(masks.head) == pytest.approx(4 / 3 * np.pi * (1.04 * 20) ** 3 / 1000, rel=0.03)


def test_no_head_is_made_up_where_there_is_none():
    with pytest.raises(NoHead, match="none was seen"):
        segment(image(femur=False))


def test_a_plate_that_the_network_calls_head_is_refused():
    volume = image(femur=False)
    offset = volume.grid_ras() - CENTRE["right"]
    plate = (np.abs(offset[..., 2]) < 4) & (np.abs(offset[..., :2]) < 45).all(axis=-1)
    with pytest.raises(NoHead):
        segment(volume.like(np.where(plate, hu(CODES["head"]), volume.array)))


def test_a_seed_outside_of_the_image_is_refused():
    with pytest.raises(InputError, match="outside the image"):
        segment(image(), seed=CENTRE["right"] + [300, 0, 0])


def test_specks_smaller_than_the_smallest_lesion_are_dropped():
    volume = image()
    # 2 x 2 voxels on one slice (13 microlitres), away from the lesion
    k, j, i = np.round(volume.ijk(CENTRE["right"] + [0, -3, -12])).astype(int)[::-1]
    volume.array[k, j : j + 2, i : i + 2] = hu(CODES["necrosis"])
    masks = segment(volume)
    assert 4 * volume.voxel_ml < SMALLEST_LESION_ML
    assert ndimage.label(masks.necrosis.array)[1] == 1
    assert ml(masks.necrosis) == pytest.approx(lesion_ml(), rel=0.07)


def test_necrosis_outside_of_the_head_does_not_count():
    """A network that calls everything necrotic makes the head necrotic, and nothing else."""
    masks = segment(image(), necrosis=necrosis_network(level=-2.0))
    np.testing.assert_array_equal(masks.necrosis.array, masks.head.array)


def test_the_necrosis_network_sees_only_slices_that_cross_the_head():
    seen = []

    def count(batch):
        seen.append(len(batch))
        return np.full((len(batch), 1, *batch.shape[2:]), -9.0)

    volume = image()
    masks = segment(volume, necrosis=network(count, "necrosis", size_px=[96, 96], pixel_mm=0.7, neighbour_mm=4.0))
    crossed = masks.head.array.any(axis=(1, 2)).sum()
    assert crossed <= sum(seen) <= crossed + 2 < volume.array.shape[0]


def test_the_acetabulum_gives_landmarks_on_its_inner_surface():
    """The cup covers the half-space around (-0.6, 0, 0.8): its lateral edge stands 53 degrees from superior."""
    for side in ("right", "left"):
        edge = segment(image(side=side), side).landmarks.acetabular_edge_ras_mm
        offset = (np.array(edge) - CENTRE[side]) * [1 if side == "right" else -1, 1, 1]
        assert np.degrees(np.arctan2(offset[0], offset[2])) == pytest.approx(53.1, abs=4)
        assert np.hypot(offset[0], offset[2]) == pytest.approx(RADIUS_MM + 4, abs=2)


def test_bone_that_the_network_is_not_sure_of_is_left_out_and_the_border_of_head_and_neck_leaves_no_gap():
    probabilities = [[0.4, 0.6, 0, 0], [0.25, 0.4, 0.35, 0], [0.25, 0.35, 0.4, 0], [0.4, 0, 0, 0.6]]

    def stripes(batch):
        logits = np.zeros((len(batch), 4, *batch.shape[2:]))
        for quarter, values in zip(np.split(logits, 4, axis=3), probabilities, strict=True):
            quarter[:] = np.log(np.maximum(values, 1e-9))[:, None, None]
        return logits

    centre = tuple(CENTRE["right"])
    hip = crop_hip(image(), "CT", "right", centre)
    own = {"size_px": [112, 112], "pixel_mm": 1.0, "neighbour_mm": 4.0}
    label = label_anatomy(hip, centre, network(stripes, "anatomy", **own))
    middle = label[len(label) // 2, label.shape[1] // 2]
    runs = middle[np.flatnonzero(np.diff(middle, prepend=-1))]
    assert [int(x) for x in runs if x] == [AnatomyLabel.HEAD, AnatomyLabel.FEMUR, AnatomyLabel.HIP_BONE]
