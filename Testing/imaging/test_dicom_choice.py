"""Which series of a folder is taken, and when the reader is asked instead."""

from pathlib import Path

import numpy as np
import pytest
from dicom_files import AXIAL, make_ct, make_enhanced, make_series, pixels, write
from pydicom import Dataset, dcmread
from pydicom.uid import PositronEmissionTomographyImageStorage, generate_uid

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.domain import check_image
from ONFHAssistLib.imaging.read import read_study


def refusal(path: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_study(path, **options)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and len(message) < 400 + len(str(path))
    return message


def codes(study) -> list[str]:
    return [notice.code for notice in study.notices]


DIXON = {"in": "IN_PHASE", "opp": "OPP_PHASE", "W": "WATER", "F": "FAT"}


@pytest.mark.parametrize("by", ["description", "image type"])
@pytest.mark.parametrize("first", list(DIXON))
def test_of_a_dixon_t1_the_in_phase_images_are_taken_whatever_their_uids(tmp_path, by, first):
    names = [first, *(name for name in DIXON if name != first)]
    for n, name in enumerate(names):
        tags = {"SeriesDescription": f"t1_tse_dixon_cor_{name}" if by == "description" else "t1_tse_dixon_cor"}
        if by == "image type":
            tags["ImageType"] = ["DERIVED", "PRIMARY", "DIXON", DIXON[name]]
        write(tmp_path / name, make_series(SeriesInstanceUID=f"1.2.{n}", SeriesNumber=n + 1, **tags))
    study = read_study(tmp_path)
    taken = names.index("in") + 1
    assert study.notices[0].message.startswith(f"Series {taken} (coronal T1 in-phase, 8 slices) was taken")
    assert "water" in study.notices[0].message and codes(study) == ["several-series"]


def test_the_in_phase_frames_of_one_enhanced_object_are_taken(tmp_path):
    (header,) = make_enhanced(np.concatenate([pixels(8)] * 2) + np.repeat([0, 1], 8)[:, None, None].astype(np.uint16))
    for n, frame in enumerate(header.PerFrameFunctionalGroupsSequence):
        of_frame, place = Dataset(), Dataset()
        of_frame.FrameType = ["ORIGINAL", "PRIMARY", "M", ("WATER", "IN_PHASE")[n // 8]]
        place.ImagePositionPatient = [-90.0, -80.0 + 5 * (n % 8), 70.0]
        frame.MRImageFrameTypeSequence, frame.PlanePositionSequence = [of_frame], [place]
        del frame.PixelValueTransformationSequence
    study = read_study(write(tmp_path, [header]))
    assert study.volume.array.shape[0] == 8 and not study.source["fat_suppressed"]
    assert "3.1 (coronal T1 water, 8 slices)" in study.notices[0].message


def test_plain_t1_is_preferred_to_what_was_computed_from_it(tmp_path):
    for n, name in enumerate(("t1_cor_SUB", "t1_cor", "SPIR_COR")):
        write(tmp_path, make_series(SeriesNumber=n + 1, SeriesDescription=name, SeriesInstanceUID=f"1.2.{n}"))
    assert read_study(tmp_path).notices[0].message.startswith("Series 2 ")


def test_an_opposed_phase_image_is_graded_with_a_word_of_its_own(tmp_path):
    study = read_study(write(tmp_path, make_series(spacing=(1.0, 1.0, 6.0), SeriesDescription="t1_dixon_opp")))
    assert codes(study) == ["image-component"]
    assert "sequence-outside-training" not in [notice.code for notice in check_image(study)]


def other_patient(**tags):
    return make_series(**{"PatientName": "Roe^Richard", "PatientID": "0815", "StudyInstanceUID": "1.9"} | tags)


def test_two_patients_in_one_folder_are_asked_about_and_not_named(tmp_path):
    write(tmp_path / "a", make_series(StudyInstanceUID="1.8"))
    write(tmp_path / "b", other_patient(SeriesDescription="stir_cor", ScanningSequence="IR", InversionTime=150))
    for options in ({}, {"series": "3"}):
        message = refusal(tmp_path, **options)
        assert "several patients" in message and "3 (coronal T1, 8 slices)" in message
        assert not any(word in message for word in ("Doe", "Roe", "4711", "0815", "1.9"))
    assert read_study(tmp_path / "b").patient["name"] == "Roe^Richard"


@pytest.mark.parametrize(
    "tags", [{"PatientID": "0815"}, {"PatientName": "Roe^Jane"}, {"PatientBirthDate": "19700101"}], ids=str
)
def test_one_contradiction_is_enough_for_two_patients(tmp_path, tags):
    write(tmp_path / "a", make_series(PatientBirthDate="19610203"))
    write(tmp_path / "b", make_series(**{"PatientBirthDate": "19610203"} | tags))
    assert "several patients" in refusal(tmp_path)


def test_a_name_in_another_spelling_and_an_empty_tag_are_no_other_patient(tmp_path):
    write(tmp_path / "a", make_series(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg"))
    write(tmp_path / "b", make_series(PatientName="MUELLER^JOERG^^", SeriesNumber=4, PatientID=""))
    assert codes(read_study(tmp_path)) == ["several-series"]


def test_two_patients_under_one_series_uid_are_not_interleaved(tmp_path):
    uid = generate_uid()
    write(tmp_path / "a", make_series(SeriesInstanceUID=uid))
    write(tmp_path / "b", other_patient(SeriesInstanceUID=uid, positions_mm=np.arange(8) * 5 + 2.5))
    for path in (tmp_path / "a").iterdir():
        path.rename(tmp_path / f"a{path.name}")
    for path in (tmp_path / "b").iterdir():
        path.rename(tmp_path / f"b{path.name}")
    assert "several patients" in refusal(tmp_path)
    study = read_study(tmp_path / "b3-0.dcm")
    assert study.volume.array.shape[0] == 8 and study.patient["id"] == "0815"


def test_two_studies_that_suit_equally_are_asked_about(tmp_path):
    write(tmp_path / "a", make_series(StudyInstanceUID="1.8"))
    write(tmp_path / "b", make_series(StudyInstanceUID="1.9", SeriesNumber=4))
    assert "several studies" in refusal(tmp_path)
    assert read_study(tmp_path, series="4").volume.array.shape[0] == 8


def test_two_studies_of_which_one_suits_better_are_not_asked_about(tmp_path):
    write(tmp_path / "a", make_series(StudyInstanceUID="1.8"))
    write(tmp_path / "b", make_ct(StudyInstanceUID="1.9", SeriesNumber=4))
    assert read_study(tmp_path).source["modality"] == "MR"


def test_a_word_that_names_two_series_is_asked_about(tmp_path):
    write(tmp_path / "a", make_series(SeriesNumber=3))
    write(tmp_path / "b", make_series(SeriesNumber=4))
    message = refusal(tmp_path, series="t1_tse")
    assert "3 (coronal T1, 8 slices); 4 (coronal T1, 8 slices)" in message and "--series 3" in message


def parted(folder, keyword, values):
    """One series with two images at each place, which a tag tells apart."""
    uid = generate_uid()
    for n, value in enumerate(values):
        array = pixels() + np.uint16(n)
        write(folder / str(n), make_series(array, SeriesInstanceUID=uid, **{keyword: value}))
    return folder


def test_of_two_echoes_in_one_series_the_t1_is_taken_and_the_other_named(tmp_path):
    study = read_study(parted(tmp_path, "EchoTime", [90, 10]))
    assert study.source["sequence"] == "T1" and study.volume.array[0, 0, 0] == 1
    assert "3.1 (coronal T2, 8 slices)" in study.notices[0].message


@pytest.mark.parametrize(
    ("keyword", "values"),
    [("TemporalPositionIdentifier", [1, 2]), ("AcquisitionNumber", [1, 2]), ("EchoNumbers", [1, 2]),
     ("ImageType", [["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "OTHER"]])],
)  # fmt: skip
def test_times_in_one_series_that_suit_equally_are_asked_about_and_can_be_chosen(tmp_path, keyword, values):
    message = refusal(parted(tmp_path, keyword, values))
    assert "3.1 (coronal T1, 8 slices); 3.2 (coronal T1, 8 slices)" in message and "--series 3.1" in message
    assert "3.1" in refusal(tmp_path, series="3")
    for n in (0, 1):
        np.testing.assert_array_equal(read_study(tmp_path, f"3.{n + 1}").volume.array, pixels() + n)


def test_a_file_of_an_echo_stands_for_its_echo(tmp_path):
    uid = generate_uid()
    for n in (0, 1):
        made = make_series(pixels() + np.uint16(n), SeriesInstanceUID=uid, SeriesNumber=3, EchoNumbers=n)
        for k, header in enumerate(made):
            header.save_as(tmp_path / f"{n}-{k}.dcm", enforce_file_format=True)
    assert read_study(tmp_path / "1-3.dcm").volume.array[0, 0, 0] == 1


def two_stacks(folder):
    positions = [*np.arange(10) * 5.0, *(150 + np.arange(10) * 5.0)]
    return write(folder, make_series(pixels(20, 20, 24), positions_mm=positions))


def test_two_stacks_are_called_two_stacks_and_can_be_chosen(tmp_path):
    message = refusal(two_stacks(tmp_path))
    assert "missing" not in message and "stacks" in message and "3.2 (coronal T1, 10 slices)" in message
    assert read_study(tmp_path, "3.2").volume.array.shape[0] == 10


def test_two_stacks_beside_each_other_can_be_chosen(tmp_path):
    uid = generate_uid()
    for n in (0, 1):
        made = make_series(pixels() + np.uint16(n), SeriesInstanceUID=uid)
        for header in made:
            x, y, z = header.ImagePositionPatient
            header.ImagePositionPatient = [x + 100 * n, y, z]
        write(tmp_path / str(n), made)
    assert "3.1 (coronal T1, 8 slices); 3.2 (coronal T1, 8 slices)" in refusal(tmp_path)
    assert read_study(tmp_path, "3.2").volume.array[0, 0, 0] == 1


@pytest.mark.parametrize(("keyword", "macro"), [("TemporalPositionIndex", "FrameContentSequence"),
                                                ("StackID", "FrameContentSequence"),
                                                ("EffectiveEchoTime", "MREchoSequence")])  # fmt: skip
def test_times_stacks_and_echoes_of_one_enhanced_object_can_be_chosen(tmp_path, keyword, macro):
    (header,) = make_enhanced(np.concatenate([pixels(8), pixels(8) + np.uint16(7)])[::-1])
    del header.SharedFunctionalGroupsSequence[0].MREchoSequence
    for n, frame in enumerate(header.PerFrameFunctionalGroupsSequence):
        telling, place = Dataset(), Dataset()
        setattr(telling, keyword, str(n // 8 + 1) if keyword == "StackID" else n // 8 + 1)
        place.ImagePositionPatient = [-90.0, -80.0 + 5 * (n % 8), 70.0]
        frame.PlanePositionSequence = [place]
        setattr(frame, macro, [telling])
        del frame.PixelValueTransformationSequence
    write(tmp_path, [header])
    assert "3.1" in refusal(tmp_path) and "--series" in refusal(tmp_path)
    for n in (0, 1):
        np.testing.assert_array_equal(read_study(tmp_path, f"3.{n + 1}").volume.array, pixels(8) + 7 * n)


def test_a_series_of_another_patient_that_cannot_be_used_is_named_as_one(tmp_path):
    write(tmp_path / "a", make_series())
    write(tmp_path / "b", other_patient(SeriesNumber=9, positions_mm=[0, 5, 10, 15, 25, 30, 35, 40]))
    assert "9 (T1, 8 slices), of another patient, not usable" in read_study(tmp_path).notices[0].message


def test_slices_whose_numbers_are_missing_are_missing_slices(tmp_path):
    datasets = make_series(pixels(20, 20, 24))
    assert "In series 3 4 slices are missing" in refusal(write(tmp_path, datasets[:10] + datasets[14:]))


def test_two_orientations_of_whole_stacks_can_be_chosen(tmp_path):
    uid = generate_uid()
    write(tmp_path / "a", make_series(SeriesInstanceUID=uid))
    write(tmp_path / "b", make_series(orientation=AXIAL, SeriesInstanceUID=uid))
    study = read_study(tmp_path)
    assert study.source["plane"] == "coronal" and "3.2 (axial T1, 8 slices)" in study.notices[0].message


def test_a_pet_series_is_called_one(tmp_path):
    write(tmp_path, make_series(Modality="PT", SOPClassUID=PositronEmissionTomographyImageStorage))
    assert "a PET image (PT)" in refusal(tmp_path)


def test_a_pet_series_does_not_hide_the_mr(tmp_path):
    write(tmp_path / "a", make_series(Modality="PT", SeriesNumber=1))
    write(tmp_path / "b", make_series())
    study = read_study(tmp_path)
    assert study.source["modality"] == "MR" and "not usable" in study.notices[0].message


def test_a_folder_of_the_list_is_read_without_the_folders_below(tmp_path):
    write(tmp_path, make_series(orientation=AXIAL))
    write(tmp_path / "another patient", other_patient())
    study = read_study(tmp_path, below=False)
    assert study.source["plane"] == "axial" and study.patient["id"] == "4711"


def test_the_index_of_a_disc_is_called_one(tmp_path):
    header = make_series()[0]
    header.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    directory = dcmread(tmp_path / "DICOMDIR")
    directory.file_meta.MediaStorageSOPClassUID = directory.SOPClassUID = "1.2.840.10008.1.3.10"
    directory.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    assert "index of a disc" in refusal(tmp_path / "DICOMDIR")
    write(tmp_path / "IMAGES", make_series())
    assert read_study(tmp_path).notices == ()
