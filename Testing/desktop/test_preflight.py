"""The preflight list: a tick for what is there, a remedy for what is not, and no name in a bug report."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.desktop.preflight import (
    Check,
    Facts,
    as_text,
    bundle_state,
    checks,
    free_gb,
    gather,
    memory_gb,
    slicer_version,
)
from ONFHAssistLib.systems import at_hand, bundles

GOOD = Facts(
    device="auto",
    slicer="5.12.3",
    python="3.12.10",
    system="Linux 6.1 x86_64",
    cores=8,
    nvidia_driver=False,
    packages={"openvino==2026.4.1": "2026.4.1", "jinja2==3.1.6": "3.1.6", "torch": None},
    memory_gb=(6.2, 16.0),
    disks={"temporary files": 40.0, "reviewed cases": 12.3},
    bundles={"anatomy": "0.2.0"},
)


BUNDLES = bundles(at_hand().values())


def line(name: str, **changes) -> Check:
    return next(check for check in checks(replace(GOOD, **changes)) if check.name == name)


def test_all_that_is_needed_has_a_tick_and_no_remedy():
    listed = checks(GOOD)
    assert [(check.name, check.value) for check in listed] == [
        ("3D Slicer", "5.12.3"),
        ("Python", "3.12.10"),
        ("Python packages", "openvino 2026.4.1, jinja2 3.1.6"),
        ("Engine", "OpenVINO 2026.4.1"),
        ("Device", "processor with 8 cores (auto)"),
        ("Memory", "6.2 of 16.0 GB free"),
        ("Disk for temporary files", "40.0 GB free"),
        ("Disk for reviewed cases", "12.3 GB free"),
        ("Model anatomy", "0.2.0, checksums verified"),
        ("System", "Linux 6.1 x86_64"),
    ]
    assert all(check.ok and check.remedy == "" for check in listed)


@pytest.mark.parametrize(
    ("name", "changes", "value", "remedy"),
    [
        ("3D Slicer", {"slicer": "5.11.0-2025-11-02"}, "5.11.0", "Install 3D Slicer 5.12 or newer"),
        ("3D Slicer", {"slicer": "4.13"}, "4.13", "Install 3D Slicer 5.12 or newer"),
        ("Python", {"python": "3.14.0"}, "3.14.0", "Python 3.11 to 3.13"),
        ("Python", {"python": "3.9.10"}, "3.9.10", "Python 3.11 to 3.13"),
        ("Python packages", {"packages": {"openvino==2026.4.1": None, "torch": None}}, "missing: openvino 2026.4.1",
         "Press Analyse"),
        ("Python packages", {"packages": {"jinja2==3.1.6": "3.0.0"}}, "missing: jinja2 3.1.6 (now 3.0.0)",
         "Press Analyse"),
        ("Engine", {"packages": {"openvino==2026.4.1": None, "torch": None}}, "OpenVINO is not installed",
         "Press Analyse"),
        ("Engine", {"device": "cuda"}, "torch is not installed", "Press Analyse"),
        ("Device", {"device": "cuda"}, "no NVIDIA driver", "choose the device cpu"),
        ("Memory", {"memory_gb": (0.9, 8.0)}, "0.9 of 8.0 GB free", "Close other programs"),
        ("Disk for temporary files", {"disks": {"temporary files": 0.9}}, "0.9 GB free", "Free at least 1 GB"),
        ("Disk for reviewed cases", {"disks": {"reviewed cases": None}}, "cannot be written to",
         "Choose another folder"),
        ("Model anatomy", {"bundles": {"anatomy": "The file models/model.bin of the model anatomy is damaged."}},
         "is damaged", "Install ONFHAssist again"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_remedy_of_one_sentence(name, changes, value, remedy):
    check = line(name, **changes)
    assert not check.ok
    assert value in check.value and remedy in check.remedy
    assert check.remedy.endswith(".") and "\n" not in check.remedy


@pytest.mark.parametrize(
    ("name", "changes", "value"),
    [
        ("3D Slicer", {"slicer": "5.12.0"}, "5.12.0"),
        ("3D Slicer", {"slicer": "6.0"}, "6.0"),
        ("3D Slicer", {"slicer": None}, "not in use"),
        ("Python", {"python": "3.13.9"}, "3.13.9"),
        ("Memory", {"memory_gb": (1.0, 8.0)}, "1.0 of 8.0 GB free"),
        ("Memory", {"memory_gb": None}, "not known"),
        ("Disk for temporary files", {"disks": {"temporary files": 1.0}}, "1.0 GB free"),
        ("Device", {"device": "cpu", "nvidia_driver": True},
         "processor with 8 cores (cpu), an NVIDIA card is there too"),
        ("Device", {"nvidia_driver": True, "packages": {"torch": "2.13.0", "monai": None}},
         "processor with 8 cores (auto), an NVIDIA card is there too"),
        ("Device", {"nvidia_driver": True, "packages": {"torch": "2.13.0", "monai": "1.6.1"}}, "NVIDIA card (auto)"),
        ("Device", {"device": "cuda", "nvidia_driver": True}, "NVIDIA card (cuda)"),
        ("Engine", {"device": "cuda", "packages": {"torch": "2.13.0"}}, "torch 2.13.0"),
    ],
)  # fmt: skip
def test_what_suffices_has_a_tick(name, changes, value):
    assert line(name, **changes) == Check(name, value, True)


def test_a_bug_report_names_neither_user_nor_home(monkeypatch, tmp_path):
    home = tmp_path / "home" / "jdoe"
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr("getpass.getuser", lambda: "jdoe")
    problem = f"There is no model folder '{home}/bundles/anatomy' of jdoe; give the name."
    text = as_text(checks(replace(GOOD, bundles={"anatomy": problem})))
    assert "jdoe" not in text and str(home) not in text
    assert "[!!] Model anatomy: There is no model folder '~/bundles/anatomy' of USER" in text
    assert "     Install ONFHAssist again." in text
    assert text.startswith("ONFHAssist ") and "[ok] Memory: 6.2 of 16.0 GB free\n" in text


def test_this_machine_is_looked_at_without_slicer(tmp_path):
    facts = gather("cpu", tmp_path / "cases to come")
    assert facts.slicer is None and facts.python == ".".join(map(str, sys.version_info[:3]))
    assert facts.cores == os.cpu_count()
    assert set(facts.bundles) == set(BUNDLES) and set(facts.disks) == {"temporary files", "reviewed cases"}
    assert facts.disks["reviewed cases"] == pytest.approx(shutil.disk_usage(tmp_path).free / 1e9, abs=1)
    assert not (tmp_path / "cases to come").exists() and list(tmp_path.iterdir()) == []
    assert facts.packages["openvino==2026.4.1"] == "2026.4.1"
    named = {check.name: check for check in checks(facts)}
    assert all(named[f"Model {name}"].ok for name in BUNDLES), named
    assert str(tmp_path) not in as_text(checks(facts))


def test_outside_of_the_application_there_is_no_slicer():
    """PyPI's slicer-core has a module of that name, but no application."""
    code = "from ONFHAssistLib.desktop.preflight import slicer_version; print(slicer_version())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "None\n"


