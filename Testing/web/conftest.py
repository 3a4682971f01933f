"""A folder with the sample study, analysed once for all tests."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("slicer") is None or find_spec("trame_slicer") is None:  # the extra "review" is not installed
    collect_ignore_glob = ["*.py"]
else:
    from web_parts import at_work, key_of, sample


@pytest.fixture(scope="session")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which the sample study "sample.nii.gz" is analysed, by the real worker."""
    place, state = (tmp_path_factory.mktemp(name) for name in ("studies", "state"))
    sample(place)

    async def steps(session) -> None:
        await session.open(key_of(session, "sample.nii.gz"))
        await session.analyse()

    at_work(place, state, steps)
    return state


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the sample study."""
    return sample(tmp_path / "studies").parent


@pytest.fixture
def state(tmp_path: Path, analysed: Path) -> Path:
    """A state folder of its own, in which the sample study is analysed."""
    return Path(shutil.copytree(analysed, tmp_path / "state"))


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures of the page go: ONFH_SCREENSHOTS, or a folder of the test."""
    folder = Path(os.environ.get("ONFH_SCREENSHOTS", tmp_path / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
