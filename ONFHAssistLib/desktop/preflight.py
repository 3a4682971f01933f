"""Is all there that an analysis needs? One list with a tick or a remedy for each, also as text for a bug report.

`gather` looks at the machine, `checks` judges what was found. Neither imports torch or OpenVINO: that takes seconds.
"""

import contextlib
import ctypes
import getpass
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ONFHAssistLib import __version__
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.desktop import install
from ONFHAssistLib.models.bundle import load_bundle
from ONFHAssistLib.models.engine import has_nvidia_driver
from ONFHAssistLib.systems import at_hand, bundles

SLICER_FROM = (5, 12)
PYTHON_FROM, PYTHON_BEFORE = (3, 11), (3, 14)
"""As in pyproject.toml."""
GB = 1e9
MEMORY_GB = 1.0
"""The worker took up to 0.4 GB for the sample study (39 slices of 256 x 256)"""
MEMORY_LARGE_GB = 4.0
"""and 3.4 GB for 300 slices of 512 x 512."""
DISK_GB = 1.0
"""Room for a scene, some reports or some reviewed cases with their images (convention of this project)."""
CARD_PACKAGES = ("torch", "monai")
ANALYSE_INSTALLS = "Press Analyse: ONFHAssist asks, and installs it."


@dataclass(frozen=True)
class Check:
    """One line of the list; ``remedy`` is a sentence, empty where all is well."""

    name: str
    value: str
    ok: bool
    remedy: str = ""


@dataclass(frozen=True)
class Facts:
    """What was found on this machine.

    Attributes:
        device: the one that is asked for: auto, cpu or cuda.
        slicer: version of 3D Slicer; None outside of it.
        python, system: versions.
        cores: of the processor.
        nvidia_driver: whether one is installed.
        packages: of each requirement the version that is installed, or None; and so of torch and monai, which only an
            NVIDIA card needs.
        memory_gb: free and in all; None where the system does not say.
        disks: for each use of a folder the free GB, or None where it cannot be written to.
        bundles: of each model its version, or the sentence that tells what is wrong with it.
    """

    device: str
    slicer: str | None
    python: str
    system: str
    cores: int
    nvidia_driver: bool
    packages: dict[str, str | None]
    memory_gb: tuple[float, float] | None
    disks: dict[str, float | None]
    bundles: dict[str, str]


def gather(device: str = "auto", case_folder: Path | None = None, slicer: str | None = None) -> Facts:
    """Look at this machine; takes about half a second, mostly for the checksums, and may run in a thread.

    Args:
        device: auto, cpu or cuda.
        case_folder: where reviewed cases go; None where none has been chosen.
        slicer: from ``slicer_version``, which has to be asked on the main thread.
    """
    folders = {"temporary files": Path(tempfile.gettempdir())}
    if case_folder is not None:
        folders["reviewed cases"] = case_folder
    wanted = install.requirements(device)
    return Facts(
        device=device,
        slicer=slicer,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cores=os.cpu_count() or 1,
        nvidia_driver=has_nvidia_driver(),
        packages={line: install.installed_version(install.name_of(line)) for line in [*wanted, *CARD_PACKAGES]},
        memory_gb=memory_gb(),
        disks={use: free_gb(folder) for use, folder in folders.items()},
        bundles={name: bundle_state(name) for name in bundles(at_hand().values())},
    )


def checks(facts: Facts) -> list[Check]:
    """Judge the facts, most basic ones first."""
    return [
        _slicer(facts),
        _python(facts),
        _packages(facts),
        _engine(facts),
        _device(facts),
        _memory(facts),
        *(_disk(use, free) for use, free in facts.disks.items()),
        *(_bundle(name, state) for name, state in facts.bundles.items()),
        Check("System", facts.system, True),
    ]


def as_text(listed: Sequence[Check]) -> str:
    """Return the list as text for a bug report; home folder and user name are taken out."""
    lines = [f"ONFHAssist {__version__}"]
    for check in listed:
        lines.append(f"[{'ok' if check.ok else '!!'}] {check.name}: {check.value}")
        if check.remedy:
            lines.append(f"     {check.remedy}")
    return _without_user("\n".join(lines)) + "\n"


def slicer_version() -> str | None:
    """Return the version of the 3D Slicer that this runs in; None outside of it."""
    try:
        import slicer

        return str(slicer.app.applicationVersion)
    except (ImportError, AttributeError):  # PyPI's slicer-core has no app
        return None


def memory_gb() -> tuple[float, float] | None:
    """Return the memory that is free for new programs, and all of it; None where the system does not say."""
    with contextlib.suppress(OSError, ValueError, LookupError, AttributeError, subprocess.SubprocessError):
        if sys.platform == "win32":
            return _memory_of_windows()
        if sys.platform == "darwin":
            return _memory_of_macos()
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free, total = (int(lines[name].split()[0]) * 1024 / GB for name in ("MemAvailable", "MemTotal"))
        return free, total
    return None


