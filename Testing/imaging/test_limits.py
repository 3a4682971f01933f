"""Files that declare what no scanner makes: a sentence at once, in little memory."""

import gzip
import os
import struct
import time
import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.imaging import apart
from ONFHAssistLib.imaging import read as reading
from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.imaging.studies import find_studies

NOISE = np.random.default_rng(0).integers(0, 1000, (6, 20, 24)).astype(np.int16)
NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 24 20 6\nspacings: 1 1 4\nendian: little\nencoding: raw\n"
MHA = "NDims = 3\nDimSize = 24 20 6\nElementSpacing = 1 1 4\nElementType = MET_SHORT\n"


def refusal(path):
    """The sentence; the worklist has the same, and neither takes time or memory."""
    tracemalloc.start()
    started = time.monotonic()
    try:
        with pytest.raises(InputError) as caught:
            read_study(path)
        (entry,) = [e for e in find_studies(path.parent) if e.path == path]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 5 and peak < 50e6
    assert entry.problem.startswith("This is not an image that can be read")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def nifti(path, changes=(), content=NOISE):
    sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(path.parent / "made.nii"))
    raw = bytearray((path.parent / "made.nii").read_bytes())
    (path.parent / "made.nii").unlink()
    for at, layout, *values in changes:
        struct.pack_into(layout, raw, at, *values)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((42, "<3h", 32767, 32767, 32767), "declares 32767 x 32767 x 32767"),
        ((42, "<3h", 2000, 2000, 100), "million"),
        ((80, "<f", 1e30), "spacing"),
        ((80, "<f", 1e-30), "spacing"),
        ((280, "<f", 1e30), "spacing"),
        ((280, "<f", float("nan")), "place|spacing"),
        ((292, "<f", 1e30), "place in space|kilometres"),
        ((108, "<f", 1e20), "place of its voxels"),
        ((108, "<f", -352.0), "place of its voxels"),
        ((42, "<h", -5), "-5 voxels"),
        ((40, "<h", 32767), "damaged|not a NIfTI"),
    ],
)
def test_a_nifti_of_impossible_size_is_refused_before_anything_is_made(tmp_path, ending, change, says):
    path = nifti(tmp_path / f"a.{ending}", [(252, "<2h", 0, 1), change])
    assert any(word in refusal(path) for word in says.split("|"))


def test_a_bomb_costs_what_its_header_may_declare_and_no_more(tmp_path):
    head = nifti(tmp_path / "a.nii").read_bytes()[:352]
    bomb = gzip.compress(head) + 40 * gzip.compress(bytes(2**26), 1)
    (tmp_path / "a.nii").unlink()
    (tmp_path / "bomb.nii.gz").write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(InputError, match="same value"):
        read_study(tmp_path / "bomb.nii.gz")
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["/dev/zero", "../a.raw", "sub/../../a.raw", "a%n%n.raw 1 9 1", "a%03d.raw 0 5 1"])
@pytest.mark.parametrize("kind", ["nhdr", "mhd"])
def test_voxels_elsewhere_or_by_a_pattern_are_not_followed(tmp_path, name, kind):
    path = tmp_path / f"a.{kind}"
    path.write_text(f"{NRRD}data file: {name}\n" if kind == "nhdr" else f"{MHA}ElementDataFile = {name}\n")
    assert "another folder or by a pattern" in refusal(path)


@pytest.mark.parametrize("kind", ["nhdr", "mhd"])
def test_voxels_in_a_pipe_or_a_device_are_not_waited_for(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    path.write_text(f"{NRRD}data file: a.raw\n" if kind == "nhdr" else f"{MHA}ElementDataFile = a.raw\n")
    os.mkfifo(tmp_path / "a.raw")
    with pytest.raises(InputError, match="no regular file"):
        read_study(path)
    os.mkfifo(tmp_path / "b.nii")
    with pytest.raises(InputError, match="no regular file"):
        read_study(tmp_path / "b.nii")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("nrrd", "space directions: " + "x" * 5000),
        ("nrrd", "sizes: " + "9 " * 1000),
        ("nrrd", "spacings: 1e30 1 4"),
        ("nrrd", "sizes: 99999999999999999999 20 6"),
        ("nrrd", "dimension: 99999999"),
        ("mha", "ElementSpacing = 1e308 1 4"),
        ("mha", "TransformMatrix = 1 0 0 1e308 1 0 0 0 1"),
        ("mha", "DimSize = 24 20 99999999999"),
        ("mha", "CompressedData = "),
        ("mha", "NDims = 99999999999999999999"),
        ("mha", "Offset = inf 0 0"),
        ("mha", "HeaderSize = -99"),
    ],
)
def test_a_header_that_overran_or_stalled_a_parser_is_refused(tmp_path, kind, line):
    head, end = (NRRD, "\n") if kind == "nrrd" else (MHA, "ElementDataFile = LOCAL\n")
    key = line.split(":" if kind == "nrrd" else " =")[0]
    kept = "".join(f"{x}\n" for x in head.splitlines() if not x.startswith((f"{key}:", f"{key} =")))
    path = tmp_path / f"a.{kind}"
    path.write_bytes(f"{kept}{line}\n{end}".encode() + NOISE.tobytes())
    refusal(path)


def test_an_image_larger_than_a_body_is_refused(tmp_path):
    """It would make a finder's grid of many gigabytes."""
    path = tmp_path / "a.mha"
    path.write_bytes(MHA.replace("1 1 4", "100 100 400").encode() + b"ElementDataFile = LOCAL\n" + NOISE.tobytes())
    assert "more than a body" in refusal(path)


def test_memory_that_runs_out_is_told_with_its_remedy(tmp_path, monkeypatch):
    path = nifti(tmp_path / "a.nii.gz")

    def full(*given):
        raise MemoryError

    monkeypatch.setattr(reading, "read_voxels", full)
    with pytest.raises(InputError, match=r"memory of this computer does not suffice.*close other programs or crop"):
        read_study(path)


def test_one_bad_file_takes_no_list_down(tmp_path):
    nifti(tmp_path / "good.nii.gz")
    (tmp_path / "x.mhd").write_text(f"{MHA}ElementDataFile = a%n%n%n 1 9 1\n")
    (tmp_path / "y.nhdr").write_text(NRRD + "space directions: " + "x" * 5000 + "\ndata file: y.raw\n")
    (tmp_path / "y.raw").write_bytes(bytes(10))
    problems = {entry.title: bool(entry.problem) for entry in find_studies(tmp_path)}
    assert problems == {"good.nii.gz": False, "x.mhd": True, "y.nhdr": True}


def test_what_itk_decodes_is_decoded_apart_also_where_the_name_is_not_utf8(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(tmp_path / "a.nrrd"))
    strange = tmp_path / os.fsdecode(b"\xfc.nrrd")
    (tmp_path / "a.nrrd").rename(strange)
    np.testing.assert_array_equal(apart.decoded_by_itk(strange, "NrrdImageIO"), NOISE)


def test_what_ends_or_stalls_itk_costs_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "a.nrrd").write_text(NRRD + "space directions: " + "x" * 5000 + "\n\n")
    with pytest.raises(InputError, match="damaged"):
        apart.decoded_by_itk(tmp_path / "a.nrrd", "NrrdImageIO")
    monkeypatch.setattr(apart, "_START", "import time; time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(InputError, match="takes longer"):
        apart.decoded_by_itk(tmp_path / "a.nrrd", "NrrdImageIO", seconds=0.5)
    assert time.monotonic() - started < 5
