"""What comes from elsewhere: JSON without end, and what is no file."""

import os
import socket
from pathlib import Path

import pytest

from ONFHAssistLib.core.outside import LinkError, is_plain_file, parse_json, read_plain_file


@pytest.mark.parametrize("depth", [51, 600, 980, 100_000])
@pytest.mark.parametrize("ends", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("inmost", [b'"\\u0041"', b"7"])
def test_json_that_is_nested_without_end_is_refused_as_any_damage(depth, ends, inmost):
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(ends[0] * depth + inmost + ends[1] * depth)


def test_json_as_deep_as_any_file_of_this_software_is_read_and_cleaned():
    found = parse_json(b"[" * 40 + b'{"\\u0041": "\\u001b"}' + b"]" * 40)
    for _ in range(40):
        (found,) = found
    assert found == {"A": "�"}


def laid(path: Path, what: str, monkeypatch) -> None:
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to(path.parent)
    else:
        monkeypatch.chdir(path.parent)  # the name of a socket has to be short
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("what", ["folder", "pipe", "link", "socket"])
def test_what_is_no_plain_file_is_refused_by_name_and_not_held_open(tmp_path: Path, monkeypatch, what):
    path = tmp_path / "mask"
    laid(path, what, monkeypatch)
    held = Path("/proc/self/fd")
    before = len(os.listdir(held)) if held.is_dir() else 0
    for _ in range(3):
        with pytest.raises(LinkError, match=r"^mask is (a link|no plain file)$"):
            read_plain_file(path)
    assert not is_plain_file(path) and (len(os.listdir(held)) if held.is_dir() else 0) == before
    path = tmp_path / "file"
    path.write_bytes(b"x")
    assert is_plain_file(path) and not is_plain_file(tmp_path / "nothing") and read_plain_file(path) == b"x"
