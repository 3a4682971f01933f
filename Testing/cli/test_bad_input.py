"""Bad input through the command line: exit code 2, one sentence, nothing left behind.

The sentences themselves are tested in Testing/imaging; here it is enough that they name what is wrong."""

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from ONFHAssistLib import cli

NOISE = np.random.default_rng(11).normal(100, 20, (6, 16, 20)).astype(np.float32)


def write_image(path: Path, array: np.ndarray = NOISE, vector: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    return path


def write_dicom(
    folder: Path, positions_mm: list[float], orientation=(1, 0, 0, 0, 0, -1), uid: str | None = None
) -> Path:
    """One coronal MR slice for each position."""
    folder.mkdir(exist_ok=True)
    uid = uid or generate_uid()
    for number, position in enumerate(positions_mm):
        slice_ = pydicom.Dataset()
        slice_.file_meta = FileMetaDataset()
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_.SOPClassUID = slice_.file_meta.MediaStorageSOPClassUID = MRImageStorage
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        slice_.Modality, slice_.SeriesInstanceUID, slice_.SeriesNumber = "MR", uid, 4
        slice_.PatientName, slice_.PatientID = "Doe^Jane", "HOSP-4711"
        slice_.Rows, slice_.Columns, slice_.SamplesPerPixel = 16, 20, 1
        slice_.PhotometricInterpretation = "MONOCHROME2"
        slice_.BitsAllocated = slice_.BitsStored = 16
        slice_.HighBit, slice_.PixelRepresentation = 15, 0
        slice_.ImageOrientationPatient = list(orientation)
        slice_.ImagePositionPatient = [float(x) for x in np.cross(orientation[:3], orientation[3:]) * position]
        slice_.PixelSpacing = [1.0, 1.0]
        slice_.PixelData = np.random.default_rng(number).integers(0, 999, (16, 20)).astype("<u2").tobytes()
        name = f"{len(list(folder.iterdir())):03}.dcm"
        pydicom.dcmwrite(folder / name, slice_, enforce_file_format=True)
    return folder


def with_header(path: Path, offset: int, form: str, *values: float) -> Path:
    """Overwrite a field of a NIfTI header."""
    content = bytearray(write_image(path).read_bytes())
    struct.pack_into(form, content, offset, *values)
    path.write_bytes(content)
    return path


def missing(folder: Path) -> Path:
    return folder / "nowhere.nii.gz"


def empty_file(folder: Path) -> Path:
    (folder / "empty.nii.gz").touch()
    return folder / "empty.nii.gz"


def empty_folder(folder: Path) -> Path:
    return folder


def text_as_nifti(folder: Path) -> Path:
    (folder / "text.nii.gz").write_text("This is a letter, not an image.\n" * 40)
    return folder / "text.nii.gz"


def text_file(folder: Path) -> Path:
    (folder / "letter.txt").write_text("Dear colleague\n")
    return folder / "letter.txt"


def truncated_nifti(folder: Path) -> Path:
    path = write_image(folder / "cut.nii")
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def truncated_gzip(folder: Path) -> Path:
    path = write_image(folder / "cut.nii.gz")
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def truncated_nrrd(folder: Path) -> Path:
    path = write_image(folder / "cut.nrrd")
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def truncated_metaimage(folder: Path) -> Path:
    path = write_image(folder / "cut.mha")
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def two_dimensions(folder: Path) -> Path:
    return write_image(folder / "flat.nii.gz", NOISE[0])


def four_dimensions(folder: Path) -> Path:
    path = folder / "series.nii.gz"
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(NOISE)] * 3), str(path))
    return path


def colour(folder: Path) -> Path:
    return write_image(folder / "colour.nii.gz", np.zeros((6, 16, 20, 3), np.uint8) + 7, vector=True)


def zero_spacing(folder: Path) -> Path:
    return with_header(folder / "zero.nii", 76 + 8, "<f", 0.0)


def nan_spacing(folder: Path) -> Path:
    return with_header(folder / "nan.nii", 76 + 8, "<f", float("nan"))


def nan_voxels(folder: Path) -> Path:
    array = NOISE.copy()
    array[2, 3, 4] = np.nan
    return write_image(folder / "holes.nii.gz", array)


def one_value(folder: Path) -> Path:
    return write_image(folder / "grey.nii.gz", np.full_like(NOISE, 5))


def one_slice(folder: Path) -> Path:
    return write_image(folder / "slice.nii.gz", NOISE[:1])


def one_dicom_slice(folder: Path) -> Path:
    return write_dicom(folder / "dicom", [0])


def missing_slice(folder: Path) -> Path:
    return write_dicom(folder / "dicom", [0, 5, 10, 20, 25, 30])


def doubled_positions(folder: Path) -> Path:
    return write_dicom(folder / "dicom", [0, 5, 5, 10, 15, 20])


def mixed_orientations(folder: Path) -> Path:
    uid = generate_uid()
    write_dicom(folder / "dicom", [0, 5, 10], uid=uid)
    return write_dicom(folder / "dicom", [0, 5, 10], orientation=(1, 0, 0, 0, 1, 0), uid=uid)


def truncated_dicom(folder: Path) -> Path:
    write_dicom(folder / "dicom", [0, 5, 10, 15])
    path = folder / "dicom" / "002.dcm"
    path.write_bytes(path.read_bytes()[:-300])
    return folder / "dicom"


