import gzip
import os
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.read import read_study


def image(array=None, spacing=(0.9, 1.1, 4.0)):
    if array is None:
        array = np.random.default_rng(0).integers(0, 1000, (6, 20, 24)).astype(np.int16)
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing[: made.GetDimension()])
    return made


def save(path, array=None, **options):
    sitk.WriteImage(image(array, **options), str(path))
    return path


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_study(path)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and str(path) in message
    return message


def patch(path, at, layout, value):
    raw = bytearray(path.read_bytes())
    struct.pack_into(layout, raw, at, value)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.nii", "NIfTI"), ("A.NII.GZ", "NIfTI"), ("a.nrrd", "NRRD"), ("a.mha", "MetaImage"), ("a.mhd", "MetaImage")],
)
def test_each_file_kind_gives_the_same_volume(tmp_path, name, kind):
    made = image()
    made.SetOrigin((10, -20, 30))
    made.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))  # coronal slices would be j; here k runs to the left
    sitk.WriteImage(made, str(tmp_path / name.lower()))
    (tmp_path / name.lower()).rename(tmp_path / name)
    study = read_study(tmp_path / name)
    np.testing.assert_array_equal(study.volume.array, sitk.GetArrayFromImage(made))
    x, y, z = made.TransformIndexToPhysicalPoint((3, 5, 2))
    np.testing.assert_allclose(study.volume.ras(np.array([3, 5, 2])), (-x, -y, z), atol=1e-4)
    assert study.source["kind"] == kind and study.source["plane"] == "sagittal"
    assert study.source["spacing_mm"] == pytest.approx([0.9, 1.1, 4.0]) and study.source["shape"] == [6, 20, 24]
    assert study.patient == {} and study.notices == ()


def test_a_fourth_axis_of_length_one_is_no_obstacle(tmp_path):
    array = np.random.default_rng(0).integers(0, 99, (1, 6, 20, 24)).astype(np.int16)
    path = tmp_path / "a.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=False), str(path))
    np.testing.assert_array_equal(read_study(path).volume.array, array[0])


def test_a_nifti_without_a_place_in_the_patient_is_read_with_a_notice(tmp_path):
    path = save(tmp_path / "a.nii")
    patch(patch(path, 252, "<h", 0), 254, "<h", 0)
    assert [n.code for n in read_study(path).notices] == ["no-orientation"]


def test_a_missing_file_is_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nothing.nii.gz")


