"""Single DICOM files as hospitals have them: odd pixels, odd headers, strangers beside a sound series."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from dicom_files import AXIAL, make_ct, make_enhanced, make_series, pixels, write
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    RLELossless,
    RTDoseStorage,
    generate_uid,
)

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.imaging.studies import find_studies
from ONFHAssistLib.web.reading import read_checked


def refusal(path: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_study(path, **options)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and len(message) < 400 + len(str(path))
    return message


@pytest.mark.parametrize("top", [65535, 4095, 20000])
def test_an_image_with_white_for_low_values_reads_like_the_original(tmp_path, top):
    array = pixels() % 4000
    plain = read_study(write(tmp_path / "plain", make_series(array)))
    tags = {"PhotometricInterpretation": "MONOCHROME1"}
    study = read_study(write(tmp_path / "inverted", make_series((top - array).astype(np.uint16), **tags)))
    np.testing.assert_array_equal(study.volume.array, plain.volume.array)
    assert study.volume.array.dtype == plain.volume.array.dtype


def test_hounsfield_units_are_kept_however_they_are_to_be_shown(tmp_path):
    study = read_study(write(tmp_path, make_ct(PhotometricInterpretation="MONOCHROME1")))
    np.testing.assert_array_equal(study.volume.array, pixels().astype(int) - 1024)


def test_float_pixels_are_kept(tmp_path):
    array = (pixels() / 7 - 2000).astype(np.float32)
    datasets = make_series()
    for header, plane in zip(datasets, array, strict=True):
        del header.PixelData, header.BitsStored, header.HighBit, header.PixelRepresentation
        header.BitsAllocated, header.FloatPixelData = 32, plane.tobytes()
    np.testing.assert_array_equal(read_study(write(tmp_path, datasets)).volume.array, array)


@pytest.mark.parametrize(("kind", "offset"), [(np.uint32, 0), (np.int32, -70000), (np.uint32, 3_000_000_000)])
def test_pixels_of_32_bits_are_kept(tmp_path, kind, offset):
    array = (pixels().astype(np.int64) * 100 + offset).astype(kind)
    datasets = make_series()
    for header, plane in zip(datasets, array, strict=True):
        header.BitsAllocated = header.BitsStored = 32
        header.HighBit, header.PixelRepresentation = 31, int(kind is np.int32)
        header.PixelData = plane.tobytes()
    np.testing.assert_allclose(read_study(write(tmp_path, datasets)).volume.array, array.astype(float), rtol=1e-7)


def lossless_jpeg(folder, plane):
    import SimpleITK as sitk

    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(folder / "raw.dcm"))
    writer.Execute(sitk.GetImageFromArray(plane[None]))
    return dcmread(folder / "raw.dcm").PixelData


def test_each_frame_of_lossless_jpeg_has_its_own_slope(tmp_path):
    from pydicom.encaps import encapsulate, generate_frames

    (header,) = make_enhanced()
    coded = [next(generate_frames(lossless_jpeg(tmp_path, p), number_of_frames=1)) for p in pixels()[::-1]]
    for n, frame in enumerate(header.PerFrameFunctionalGroupsSequence):
        frame.PixelValueTransformationSequence[0].RescaleSlope = n + 1.5
    plain = read_study(write(tmp_path / "plain", [header]))
    header.PixelData = encapsulate(coded)
    header["PixelData"].is_undefined_length = True
    header.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    study = read_study(write(tmp_path / "jpeg", [header]))
    np.testing.assert_allclose(study.volume.array, plain.volume.array)


def replaced(folder, old, new, name="3-0.dcm"):
    file = folder / name
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new))
    return folder


@pytest.mark.parametrize("bad", [b"777,125", b"7x7.125"])
def test_a_number_that_is_none_in_a_tag_that_decides_nothing_is_passed_over(tmp_path, bad):
    folder = replaced(write(tmp_path, make_series(RepetitionTime=777.125)), b"777.125", bad)
    study = read_study(folder)
    np.testing.assert_array_equal(study.volume.array, pixels())
    assert study.source["sequence"] == "T1"


def test_a_number_that_is_none_in_the_geometry_is_refused_and_the_tag_named(tmp_path):
    folder = replaced(write(tmp_path, make_series(spacing=(0.75, 1.25, 5.0))), b"1.25\\0.75", b"1,25\\0,75")
    message = refusal(folder)
    assert "damaged" in message and "PixelSpacing" in message


def dose(folder, **tags):
    header = make_series()[0]
    header.Modality, header.SeriesInstanceUID = "RTDOSE", generate_uid()
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = RTDoseStorage
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    header.save_as(folder / "dose.dcm", enforce_file_format=True)


def bad_frames(folder):
    dose(folder, NumberOfFrames=77)
    replaced(folder, b"77", b"1A", "dose.dcm")


def another_series_with_bad_geometry(folder):
    write(folder, make_series(SeriesNumber=9, spacing=(0.75, 1.25, 5.0))[:1])
    replaced(folder, b"1.25\\0.75", b"1,25\\0,75", "9-0.dcm")


def noise(folder):
    content = np.random.default_rng(1).bytes(5000)
    (folder / "bad.dcm").write_bytes(bytes(128) + b"DICM" + content)


def no_dicom(folder):
    (folder / "bad.dcm").write_bytes(b"not an image at all")


def empty(folder):
    (folder / "bad.dcm").write_bytes(b"")


def empty_without_suffix(folder):
    (folder / "IM9").write_bytes(b"")


@pytest.mark.parametrize(
    "stranger", [empty_without_suffix, bad_frames, another_series_with_bad_geometry, noise, no_dicom, empty]
)
def test_a_bad_stranger_does_not_stop_a_sound_series_and_is_named(tmp_path, stranger):
    folder = write(tmp_path, make_series())
    stranger(folder)
    for path in (folder, folder / "3-2.dcm"):
        study = read_study(path)
        np.testing.assert_array_equal(study.volume.array, pixels())
        if path == folder or stranger is not another_series_with_bad_geometry:
            (notice,) = study.notices
            assert notice.code == "files-passed-over"
            assert any(name in notice.message for name in ("dose.dcm", "bad.dcm", "9-0.dcm", "IM9"))


def test_a_bad_slice_is_not_passed_over(tmp_path):
    folder = write(tmp_path, make_series(spacing=(0.75, 1.25, 5.0)), shuffle=False)
    assert "3-7.dcm" in refusal(replaced(folder, b"1.25\\0.75", b"1,25\\0,75", "3-7.dcm"))


def test_a_bad_series_is_refused_by_its_own_file_and_not_by_another(tmp_path):
    write(tmp_path, make_series())
    another_series_with_bad_geometry(tmp_path)
    assert "9-0.dcm" in refusal(tmp_path / "9-0.dcm")


def without_preamble(folder, implicit):
    for n, header in enumerate(make_series()):
        if implicit:
            header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        header.save_as(folder / f"{n}.dcm", enforce_file_format=True)
        content = (folder / f"{n}.dcm").read_bytes()
        (folder / f"{n}.dcm").write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
    return folder


@pytest.mark.parametrize("suffix", [".dcm", ""])
@pytest.mark.parametrize("implicit", [False, True])
def test_files_without_preamble_are_read_and_listed(tmp_path, implicit, suffix):
    folder = without_preamble(tmp_path, implicit)
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(suffix))
    np.testing.assert_array_equal(read_study(folder).volume.array, pixels())
    (entry,) = find_studies(folder)
    assert entry.path == folder and entry.problem == ""


def of_unknown_compression(**tags):
    datasets = make_series(**tags)
    for header in datasets:
        header.compress(RLELossless)
        header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.92"
    return datasets


def test_an_unknown_compression_is_named(tmp_path):
    message = refusal(write(tmp_path, of_unknown_compression()))
    assert "compression JPEG 2000 Part 2" in message and "is not read here" in message


def test_a_series_of_unknown_compression_does_not_hide_a_good_one(tmp_path):
    write(tmp_path, of_unknown_compression(SeriesNumber=1))
    write(tmp_path, make_series(SeriesNumber=2))
    assert read_study(tmp_path).notices[0].message.startswith("Series 2 ")


def test_a_deflated_file_is_read(tmp_path):
    datasets = make_series()
    for header in datasets:
        header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    np.testing.assert_array_equal(read_study(write(tmp_path, datasets)).volume.array, pixels())


def test_a_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ONFHAssistLib.imaging.dicom_header.MAX_UNPACKED_BYTES", 1 << 22)
    header = make_series()[0]
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    content = (tmp_path / "a.dcm").read_bytes()
    start = content[: 144 + int.from_bytes(content[140:144], "little")]
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = pack.compress(b"\x09\x00\x10\x00OB\x00\x00\x00\x00\x00\x01" + bytes(1 << 24)) + pack.flush()
    (tmp_path / "a.dcm").write_bytes(start + packed)
    assert "unpacks to more" in refusal(tmp_path / "a.dcm")


def test_the_list_does_not_take_junk_or_the_index_of_a_disc_for_a_study(tmp_path):
    (tmp_path / "junk.dcm").write_bytes(b"not an image at all")
    (tmp_path / "disc").mkdir()
    (tmp_path / "disc" / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(8))
    write(tmp_path / "disc" / "images", make_series())
    found = {entry.title: entry.problem for entry in find_studies(tmp_path)}
    assert list(found) == ["disc/images", "junk.dcm"] and "not an image" in found["junk.dcm"]


def test_an_entry_of_the_list_opens_no_images_of_another_patient_below_it(tmp_path):
    write(tmp_path, make_series(pixels(8, 64, 72), AXIAL, (1, 1, 6)))
    write(tmp_path / "b", make_series(spacing=(1, 1, 6), PatientName="Roe^Richard", PatientID="0815"))
    opened = {entry.path: read_checked(entry.path).patient["id"] for entry in find_studies(tmp_path)}
    assert opened == {tmp_path: "4711", tmp_path / "b": "0815"}


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_lossless_jpeg_that_was_cut_off_is_refused_and_not_filled_up(tmp_path, kept):
    from pydicom.encaps import encapsulate, generate_frames

    datasets = make_series()
    for n, header in enumerate(datasets):
        coded = next(generate_frames(lossless_jpeg(tmp_path, pixels()[n]), number_of_frames=1))
        header.PixelData = encapsulate([coded[: int(len(coded) * (kept if n == 4 else 1))]])
        header["PixelData"].is_undefined_length = True
        header.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    assert "cannot be decoded" in refusal(write(tmp_path / "series", datasets))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on Windows")
def test_a_pipe_beside_the_files_does_not_hang(tmp_path):
    folder = write(tmp_path, make_series())
    os.mkfifo(folder / "0.dcm")
    np.testing.assert_array_equal(read_study(folder).volume.array, pixels())
    assert [entry.problem for entry in find_studies(folder)].count("") == 1


def test_images_in_a_hidden_bin_are_not_graded_instead(tmp_path):
    folder = write(tmp_path, make_series())
    write(tmp_path / ".Trash-1000", make_series(pixels()[::-1], SeriesNumber=1))
    seen = read_study(folder)
    np.testing.assert_array_equal(seen.volume.array, pixels())
    assert seen.notices == ()
    np.testing.assert_array_equal(read_study(tmp_path / ".Trash-1000").volume.array, pixels()[::-1])


@pytest.mark.parametrize(("stored", "signed"), [(16, 0), (12, 1)])
def test_bright_padding_beside_the_image_is_made_dark(tmp_path, stored, signed):
    array = pixels(8, 16, 18) % 1000
    padding = 2 ** (stored - signed) - 1
    array[:, :, :3] = padding
    datasets = make_series(array, PixelPaddingValue=padding, PixelRepresentation=signed)
    for header in datasets:
        header.BitsStored, header.HighBit = stored, stored - 1
    seen = read_study(write(tmp_path, datasets)).volume.array
    np.testing.assert_array_equal(seen[:, :, 3:], array[:, :, 3:])
    assert (seen[:, :, :3] == array[:, :, 3:].min(axis=(1, 2), keepdims=True)).all()


def test_padding_that_is_dark_already_is_left_alone(tmp_path):
    array = pixels()
    array[:, :, :3] = 0
    seen = read_study(write(tmp_path, make_series(array, PixelPaddingValue=0))).volume.array
    np.testing.assert_array_equal(seen, array)


def test_values_in_the_upper_bits_are_not_cut_without_a_word(tmp_path):
    datasets = make_series((pixels() % 4096) << 4, BitsStored=12, HighBit=15)
    assert "upper bits" in refusal(write(tmp_path, datasets))


def test_mosaics_are_not_taken_for_slices(tmp_path):
    datasets = make_series(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    assert "mosaics" in refusal(write(tmp_path, datasets))
