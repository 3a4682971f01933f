import os
from pathlib import Path

import numpy as np
import pytest
from dicom_files import make_enhanced
from pydicom import Dataset

from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.imaging.sequence import kind_from_image, kind_from_tags

DATA = Path(os.environ.get("ONFH_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.exists(), reason="needs the real data in ../shared/data")


def header(**tags):
    made = Dataset()
    made.Modality = "MR"
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize(
    ("tags", "sequence"),
    [
        ({"ScanningSequence": "SE", "RepetitionTime": 500, "EchoTime": 10}, "T1"),
        ({"ScanningSequence": "SE", "RepetitionTime": 1200, "EchoTime": 30}, "T1"),
        ({"ScanningSequence": "SE", "RepetitionTime": 3000, "EchoTime": 30}, "PD"),
        ({"ScanningSequence": "SE", "RepetitionTime": 4000, "EchoTime": 90}, "T2"),
        ({"ScanningSequence": ["SE", "IR"], "RepetitionTime": 4000, "EchoTime": 40, "InversionTime": 150}, "STIR"),
        ({"ScanningSequence": "GR", "RepetitionTime": 4, "EchoTime": 1.4, "SeriesDescription": "t1_vibe"}, "GRE"),
        ({"ScanningSequence": "EP", "RepetitionTime": 4000, "EchoTime": 70}, "unknown"),
        ({"ScanningSequence": ["SE", "IR"], "RepetitionTime": 9000, "EchoTime": 90, "InversionTime": 2500}, "unknown"),
        ({"SeriesDescription": "COR T1 HIP"}, "T1"),
        ({"SeriesDescription": "ax stir"}, "STIR"),
        ({"SeriesDescription": "t1_vibe_tra"}, "GRE"),
        ({}, "unknown"),
    ],
)
def test_the_sequence_follows_the_timing_and_then_the_description(tags, sequence):
    kind = kind_from_tags(header(**tags))
    assert (kind.modality, kind.sequence, kind.known_from) == ("MR", sequence, "tags")


def test_a_misleading_description_does_not_outvote_the_timing():
    tags = {"ScanningSequence": "SE", "RepetitionTime": 4000, "EchoTime": 90, "SeriesDescription": "t1_cor"}
    assert kind_from_tags(header(**tags)).sequence == "T2"


@pytest.mark.parametrize(
    ("tags", "suppressed"),
    [
        ({"ScanOptions": ["PFP", "FS"]}, True),
        ({"SeriesDescription": "t2_tse_fs_cor"}, True),
        ({"SeriesDescription": "PD SPAIR"}, True),
        ({"ScanOptions": "PFP", "SeriesDescription": "t1 offset"}, False),
    ],
)
def test_fat_suppression_is_seen(tags, suppressed):
    assert kind_from_tags(header(**tags)).fat_suppressed is suppressed


def test_the_functional_groups_of_enhanced_objects_are_read():
    made = make_enhanced()[0]
    assert kind_from_tags(made).sequence == "T1"
    made.SharedFunctionalGroupsSequence[0].MREchoSequence[0].EffectiveEchoTime = 90.0
    made.SharedFunctionalGroupsSequence[0].MRTimingAndRelatedParametersSequence[0].RepetitionTime = 4000.0
    assert kind_from_tags(made).sequence == "T2"


def test_ct_and_other_modalities_are_told_by_the_tag():
    assert kind_from_tags(header(Modality="CT")).sequence == "CT"
    assert kind_from_tags(header(Modality="US")).modality == "unknown"


def body(air, muscle, fat, fluid=None):
    """A quarter air, fat below the skin (a quarter), half muscle, and some fluid, with a little noise."""
    values = np.full((16, 40, 40), muscle, np.float32)
    values[:, :10], values[:, 10:20] = air, fat
    if fluid is not None:
        values[:, 25:30, :20] = fluid
    return values + np.random.default_rng(0).normal(0, 4, values.shape).astype(np.float32)


def test_ct_is_known_by_its_hounsfield_units():
    kind = kind_from_image(body(-1000, 50, -100))
    assert (kind.modality, kind.sequence, kind.known_from) == ("CT", "CT", "image")


def test_bright_fat_without_brighter_fluid_is_taken_for_t1():
    assert kind_from_image(np.abs(body(0, 250, 500, 120))).sequence == "T1"


@pytest.mark.parametrize(
    "values", [body(0, 150, 400, 1500), body(0, 400, 60, 1500), body(0, 400, 420)], ids=["t2", "stir", "opposed phase"]
)
def test_other_mr_contrasts_are_not_taken_for_t1(values):
    kind = kind_from_image(np.abs(values))
    assert (kind.modality, kind.sequence) == ("MR", "unknown")


def test_standardised_intensities_leave_the_modality_open():
    assert kind_from_image(np.random.default_rng(0).normal(size=(8, 20, 20))).modality == "unknown"


def test_the_threshold_between_tissues_is_that_of_scikit_image():
    from skimage.filters import threshold_otsu

    from ONFHAssistLib.imaging.sequence import otsu

    rng = np.random.default_rng(5)
    for low, high in ((20, 90), (50, 60), (5, 300)):
        values = np.concatenate([rng.normal(low, 8, 4000), rng.normal(high, 12, 1500)]).astype(np.float32)
        assert otsu(values) == pytest.approx(threshold_otsu(values), rel=1e-5)


def test_a_crop_of_a_ct_without_air_is_a_ct_and_an_mr_around_zero_is_none():
    rng = np.random.default_rng(3)
    tissue = rng.choice([-100.0, 50.0, 400.0], size=(12, 40, 40), p=[0.25, 0.55, 0.2])
    assert kind_from_image(tissue + rng.normal(0, 30, tissue.shape)).modality == "CT"
    assert kind_from_image(rng.normal(0, 150, (12, 40, 40))).modality == "unknown"  # standardised, times 150
    assert kind_from_image(rng.normal(200, 150, (12, 40, 40))).modality == "unknown"


def slices_with_skin(below_skin, muscle, bone):
    """A round body with a rind, muscle and much bone in it, in air, with a little noise."""
    rows, columns = np.mgrid[-60:60, -60:60]
    radius = np.hypot(rows, columns)
    plane = np.select([radius > 50, radius > 36, radius > 22], [0, below_skin, muscle], bone)
    return np.abs(plane + np.random.default_rng(2).normal(0, 4, (8, 120, 120)))


def test_a_ct_that_was_saved_as_grey_values_is_not_taken_for_t1():
    """Its fat is dark: seen as T1, two sound heads of CT came out with 2 % necrosis without a word."""
    assert kind_from_image(slices_with_skin(below_skin=190, muscle=100, bone=200)).sequence == "T1"
    assert kind_from_image(slices_with_skin(below_skin=60, muscle=100, bone=200)).sequence == "unknown"


@real_data
@pytest.mark.parametrize(("low", "high"), [(-160, 240), (-200, 800), (-1000, 1500)])
@pytest.mark.parametrize("name", ["c1_left_ct", "c1_right_ct", "e020_left_ct"])
def test_a_real_ct_in_a_window_is_not_taken_for_t1(name, low, high):
    hounsfield = read_study(DATA / "ct_hips" / f"{name}.nii.gz").volume.array.astype(np.float32)
    grey = np.clip((hounsfield - low) / (high - low), 0, 1) * 255
    assert kind_from_image(grey.astype(np.uint8)).sequence == "unknown"
