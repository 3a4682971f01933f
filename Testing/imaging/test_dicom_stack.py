"""Each slice's place is checked; what is no part of the stack is left out and named."""

import shutil
import time
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from dicom_files import AXIAL, CORONAL, make_ct, make_enhanced, make_series, pixels, write
from pydicom import Dataset
from pydicom.pixels import iter_pixels
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, SecondaryCaptureImageStorage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging.read import read_study


def refusal(path: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_study(path, **options)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and len(message) < 400 + len(str(path))
    return message


def shifted(datasets, shifts_mm):
    """Move slices along their rows."""
    for header, shift in zip(datasets, shifts_mm, strict=True):
        x, y, z = header.ImagePositionPatient
        header.ImagePositionPatient = [float(x) + shift, y, z]
    return datasets


@pytest.mark.parametrize(
    "shifts_mm",
    [
        [0, 0, 0, 20, 20, 0, 0, 0],
        [0, 0, 0, 0, 0, 20, 20, 20],
        [0, 3, 0, 3, 0, 3, 0, 3],
        [0, 0, 0, 2, 0, 0, 0, 0],
        [0, 1, 2, 3, 4, 3, 2, 1],
    ],
    ids=["block", "end", "zigzag", "one", "tent"],
)
def test_slices_beside_the_others_are_refused(tmp_path, shifts_mm):
    assert "not a straight stack" in refusal(write(tmp_path, shifted(make_series(), shifts_mm)))


def test_slices_that_wander_from_their_places_are_refused(tmp_path):
    gaps = [0, *[5.4] * 7, *[5] * 5, *[4.6] * 7]
    assert "uneven" in refusal(write(tmp_path, make_series(pixels(20, 20, 24), positions_mm=np.cumsum(gaps))))


def test_rounded_positions_are_read(tmp_path):
    positions = np.round(np.arange(8) * 5.0333, 1)
    read_study(write(tmp_path, shifted(make_series(positions_mm=positions), [0.1, 0, 0, 0.1, 0, 0.1, 0, 0])))


@pytest.mark.parametrize(
    "orientation", [(2, 0, 0, 0, 0, -2), (1, 0, 0, 1, 0, 0), (1, 0, 0, 0.2, 0, -0.98)], ids=["long", "flat", "skew"]
)
def test_directions_that_are_none_are_refused(tmp_path, orientation):
    datasets = make_series()
    for header in datasets:
        header.ImageOrientationPatient = list(orientation)
    assert "export it again" in refusal(write(tmp_path, datasets))


def scout(uid, **tags):
    (header,) = make_series(pixels(1, 40, 30) * 3 + 9, **{"SeriesInstanceUID": uid, "Modality": "CT"} | tags)
    return header


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "orientation": CORONAL},
        {"orientation": CORONAL},
        {"SOPClassUID": SecondaryCaptureImageStorage, "orientation": AXIAL},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"], "orientation": AXIAL},
        {"Modality": "OT", "orientation": CORONAL},
    ],
    ids=["scout", "scout by its direction", "capture", "screen save", "other modality"],
)
def test_a_scout_or_a_saved_screen_inside_a_series_is_left_out_and_named(tmp_path, tags):
    datasets = make_ct()
    one = scout(datasets[0].SeriesInstanceUID, **tags)
    write(tmp_path, datasets)
    one.save_as(tmp_path / "scout.dcm", enforce_file_format=True)
    study = read_study(tmp_path)
    np.testing.assert_array_equal(study.volume.array, pixels().astype(int) - 1024)
    (notice,) = study.notices
    assert notice.code == "strangers-left-out" and "scout.dcm" in notice.message


def test_a_saved_screen_in_colour_without_a_place_is_left_out_and_named(tmp_path):
    datasets = make_series()
    one = scout(datasets[0].SeriesInstanceUID, SamplesPerPixel=3, PhotometricInterpretation="RGB", BitsAllocated=8)
    del one.ImagePositionPatient, one.ImageOrientationPatient, one.PixelSpacing
    write(tmp_path, datasets)
    one.save_as(tmp_path / "Doe_Jane.dcm", enforce_file_format=True)
    (notice,) = read_study(tmp_path).notices
    assert notice.code == "strangers-left-out" and "Doe" not in notice.message


def test_a_last_slice_of_another_size_is_not_left_out(tmp_path):
    datasets = make_series()
    last = make_series(pixels(1, 32, 36), positions_mm=[40], SeriesInstanceUID=datasets[0].SeriesInstanceUID)
    assert "different size" in refusal(write(tmp_path, datasets + last))


def test_exact_copies_of_files_are_left_out_and_named(tmp_path):
    folder = write(tmp_path, make_series())
    for n in (2, 5):
        shutil.copy(folder / f"3-{n}.dcm", folder / f"copy of 3-{n}.dcm")
    study = read_study(folder)
    np.testing.assert_array_equal(study.volume.array, pixels())
    (notice,) = study.notices
    assert notice.code == "copies-left-out" and "2 files" in notice.message and "copy of 3-5.dcm" in notice.message


def test_a_whole_enhanced_object_that_was_copied_is_read_once(tmp_path):
    folder = write(tmp_path, make_enhanced())
    (path,) = folder.iterdir()
    shutil.copy(path, folder / "copy.dcm")
    study = read_study(folder)
    assert study.volume.array.shape[0] == 8 and study.notices[0].code == "copies-left-out"


