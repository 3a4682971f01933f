import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import AXIAL, CORONAL, SAGITTAL, make_ct, make_enhanced, make_series, pixels, write
from pydicom import Dataset, dcmread
from pydicom.uid import BasicTextSRStorage, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless, generate_uid

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.read import read_study

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("ONFH_DATA", ROOT.parent / "shared" / "data"))


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        read_study(path, **options)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and len(message) < 400 + len(str(path))
    return message


def test_a_series_is_stacked_by_position_whatever_its_files_are_called(tmp_path):
    study = read_study(write(tmp_path, make_series(InstanceNumber=1)))
    np.testing.assert_array_equal(study.volume.array, pixels())
    # first voxel of the first slice; DICOM's (-90, -80, 70) LPS is (90, 80, 70) RAS
    np.testing.assert_allclose(study.volume.ras(np.zeros(3)), [90, 80, 70])
    # one column further is 0.8 mm to the patient's left, one row 1.2 mm down, one slice 5 mm back
    np.testing.assert_allclose(study.volume.ras(np.array([1, 1, 1])), [89.2, 75, 68.8], atol=1e-6)
    assert study.source["modality"] == "MR" and study.source["sequence"] == "T1"
    assert study.source["plane"] == "coronal" and study.source["sequence_from"] == "tags"
    assert study.notices == ()


def test_the_patient_is_named_nowhere_but_in_patient(tmp_path):
    study = read_study(write(tmp_path, make_series()))
    assert study.patient == {"name": "Doe^Jane", "id": "4711"}
    assert "Doe" not in f"{study.source}{study.notices}" and "4711" not in f"{study.source}{study.notices}"


def test_what_else_the_header_says_of_the_patient_is_known_for_what_must_not_be_kept(tmp_path):
    series = make_series()
    for file in series:
        file.PatientBirthDate, file.StudyDate, file.AccessionNumber = "19610203", "20260131", "A-77"
    found = read_study(write(tmp_path, series)).patient
    assert found["birth_date"] == "19610203" and found["study_date"] == "20260131"
    assert found["accession_number"] == "A-77" and "institution" not in found


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("HIP", "hip"),
        ("Hip Doe Jane", "hip"),
        ("DOE JANE", "other"),
        ("FEMORAL_HEAD", "femoral head"),
        ("KNEE", "knee"),
        ("", ""),
    ],
)
def test_only_known_words_of_the_body_part_are_shown(tmp_path, tag, shown):
    study = read_study(write(tmp_path, make_series(BodyPartExamined=tag)))
    assert study.source["body_part"] == shown


@pytest.mark.parametrize(("agent", "known"), [("Doevist", True), ("NONE", False), ("", None), (None, None)])
def test_a_contrast_agent_is_known_from_its_tag_and_not_quoted(tmp_path, agent, known):
    tags = {} if agent is None else {"ContrastBolusAgent": agent}
    study = read_study(write(tmp_path, make_series(**tags)))
    assert study.source["contrast_agent"] is known and "Doevist" not in str(study.source)


def test_a_contrast_agent_of_an_enhanced_object_is_known(tmp_path):
    (header,) = make_enhanced()
    header.ContrastBolusAgentSequence = [Dataset()]
    assert read_study(write(tmp_path, [header])).source["contrast_agent"] is True


def test_ct_values_are_hounsfield_units(tmp_path):
    study = read_study(write(tmp_path, make_ct()))
    np.testing.assert_array_equal(study.volume.array, pixels().astype(int) - 1024)
    assert study.source["modality"] == "CT" and study.source["plane"] == "axial"


def test_an_enhanced_object_reads_like_the_classic_series(tmp_path):
    classic = read_study(write(tmp_path / "classic", make_series()))
    study = read_study(write(tmp_path / "enhanced", make_enhanced()))
    np.testing.assert_allclose(study.volume.ijk_to_ras, classic.volume.ijk_to_ras)
    np.testing.assert_array_equal(study.volume.array, pixels() * 2.0 + np.arange(8)[:, None, None])
    assert study.source["sequence"] == "T1"


def test_one_file_stands_for_its_series(tmp_path):
    folder = write(tmp_path, make_series())
    write(tmp_path, make_series(pixels(9), SeriesNumber=8))
    study = read_study(folder / "3-2.dcm")
    np.testing.assert_array_equal(study.volume.array, pixels())
    assert study.notices == ()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_subfolder_or_a_dangling_link_beside_the_files_is_no_obstacle(tmp_path):
    folder = write(tmp_path, make_series())
    (folder / "0 notes").mkdir()
    (folder / "0 gone.dcm").symlink_to(tmp_path / "nowhere.dcm")
    for path in (folder / "3-2.dcm", folder):
        np.testing.assert_array_equal(read_study(path).volume.array, pixels())


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_compressed_series_read_like_the_original(tmp_path, syntax):
    datasets = make_series()
    for header in datasets:
        header.compress(syntax)
    study = read_study(write(tmp_path, datasets))
    np.testing.assert_array_equal(study.volume.array, pixels())


