"""The reader's list: what is found in a folder, and in which order."""

import gzip
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.results import Grade, HipResult
from ONFHAssistLib.imaging.studies import STATE_FOLDER, find_studies, study_at
from ONFHAssistLib.web.drafts import write
from ONFHAssistLib.web.worklist import (
    Entry,
    HipSummary,
    Row,
    Summary,
    entry_of,
    matching,
    next_unsigned,
    plain_summary,
    read_summary,
    rows,
    studies_in,
    summarise,
    summary_file,
)


def write_summary(state: Path, entry: Entry, summary: Summary) -> None:
    write(summary_file(state, entry), plain_summary(summary))


def image(path: Path, size: tuple[int, ...] = (4, 5, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(np.prod(size), dtype=np.int16).reshape(size)), str(path))
    return path


def dicom(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM" + bytes(8))
    return path


def test_images_and_dicom_folders_are_found_wherever_they_lie(tmp_path: Path):
    image(tmp_path / "b.nii.gz")
    image(tmp_path / "older" / "a.nrrd")
    for n in range(3):
        dicom(tmp_path / "disc" / "series 1" / f"{n:04}")
    found = studies_in(tmp_path)
    assert [entry.title for entry in found] == ["b.nii.gz", "disc/series 1", "older/a.nrrd"]
    assert all(entry.problem == "" for entry in found)


def test_what_cannot_be_read_is_listed_with_its_reason_and_spoils_nothing(tmp_path: Path):
    image(tmp_path / "good.nii.gz")
    image(tmp_path / "flat.mha", (5, 6))
    (tmp_path / "cut.nii.gz").write_bytes((tmp_path / "good.nii.gz").read_bytes()[:20])
    (tmp_path / "letter.pdf").write_text("x")
    problems = {entry.title: entry.problem for entry in studies_in(tmp_path)}
    assert problems["good.nii.gz"] == ""
    assert "not an image" in problems["cut.nii.gz"] and "not an image" in problems["letter.pdf"]
    assert "2D" in problems["flat.mha"]


def test_hidden_files_and_what_the_reviewer_keeps_are_no_studies(tmp_path: Path):
    image(tmp_path / ".hidden.nii.gz")
    image(tmp_path / ".git" / "a.nii.gz")
    image(tmp_path / STATE_FOLDER / "k" / "a.nii.gz")
    assert studies_in(tmp_path) == []


@pytest.mark.parametrize(("name", "says"), [("missing", "does not exist"), ("file.nii.gz", "is a file")])
def test_a_folder_that_is_none_is_named(tmp_path: Path, name: str, says: str):
    image(tmp_path / "file.nii.gz")
    with pytest.raises(InputError, match=says):
        find_studies(tmp_path / name)


def test_one_file_alone_can_be_reviewed(tmp_path: Path):
    assert studies_in(image(tmp_path / "a.nii.gz"))[0].title == "a.nii.gz"
    with pytest.raises(InputError, match="does not exist"):
        study_at(tmp_path / "b.nii.gz")


def test_no_name_of_a_file_gets_into_the_state_folder(tmp_path: Path):
    (entry,) = studies_in(image(tmp_path / "Doe^Jane.nii.gz"))
    write_summary(tmp_path / "state", entry, Summary("analysed"))
    written = [str(path.relative_to(tmp_path / "state")) for path in (tmp_path / "state").rglob("*")]
    assert sorted(written) == [entry.key, f"{entry.key}{os.sep}summary.json"]
    assert "Doe" not in (tmp_path / "state" / entry.key / "summary.json").read_text()


@pytest.mark.parametrize("key", ["../../etc/passwd", "", "0" * 16, "a.nii.gz"])
def test_only_what_is_in_the_list_can_be_asked_for(tmp_path: Path, key: str):
    image(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="not in the list"):
        entry_of(studies_in(tmp_path), key)


def test_a_study_that_is_deleted_under_the_reader_is_named(tmp_path: Path):
    path = image(tmp_path / "a.nii.gz")
    found = studies_in(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"a\.nii\.gz was removed"):
        entry_of(found, found[0].key)


def test_what_is_known_of_a_study_is_read_again(tmp_path: Path):
    entry = Entry("0" * 16, "a", tmp_path)
    known = Summary("draft", "coronal", "T1", (HipSummary("left", "mild", "B", 0.12, True),), "R7")
    write_summary(tmp_path, entry, known)
    assert read_summary(tmp_path, entry) == known


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "new"}', '{"status": "eaten", "hips": []}'])
def test_a_damaged_summary_says_nothing_instead_of_something_wrong(tmp_path: Path, text: str):
    entry = Entry("0" * 16, "a", tmp_path)
    (tmp_path / entry.key).mkdir()
    (tmp_path / entry.key / "summary.json").write_text(text)
    assert read_summary(tmp_path, entry) == Summary()


