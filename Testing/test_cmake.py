"""The extension as Slicer installs it: every file is listed in CMake, and the install tree runs from where it is."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SLICER = Path(__file__).parent / "cmake" / "Slicer"
MODULES = Path("lib", "Slicer-5.12", "qt-scripted-modules")
NOT_INSTALLED = {"ONFHAssist.svg", "CMakeLists.txt", "py.typed"}
CMAKE = shutil.which("cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

pytestmark = pytest.mark.skipif(CMAKE is None, reason="CMake is not installed")


def packaged_files() -> set[str]:
    """What a user of the extension needs, relative to the folder of scripted modules."""
    found = set()
    for folder, below in (("ONFHAssist", ROOT / "ONFHAssist"), ("ONFHAssistLib", ROOT), ("Resources", ROOT)):
        for path in (ROOT / folder).rglob("*"):
            parts = path.relative_to(below).parts
            hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
            if path.is_file() and not hidden and path.name not in NOT_INSTALLED:
                found.add("/".join(parts))
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripted modules in an install tree, in a place of its own."""
    build, tree = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("Slicer 5.12 with a blank")
    for command in (
        [CMAKE, "-S", ROOT, "-B", build, f"-DSlicer_DIR={SLICER}", "-DBUILD_TESTING=ON"],
        [CMAKE, "--install", build, "--prefix", tree],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    return tree / MODULES


def test_every_file_of_the_extension_is_installed(installed: Path):
    there = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert sorted(packaged_files() - there) == [], "not listed in the CMakeLists.txt of its folder"
    assert sorted(there - packaged_files()) == []


def test_the_installed_extension_grades_the_sample_study(installed: Path, tmp_path: Path):
    sample = installed / "Resources" / "SampleData" / "procedural_t1.nii.gz"
    code = (
        "import sys; from pathlib import Path; import ONFHAssistLib; from ONFHAssistLib.cli import main; "
        f"assert Path(ONFHAssistLib.__file__).is_relative_to({str(installed)!r}); "
        f"sys.exit(main(['grade', {str(sample)!r}, '--out', {str(tmp_path / 'report')!r}, '--json']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert [hip["grades"]["steinberg"]["grade"] for hip in report["hips"]] == ["without ONFH", "moderate"]


def test_the_icon_is_a_square_png_of_128_pixels():
    data = (ROOT / "ONFHAssist" / "Resources" / "Icons" / "ONFHAssist.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", data[16:24]) == (128, 128)


def test_the_description_for_the_extensions_index_agrees_with_cmake():
    description = json.loads((ROOT / "docs" / "ONFHAssist.json").read_text(encoding="utf-8"))
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert {"category", "scm_url", "scm_revision", "build_dependencies"} <= set(description)
    assert f"set(EXTENSION_DEPENDS {' '.join(description['build_dependencies'])})" in cmake
    assert description["scm_url"].removesuffix(".git") in cmake
