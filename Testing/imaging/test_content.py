"""What an image without tags shows: label maps and distance maps are named, and a standardised MR is read as an MR."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.imaging.canonical import normalise
from ONFHAssistLib.imaging.content import kind_and_values, refuse_what_is_no_image
from ONFHAssistLib.imaging.read import read_study

SPACING = (0.9, 0.9, 4.0)


@pytest.fixture(scope="module")
def sample():
    return read_study(resource_path("SampleData", "procedural_t1.nii.gz")).volume


def refused(array, spacing=SPACING):
    try:
        refuse_what_is_no_image(array, spacing, "it")
    except InputError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def regions():
    """Seventy places, each the nearest part of the image: a label map with more values than any threshold on few."""
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(*(np.arange(n) for n in (16, 90, 100)), indexing="ij"), axis=-1)
    seeds = rng.random((70, 3)) * (16, 90, 100)
    return np.argmin([((points - seed) ** 2 * (16, 1, 1)).sum(-1) for seed in seeds], axis=0)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_a_label_map_with_few_or_many_values_of_any_type_is_named(regions, kind):
    assert "label" in refused((regions < 20).astype(kind))
    assert "label" in refused((regions % 5).astype(kind))
    assert "label" in refused(regions.astype(kind))
    assert "label" in refused((regions * 7 / 255).astype(np.float32))


@pytest.fixture(scope="module")
def shape():
    k, j, i = np.indices((20, 90, 100))
    near = (k * 4 - 40) ** 2 + ((j - 40) * 0.9) ** 2 + ((i - 30) * 0.9) ** 2 < 24**2
    return near | ((k * 4 - 30) ** 2 + ((j - 50) * 0.9) ** 2 + ((i - 75) * 0.9) ** 2 < 15**2)


DISTANCES = {
    "signed, mm": lambda s, mm: ndimage.distance_transform_edt(~s, mm) - ndimage.distance_transform_edt(s, mm),
    "outside, in voxels": lambda s, mm: ndimage.distance_transform_edt(~s),
    "scaled": lambda s, mm: ndimage.distance_transform_edt(~s, mm) / 100,
    "whole numbers": lambda s, mm: np.round(ndimage.distance_transform_edt(~s, mm)).astype(np.int16),
    "cut off": lambda s, mm: np.minimum(ndimage.distance_transform_edt(~s, mm), 20),
    "inside": lambda s, mm: ndimage.distance_transform_edt(s, mm),
    "squared": lambda s, mm: ndimage.distance_transform_edt(~s, mm) ** 2,
    "slice by slice": lambda s, mm: np.stack([ndimage.distance_transform_edt(~x) for x in s]),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_a_distance_map_is_named(shape, name):
    assert "distance" in refused(DISTANCES[name](shape, SPACING[::-1]))


def test_images_are_no_maps(sample):
    ct = read_study(resource_path("SampleData", "procedural_ct.nii.gz")).volume
    for volume in (sample, ct):
        array = volume.array
        smooth = ndimage.gaussian_filter(array.astype(np.float32), 2)
        eight_bits = np.clip(array / array.max() * 255, 0, 255).astype(np.uint8)
        finer = array[:4].repeat(2, axis=1).repeat(2, axis=2)  # by the nearest neighbour
        for image in (array, smooth, eight_bits, finer):
            assert refused(image, volume.spacing_mm) == ""


SCALES = {
    "z-scores": lambda a: (a - a.mean()) / a.std(),
    "-1 to 1": lambda a: a / a.max() * 2 - 1,
    "whole numbers": lambda a: np.round(a - a.mean()).astype(np.int16),
    "float64": lambda a: (a - np.median(a)).astype(np.float64) / 17,
}


@pytest.mark.parametrize("name", SCALES)
def test_a_standardised_mr_gives_the_networks_the_same_and_its_modality_is_guessed(sample, name):
    plain = sample.array.astype(np.float32)
    kind, values = kind_and_values(SCALES[name](plain))
    assert values.min() == 0
    expected = normalise(plain - plain.min(), "MR")
    assert np.abs(normalise(values, "MR") - expected).max() < 0.02
    if name != "whole numbers":
        assert (kind.modality, kind.sequence) == ("MR", "T1")


def test_what_rings_below_zero_after_resampling_keeps_its_zero(sample):
    plain = sample.array.astype(np.float32)
    plain[:, ::40, ::40] = -12.0
    kind, values = kind_and_values(plain)
    assert kind.modality == "MR" and values.min() == 0
    np.testing.assert_array_equal(values[plain >= 0], plain[plain >= 0])


def test_zeros_that_were_masked_out_before_standardising_are_air_again(sample):
    plain = sample.array.astype(np.float32)
    plain[:, :, :40] = 0
    body = plain > 0
    scores = np.where(body, (plain - plain[body].mean()) / plain[body].std(), 0).astype(np.float32)
    _, values = kind_and_values(scores)
    assert values[~body].max() == 0 and values[body].mean() > 0.5


def test_a_ct_keeps_its_hounsfield_units(tmp_path):
    path = resource_path("SampleData", "procedural_ct.nii.gz")
    study = read_study(path)
    assert study.source["modality"] == "CT"
    np.testing.assert_array_equal(study.volume.array, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))


@pytest.mark.parametrize("crop", [(slice(None),) * 3, (slice(10, 40), slice(60, 120), slice(20, 90))])
def test_a_ct_whose_values_lack_their_intercept_gets_its_hounsfield_units_back(crop):
    ct = read_study(resource_path("SampleData", "procedural_ct.nii.gz")).volume.array
    kind, values = kind_and_values((np.clip(ct, -1024, 3071) + 1024).astype(np.uint16)[crop])
    assert kind.modality == "CT"
    assert np.array_equal(values, np.clip(ct, -1024, 3071)[crop])