def lesion(side: str = "left", grade: str | None = "moderate", borderline: bool = False) -> HipSummary:
    return HipSummary(side, grade, "C1", 0.2, borderline)


ORDERED = [
    ("drafted", Summary("draft")),
    ("on a threshold", Summary("analysed", hips=(lesion(), lesion("right", "mild", True)))),
    ("with a lesion", Summary("analysed", hips=(lesion(),))),
    ("new", Summary()),
    ("sound", Summary("analysed", hips=(lesion(grade="without ONFH"),))),
    ("flagged", Summary("flagged", hips=(lesion(borderline=True),))),
    ("approved", Summary("approved", hips=(lesion(borderline=True),))),
    ("unusable", Summary("analysed", problem="It is a mask.")),
]


def test_the_studies_most_worth_a_look_come_first(tmp_path: Path):
    entries = [Entry(f"{n:016x}", name, tmp_path) for n, (name, _) in enumerate(ORDERED)]
    for entry, (_, summary) in zip(entries, ORDERED, strict=True):
        write_summary(tmp_path, entry, summary)
    listed = rows(reversed(entries), tmp_path)
    assert [row.entry.title for row in listed] == [name for name, _ in ORDERED]
    assert next_unsigned(listed, entries[0].key) == listed[1]
    assert next_unsigned(listed[5:], "") is None


def test_the_list_is_filtered_by_words():
    listed = [Row(Entry("0", name, Path(name)), summary) for name, summary in ORDERED]
    assert [row.entry.title for row in matching(listed, "BORDERLINE mild")] == ["on a threshold"]
    assert [row.entry.title for row in matching(listed, "not usable")] == ["unusable"]
    assert matching(listed, "") == listed and matching(listed, "severe") == []


def test_a_graded_study_is_summed_up():
    steinberg = Grade("mild", "14 % of head volume < 15 %: mild", 0.14, 0.01)
    hips = (
        HipResult("right", "graded", volume_ratio=0.14, grades={"steinberg": steinberg, "jic": Grade("B", "")}),
        HipResult("left", "not graded", "metal"),
    )
    found = summarise({"plane": "coronal", "sequence": "T1"}, hips, "analysed")
    assert found.plane == "coronal" and found.hips[0] == HipSummary("right", "mild", "B", 0.14, True)
    assert found.hips[1] == HipSummary("left", None, None, None, False, "metal")
    assert replace(found, status="approved").status == "approved"


def test_the_voxels_of_a_detached_header_are_no_study_of_their_own_whatever_their_name(tmp_path: Path):
    head = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 4 5 6\nspacings: 1 1 4\nencoding: gzip\ndata file: "
    for name in ("a.raw.gz", "voxels.bin"):
        (tmp_path / f"{name}.nhdr").write_text(f"{head}{name}\n")
        (tmp_path / name).write_bytes(gzip.compress(bytes(120)))
    assert [entry.title for entry in studies_in(tmp_path)] == ["a.raw.gz.nhdr", "voxels.bin.nhdr"]


def test_names_that_are_not_utf8_are_listed_and_can_be_sent_to_a_browser(tmp_path: Path):
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    image(tmp_path / "a.nii.gz")
    folder.mkdir()
    (tmp_path / "a.nii.gz").rename(folder / os.fsdecode(b"\xe9.nii.gz"))
    dicom(folder / "series" / "0001")
    entries = studies_in(tmp_path)
    assert len(entries) == 2 and len({entry.key for entry in entries}) == 2
    for entry in entries:
        assert entry.problem == "" and entry.path.exists()
        entry.title.encode()