def test_inside_of_the_application_its_version_is_asked_for(monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setitem(sys.modules, "slicer", SimpleNamespace(app=SimpleNamespace(applicationVersion="5.12.3")))
    assert slicer_version() == "5.12.3"


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="The other source is Linux's.")
def test_memory_is_that_of_this_machine():
    free, total = memory_gb()
    assert total == pytest.approx(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, rel=0.01)
    assert 0 < free < total


def test_a_folder_that_cannot_be_written_to_has_no_room(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert free_gb(tmp_path / "file") is None
    if os.name == "posix" and os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        assert free_gb(tmp_path / "locked") is None


def test_a_changed_model_is_found(tmp_path, monkeypatch):
    shutil.copytree(resource_path("Bundles", "anatomy"), tmp_path / "anatomy")
    monkeypatch.setenv("ONFH_BUNDLES", str(tmp_path))
    assert bundle_state("anatomy") == bundle_state("necrosis")  # both are of one version
    with (tmp_path / "anatomy" / "models" / "model.bin").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2\3")
    assert "checksum differs" in bundle_state("anatomy")
    shutil.rmtree(tmp_path / "anatomy" / "models")
    assert "lacks models/model.safetensors" in bundle_state("anatomy")


def test_models_are_not_called_good_before_they_can_be_checked(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    check = line("Model anatomy", bundles={"anatomy": bundle_state("anatomy")})
    assert not check.ok and "jsonschema" in check.value and "Press Analyse" in check.remedy


def test_all_of_this_can_be_told_before_anything_is_installed():
    """In 3D Slicer as it comes: numpy, scipy, SimpleITK and pydicom are there, the rest is not."""
    code = (
        "import sys\n"
        "for name in 'openvino skimage jsonschema jinja2 torch monai safetensors typer rich PIL fpdf'.split():\n"
        "    sys.modules[name] = None\n"
        "from ONFHAssistLib.desktop import install, preflight\n"
        "from ONFHAssistLib.worker import client\n"
        "print(len(preflight.checks(preflight.gather())))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == f"{8 + len(BUNDLES)}\n", found.stderr
