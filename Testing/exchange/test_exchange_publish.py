"""All files or none: full disks, folders that cannot be written to, earlier results."""

import errno
import io
import os
import shutil
import signal
import subprocess

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.exchange import publish as publishing
from ONFHAssistLib.exchange import write as writing
from ONFHAssistLib.exchange.write import require_not_overwritten, write_study

NAMES = {"report.json", "masks.nii.gz", "masks.seg.nrrd", "slices.csv", "report.html"}


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class FullDisk:
    """Lets the first ``allowed`` calls that change the disk pass; from then on it is full."""

    def __init__(self, monkeypatch, allowed):
        self.left = allowed
        self.failed = False
        for owner, name in [(os, "mkdir"), (os, "rename"), (os, "replace"), (os, "fsync")]:
            monkeypatch.setattr(owner, name, self.guard(getattr(owner, name)))
        monkeypatch.setattr(publishing, "open", self.open, raising=False)

    def guard(self, call):
        def guarded(*args, **kwargs):
            self.spend()
            return call(*args, **kwargs)

        return guarded

    def spend(self):
        if self.left == 0:
            self.left = -1  # one failure; undoing it may use the disk again
            self.failed = True
            raise OSError(errno.ENOSPC, "No space left on device")
        self.left -= 1

    def open(self, path, mode):
        disk = self

        class File(io.FileIO):
            def write(self, data):
                half = len(data) // 2
                super().write(data[:half])
                disk.spend()
                return half + super().write(data[half:])

        return File(path, mode.replace("b", ""))


def test_all_five_files_appear(study, tmp_path):
    page = write_study(study, tmp_path / "new" / "out")
    assert page == tmp_path / "new" / "out" / "report.html"
    assert set(contents(page.parent)) == NAMES
    assert os.listdir(tmp_path / "new") == ["out"]


def test_an_earlier_result_is_replaced_and_other_files_stay(study, tmp_path):
    (tmp_path / "report.json").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    write_study(study, tmp_path)
    found = contents(tmp_path)
    assert set(found) == NAMES | {"notes.txt"}
    assert found["notes.txt"] == b"mine"
    assert found["report.json"].startswith(b"{")


@pytest.mark.parametrize("earlier", [False, True], ids=["new folder", "earlier result"])
def test_a_disk_that_is_full_at_any_step_leaves_nothing_half_written(study, tmp_path, monkeypatch, earlier):
    monkeypatch.setattr(writing, "report_html", lambda *_: "<html></html>")  # the same page, many times
    folder = tmp_path / "made" / "out"
    if earlier:
        folder.mkdir(parents=True)
        for name in [*NAMES, "report.pdf", "notes.txt"]:  # an earlier report.pdf goes last, or not at all
            (folder / name).write_text(f"old {name}")
    before, refused, finished = contents(tmp_path), 0, False
    while not finished:
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, allowed=refused)
            try:
                write_study(study, folder)
                finished = True
            except InputError as error:
                refused += 1
                assert str(error) == (
                    f"The result could not be written to {folder}: "
                    "the disk is full; free some space or choose another folder."
                )
                assert contents(tmp_path) == before
                assert earlier or not (tmp_path / "made").exists()
    assert refused >= 13  # each write, each flush, each rename
    assert disk.failed  # only the flush after the last step
    assert {name.removeprefix("made/out/") for name in contents(tmp_path)} >= NAMES
    assert contents(folder)["report.json"].startswith(b"{")
    assert not (folder / "report.pdf").exists()


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_a_really_full_disk_is_said_in_one_sentence(study, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        with pytest.raises(InputError, match="the disk is full"):
            write_study(study, disk / "out")
        assert os.listdir(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_is_a_file_is_refused_and_the_file_kept(study, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="could not be written"):
        write_study(study, tmp_path / "out")
    with pytest.raises(InputError, match="could not be written"):
        write_study(study, tmp_path / "out" / "deeper")
    assert contents(tmp_path) == {"out": b"mine"}


def test_a_folder_without_permission_is_refused_in_one_sentence(study, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(InputError, match="writing is not allowed there; choose another folder"):
        write_study(study, tmp_path)
    assert os.listdir(tmp_path) == []


FILES = {name: publishing.write_bytes(b"new") for name in ("a", "b", "c")}


@pytest.fixture
def earlier_result(tmp_path):
    for name in FILES:
        (tmp_path / name).write_text(f"old {name}")
    return contents(tmp_path)


class Moves:
    """Lets ``act(number)`` happen right after each move of a file, numbered from 0."""

    def __init__(self, monkeypatch, act):
        self.done = 0
        replace = os.replace

        def moved(source, target):
            replace(source, target)
            self.done += 1
            act(self.done - 1)

        monkeypatch.setattr(os, "replace", moved)


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_failure_right_after_any_move_puts_the_earlier_files_back(tmp_path, earlier_result, monkeypatch, at, error):
    def act(number):
        if number == at:
            raise error

    Moves(monkeypatch, act)
    with pytest.raises(error):
        publishing.publish(tmp_path, FILES)
    assert contents(tmp_path) == earlier_result


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send to a process of one's own")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_the_files_take_their_names_comes_too_late(tmp_path, earlier_result, monkeypatch, number):
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    moves = Moves(monkeypatch, lambda _: signal.raise_signal(number))
    publishing.publish(tmp_path, FILES)
    assert moves.done == 6
    assert contents(tmp_path) == dict.fromkeys(FILES, b"new")
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def test_an_earlier_file_that_cannot_be_put_back_is_kept_and_its_place_is_said(tmp_path, earlier_result, monkeypatch):
    replace, calls = os.replace, []

    def broken(source, target):
        calls.append(source)
        if len(calls) > 3:
            raise OSError(errno.EROFS, "Read-only file system")
        replace(source, target)

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(InputError, match=r"what was there before is in .*earlier"):
        publishing.publish(tmp_path, FILES)
    assert set(earlier_result.values()) <= set(contents(tmp_path).values())


def test_a_result_is_written_from_another_thread_too(tmp_path):
    from threading import Thread

    thread = Thread(target=publishing.publish, args=(tmp_path / "out", FILES))
    thread.start()
    thread.join()
    assert contents(tmp_path / "out") == dict.fromkeys(FILES, b"new")


def test_stopping_in_mid_write_leaves_nothing(tmp_path):
    def interrupted(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publishing.publish(tmp_path / "out", {"a": publishing.write_bytes(b"a"), "b": interrupted})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["masks.nii.gz", "report.pdf"])
def test_a_folder_with_the_name_of_a_file_of_the_report_is_kept_with_what_is_in_it(study, tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="has the name of one of the files"):
        write_study(study, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == [name, "mine.txt"]


def test_an_image_is_not_overwritten_by_its_own_report(tmp_path):
    image = tmp_path / "masks.nii.gz"
    image.write_bytes(b"the image")
    for folder in (tmp_path, tmp_path / "x" / ".."):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="would overwrite the image"):
            require_not_overwritten(image, folder)
    require_not_overwritten(image, tmp_path / "x")
