"""What 3D Slicer's Python lacks for an analysis, and how it gets there: after asking, and never at a start."""

import contextlib
import importlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.resources import resource_path

REQUESTER = "ONFHAssist"
SLICERS_OWN = ("numpy", "scipy", "SimpleITK", "pydicom", "vtk", "pillow", "requests", "packaging", "torch")
"""pip must leave these as they are: 3D Slicer and its other extensions were built and tested with them."""
TORCH_FROM = "2.8"
"""The oldest torch that MONAI 1.6.1 takes (its own requirement)."""


def requirements(device: str = "auto") -> list[str]:
    """Return what has to be there, as ``name==version``; without torch, of which any version from TORCH_FROM will do.

    Args:
        device: "cuda" adds what the networks need on an NVIDIA card.
    """
    files = ["requirements-slicer.txt", *(["requirements-slicer-cuda.txt"] if device == "cuda" else [])]
    lines = [line.strip() for file in files for line in resource_path(file).read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def installed_version(name: str) -> str | None:
    """Return the version of a distribution without importing it; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def missing(device: str = "auto") -> list[str]:
    """Return the requirements that are not met, "torch" among them; empty when an analysis can start."""
    lacking = [line for line in requirements(device) if installed_version(name_of(line)) != line.partition("==")[2]]
    return lacking + (["torch"] if device == "cuda" and installed_version("torch") is None else [])


def name_of(requirement: str) -> str:
    """Return the name in ``name==version``."""
    return requirement.partition("==")[0]


def ensure(packaging: ModuleType, device: str = "auto") -> None:
    """Install what is missing, after asking the user; returns at once where nothing is.

    Call it on the main thread, as it opens windows.

    Args:
        packaging: ``slicer.packaging``.
        device: "cuda" where the networks are to run on an NVIDIA card.

    Raises:
        InputError: the user does not want it, or it could not be installed.
    """
    lacking = missing(device)
    if not lacking:
        return
    if "torch" in lacking:  # first: MONAI would bring one of its own, of several gigabytes
        _install_torch()
        lacking.remove("torch")
    named = " and ".join(name_of(line) for line in lacking)
    try:
        with _constraints() as constraints:
            packaging.pip_ensure(lacking, constraints=constraints, requester=REQUESTER)
    except subprocess.CalledProcessError as error:
        raise InputError(_not_installed(named)) from error
    except RuntimeError as error:
        raise InputError(_declined(named) if "declined" in str(error) else _not_installed(named)) from error
    importlib.invalidate_caches()
    if missing(device):  # Slicer installs nothing in its testing mode
        raise InputError(_not_installed(" and ".join(name_of(line) for line in missing(device))))


def _install_torch() -> None:
    """Let the Slicer extension PyTorch install the torch that fits the card and its driver."""
    try:
        import PyTorchUtils
    except ImportError as error:
        raise InputError(
            "The device cuda needs the Slicer extension PyTorch, which is not installed; install it in the Extensions "
            "Manager and restart 3D Slicer, or choose the device cpu in the settings."
        ) from error
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=True, torchVersionRequirement=f">={TORCH_FROM}"
        )
    except (subprocess.CalledProcessError, RuntimeError, ImportError, OSError) as error:
        raise InputError(_not_installed("torch")) from error
    if torch is None:
        raise InputError(_declined("torch"))
    importlib.invalidate_caches()


@contextlib.contextmanager
def _constraints() -> Iterator[Path]:
    """Give a file for pip that holds what is Slicer's own at its version."""
    versions = {name: installed_version(name) for name in SLICERS_OWN}
    lines = [f"{name}=={version}\n" for name, version in versions.items() if version]
    handle, path = tempfile.mkstemp(prefix="onfh-assist-", suffix=".txt")
    try:
        with os.fdopen(handle, "w") as file:
            file.writelines(lines)
        yield Path(path)
    finally:
        os.unlink(path)


def _declined(named: str) -> str:
    return f"The analysis needs {named}, which you did not want to be installed; press Analyse again to be asked anew."


def _not_installed(named: str) -> str:
    return (
        f"The analysis needs {named}, which could not be installed; connect this computer to the internet or set pip's "
        "index to a mirror, see that the disk is not full and 3D Slicer's folder is writable, and press Analyse again."
    )