def folder_without_images(folder: Path) -> Path:
    (folder / "notes.txt").write_text("nothing to see")
    return folder


CASES = {
    missing: "does not exist",
    empty_file: "is an empty file",
    empty_folder: "is an empty folder",
    text_as_nifti: "export it again",
    text_file: "is not a DICOM file",
    truncated_nifti: "cut off",
    truncated_gzip: "damaged",
    truncated_nrrd: "cut off",
    truncated_metaimage: "cut off",
    two_dimensions: "2D image",
    four_dimensions: "4 dimensions",
    colour: "colour",
    zero_spacing: "spacing",
    nan_spacing: "spacing",
    nan_voxels: "not a number",
    one_value: "same value in every voxel",
    one_slice: "one slice only",
    one_dicom_slice: "one slice only",
    missing_slice: "missing",
    doubled_positions: "doubled",
    mixed_orientations: "mixed",
    truncated_dicom: "cannot be decoded",
    folder_without_images: "no DICOM image",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(place: Path, given: Path, part: str, capfd, *options: str) -> None:
    before = content(place)
    code = cli.main(["grade", str(given), "--out", str(place / "reports" / "out"), *options])
    captured = capfd.readouterr()
    assert code == 2
    assert captured.err.startswith("onfh-assist: ") and part in captured.err, captured.err
    assert captured.err.count("\n") == 1 and captured.out == ""
    assert "Traceback" not in captured.err and "Doe" not in captured.err
    assert content(place) == before and not (place / "reports").exists()


@pytest.mark.parametrize(("make", "part"), CASES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_bad_input_is_refused_with_one_sentence_and_leaves_nothing(make, part, place, analysis, capfd):
    assert_refused(place, make(place / "in"), part, capfd)
    assert not analysis


def test_a_series_that_is_not_there_is_refused_and_those_there_are_listed(place, analysis, capfd):
    folder = write_dicom(place / "in" / "dicom", [0, 5, 10, 15, 20])
    assert_refused(place, folder, "No series matches 'T9'; there are 4 (", capfd, "--series", "T9")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may read every file")
def test_an_unreadable_file_is_refused(place, analysis, capfd):
    path = write_image(place / "in" / "locked.nii.gz")
    path.chmod(0)
    assert cli.main(["grade", str(path), "--out", str(place / "out")]) == 2
    assert "permission denied" in capfd.readouterr().err


@pytest.mark.parametrize("path", ["a" * 5000, "/".join(["a" * 200] * 30), "a\0b", "fifo", "file/below", "loop"])
@pytest.mark.parametrize(
    "command",
    [
        ["grade", "PATH"],
        ["grade", "PATH", "--system", "steinberg-t1"],
        ["models", "install", "PATH"],
        ["models", "use", "PATH"],
        ["data", "status", "PATH"],
        ["data", "export", "PATH", "--out", "PATH"],
        ["data", "export", "PATH", "--out", "new", "--lock", "PATH"],
    ],
    ids=" ".join,
)
def test_a_path_that_can_be_none_is_a_sentence_in_every_command(tmp_path, monkeypatch, capfd, analysis, command, path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "file").write_text("mine")
    if os.name == "posix":
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    assert cli.main([path if word == "PATH" else word for word in command]) == 2
    captured = capfd.readouterr()
    assert captured.err.count("\n") == 1 and captured.out == "" and len(captured.err) < 2100
    assert sorted(tmp_path.iterdir()) == before and not analysis


def test_what_the_system_refuses_is_a_sentence_wherever_it_is_met(monkeypatch, capfd):
    def locked(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/data/models")

    monkeypatch.setattr("ONFHAssistLib.models.installed.models", locked)
    assert cli.main(["models", "list"]) == 2
    assert "/data/models can't be used (Permission denied); check" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["masks.nii.gz", "report.html"])
def test_a_disk_that_fills_up_while_writing_leaves_nothing_half_written(place, analysis, capfd, monkeypatch, name):
    """The write of one file fails as a full disk makes it fail; those before it were written."""
    from ONFHAssistLib.exchange import write

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    publish = write.publish
    monkeypatch.setattr(write, "publish", lambda folder, writers, **kw: publish(folder, {**writers, name: full}, **kw))
    assert_refused(place, write_image(place / "in" / "hips.nii.gz"), "the disk is full", capfd)


def test_an_earlier_report_survives_a_disk_that_fills_up(place, analysis, capfd, monkeypatch):
    from ONFHAssistLib.exchange import write

    out = place / "out"
    arguments = ["grade", str(write_image(place / "in" / "hips.nii.gz")), "--out", str(out)]
    assert cli.main(arguments) == 0
    before = content(place)

    def full(path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    publish = write.publish
    monkeypatch.setattr(
        write, "publish", lambda folder, writers, **kw: publish(folder, {**writers, "slices.csv": full}, **kw)
    )
    assert cli.main(arguments) == 2
    assert content(place) == before


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("Exception: std::bad_alloc")], ids=["Python", "C++"])
def test_memory_that_runs_out_is_told_with_its_remedy(place, capfd, monkeypatch, error):
    from ONFHAssistLib import analysis

    def full(*given, **options):
        raise error

    monkeypatch.setattr(analysis, "analyse", full)
    part = "memory of this computer did not suffice; close other programs or crop the image"
    assert_refused(place, write_image(place / "in" / "hips.nii.gz"), part, capfd)
