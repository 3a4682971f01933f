"""A wheel holds all of the library, and Resources inside the package."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RESOURCES = ROOT / "Resources"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """The names in a wheel that is built from a copy of the source tree."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("ONFHAssistLib", "Resources"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys, setuptools.build_meta as b; print(b.build_wheel('.'), file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}
    )
    assert result.returncode == 0, result.stderr[-2000:]
    with zipfile.ZipFile(next(source.glob("*.whl"))) as file:
        return set(file.namelist())


def test_the_wheel_carries_every_module(wheel: set[str]):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ONFHAssistLib").rglob("*.py")}
    assert modules - wheel == set()


def test_the_wheel_carries_the_resources_inside_the_package(wheel: set[str]):
    files = {f"ONFHAssistLib/{p.relative_to(ROOT).as_posix()}" for p in RESOURCES.rglob("*") if p.is_file()}
    files = {name for name in files if "__pycache__" not in name and not name.split("/")[-1].startswith(".")}
    assert files and files - wheel == set()


def test_the_wheel_brings_the_command_and_the_licence(wheel: set[str]):
    assert any(name.endswith("entry_points.txt") for name in wheel)
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
    assert not any(name.startswith(("Testing/", "training/", "Resources/")) for name in wheel)
