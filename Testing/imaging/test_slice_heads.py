"""Heads on one slice: discs at known places, and a network that is a formula; at last the shipped one."""

import numpy as np
import pytest
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.canonical import network_slices
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.imaging.slice_heads import HEAD_WIDTH_MM, RADIUS_UNIT_PX, find_slice_heads, scaled_slice, slice_hip
from Testing.hip_phantom import AXIAL, CORONAL, grid, hu, network

RIGHT, LEFT, RADIUS_MM = np.array([86.0, 0.0, -31.0]), np.array([-79.0, 0.0, -22.0]), 23.0
LOOKS_RIGHT, LOOKS_LEFT, NOTHING = 0.9, 0.5, -0.9
"""Codes of discs that look like a right and like a left head, and of what lies about them."""
GRIDS = {
    "as it is shown": grid(CORONAL, (1.0, 1.0, 5.0), (300, 200, 5)),
    "coarse, no squares": grid(CORONAL, (1.6, 1.1, 5.0), (320, 220, 5), centre=(6, 0, -20)),
    "rows run upwards": grid(CORONAL, (0.8, 0.8, 4.0), (320, 220, 4), flip=(1,)),
    "columns run to the right": grid(CORONAL, (0.8, 0.8, 4.0), (320, 220, 4), flip=(0,)),
    "pixels are larger than the step": grid(CORONAL, (2.0, 2.0, 1.0), (320, 220, 1)),
    "oblique": grid(CORONAL, (1.0, 1.0, 5.0), (320, 220, 5), turn_deg=(0, 9, 0)),
}


def slice_of(empty, *discs, known=True, modality="CT"):
    """Discs: (centre, code) or (centre, code, radius), on tissue that is nowhere blank."""
    code = NOTHING + np.random.default_rng(0).uniform(0, 0.1, empty.shape)
    for at, value, *radius in discs:
        distance = np.linalg.norm((empty.grid_ras() - at) * [1, 0, 1], axis=-1)
        inside = np.clip((radius[0] if radius else RADIUS_MM) - distance + 0.5, 0, 1)
        code = np.where(inside > 0, NOTHING + inside * (value - NOTHING), code)
    volume = empty.like(hu(code).astype(np.float32))
    return Study(volume, {"modality": modality, "spacing_mm": list(empty.spacing_mm) if known else None})


