"""Installing what 3D Slicer lacks: asked for, told in one sentence where it fails, and nothing of Slicer's replaced."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.desktop import install

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SLICER_HAS = {"numpy", "scipy", "simpleitk", "pydicom", "pillow"}
COMMAND_LINE_ONLY = {"typer", "rich"}
DICOM_CODECS = {"pyjpegls", "pylibjpeg", "pylibjpeg-openjpeg"}
"""Slicer reads DICOM by itself."""


class Packaging:
    """``slicer.packaging``, with a network that may fail and a user who may decline."""

    def __init__(self, python: dict[str, str], outcome: Exception | None = None, installs: bool = True) -> None:
        self.python, self.outcome, self.installs = python, outcome, installs
        self.asked: list[tuple[list[str], str]] = []

    def pip_ensure(self, requirements, constraints=None, requester=None):
        assert requester == "ONFHAssist"
        self.constraints = constraints
        self.asked.append((requirements, Path(constraints).read_text()))
        if self.outcome:
            raise self.outcome
        if self.installs:
            self.python |= dict(line.split("==") for line in requirements)


@pytest.fixture
def python(monkeypatch) -> dict[str, str]:
    """What is installed in a fresh Slicer, by ``importlib.metadata``."""
    there = {"numpy": "2.4.6", "scipy": "1.17.1", "SimpleITK": "2.5.5", "pydicom": "3.0.2", "pillow": "12.2.0"}

    def version(name):
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(metadata, "version", version)
    return there


def test_the_versions_are_those_that_the_project_is_tested_with():
    pinned = {pin.lower() for pin in PROJECT["dependencies"]}
    assert {line.lower() for line in install.requirements("auto")} <= pinned
    others = {install.name_of(pin) for pin in pinned} - {install.name_of(line) for line in install.requirements("cuda")}
    assert others <= SLICER_HAS | COMMAND_LINE_ONLY | DICOM_CODECS
    more = {pin.lower() for pins in PROJECT["optional-dependencies"].values() for pin in pins}
    assert {line.lower() for line in install.requirements("cuda")} <= pinned | more
    assert {install.name_of(line) for line in install.requirements("cuda")}.isdisjoint(SLICER_HAS | {"torch", "vtk"})


def test_the_oldest_torch_is_the_one_that_monai_wants():
    needs = metadata.requires("monai") if "monai" in {d.name.lower() for d in metadata.distributions()} else None
    if needs is None:
        pytest.skip("MONAI is not installed.")
    assert f"torch>={install.TORCH_FROM}" in [re.sub(r"(\.0)$", "", need) for need in needs]


def test_slicers_own_loader_reads_the_lists():
    """It takes one requirement a line, with comments (`slicer.packaging.load_requirements`)."""
    for name in ("requirements-slicer.txt", "requirements-slicer-cuda.txt"):
        for line in resource_path(name).read_text(encoding="utf-8").splitlines():
            assert line.startswith("#") or re.fullmatch(r"[\w-]+==[\w.]+", line), line


def test_nobody_is_asked_where_nothing_is_missing(python):
    python |= dict(line.split("==") for line in install.requirements())
    packaging = Packaging(python)
    install.ensure(packaging)
    assert packaging.asked == []


def test_what_is_missing_is_installed_and_slicers_own_stays_as_it_is(python):
    python["jinja2"] = "2.0"
    packaging = Packaging(python)
    assert install.missing() == install.requirements()
    install.ensure(packaging)
    ((asked, constraints),) = packaging.asked
    assert asked == install.requirements()
    assert {"numpy==2.4.6", "SimpleITK==2.5.5", "pillow==12.2.0"} <= set(constraints.split())
    assert "vtk" not in constraints and "torch" not in constraints  # pip does not know Slicer's
    assert not Path(packaging.constraints).exists()
    assert install.missing() == []


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (RuntimeError("User declined package installation"), "which you did not want to be installed"),
        (subprocess.CalledProcessError(1, "pip install"), "could not be installed; connect this computer"),
        (RuntimeError("A non-blocking pip_install is already in progress."), "could not be installed"),
        (None, "could not be installed"),  # Slicer's testing mode
    ],
)
def test_what_was_not_installed_is_told_in_one_sentence(python, outcome, sentence):
    packaging = Packaging(python, outcome, installs=False)
    with pytest.raises(InputError, match=sentence) as told:
        install.ensure(packaging)
    assert "openvino" in str(told.value) and str(told.value).endswith(".")
    assert not Path(packaging.constraints).exists()


def test_torch_comes_through_slicers_extension_for_it(python, monkeypatch):
    asked = []

    def install_torch(askConfirmation, torchVersionRequirement):
        asked.append((askConfirmation, torchVersionRequirement))
        python["torch"] = "2.13.0+cu130"
        return object()

    logic = SimpleNamespace(installTorch=install_torch)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", SimpleNamespace(PyTorchUtilsLogic=lambda: logic))
    packaging = Packaging(python)
    install.ensure(packaging, "cuda")
    assert asked == [(True, ">=2.8")]
    assert packaging.asked[0][0] == install.requirements("cuda")
    assert "torch==2.13.0+cu130" in packaging.asked[0][1]
    install.ensure(packaging, "cuda")
    assert len(asked) == len(packaging.asked) == 1


def test_without_that_extension_the_remedy_is_named(python, monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(InputError, match="install it in the Extensions Manager and restart 3D Slicer, or choose"):
        install.ensure(Packaging(python), "cuda")


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [(None, "did not want"), (subprocess.CalledProcessError(1, "ltt"), "could not be installed")],
)
def test_torch_that_was_not_installed_is_told(python, monkeypatch, outcome, sentence):
    def install_torch(**options):
        if outcome:
            raise outcome

    logic = SimpleNamespace(installTorch=install_torch)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", SimpleNamespace(PyTorchUtilsLogic=lambda: logic))
    packaging = Packaging(python)
    with pytest.raises(InputError, match=rf"torch, which .*{sentence}"):
        install.ensure(packaging, "cuda")
    assert packaging.asked == []
