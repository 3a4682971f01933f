"""Resources are found wherever the package lies."""

import pytest

from ONFHAssistLib.core import resources


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "ONFHAssistLib"
    folder.mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", folder)
    return folder


@pytest.mark.parametrize("place", ["beside the package, as in source and in Slicer", "inside, as in a wheel"])
def test_resources_are_found(package, place):
    base = package if place.startswith("inside") else package.parent
    wanted = base / "Resources" / "Bundles" / "hip_finder"
    wanted.mkdir(parents=True)
    assert resources.resource_path("Bundles", "hip_finder") == wanted
    assert resources.resource_path() == base / "Resources"


def test_the_resources_of_other_modules_beside_the_package_do_not_hide_the_own_ones(package):
    (package.parent / "Resources" / "Icons").mkdir(parents=True)
    own = package / "Resources" / "terms.json"
    own.parent.mkdir()
    own.touch()
    assert resources.resource_path("terms.json") == own
    assert resources.resource_path("Icons") == package.parent / "Resources" / "Icons"


def test_a_missing_resource_is_named(package):
    with pytest.raises(FileNotFoundError, match=r"Resources/Bundles/none was found neither in .* nor in .*"):
        resources.resource_path("Bundles", "none")
