import pytest
from reviewed_hip import Hip

from ONFHAssistLib.curation.store.folder import create_store


@pytest.fixture(autouse=True)
def _own_settings(tmp_path, monkeypatch):
    """Keys and caches of the tests stay in the tests' folder."""
    monkeypatch.setenv("ONFH_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path):
    return create_store(tmp_path / "Dataset101_Heads")


@pytest.fixture
def hip():
    return Hip()
