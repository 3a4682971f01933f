"""One file is written whole or not at all; a folder is tried before anything is promised."""

import os
from pathlib import Path

import pytest

from ONFHAssistLib.core.files import replace_file, require_writable, write_private


def test_a_file_takes_its_new_content_and_its_folder_is_made(tmp_path: Path):
    for content in (b"one", b"two"):
        replace_file(tmp_path / "new" / "a.json", content)
        assert (tmp_path / "new" / "a.json").read_bytes() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_fails_leaves_the_earlier_file_and_nothing_else(tmp_path: Path, monkeypatch, step: str):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    replace_file(tmp_path / "a", b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "a", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_a_folder_where_nothing_can_be_kept_is_noticed_and_nothing_is_left(tmp_path: Path):
    require_writable(tmp_path / "new" / "below")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "below", tmp_path / "file"):
        with pytest.raises(OSError):
            require_writable(place)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_that_was_laid_in_the_way_is_not_followed(tmp_path: Path):
    (tmp_path / "victim").write_bytes(b"mine")
    place = tmp_path / "place"
    place.mkdir()
    for name in ("a.json", ".a.json.new"):
        (place / name).symlink_to(tmp_path / "victim")
    replace_file(place / "a.json", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert (place / "a.json").read_bytes() == b"new" and not (place / "a.json").is_symlink()


def test_the_name_of_an_unfinished_file_cannot_be_foreseen(tmp_path: Path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append({path.name for path in tmp_path.iterdir()}))
    for _ in range(2):
        replace_file(tmp_path / "a", b"new")
    first, second = (names - {"a"} for names in seen)
    assert len(first) == len(second) == 1 and first != second


def test_a_file_can_be_for_its_user_alone_from_its_first_byte(tmp_path: Path, monkeypatch):
    if os.name == "nt":
        pytest.skip("no such permissions there")
    modes = []
    monkeypatch.setattr(os, "fsync", lambda handle: modes.append(os.fstat(handle).st_mode & 0o777))
    replace_file(tmp_path / "a", b"new", mode=0o600)
    assert modes == [0o600]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_what_is_private_is_so_from_its_first_byte_and_no_laid_link_is_followed(tmp_path: Path, monkeypatch):
    modes, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: modes.append(os.fstat(file).st_mode & 0o777) or fsync(file))
    (tmp_path / "other").write_bytes(b"mine")
    before = os.umask(0)
    try:
        write_private(tmp_path / "above" / "private" / "a", b"old")
        (tmp_path / "above" / "private" / ".a.new").symlink_to(tmp_path / "other")
        (tmp_path / "above" / "private" / "a").chmod(0o666)
        write_private(tmp_path / "above" / "private" / "a", b"new")
    finally:
        os.umask(before)
    written = tmp_path / "above" / "private" / "a"
    assert (written.read_bytes(), written.stat().st_mode & 0o777, modes) == (b"new", 0o600, [0o600, 0o600])
    assert written.parent.stat().st_mode & 0o777 == 0o700 and (tmp_path / "other").read_bytes() == b"mine"
    assert {path.name for path in written.parent.iterdir()} == {"a", ".a.new"}