def lossless_jpeg_series(folder):
    """A CT series whose pixels SimpleITK has encoded."""
    datasets = make_ct()
    for n, header in enumerate(datasets):
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.SetFileName(str(folder / "raw.dcm"))
        writer.Execute(sitk.GetImageFromArray(pixels()[n : n + 1]))
        written = dcmread(folder / "raw.dcm")
        assert written.file_meta.TransferSyntaxUID == JPEGLosslessSV1
        header.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        header.PixelData = written.PixelData
        header["PixelData"].VR = "OB"
        header["PixelData"].is_undefined_length = True
    return write(folder / "series", datasets)


def test_lossless_jpeg_reads_like_the_original(tmp_path):
    study = read_study(lossless_jpeg_series(tmp_path))
    np.testing.assert_array_equal(study.volume.array, pixels().astype(int) - 1024)


def three_series(folder):
    write(folder / "a", make_series(orientation=AXIAL, SeriesNumber=1, SeriesDescription="t1_tra"))
    write(folder / "b" / "deep", make_series(SeriesNumber=2, SeriesDescription="t1_cor"))
    write(
        folder / "c",
        make_series(SeriesNumber=7, SeriesDescription="stir_cor Doe", ScanningSequence="IR", InversionTime=150),
    )
    return folder


def test_of_several_series_the_coronal_t1_is_taken_and_the_others_are_named(tmp_path):
    study = read_study(three_series(tmp_path))
    assert study.source["plane"] == "coronal" and study.source["sequence"] == "T1"
    (notice,) = study.notices
    assert notice.code == "several-series"
    for words in ("2 (coronal T1, 8 slices)", "1 (axial T1, 8 slices)", "7 (coronal STIR, 8 slices)"):
        assert words in notice.message
    assert "Doe" not in notice.message


@pytest.mark.parametrize("wanted", ["7", "STIR", "uid"])
def test_another_series_is_picked_by_number_description_or_uid(tmp_path, wanted):
    three_series(tmp_path)
    if wanted == "uid":
        wanted = dcmread(tmp_path / "c" / "7-0.dcm").SeriesInstanceUID
    assert read_study(tmp_path, wanted).source["sequence"] == "STIR"


def test_a_series_that_is_not_there_is_refused_with_the_list(tmp_path):
    assert "2 (coronal T1, 8 slices)" in refusal(three_series(tmp_path), series="99")


def test_a_broken_series_does_not_hide_a_good_one(tmp_path):
    write(tmp_path, make_series(SeriesNumber=1, positions_mm=[0, 5, 10, 15, 25, 30, 35, 40]))
    write(tmp_path, make_series(orientation=AXIAL, SeriesNumber=2))
    study = read_study(tmp_path)
    assert study.source["plane"] == "axial"
    assert "not usable" in study.notices[0].message
    assert "missing" in refusal(tmp_path, series="1")


def test_a_missing_slice_is_refused(tmp_path):
    datasets = make_series()
    assert "1 slice is missing" in refusal(write(tmp_path, datasets[:3] + datasets[4:]))


def test_doubled_positions_are_refused(tmp_path):
    datasets = make_series(positions_mm=[0, 5, 10, 10, 15, 20, 25, 30])
    assert "1 doubled slice positions" in refusal(write(tmp_path, datasets))


def test_two_echoes_in_one_series_are_refused_as_doubled_positions(tmp_path):
    positions = np.repeat(np.arange(4) * 5.0, 2)
    assert "doubled slice positions" in refusal(write(tmp_path, make_series(positions_mm=positions)))


def test_uneven_slices_are_refused(tmp_path):
    assert "uneven" in refusal(write(tmp_path, make_series(positions_mm=[0, 5, 10, 15, 21, 26, 31, 36])))


def test_a_tilted_gantry_is_refused(tmp_path):
    datasets = make_ct()
    for k, header in enumerate(datasets):
        header.ImagePositionPatient = [-90, -80 + 1.0 * k, 5.0 * k]
    assert "tilted gantry" in refusal(write(tmp_path, datasets))


def test_a_localizer_is_refused_because_three_orientations_are_mixed(tmp_path):
    uid = generate_uid()
    for n, orientation in enumerate((CORONAL, AXIAL, SAGITTAL)):
        write(tmp_path / str(n), make_series(pixels(3), orientation, SeriesInstanceUID=uid))
    message = refusal(tmp_path)
    assert "three orientations are mixed (coronal, axial, sagittal)" in message


def test_images_of_different_size_in_one_series_are_refused(tmp_path):
    uid = generate_uid()
    write(tmp_path / "a", make_series(SeriesInstanceUID=uid))
    write(tmp_path / "b", make_series(pixels(3, 10, 10), positions_mm=[40, 45, 50], SeriesInstanceUID=uid))
    assert "different size" in refusal(tmp_path)


