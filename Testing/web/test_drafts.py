"""What is kept on the disk, and what happens when the disk is full."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from ONFHAssistLib.web import drafts
from ONFHAssistLib.web.drafts import Writer, write


def test_of_many_drafts_the_last_one_is_on_the_disk(tmp_path: Path):
    writer = Writer(pytest.fail)
    for n in range(300):
        writer.put(tmp_path / "new" / "a.json", {"n": n})
    writer.put(tmp_path / "b.json", {"n": 1})
    writer.put(tmp_path / "b.json", None)
    writer.close()
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"n": 299}
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.json", "new"]


def test_a_full_disk_is_told_once_and_the_draft_is_written_when_there_is_room(tmp_path: Path, monkeypatch):
    full, said, again = True, [], threading.Event()
    replace = Path.replace

    def no_room(path: Path, target: Path) -> Path:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(path, target)

    def told(why: str) -> None:
        said.append(why)
        again.set()

    monkeypatch.setattr(Path, "replace", no_room)
    monkeypatch.setattr(drafts, "RETRY_S", 0.05)
    (tmp_path / "a.json").write_text('{"n": 0}')
    writer = Writer(told)
    writer.put(tmp_path / "a.json", {"n": 1})
    assert again.wait(5) and "disk is full" in said[0]
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 0}, "the former draft is as it was"
    again.clear()
    full = False
    while said[-1]:
        assert again.wait(5)
    writer.close()
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_disk_that_stays_full_does_not_keep_the_server_from_ending(tmp_path: Path):
    (tmp_path / "file").write_text("")
    said = threading.Event()
    writer = Writer(lambda why: said.set())
    writer.put(tmp_path / "file" / "a.json", {})
    assert said.wait(5)
    writer.close()


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_draft_is_the_old_one_or_the_new_one_whenever_the_server_is_killed(tmp_path: Path, monkeypatch, at: str):
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    write(tmp_path / "a.json", {"n": 0})
    monkeypatch.setattr(*((os, "fsync") if at == "fsync" else (Path, "replace")), kill)
    with pytest.raises(Killed):
        write(tmp_path / "a.json", {"n": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 0}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_nobody_else_of_this_machine_reads_a_draft(tmp_path: Path):
    before = os.umask(0)
    try:
        write(tmp_path / "state" / "0123456789abcdef" / "now.json", {"comment": "of one patient"})
    finally:
        os.umask(before)
    file = tmp_path / "state" / "0123456789abcdef" / "now.json"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
