"""From probability to masks and interval, on a ball whose probability falls with the distance from its centre."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.gradings import grade_hip
from ONFHAssistLib.core.grid import bounding_box
from ONFHAssistLib.core.masks import Calibration, HipMasks
from ONFHAssistLib.core.measure import measure_hip
from ONFHAssistLib.core.measurements import SliceMeasurement
from ONFHAssistLib.core.necrosis import (
    SMALLEST_LESION_ML,
    look_first,
    necrosis_above,
    outlines,
    ratio_interval,
    surface_share,
)
from ONFHAssistLib.core.volume import Volume

RADIUS_MM = 24.0
LESION_MM = 14.0
CALIBRATION = Calibration(float(expit(2.0)), float(expit(-3.0)), ("T1",))
SPACING = np.array([0.8, 0.8, 1.6])


def volume(array):
    return Volume(array, np.diag([*SPACING, 1.0]))


@pytest.fixture
def distance():
    """Distance from the middle of the grid in mm, shape (k, j, i)."""
    k, j, i = np.indices((40, 70, 70)) - np.array([19.5, 34.5, 34.5]).reshape(3, 1, 1, 1)
    return np.sqrt((i * SPACING[0]) ** 2 + (j * SPACING[1]) ** 2 + (k * SPACING[2]) ** 2)


@pytest.fixture
def masks(distance):
    """The log odds of necrosis are 0 at LESION_MM, and fall by one with each mm outwards."""
    head = distance <= RADIUS_MM
    probability = volume((expit(LESION_MM - distance) * head).astype(np.float32))
    necrosis = volume(necrosis_above(probability, head))
    centre = tuple(float(x) for x in SPACING * [34.5, 34.5, 19.5])
    return HipMasks.of(
        "right",
        volume(head),
        necrosis,
        Sphere(centre, RADIUS_MM),
        probability=probability,
        calibration=CALIBRATION,
    ).whole()


def share(radius_mm):
    return (radius_mm / RADIUS_MM) ** 3


def test_the_interval_is_the_ratio_of_the_inner_and_of_the_outer_outline(masks):
    measured = measure_hip(masks)
    assert measured.volume_ratio == pytest.approx(share(LESION_MM), rel=0.02)
    assert measured.ratio_interval == pytest.approx((share(LESION_MM - 2), share(LESION_MM + 3)), rel=0.02)
    grade = grade_hip(measured)["steinberg"]
    assert grade.interval == measured.ratio_interval
    assert {name for name, other in grade_hip(measured).items() if other.interval} == {"steinberg"}


HEAD_MM = 0.5
SMALLER, LARGER = (((RADIUS_MM + t) / RADIUS_MM) ** 3 for t in (-HEAD_MM, HEAD_MM))


def with_uncertain_head(masks):
    return replace(masks, calibration=replace(CALIBRATION, head_mm=HEAD_MM))


def test_of_a_lesion_inside_the_head_the_ratio_is_less_certain_if_the_size_of_the_head_is(masks):
    inner, outer = share(LESION_MM - 2), share(LESION_MM + 3)
    interval = measure_hip(with_uncertain_head(masks)).ratio_interval
    assert interval == pytest.approx((inner / LARGER, outer / SMALLER), rel=0.02)


def test_a_lesion_of_half_the_head_stays_half_of_it_however_large_the_head_is(masks):
    half = masks.head.array & (np.arange(70) < 35)
    assert ratio_interval(with_uncertain_head(masks), (half, half)) == pytest.approx((0.5, 0.5), abs=1e-9)


def test_a_lesion_all_along_the_surface_grows_with_the_head(masks, distance):
    shell = masks.head.array & (distance > RADIUS_MM - 3)
    ratio = shell.sum() / masks.head.array.sum()
    ends = [(ratio + g - 1) / g for g in (SMALLER, LARGER)]
    assert ends[0] < ratio < ends[1]
    assert ratio_interval(with_uncertain_head(masks), (shell, shell)) == pytest.approx(ends, rel=0.02)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_part_of_the_surface_that_a_cap_covers_is_that_of_its_height(masks, axis):
    along_mm = (np.indices(masks.head.array.shape)[axis] - [19.5, 34.5, 34.5][axis]) * SPACING[::-1][axis]
    for height_mm in (6.0, 12.0, 24.0):
        cap = masks.head.array & (along_mm > RADIUS_MM - height_mm)
        assert surface_share(cap, masks.head) == pytest.approx(height_mm / (2 * RADIUS_MM), rel=0.15)


def test_a_head_without_necrosis_has_none_however_large_it_is(masks):
    nothing = np.zeros(masks.head.array.shape, bool)
    assert ratio_interval(with_uncertain_head(masks), (nothing, nothing)) == (0.0, 0.0)


def test_each_slice_says_how_much_of_it_is_uncertain(masks):
    slices = measure_hip(masks).slices
    height = (np.array([s.index for s in slices]) - 19.5) * SPACING[2]
    ring = np.clip((LESION_MM + 3) ** 2 - height**2, 0, None) - np.clip((LESION_MM - 2) ** 2 - height**2, 0, None)
    assert [s.uncertain_mm2 for s in slices] == pytest.approx(np.pi * ring, rel=0.05, abs=15)
    total = sum(s.uncertain_mm2 for s in slices) / sum(s.head_mm2 for s in slices)
    low, high = measure_hip(masks).ratio_interval
    assert total == pytest.approx(high - low, rel=1e-9)


def test_a_mask_that_a_reader_has_edited_has_no_interval(masks):
    edited = masks.necrosis.array.copy()
    edited[20, 34, 20:50] = False
    measured = measure_hip(replace(masks, necrosis=volume(edited)))
    assert measured.ratio_interval is None
    assert {s.uncertain_mm2 for s in measured.slices} == {None}
    assert look_first(measured.slices) == ()


@pytest.mark.parametrize("unknown", [{"probability": None}, {"calibration": None}])
def test_without_probability_or_its_worth_nothing_is_said(masks, unknown):
    assert outlines(replace(masks, **unknown)) is None
    measured = measure_hip(replace(masks, **unknown))
    assert measured.ratio_interval is None and measured.volume_ratio == pytest.approx(share(LESION_MM), rel=0.02)


def test_the_interval_of_a_head_without_necrosis_starts_at_nothing(masks):
    faint = volume((0.2 * (masks.probability.array > 0.5)).astype(np.float32))
    none = replace(masks, probability=faint, necrosis=volume(np.zeros(faint.array.shape, bool)))
    measured = measure_hip(none)
    assert measured.volume_ratio == 0
    assert measured.ratio_interval == pytest.approx((0.0, share(LESION_MM)), rel=0.02)


def test_what_a_closed_band_encloses_is_necrotic_and_what_a_gap_leaves_open_is_possible(distance):
    """A shell of high probability with a hole that the network is less sure of."""
    head = distance <= RADIUS_MM
    shell = np.abs(distance - 12) < 2
    array = np.where(shell, 0.9, 0.0).astype(np.float32)
    assert necrosis_above(volume(array), head).sum() == pytest.approx((distance < 14).sum(), rel=1e-9)
    gap = shell & (np.indices(head.shape)[2] < 34) & (np.abs(np.indices(head.shape)[1] - 34) < 6)
    array[gap] = 0.1
    masks = HipMasks.of(
        "right",
        volume(head),
        volume(necrosis_above(volume(array), head)),
        Sphere((0.0, 0.0, 0.0), RADIUS_MM),
        probability=volume(array),
        calibration=CALIBRATION,
    ).whole()
    certain, possible = outlines(masks)
    assert masks.necrosis.array.sum() == (shell & ~gap).sum()
    assert possible.sum() == (distance < 14).sum() and not (certain & ~possible).any()


def test_specks_do_not_count_at_any_probability(masks):
    speck = np.zeros(masks.head.array.shape, np.float32)
    speck[19:21, 34:38, 34:38] = 0.99
    assert speck.astype(bool).sum() * masks.head.voxel_ml < SMALLEST_LESION_ML
    for above in (0.05, 0.5, 0.95):
        assert not necrosis_above(volume(speck), masks.head.array, above).any()


def test_the_outlines_lie_inside_each_other_and_stay_when_the_image_is_cut(masks):
    certain, possible = outlines(masks)
    assert not (certain & ~masks.necrosis.array).any() and not (masks.necrosis.array & ~possible).any()
    assert not (possible & ~masks.head.array).any()
    box = bounding_box(masks.head.array)
    near = masks.within(box)
    for whole, cut in zip((certain, possible), outlines(near), strict=True):
        np.testing.assert_array_equal(whole[box], cut)
    point = masks.sphere.centre_ras_mm
    offset = np.subtract(masks.head.ijk(np.array(point)), near.head.ijk(np.array(point)))
    assert offset == pytest.approx([part.start for part in box[::-1]])


@pytest.mark.parametrize(
    ("areas", "first"),
    [
        ({3: 10.0, 4: 40.0, 5: 30.0, 6: 19.0}, (4, 5)),
        ({3: 40.0, 4: 40.0, 5: 38.0, 6: 39.0}, (3, 4, 6)),
        ({3: 0.0, 4: 0.0}, ()),
        ({3: 0.0, 4: 2.0}, (4,)),
        ({}, ()),
    ],
)
def test_the_slices_to_look_at_first_are_few_and_the_most_uncertain_ones(areas, first):
    slices = [SliceMeasurement(k, (0, 0, 0), 100, 0, 0, "mild", area) for k, area in areas.items()]
    assert look_first(slices) == first