@pytest.mark.parametrize("bad", [[0.0, 0.8], [float("nan"), 0.8]])
def test_zero_or_nan_pixel_spacing_is_refused(tmp_path, bad):
    folder = write(tmp_path, make_series(spacing=(0.8, 1.25, 5.0)))
    for file in folder.iterdir():
        text = b"\\".join(f"{x}".encode() for x in bad)
        file.write_bytes(file.read_bytes().replace(b"1.25\\0.8", text.ljust(8)))
    assert "spacing" in refusal(folder)


def test_colour_pictures_are_refused(tmp_path):
    datasets = make_series(SamplesPerPixel=3, PhotometricInterpretation="RGB")
    assert "colour" in refusal(write(tmp_path, datasets))


def test_one_slice_is_refused(tmp_path):
    assert "one slice only" in refusal(write(tmp_path, make_series()[:1]))


def test_images_without_a_position_are_refused(tmp_path):
    datasets = make_series()
    for header in datasets:
        del header.ImagePositionPatient
    assert "does not say where" in refusal(write(tmp_path, datasets))


def test_one_value_everywhere_is_refused(tmp_path):
    assert "same value" in refusal(write(tmp_path, make_series(pixels() * 0 + 5)))


def test_dicom_objects_without_an_image_are_refused(tmp_path):
    datasets = make_series(Modality="SR", SOPClassUID=BasicTextSRStorage)
    for header in datasets:
        del header.PixelData, header.Rows, header.Columns
    write(tmp_path, datasets)
    assert "none of them is an image" in refusal(tmp_path)
    assert "without an image (SR)" in refusal(tmp_path / "3-0.dcm")


def test_a_cut_off_dicom_file_is_refused(tmp_path):
    folder = write(tmp_path, make_series())
    file = folder / "3-4.dcm"
    file.write_bytes(file.read_bytes()[:-300])
    assert "cannot be decoded" in refusal(folder)


@pytest.mark.parametrize("kept", [0.01, 0.05])
def test_a_dicom_file_cut_off_in_its_header_is_not_left_out_in_silence(tmp_path, kept):
    """It is the last slice, so no gap would tell of it."""
    folder = write(tmp_path, make_series(), shuffle=False)
    file = folder / "3-7.dcm"
    file.write_bytes(file.read_bytes()[: int(400 + file.stat().st_size * kept)])
    assert "damaged" in refusal(folder)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty folder" in refusal(tmp_path / "empty")
    (tmp_path / "notes.txt").write_text("no image")
    assert "no DICOM image" in refusal(tmp_path)
    assert "not a DICOM file" in refusal(tmp_path / "notes.txt")


@pytest.mark.filterwarnings("ignore:The value length")
def test_nothing_is_written_to_the_terminal(tmp_path, capfd):
    read_study(write(tmp_path / "long", make_series(PatientID="x" * 80, SeriesDescription="y" * 90)))
    jpeg_2000 = make_series()
    for header in jpeg_2000:
        header.compress(JPEG2000Lossless)
    for folder in (write(tmp_path / "jpeg_2000", jpeg_2000), lossless_jpeg_series(tmp_path)):
        file = folder / "3-1.dcm"
        file.write_bytes(file.read_bytes()[:-800])
        refusal(folder)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.skipif(not (DATA / "mixed_localizer_dicom").exists(), reason="needs the real data in ../shared/data")
def test_the_real_localizer_is_refused_because_three_orientations_are_mixed():
    assert "three orientations are mixed" in refusal(DATA / "mixed_localizer_dicom")


@pytest.mark.skipif(not (DATA / "t1_coronal_dicom").exists(), reason="needs the real data in ../shared/data")
def test_the_real_dicom_series_is_the_nifti_of_the_same_case():
    dicom = read_study(DATA / "t1_coronal_dicom")
    nifti = read_study(DATA / "t1_coronal" / "case_12_t1.nii.gz")
    assert (dicom.source["contrast_agent"], nifti.source["contrast_agent"]) == (True, None)
    for study in (dicom, nifti):
        assert study.source["sequence"] == "T1" and study.source["plane"] == "coronal"
    middle = dicom.volume.ras(np.array([200.0, 150.0, 15.0]))
    i, j, k = np.round(nifti.volume.ijk(middle)).astype(int)
    np.testing.assert_allclose(nifti.volume.ras(np.array([i, j, k])), middle, atol=0.05)
    assert nifti.volume.array[k, j, i] == dicom.volume.array[15, 150, 200]


def test_a_radial_scan_is_named_as_one(tmp_path):
    datasets = make_series(pixels(16))
    for n, header in enumerate(datasets):
        angle = np.radians(180 * n / 16)
        header.ImageOrientationPatient = [float(np.cos(angle)), float(np.sin(angle)), 0, 0, 0, -1]
    write(tmp_path, datasets)
    with pytest.raises(InputError, match=r"\(coronal, sagittal\), as in a radial scan"):
        read_study(tmp_path)
