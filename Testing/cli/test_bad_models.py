"""A model that is damaged, foreign or of another version, and a device that is not there, through the command line."""

import json
import shutil
from pathlib import Path

import pytest

from ONFHAssistLib import cli
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.models import engine as engines

SAMPLE = resource_path("SampleData", "procedural_t1.nii.gz")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, **changes) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    part = content["onfh_assist"] if "onfh_assist" in content else content["network_def"]
    part.update(changes)
    path.write_text(json.dumps(content), encoding="utf-8")


def cut_off(folder: Path) -> None:
    path = folder / "models/model.bin"
    path.write_bytes(path.read_bytes()[:-100])


def foreign(folder: Path) -> None:
    (folder / "configs/metadata.json").write_text('{"version": "0.1.0", "task": "Spleen"}', encoding="utf-8")


DAMAGE = {
    "tampered weights": (lambda folder: flip(folder / "models/model.safetensors"), "checksum differs"),
    "tampered graph": (lambda folder: flip(folder / "models/model.xml"), "checksum differs"),
    "cut off": (cut_off, "checksum differs"),
    "no graph": (lambda folder: (folder / "models/model.xml").unlink(), "lacks models/model.xml"),
    "foreign": (foreign, "is not a model of ONFHAssist"),
    "another version": (lambda folder: edit(folder / "configs/metadata.json", schema=99), "bundle format 99"),
    "another network": (lambda folder: edit(folder / "configs/inference.json", in_channels=2), "does not fit its"),
}


def assert_refused(out: Path, part: str, capfd, *options: str) -> None:
    assert cli.main(["grade", str(SAMPLE), "--out", str(out), *options]) == 2
    captured = capfd.readouterr()
    assert part in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert not out.exists()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bad_model_is_refused_by_its_name(tmp_path, monkeypatch, capfd, damage):
    spoil, part = DAMAGE[damage]
    folder = tmp_path / "bundles" / "hip_finder"
    shutil.copytree(resource_path("Bundles", "hip_finder"), folder)
    monkeypatch.setenv("ONFH_BUNDLES", str(folder.parent))
    spoil(folder)
    assert_refused(tmp_path / "out", part, capfd)
    assert_refused(tmp_path / "out", "hip_finder", capfd)


def test_cuda_that_is_not_there_is_refused(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(engines, "_cuda_obstacle", lambda: "torch finds no NVIDIA card: install the driver")
    assert_refused(tmp_path / "out", "The device cuda was asked for, but torch finds no", capfd, "--device", "cuda")


def test_openvino_on_cuda_is_refused(tmp_path, capfd):
    wrong = ("--device", "cuda", "--engine", "openvino")
    assert_refused(tmp_path / "out", "The engine openvino runs on the CPU only", capfd, *wrong)
