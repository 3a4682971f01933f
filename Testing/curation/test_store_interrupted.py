"""Killed, out of disk, several at once: what was saved before is there, and what was being saved is there or not."""

import errno
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import stress
from reviewed_hip import Hip, every_byte, run_together

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.store import disk, journal, lock
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import create_store, open_store

ROOT = Path(__file__).resolve().parents[2]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork and kill -9")


@forks
def test_a_save_that_is_killed_leaves_the_old_version_or_the_new_one():
    killing = stress.run("kills", 25, stdout=subprocess.PIPE)
    said, _ = killing.communicate(timeout=300)
    assert killing.returncode == 0
    found = json.loads(said[said.index("{") : said.index("}") + 1])
    assert found["old"] + found["new"] == 25 and found["old"] and found["new"]  # so the kills came at the right time


def test_three_writers_at_once_lose_nothing(store):
    saved = stress.writers(store, 3, 5)
    assert len(saved) == len(set(saved)) == 15
    assert sorted(case.case_id for case in store.cases()) == sorted(saved) and check(store) == ()
    assert journal.numbers(store.folder) == list(range(1, 16))


def test_two_readers_save_the_same_hip_at_the_same_time(store, hip):
    cases = [hip.case(reviewer=f"reader{n}") for n in range(6)]
    assert run_together(*(lambda case=case: store.save(case) for case in cases)) == []
    (case,) = store.cases()
    assert case.versions == 6 and set(case.reviewers) == {f"reader{n}" for n in range(6)} and check(store) == ()


class FullDisk:
    """Lets a number of writing operations pass and fails the next one, half done."""

    def __init__(self, monkeypatch, code=errno.ENOSPC):
        self.left, self.code = -1, code
        self.calls: list[str] = []
        for module, name in [
            (disk, "write"),
            (disk, "make_folder"),
            (disk, "move"),
            (disk, "flush_folder"),
            (journal.os, "rename"),
            (lock.os, "write"),
        ]:
            monkeypatch.setattr(module, name, self._wrapped(name, getattr(module, name)))

    def _wrapped(self, name, function):
        def call(*arguments):
            self.calls.append(name)
            self.left -= 1
            if self.left == -1:
                if name == "write" and isinstance(arguments[0], os.PathLike):
                    arguments[0].write_bytes(arguments[1][: len(arguments[1]) // 2])
                raise OSError(self.code, os.strerror(self.code))
            return function(*arguments)

        return call


@pytest.mark.parametrize(("again", "code"), [(False, errno.EIO), (True, errno.ENOSPC)])
def test_a_disk_that_is_full_at_any_moment_never_damages_the_folder(tmp_path, monkeypatch, again, code):
    """First save of a hip, and one that moves it from the drafts to the training: at each write call in turn."""
    disks = FullDisk(monkeypatch, code)
    draft, case = Hip().case(status="draft"), Hip().case()
    committed = []
    for n in range(100):
        store = create_store(tmp_path / f"Dataset{n + 100}_Heads")
        if again:
            store.save(draft)
        before = every_byte(store.folder)
        disks.left = n
        disks.calls.clear()
        try:
            store.save(case)
            break
        except InputError as error:
            assert "the disk is full" in str(error) or code != errno.ENOSPC
            saved = "is saved" in str(error)
        finally:
            disks.left = -1
        committed.append(saved)
        if not saved:
            assert every_byte(store.folder) == before
        opened = open_store(store.folder)
        assert check(opened) == ()
        assert [one.status for one in opened.cases()] == (["approved"] if saved else ["draft"] if again else [])
        opened.save(case)  # and it goes on
        assert check(opened) == ()
    assert n > 20 and committed == sorted(committed) and any(committed)  # nothing before the rename, all after it


def test_a_lock_names_its_holder(store, hip):
    with (
        lock.locked(store.folder, "reader7"),
        pytest.raises(InputError, match="being written by reader7"),
        lock.locked(store.folder, "reader8", wait_s=0.2),
    ):
        pass
    assert not (store.folder / ".lock").exists()


@forks
def test_the_lock_of_a_killed_process_does_not_keep_others_waiting(store, hip):
    hold = "import sys, time, pathlib; from ONFHAssistLib.curation.store.lock import locked\n"
    hold += "with locked(pathlib.Path(sys.argv[1]), 'reader7'): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, store.folder], stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    assert (store.folder / ".lock").exists()
    start = time.monotonic()
    store.save(hip.case())
    assert time.monotonic() - start < 5


def test_the_lock_of_another_computer_expires_if_nothing_moves(store, monkeypatch):
    (store.folder / ".lock").write_bytes(b'{"holder": "reader7", "host": "elsewhere", "pid": 1, "since": "yesterday"}')
    with pytest.raises(InputError, match="reader7 on elsewhere since yesterday"), lock.locked(store.folder, "me", 0.2):
        pass
    start = time.monotonic()
    with lock.locked(store.folder, "me", wait_s=5, expires_after_s=0.5) as held:
        assert held.ours() and 0.4 < time.monotonic() - start < 3
    assert not (store.folder / ".lock").exists()


def test_a_lock_that_is_renewed_does_not_expire(store):
    with lock.locked(store.folder, "repair") as held:

        def renew():
            for _ in range(20):
                time.sleep(0.05)
                held.renew()

        def take():
            with lock.locked(store.folder, "me", wait_s=0.9, expires_after_s=0.4):
                pass

        (error,) = run_together(renew, take)
    assert isinstance(error, InputError)


def test_a_writer_whose_lock_was_taken_begins_again_and_overwrites_nothing(store, hip, monkeypatch):
    """As after a laptop's sleep in the middle of a save: another one has saved in the meantime."""
    commit = journal.commit
    slept = []

    def sleep_first(folder, number, change, ours):
        if not slept:
            slept.append(number)
            (store.folder / ".lock").unlink()  # taken as expired by the other one
            store.save(hip.case(reviewer="awake"))
            return commit(folder, number, change, lambda: True)  # it does not even notice
        return commit(folder, number, change, ours)

    monkeypatch.setattr(journal, "commit", sleep_first)
    store.save(hip.case(reviewer="asleep"))
    (case,) = store.cases()
    assert case.reviewers == ("awake", "asleep") and check(store) == ()


def test_any_order_of_drafts_and_approvals_leaves_a_sound_folder(store):
    rng = random.Random(5)
    case_id = store.save(Hip().case(status="draft")).stem
    for n in range(25):
        opened = store.reopen(case_id, rng.choice([None, 0]))
        masks = Hip().masks(opened.image, rng.uniform(0, 30))
        what = rng.choice(["draft", "approved", "approved", "flagged", "withdraw"])
        if what == "withdraw":
            if store.record(case_id).status != "withdrawn":
                store.withdraw(case_id, "reader1", "just so")
        else:
            given = {"masks": masks, "status": what, "reviewer": f"r{n % 3}", "adjudicates": rng.random() < 0.2}
            store.save(type(opened)(**{**vars(opened), **given, "provenance": {}}))
        assert check(store) == (), f"after step {n}"
    assert np.unique(journal.numbers(store.folder)).size == len(store.record(case_id).versions)
