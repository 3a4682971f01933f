"""Where settings, data and cache of a user are looked for."""

import sys
from pathlib import Path

import pytest

from ONFHAssistLib.core.user_folders import user_folder


@pytest.mark.parametrize(
    ("system", "kind", "expected"),
    [
        ("linux", "settings", ".config"),
        ("linux", "data", ".local/share"),
        ("linux", "cache", ".cache"),
        ("darwin", "settings", "Library/Application Support"),
        ("darwin", "cache", "Library/Caches"),
        ("win32", "settings", "AppData/Roaming"),
        ("win32", "data", "AppData/Local"),
    ],
)
def test_each_system_has_its_usual_places(monkeypatch, tmp_path: Path, system: str, kind: str, expected: str):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert user_folder(kind) == tmp_path / expected / "ONFHAssist"


@pytest.mark.parametrize(("system", "name"), [("linux", "XDG_DATA_HOME"), ("win32", "LOCALAPPDATA")])
def test_a_place_that_the_user_has_chosen_is_taken(monkeypatch, tmp_path: Path, system: str, name: str):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv(name, str(tmp_path / "mine"))
    assert user_folder("data") == tmp_path / "mine" / "ONFHAssist"


def test_a_relative_place_is_passed_over_as_the_xdg_specification_wants_it(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", "here")
    assert user_folder("data") == tmp_path / ".local/share/ONFHAssist"