def test_an_image_of_the_same_place_with_other_pixels_is_no_copy(tmp_path):
    datasets = make_series()
    datasets[3].PixelData = datasets[2].PixelData
    datasets[3].ImagePositionPatient = datasets[4].ImagePositionPatient
    assert "1 doubled slice positions" in refusal(write(tmp_path, datasets))


def enhanced_in_parts(cuts=(0, 5, 8)):
    (whole,) = make_enhanced()
    stored = pixels()[::-1]
    parts = []
    for n, (a, b) in enumerate(pairwise(cuts)):
        part = deepcopy(whole)
        part.SOPInstanceUID = part.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{n}"
        part.PerFrameFunctionalGroupsSequence = whole.PerFrameFunctionalGroupsSequence[a:b]
        part.NumberOfFrames, part.PixelData = b - a, stored[a:b].tobytes()
        part.ConcatenationUID, part.InConcatenationNumber, part.InConcatenationTotalNumber = (
            "1.2.3",
            n + 1,
            len(cuts) - 1,
        )
        parts.append(part)
    return parts


def test_the_parts_of_a_concatenation_are_joined(tmp_path):
    whole = read_study(write(tmp_path / "whole", make_enhanced()))
    folder = write(tmp_path / "parts", enhanced_in_parts())
    for path in (folder, folder / "3-0.dcm"):
        study = read_study(path)
        np.testing.assert_array_equal(study.volume.array, whole.volume.array)
        np.testing.assert_allclose(study.volume.ijk_to_ras, whole.volume.ijk_to_ras)


def test_a_part_of_a_concatenation_is_not_read_as_the_whole(tmp_path):
    folder = write(tmp_path, enhanced_in_parts()[:1])
    for path in (folder, folder / "3-0.dcm"):
        assert "1 of 2 parts are there" in refusal(path)


def test_private_sequences_do_not_override_the_geometry(tmp_path):
    plain = read_study(write(tmp_path / "plain", make_enhanced()))
    (header,) = make_enhanced()
    for frame in header.PerFrameFunctionalGroupsSequence:
        private = Dataset()
        private.PixelSpacing, private.RescaleSlope, private.RescaleIntercept = [3.0, 3.0], 7, 7
        private.ImagePositionPatient = [0.0, 0.0, 0.0]
        frame.add_new(0x00210010, "LO", "A SCANNER")
        frame.add_new(0x00211001, "SQ", [private])
        items = sorted(frame, key=lambda e: not e.tag.is_private)
        frame.clear()
        for element in items:
            frame.add(element)
    study = read_study(write(tmp_path / "private", [header]))
    np.testing.assert_allclose(study.volume.ijk_to_ras, plain.volume.ijk_to_ras)
    np.testing.assert_array_equal(study.volume.array, plain.volume.array)


def test_frames_that_are_declared_but_not_described_are_refused(tmp_path):
    (header,) = make_enhanced()
    header.PerFrameFunctionalGroupsSequence = header.PerFrameFunctionalGroupsSequence[:6]
    assert "declares 8 frames and describes 6" in refusal(write(tmp_path, [header]))


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"NumberOfFrames": 3_000_000}, "frames"),
        ({"NumberOfFrames": 9_000}, "cannot be decoded"),
        ({"NumberOfFrames": -4}, "frames"),
        ({"Rows": 65535, "Columns": 65535}, "voxels"),
        ({"Rows": 0}, "voxels"),
        ({"Rows": 4000, "Columns": 4000}, "cannot be decoded"),
        ({"PixelSpacing": [1e-9, 1e-9]}, "no scanner writes"),
        ({"PixelSpacing": [1e30, 1e30]}, "no scanner writes"),
        ({"PixelSpacing": [60, 60]}, "more than a body"),
        ({"ImagePositionPatient": [1e30, 0, 0]}, "no scanner writes"),
        ({"RescaleSlope": 0}, "zero"),
    ],
    ids=str,
)
def test_numbers_that_no_scanner_writes_are_refused_at_once(tmp_path, tags, words):
    folder = write(tmp_path, make_series(**tags))
    started = time.monotonic()
    assert words in refusal(folder)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_compressed_stream_that_declares_another_size_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, syntax):
    datasets = make_series()
    for header in datasets:
        header.compress(syntax)
    folder = write(tmp_path, datasets)
    path = folder / "3-2.dcm"
    content = bytearray(path.read_bytes())
    if syntax == JPEG2000Lossless:
        at = content.index(b"\xff\x4f\xff\x51")
        content[at + 8 : at + 16] = (60000).to_bytes(4, "big") * 2
        content[at + 24 : at + 32] = (60000).to_bytes(4, "big") * 2
    else:
        at = content.index(b"\xff\xd8\xff\xf7")
        content[at + 7 : at + 11] = (60000).to_bytes(2, "big") * 2
    path.write_bytes(content)
    unpacked = []

    def decode(dataset, **options):
        unpacked.append(dataset)
        return iter_pixels(dataset, **options)

    monkeypatch.setattr("ONFHAssistLib.imaging.dicom_pixels.iter_pixels", decode)
    assert "cannot be decoded" in refusal(path)
    read_before = unpacked.copy()
    path.unlink()
    read_study(write(tmp_path / "sound", datasets))
    assert len(read_before) < len(datasets) < len(unpacked)
