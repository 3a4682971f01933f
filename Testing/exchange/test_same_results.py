"""The script that compares the reports of two versions tells what is new from what has changed."""

import json

import pytest

from ONFHAssistLib.exchange.write import write_study
from Testing.same_results import compare


@pytest.fixture
def folders(study, tmp_path):
    for name in ("before", "after"):
        write_study(study, tmp_path / name)
    return tmp_path / "before", tmp_path / "after"


def edit(folder, change) -> None:
    path = folder / "report.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_what_is_new_is_no_difference(folders):
    edit(folders[0], lambda report: report.pop("findings"))
    edit(folders[1], lambda report: report["software"].update(version="9.9.9"))
    assert compare(*folders) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda report: report.pop("models"), "report.json.models is gone"),
        (lambda report: report["hips"][0].update(volume_ratio=0.5), "hips[0].volume_ratio was"),
        (lambda report: report["hips"].pop(), "report.json.hips was"),
    ],
)
def test_what_is_gone_or_another_value_is_a_line(folders, change, line):
    edit(folders[1], change)
    (found,) = compare(*folders)
    assert line in found


def test_masks_that_differ_by_one_byte_are_told(folders):
    path = folders[1] / "masks.nii.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    assert compare(*folders) == ["masks.nii.gz differs"]
