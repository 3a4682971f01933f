"""A scene, and a review of the made-up study in it."""

from importlib.util import find_spec

import pytest

if find_spec("slicer") is None:  # slicer-core is not installed
    collect_ignore_glob = ["*.py"]
else:
    from review_parts import GRIDS, add_volume, empty_scene, made_up


@pytest.fixture
def scene(tmp_path):
    """An empty scene."""
    return empty_scene(tmp_path)


@pytest.fixture(params=["coronal", "axial left-handed", "oblique", "oblique left-handed"])
def grid(request):
    """Each kind of grid."""
    return GRIDS[request.param]


@pytest.fixture
def review(scene):
    """A review of the made-up study on coronal slices."""
    from ONFHAssistLib.scene.review import Review

    result = made_up()
    return Review.begin(scene, add_volume(scene, result.volume), result)


@pytest.fixture
def reopened(scene, tmp_path):
    """Save the scene as .mrb and open it in a fresh one."""

    def save_and_open():
        path = str(tmp_path / "scene.mrb")
        scene.SetRootDirectory(str(tmp_path))
        assert scene.WriteToMRB(path)
        again = empty_scene(tmp_path)
        assert again.ReadFromMRB(path)
        return again

    return save_and_open
