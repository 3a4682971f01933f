import pytest


@pytest.fixture(autouse=True, scope="session")
def _settings_of_the_tests(tmp_path_factory):
    """Keys of data sets, models and caches go to a folder of the tests, not to the user's."""
    place = tmp_path_factory.mktemp("settings")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONFH_KEYS", str(place / "keys"))
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        patch.setenv("XDG_DATA_HOME", str(place / "data"))
        yield