def test_a_file_without_permission_is_refused():
    """Root may read everything, so the test reads as nobody where it can."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        path = save(folder / "a.nii")
        path.chmod(0)
        closed = folder / "closed"
        closed.mkdir(mode=0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            assert "permission denied" in refusal(path)
            assert "permission denied" in refusal(closed)
            assert "permission denied" in refusal(closed / "a.nii")
        finally:
            if root:
                os.seteuid(0)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha"])
def test_a_text_file_with_the_name_of_an_image_is_refused(tmp_path, name):
    (tmp_path / name).write_text("this is no image\n" * 100)
    refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.dcm"])
def test_an_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    assert "empty file" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "a.nrrd"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_truncated_image_is_refused(tmp_path, name, kept):
    path = save(tmp_path / name)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * kept)])
    refusal(path)


def test_a_gz_around_a_truncated_nifti_is_refused(tmp_path):
    raw = save(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(raw[:-500]))
    refusal(tmp_path / "b.nii.gz")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_2d_image_is_refused(tmp_path, name):
    assert "2D" in refusal(save(tmp_path / name, np.arange(400, dtype=np.int16).reshape(20, 20)))


@pytest.mark.parametrize("name", ["a.nii", "a.nrrd", "a.mha"])
def test_a_4d_volume_is_refused(tmp_path, name):
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, 6, 20, 24), np.int16), isVector=False), str(tmp_path / name))
    assert "4 dimensions" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii", "a.nrrd", "a.mha"])
def test_a_colour_image_is_refused(tmp_path, name):
    colour = sitk.GetImageFromArray(np.zeros((6, 20, 24, 3), np.uint8), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / name))
    assert "colour" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii", "a.nrrd", "a.mha"])
def test_one_slice_is_refused(tmp_path, name):
    assert "one slice only" in refusal(save(tmp_path / name, np.arange(400, dtype=np.int16).reshape(1, 20, 20)))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_zero_or_nan_spacing_of_a_nifti_is_refused(tmp_path, axis, bad):
    assert "spacing" in refusal(patch(save(tmp_path / "a.nii"), 80 + 4 * axis, "<f", bad))


@pytest.mark.parametrize("bad", ["0", "nan", "-0.5"])
def test_zero_negative_or_nan_spacing_of_a_metaimage_is_refused(tmp_path, bad):
    path = save(tmp_path / "a.mhd", spacing=(0.5, 1.5, 4))
    text = path.read_text()
    assert "0.5 1.5 4" in text
    path.write_text(text.replace("0.5 1.5 4", f"{bad} 1.5 4"))
    refusal(path)


@pytest.mark.parametrize(
    ("field", "bad"),
    [("NDims = 3", "NDims = 9"), ("DimSize = 24", "DimSixe = 24"), ("ElementType = MET_SHORT", "ElementType = SHORT")],
)
def test_a_damaged_metaimage_header_is_refused_and_nothing_is_printed(tmp_path, capfd, field, bad):
    path = save(tmp_path / "a.mhd")
    assert field in path.read_text()
    path.write_text(path.read_text().replace(field, bad))
    assert "MetaImage" in refusal(path)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
def test_a_metaimage_without_all_its_voxels_is_refused_and_nothing_is_printed(tmp_path, capfd, name, compressed):
    path = tmp_path / name
    sitk.WriteImage(image(), str(path), useCompression=compressed)
    assert read_study(path).source["kind"] == "MetaImage"
    voxels = next((p for p in tmp_path.iterdir() if "raw" in p.suffix), path)
    voxels.write_bytes(voxels.read_bytes()[:-500])
    assert "voxels are missing" in refusal(path)
    if voxels != path:
        voxels.unlink()
        assert "missing or damaged" in refusal(path)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_voxels_are_refused(tmp_path, bad):
    array = np.random.default_rng(0).normal(size=(6, 20, 24)).astype(np.float32)
    array[3, 3, 3] = bad
    assert "not a number" in refusal(save(tmp_path / "a.nrrd", array))


@pytest.mark.parametrize("value", [0, 7])
def test_one_value_everywhere_is_refused(tmp_path, value):
    assert "same value" in refusal(save(tmp_path / "a.nii.gz", np.full((6, 20, 24), value, np.int16)))


def test_a_line_break_in_a_name_does_not_begin_a_sentence_of_its_own(tmp_path):
    with pytest.raises(InputError) as caught:
        read_study(tmp_path / "a\nReport: b.nii")
    assert "\n" not in str(caught.value)


def test_nothing_is_written_to_the_terminal(tmp_path, capfd):
    path = save(tmp_path / "a.nii")
    patch(path, 80, "<f", 0.0)
    refusal(path)
    broken = save(tmp_path / "b.nii.gz")
    broken.write_bytes(broken.read_bytes()[:3000])
    refusal(broken)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert sitk.ProcessObject.GetGlobalWarningDisplay()


def test_a_metaimage_that_carries_the_header_of_a_nifti_is_read(tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(1).normal(300, 50, (12, 20, 24)).astype(np.float32))
    image.SetSpacing((0.9, 0.9, 4.0))
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "a.nii.gz")), str(tmp_path / "b.mha"))
    assert b"dim[0] = " in (tmp_path / "b.mha").read_bytes()[:4096]
    np.testing.assert_array_equal(
        read_study(tmp_path / "b.mha").volume.array, read_study(tmp_path / "a.nii.gz").volume.array
    )


def test_a_series_is_not_asked_of_a_single_image(tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(1).normal(300, 50, (12, 20, 24)).astype(np.float32))
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    with pytest.raises(InputError, match="leave --series out"):
        read_study(tmp_path / "a.nii.gz", series="3")


def test_a_label_mask_is_not_taken_for_an_image(tmp_path):
    labels = np.zeros((12, 20, 24), np.uint8)
    labels[3:8, 5:12, 6:15] = 1
    labels[4:9, 12:17, 6:15] = 2
    sitk.WriteImage(sitk.GetImageFromArray(labels), str(tmp_path / "bones.nii.gz"))
    with pytest.raises(InputError, match="label map"):
        read_study(tmp_path / "bones.nii.gz")


def test_values_that_no_scanner_gives_are_refused(tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((24, 24, 24)) * 1e150)
    image.SetSpacing((2.0, 2.0, 2.0))
    sitk.WriteImage(image, str(tmp_path / "large.nii"))
    with pytest.raises(InputError, match=r"values above 1e\+30, which no scanner gives"):
        read_study(tmp_path / "large.nii")
