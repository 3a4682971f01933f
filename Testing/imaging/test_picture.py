"""Pictures and single slices: their grey values, pixel size and place, and what is refused."""

import numpy as np
import pytest
from dicom_files import CORONAL, make_series, write
from PIL import Image
from pydicom.uid import ComputedRadiographyImageStorage, SecondaryCaptureImageStorage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.picture import read_image, read_picture

GREY = (np.add.outer(np.arange(40), np.arange(60)) * 2).astype(np.uint8)
ALL = ("volume", "slice", "picture")


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def dicom(folder, **tags):
    """One file; returns its path and its pixels as they were stored."""
    (header, *_) = make_series(**tags)
    for keyword, value in tags.items():
        if value is None:
            delattr(header, keyword)
    write(folder, [header])
    return next(folder.iterdir()), header.pixel_array


def test_a_png_keeps_its_values_and_says_nothing_of_its_size(tmp_path):
    study = read_picture(saved(tmp_path / "a.png", GREY))
    assert study.form == "picture" and study.source["kind"] == "PNG" and study.source["spacing_mm"] is None
    assert np.array_equal(study.volume.array[0], GREY) and study.volume.array.shape == (1, 40, 60)


def test_colours_become_their_brightness_without_transparency(tmp_path):
    colours = np.zeros((40, 60, 4), np.uint8)
    colours[..., 1], colours[..., 3] = GREY, 7
    study = read_picture(saved(tmp_path / "a.png", colours))
    assert np.allclose(study.volume.array[0], 0.587 * GREY, atol=0.01)


def test_sixteen_bits_stay_sixteen_bits(tmp_path):
    deep = GREY.astype(np.uint16) * 300
    assert np.array_equal(read_picture(saved(tmp_path / "a.png", deep)).volume.array[0], deep)


def test_a_jpeg_is_read_by_what_is_in_it_whatever_its_name(tmp_path):
    study = read_picture(saved(tmp_path / "hip.image", GREY, format="JPEG", quality=98))
    assert study.source["kind"] == "JPEG"
    assert np.abs(study.volume.array[0].astype(int) - GREY).max() < 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_is_cut_off_is_refused(tmp_path, kind):
    path = saved(tmp_path / "a", np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8), format=kind)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="cut off"):
        read_picture(path)


def test_a_png_that_unpacks_to_more_than_is_read_is_refused(tmp_path):
    path = saved(tmp_path / "a.png", np.zeros((9000, 9000), np.uint8))
    with pytest.raises(InputError, match=r"pixels|cannot be decoded"):
        read_picture(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_whose_bytes_were_changed_is_read_or_refused_with_one_sentence(tmp_path, kind):
    random = np.random.default_rng(0)
    whole = saved(tmp_path / "a", random.integers(0, 255, (60, 80), dtype=np.uint8), format=kind).read_bytes()
    for n in range(5):
        changed = bytearray(whole)
        for at in random.integers(8, len(whole), 1 + 4 * n):
            changed[at] = random.integers(0, 256)
        (tmp_path / "b").write_bytes(changed)
        try:
            assert read_picture(tmp_path / "b").volume.array.size
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("array", [np.zeros((40, 60), np.uint8), GREY[:8]])
def test_an_empty_or_tiny_picture_is_refused(tmp_path, array):
    with pytest.raises(InputError):
        read_picture(saved(tmp_path / "a.png", array))


def test_one_slice_of_an_mr_has_its_size_and_place(tmp_path):
    path, stored = dicom(tmp_path / "mr")
    study = read_picture(path)
    assert study.form == "slice" and study.source["sequence"] == "T1" and study.source["plane"] == "coronal"
    assert np.array_equal(study.volume.array[0], stored)
    assert study.volume.spacing_mm[:2] == pytest.approx((0.8, 1.2))
    assert study.volume.ras(np.zeros(3)) == pytest.approx([90, 80, 70])  # the file holds LPS
    assert study.volume.axes_ras[:, 0] == pytest.approx(np.array(CORONAL[:3]) * [-1, -1, 1])
    assert study.patient["name"] == "Doe^Jane" and "Doe" not in str(study.source)


def x_ray(folder, **tags):
    known = {"Modality": "CR", "SOPClassUID": ComputedRadiographyImageStorage, "ImageOrientationPatient": None}
    return dicom(folder, **known | {"ImagePositionPatient": None, "PixelSpacing": None, "ViewPosition": "AP"} | tags)


def test_an_x_ray_has_the_pixels_of_its_detector_and_says_so(tmp_path):
    study = read_picture(x_ray(tmp_path / "a", ImagerPixelSpacing=[0.2, 0.1])[0])
    assert study.form == "picture" and study.source["view"] == "CR AP"
    assert study.volume.spacing_mm[:2] == pytest.approx((0.1, 0.2))
    assert [notice.code for notice in study.notices] == ["pixel-size-at-detector"]
    known = {"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 1.25}
    study = read_picture(x_ray(tmp_path / "b", **known)[0])
    assert study.volume.spacing_mm[:2] == pytest.approx((0.16, 0.16)) and study.notices == ()


def test_an_x_ray_whose_low_values_are_bright_is_turned(tmp_path):
    path, stored = x_ray(tmp_path / "a", PhotometricInterpretation="MONOCHROME1")
    study = read_picture(path)
    assert np.array_equal(study.volume.array[0], stored.max() - stored.astype(int))
    assert study.source["spacing_mm"] is None


def test_rescaling_is_applied(tmp_path):
    path, stored = x_ray(tmp_path / "a", RescaleSlope=2, RescaleIntercept=-100)
    assert np.allclose(read_picture(path).volume.array[0], stored * 2.0 - 100)


def test_a_view_that_could_name_the_patient_is_not_kept(tmp_path):
    assert read_picture(x_ray(tmp_path / "a", ViewPosition="DOE JANE")[0]).source["view"] == "CR"


def test_a_saved_screen_in_colours_becomes_grey(tmp_path):
    pixels = np.repeat(GREY[..., None], 3, axis=-1)
    known = {"Modality": "OT", "SOPClassUID": SecondaryCaptureImageStorage, "SamplesPerPixel": 3, "BitsAllocated": 8}
    known |= {"PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsStored": 8, "HighBit": 7}
    known |= {"Rows": 40, "Columns": 60, "PixelData": pixels.tobytes()}
    study = read_picture(dicom(tmp_path / "a", **known)[0])
    assert study.form == "picture" and np.allclose(study.volume.array[0], GREY, atol=0.01)


def test_one_file_stands_for_its_series_only_where_a_volume_is_wanted(tmp_path):
    folder = write(tmp_path / "mr", make_series())
    file = sorted(folder.iterdir())[0]
    assert read_image(file, ALL).form == "volume" and read_image(file, ALL).volume.array.shape[0] == 8
    assert read_image(file, ("slice",)).volume.array.shape[0] == 1
    assert read_image(x_ray(tmp_path / "x", ImagerPixelSpacing=[0.2, 0.2])[0], ALL).form == "picture"


def test_for_volumes_alone_a_picture_is_refused_as_ever(tmp_path):
    with pytest.raises(InputError, match="give a NIfTI, NRRD, MHA or DICOM image"):
        read_image(saved(tmp_path / "a.png", GREY), ("volume",))


def test_several_frames_are_no_picture(tmp_path):
    from dicom_files import make_enhanced

    folder = write(tmp_path / "a", make_enhanced())
    with pytest.raises(InputError, match="8 frames"):
        read_picture(next(folder.iterdir()))
