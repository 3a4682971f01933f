"""A scene, as for the tests of the scene."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scene"))

if find_spec("slicer") is None:  # slicer-core is not installed
    collect_ignore_glob = ["*.py"]
else:
    from review_parts import empty_scene


@pytest.fixture
def scene(tmp_path):
    """An empty scene."""
    return empty_scene(tmp_path)