def picture(shape, *discs, modality="CT"):
    """A picture without a pixel size; discs: (column, row, code, radius) in pixels."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    empty = Volume(np.zeros((1, *shape), np.float32), matrix)
    placed = [(empty.ras(np.array([x, y, 0])), code, radius) for x, y, code, radius in discs]
    return slice_of(empty, *placed, known=False, modality=modality)


def reader(height=0.95):
    """See each disc: its middle, its radius by its area, its side by its code."""

    def maps(batch):
        found = np.zeros((len(batch), 3, *batch.shape[2:]))
        found[:, :2] = -12
        rows, columns = np.indices(batch.shape[2:])
        for image, out in zip(batch[:, 0], found, strict=True):
            pieces, count = ndimage.label(image > -0.1)
            for n in range(1, count + 1):
                area = float((pieces == n).sum())
                row, column = ndimage.center_of_mass(pieces == n)
                radius = np.sqrt(area / np.pi)
                bell = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (0.1 * radius**2))
                side = 0 if image[round(row), round(column)] > 0.7 else 1
                top = np.log(height / (1 - height))
                out[side] = np.maximum(out[side], -12 + (top + 12) * bell)
                out[2][pieces == n] = np.log(radius / RADIUS_UNIT_PX)
        return found

    return network(maps, "slice_finder", size_px=[192, 192], pixel_mm=1.0)


def near(head, place, tolerance_mm=1.0):
    return np.linalg.norm((np.array(head.centre_ras_mm) - place) * [1, 0, 1]) < tolerance_mm


@pytest.mark.parametrize("name", GRIDS)
def test_both_heads_are_found_where_they_are_however_the_slice_is_stored(name):
    study = slice_of(GRIDS[name], (RIGHT, LOOKS_RIGHT), (LEFT, LOOKS_LEFT))
    right, left = find_slice_heads(study, reader())
    assert (right.side, left.side) == ("right", "left")
    assert near(right, RIGHT) and near(left, LEFT)
    for head in (right, left):
        assert head.radius_mm == pytest.approx(RADIUS_MM, rel=0.04)
        assert head.answer == "found" and head.whole and head.side_sure == 1
        assert (head.pixel_from, head.scale) == ("image", 1.0)
        assert head.pixel_mm == pytest.approx(GRIDS[name].spacing_mm[0])


@pytest.mark.parametrize("radius_px", [12, 60, 110])
def test_a_picture_of_any_size_gets_its_pixels_from_the_width_of_the_heads(radius_px):
    far = 7 * radius_px
    shape = (5 * radius_px, 11 * radius_px)
    discs = [
        (2 * radius_px, 2 * radius_px, LOOKS_RIGHT, radius_px),
        (2 * radius_px + far, 2 * radius_px, LOOKS_LEFT, radius_px),
    ]
    heads = find_slice_heads(picture(shape, *discs), reader())
    assert [head.side for head in heads] == ["right", "left"]
    for head in heads:
        assert head.pixel_from == "head's width"
        assert head.pixel_mm == head.scale == pytest.approx(HEAD_WIDTH_MM / (2 * radius_px), rel=0.04)
        assert head.radius_mm == pytest.approx(radius_px, rel=0.04)  # on the grid of the study


@pytest.mark.parametrize("shape", [(2400, 300), (150, 3600)])
def test_a_small_head_on_a_long_picture_is_found_wherever_it_is(shape):
    for part in (0.04, 0.3, 0.5, 0.77, 0.96):
        row, column = (round(part * shape[0]), 140) if shape[0] > shape[1] else (70, round(part * shape[1]))
        (head,) = find_slice_heads(picture(shape, (column, row, LOOKS_LEFT, 30)), reader())
        assert head.radius_mm == pytest.approx(30, rel=0.06)


@pytest.mark.parametrize(("code", "side"), [(LOOKS_RIGHT, "right"), (LOOKS_LEFT, "left")])
def test_a_single_head_has_the_side_that_its_anatomy_tells(code, side):
    for place in (RIGHT, LEFT):  # wherever it lies on the picture
        (head,) = find_slice_heads(slice_of(GRIDS["as it is shown"], (place, code)), reader())
        assert head.side == side and 0.9 < head.side_sure <= 1


def test_of_two_heads_the_one_at_the_left_is_the_right_one_whatever_each_looks_like():
    study = slice_of(GRIDS["as it is shown"], (RIGHT, LOOKS_LEFT), (LEFT, LOOKS_RIGHT))
    right, left = find_slice_heads(study, reader())
    assert near(right, RIGHT) and near(left, LEFT)


@pytest.mark.parametrize(
    ("place", "radius"),
    [((20.0, 0.0, -31.0), 23.0), ((-79.0, 0.0, -22.0), 12.0), ((40.0, 0.0, 110.0), 23.0)],
    ids=["too near", "too small", "too far up"],
)
def test_what_can_be_no_counterpart_of_the_surer_head_is_left_out(place, radius):
    empty = grid(CORONAL, (1.0, 1.0, 5.0), (320, 340, 5))
    heads = find_slice_heads(slice_of(empty, (RIGHT, LOOKS_RIGHT), (np.array(place), LOOKS_LEFT, radius)), reader())
    assert len(heads) == 1


@pytest.mark.parametrize("beyond_px", [-2, 10])
def test_a_head_that_the_border_cuts_is_not_whole_also_where_the_border_is_blackened(beyond_px):
    radius, bar = 40, 30
    study = picture((300, 400), (radius - beyond_px + bar, 150, LOOKS_RIGHT, radius))
    array = study.volume.array.copy()
    array[:, :, :bar] = array.min() - 200
    (head,) = find_slice_heads(Study(study.volume.like(array), study.source), reader())
    assert head.whole == (beyond_px < 0)


@pytest.mark.parametrize(("height", "answers"), [(0.8, ["found"]), (0.4, ["doubtful"]), (0.1, [])])
def test_a_peak_is_a_head_a_doubtful_one_or_none_by_its_height(height, answers):
    heads = find_slice_heads(slice_of(GRIDS["as it is shown"], (RIGHT, LOOKS_RIGHT)), reader(height))
    assert [head.answer for head in heads] == answers


def test_on_an_axial_slice_there_is_nothing_to_find():
    empty = grid(AXIAL, (1.0, 1.0, 5.0), (300, 200, 5))
    assert find_slice_heads(slice_of(empty, (np.zeros(3), LOOKS_RIGHT)), reader()) == ()


def test_a_stack_is_refused_with_what_is_wanted():
    with pytest.raises(InputError, match="300 x 200 x 2 voxels, and one slice is wanted"):
        find_slice_heads(slice_of(grid(CORONAL, (1.0, 1.0, 5.0), (300, 200, 10))), reader())


@pytest.mark.parametrize("shape", [(16, 16), (16, 3000), (2500, 16), (600, 601)])
def test_a_picture_without_a_head_gives_none_whatever_its_shape(shape):
    assert find_slice_heads(picture(shape), reader()) == ()
    noise = picture(shape, modality="unknown")
    noise = Study(noise.volume.like(np.random.default_rng(1).random((1, *shape)).astype(np.float32)), noise.source)
    nonsense = network(
        lambda batch: np.full((len(batch), 3, *batch.shape[2:]), np.nan), "slice_finder", size_px=[192, 192]
    )
    assert find_slice_heads(noise, nonsense) == ()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("side", ["right", "left"])
def test_the_hip_is_cut_out_in_millimetres_and_looks_like_a_right_one(side, known):
    radius_px = 60
    x, code = (150, LOOKS_RIGHT) if side == "right" else (450, LOOKS_LEFT)
    study = picture((400, 600), (x, 180, code, radius_px), (x + (-80 if side == "right" else 80), 180, 0.2, 10))
    if known:  # the same with pixels of 0.4 mm
        matrix = study.volume.ijk_to_ras @ np.diag([0.4, 0.4, 1, 1])
        study = Study(Volume(study.volume.array, matrix), study.source | {"spacing_mm": [0.4, 0.4, 1.0]})
    (head,) = (h for h in find_slice_heads(study, reader()) if h.side == side)
    hip, sphere = slice_hip(study, head)
    assert sphere.radius_mm == pytest.approx(24.0, rel=0.04)
    patch = network_slices(hip, sphere.centre_ras_mm, 96, 1.0)[0, 1]
    row, column = ndimage.center_of_mass(patch > 0.35)
    assert abs(row - 47.5) < 1 and abs(column - 47.5) < 1
    assert np.sqrt((patch > -0.2)[:, 24:].sum() / np.pi) == pytest.approx(24.0, rel=0.06)
    assert patch[46:50, 14:18].mean() > 0 > patch[46:50, 78:82].mean()  # what lies lateral is at the left
    scaled, _ = scaled_slice(study, head)
    assert scaled.array is study.volume.array
    np.testing.assert_array_equal(hip.back(hip.volume.array).shape, scaled.array[hip.slices].shape)
