"""The studies in Resources/SampleData: small, readable, and what they say they are."""

import numpy as np
import pytest

from ONFHAssistLib.imaging.domain import check_image
from ONFHAssistLib.imaging.read import read_study
from training.phantoms.sample_studies import ras_grid, to_study
from training.real.data import read_volume, to_image, to_volume
from training.sample_data import FOLDER

SAMPLES = {
    "procedural_t1": ("MR", "T1", "coronal", (1.0, 1.0, 4.5)),
    "procedural_ct": ("CT", "CT", "axial", (1.2, 1.2, 3.0)),
}


def sample(name):
    path = FOLDER / f"{name}.nii.gz"
    if not path.is_file():
        pytest.skip(f"there is no {path.name} in Resources/SampleData")
    return path


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_study_is_read_as_what_it_is(name):
    modality, sequence, plane, spacing = SAMPLES[name]
    study = read_study(sample(name))
    assert study.source["modality"] == modality and study.source["sequence"] == sequence
    assert study.source["plane"] == plane and study.source["obliquity_deg"] == pytest.approx(0, abs=0.01)
    assert study.volume.spacing_mm == pytest.approx(spacing, abs=1e-4)
    assert not study.patient
    assert {notice.code for notice in check_image(study)} <= {"sequence-guessed"}
    assert np.isfinite(study.volume.array).all() and study.volume.array.std() > 0


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_study_is_small(name):
    assert sample(name).stat().st_size <= 2e6


def test_both_hips_are_in_view_of_the_t1():
    corners = read_study(sample("procedural_t1")).volume
    at = corners.ras(np.array([[0, 0, 0], np.array(corners.array.shape[::-1]) - 1]))
    assert at[:, 0].min() < -120 and at[:, 0].max() > 120  # heads lie 80 to 100 mm off the midline


@pytest.mark.parametrize("plane", ["coronal", "axial"])
def test_a_voxel_lies_where_it_was_rendered(tmp_path, plane):
    points, steps = ras_grid(plane, (-20, -12, -9), (22, 15, 12), 1.5, 4.0)
    assert points[..., 0].min() >= -20 and points[..., 0].max() <= 22
    assert points[..., 1].min() >= -12 and points[..., 2].max() <= 12
    number = np.arange(points[..., 0].size).reshape(points.shape[:3])
    image = to_study(number, points, steps)
    for index in ((0, 0, 0), (2, 3, 1), tuple(n - 1 for n in points.shape[:3])):
        k, j, i = index
        lps = image.TransformIndexToPhysicalPoint((i, j, k))
        np.testing.assert_allclose(np.array(lps) * [-1, -1, 1], points[index], atol=1e-4)
        assert image.GetPixel(i, j, k) == number[index]
    np.testing.assert_allclose(to_volume(image).grid_ras(), points, atol=1e-4)


def test_an_image_comes_back_from_a_file_at_its_place(tmp_path):
    import SimpleITK as sitk

    points, steps = ras_grid("coronal", (-9, -8, -9), (9, 8, 9), 1.0, 4.0)
    image = to_study(np.round(points[..., 2] * 10), points, steps)
    sitk.WriteImage(image, str(tmp_path / "image.nii.gz"))
    volume = read_volume(tmp_path / "image.nii.gz")
    np.testing.assert_allclose(volume.array, np.round(volume.grid_ras()[..., 2] * 10), atol=1)
    np.testing.assert_allclose(to_volume(to_image(volume)).ijk_to_ras, volume.ijk_to_ras, atol=1e-5)