def free_gb(folder: Path) -> float | None:
    """Return the room in a folder, or in the one that it would be made in; None where nothing can be written."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
        return shutil.disk_usage(folder).free / GB
    except OSError:
        return None


def bundle_state(name: str) -> str:
    """Return the version of a model whose files have the right checksums, or the sentence that says what is wrong."""
    try:
        return load_bundle(name).version
    except InputError as error:
        return str(error)
    except ImportError as error:
        return f"The model {name} cannot be checked without the Python package {error.name}."


def _slicer(facts: Facts) -> Check:
    if facts.slicer is None:
        return Check("3D Slicer", "not in use", True)
    found = tuple(int(number) for number in re.findall(r"\d+", facts.slicer)[:2])
    wanted = ".".join(map(str, SLICER_FROM))
    remedy = "" if found >= SLICER_FROM else f"Install 3D Slicer {wanted} or newer from slicer.org."
    return Check("3D Slicer", facts.slicer, not remedy, remedy)


def _python(facts: Facts) -> Check:
    found = tuple(int(number) for number in re.findall(r"\d+", facts.python)[:2])
    remedy = "" if PYTHON_FROM <= found < PYTHON_BEFORE else "Install a version of 3D Slicer with Python 3.11 to 3.13."
    return Check("Python", facts.python, not remedy, remedy)


def _packages(facts: Facts) -> Check:
    needed = {line: version for line, version in facts.packages.items() if line not in CARD_PACKAGES}
    lacking = [
        f"{install.name_of(line)} {line.partition('==')[2]}" + (f" (now {version})" if version else "")
        for line, version in needed.items()
        if version != line.partition("==")[2]
    ]
    if lacking:
        return Check("Python packages", f"missing: {', '.join(lacking)}", False, ANALYSE_INSTALLS)
    return Check("Python packages", ", ".join(f"{install.name_of(line)} {v}" for line, v in needed.items()), True)


def _engine(facts: Facts) -> Check:
    engine = "torch" if facts.device == "cuda" else "openvino"
    version = next((v for line, v in facts.packages.items() if install.name_of(line) == engine), None)
    name = {"torch": "torch", "openvino": "OpenVINO"}[engine]
    if version is None:
        return Check("Engine", f"{name} is not installed", False, ANALYSE_INSTALLS)
    return Check("Engine", f"{name} {version}", True)


def _device(facts: Facts) -> Check:
    card = facts.nvidia_driver and all(facts.packages.get(name) for name in CARD_PACKAGES)
    if facts.device == "cuda" and not facts.nvidia_driver:
        remedy = "Install the driver of the NVIDIA card, or choose the device cpu in the settings."
        return Check("Device", "cuda, but there is no NVIDIA driver", False, remedy)
    if facts.device == "cuda" or (facts.device == "auto" and card):
        return Check("Device", f"NVIDIA card ({facts.device})", True)
    unused = ", an NVIDIA card is there too" if facts.nvidia_driver else ""
    return Check("Device", f"processor with {facts.cores} cores ({facts.device}){unused}", True)


def _memory(facts: Facts) -> Check:
    if facts.memory_gb is None:
        return Check("Memory", "not known", True)
    free, total = facts.memory_gb
    needs = f"a usual MR study needs {MEMORY_GB:.0f} GB, a CT of 300 slices {MEMORY_LARGE_GB:.0f} GB"
    remedy = "" if free >= MEMORY_GB else f"Close other programs: {needs}."
    return Check("Memory", f"{free:.1f} of {total:.1f} GB free", not remedy, remedy)


def _disk(use: str, free: float | None) -> Check:
    name = f"Disk for {use}"
    if free is None:
        return Check(name, "cannot be written to", False, f"Choose another folder for {use}, or make it writable.")
    remedy = "" if free >= DISK_GB else f"Free at least {DISK_GB:.0f} GB, or choose another disk for {use}."
    return Check(name, f"{free:.1f} GB free", not remedy, remedy)


def _bundle(name: str, state: str) -> Check:
    if re.fullmatch(r"[\d.]+", state):
        return Check(f"Model {name}", f"{state}, checksums verified", True)
    remedy = ANALYSE_INSTALLS if "cannot be checked" in state else "Install ONFHAssist again."
    return Check(f"Model {name}", state, False, remedy)


def _without_user(text: str) -> str:
    with contextlib.suppress(RuntimeError):  # no home folder
        text = text.replace(str(Path.home()), "~")
    with contextlib.suppress(OSError, KeyError, ImportError):  # no user name
        text = re.sub(rf"\b{re.escape(getpass.getuser())}\b", "USER", text)
    return text


def _memory_of_windows() -> tuple[float, float]:
    class Status(ctypes.Structure):
        """MEMORYSTATUSEX of sysinfoapi.h."""

        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("free", ctypes.c_ulonglong),
            ("others", ctypes.c_ulonglong * 5),
        )

    status = Status(length=ctypes.sizeof(Status))
    if sys.platform == "win32":  # elsewhere there is no windll
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return status.free / GB, status.total / GB


def _memory_of_macos() -> tuple[float, float]:
    def ask(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, timeout=2, check=True).stdout

    def number(pattern: str) -> int:
        found = re.search(pattern, pages)
        if found is None:
            raise ValueError(pattern)
        return int(found[1])

    pages = ask("vm_stat")
    size = number(r"page size of (\d+)")
    free = sum(number(rf"Pages {kind}:\s+(\d+)") for kind in ("free", "inactive", "speculative", "purgeable"))
    return free * size / GB, int(ask("sysctl", "-n", "hw.memsize")) / GB
