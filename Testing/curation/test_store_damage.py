"""One file of a data set that is damaged, or holds what nobody writes, costs its own case and nothing else."""

import copy
import json
import os
import random
import shutil
import signal
import socket

import pytest
from reviewed_hip import Hip, every_byte

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.schema import record_of
from ONFHAssistLib.curation.reports.agree import agree
from ONFHAssistLib.curation.reports.export import export, export_again
from ONFHAssistLib.curation.reports.export_lock import LOCK, read_lock
from ONFHAssistLib.curation.reports.overview import overview
from ONFHAssistLib.curation.reports.status import status
from ONFHAssistLib.curation.reports.status_page import status_html
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.curation.store.open_case import open_case
from ONFHAssistLib.curation.store.rename import rename

SMALL = {"spacing_mm": (8.0, 8.0, 8.0)}
RAW = [
    b"", b" ", b"{", b"[]", b"{}", b"null", b"7", b'"x"', b"\xff\xfe", b"\x00", b"[" * 100_000, b'{"a":' * 100_000,
    b"NaN", b"<html>", b"x" * 1000, b'{"format": "onfh-assist-case/1"}', "ü".encode("latin-1"),
    b"[" * 600 + b'"\\u0041"' + b"]" * 600,
]  # fmt: skip
DEEP = '{"a":' * 600 + '"\\u0041"' + "}" * 600
VALUES = [None, True, -1, 7, 10**400, 1.5, "1e999", "NaN", "x", "../../x", "\ud800", "\x1b[31m", [], {}, [[]], {"a": 1}]


def dumped(content) -> bytes:
    """Return JSON as no honest program writes it: numbers without end and half characters too."""
    return json.dumps(content).replace('"1e999"', "1e999").replace('"NaN"', "NaN").encode()


def places(content, path=()):
    """Return the path to every value, those in lists of numbers by their first."""
    yield path
    if isinstance(content, dict):
        for name in content:
            yield from places(content[name], (*path, name))
    elif isinstance(content, list):
        for n in range(min(len(content), 2)):
            yield from places(content[n], (*path, n))


def spoiled(content, seed: int = 0):
    """Return spoilt copies of a JSON value: each value in turn is another one, missing, or doubled."""
    rng = random.Random(seed)
    every = [path for path in places(content) if path]
    for path in every:
        for value in (*VALUES, "gone", "twice"):
            other = copy.deepcopy(content)
            parent = other
            for step in path[:-1]:
                parent = parent[step]
            if value == "gone":
                del parent[path[-1]]
            elif value == "twice" and isinstance(parent, list):
                parent.append(parent[path[-1]])
            elif value == "twice":
                parent[f"{path[-1]}s"] = parent[path[-1]]
            else:
                parent[path[-1]] = value
            yield rng.random(), dumped(other)


def chosen(content, count: int) -> list[bytes]:
    """Return as many of the spoilt copies, any of them; always the same."""
    return [text for _, text in sorted(spoiled(content))[:count]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A data set of two cases, one of which two readers have approved, and a draft; read-only."""
    place = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONFH_KEYS", str(place / "keys"))
        from ONFHAssistLib.curation.store.folder import create_store

        store = create_store(place / "Dataset101_Heads")
        store.save(Hip(**SMALL).case("one"))
        store.save(Hip(lesion_mm=20.0, **SMALL).case("one", "reader2", reviewed_slices=tuple(range(3, 9))))
        store.save(Hip(seed=1, **SMALL).case("two"))
        store.save(Hip(seed=2, **SMALL).case("two", status="draft", automatic=None, automatic_result=None, models=()))
    return place


@pytest.fixture
def data(filled, tmp_path, monkeypatch):
    """The same, to be spoilt."""
    shutil.copytree(filled / "keys", tmp_path / "keys")
    shutil.copytree(filled / "Dataset101_Heads", tmp_path / "Dataset101_Heads")
    return tmp_path / "Dataset101_Heads"


def case_with_two(folder) -> str:
    return next(path.stem for path in (folder / "cases").iterdir() if '"reader2"' in path.read_text())


def put_back(filled, folder) -> None:
    shutil.rmtree(folder)
    shutil.copytree(filled / folder.name, folder)


def lay(path, what: str, outside) -> None:
    """Put something else in the place of a file."""
    old = path.read_bytes() if path.is_file() else b"{}"
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if what == "folder":
        path.mkdir()
        (path / "x").write_bytes(b"x")
    elif what == "empty folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "socket":  # its name has to be short
        with socket.socket(socket.AF_UNIX) as one:
            here = os.getcwd()
            os.chdir(path.parent)
            one.bind(path.name)
            os.chdir(here)
    elif what.startswith("link to "):
        path.symlink_to(outside / what.removeprefix("link to "))
    else:
        path.write_bytes(
            {"empty": b"", "NUL": old[:100] + bytes(1000), "no UTF-8": b'{"\xff": 1}', "deep": DEEP.encode()}[what]
        )


def used(folder, out, case_id: str | None = None) -> list[str]:
    """Do everything with a data set; return what was refused. Any other error fails."""
    refused = []

    def attempt(job):
        try:
            return job()
        except InputError as error:
            refused.append(str(error))
            assert str(error).endswith(".") and len(str(error)) < 500
            return None

    store = attempt(lambda: open_store(folder))
    attempt(lambda: overview(folder))
    if store is None:
        return refused
    attempt(lambda: status_html(store))
    others = [path.stem for path in (folder / "cases").glob("*.json") if path.stem != case_id]
    for job in (status, check):
        attempt(lambda job=job: job(store))
    if case_id is not None:
        attempt(lambda: agree(store))
        attempt(lambda: store.history(case_id))
        attempt(lambda: open_case(folder, case_id, "reader9"))
        attempt(lambda: rename(store, case_id, "four", "reader9", "test"))
        for name in others:  # the others are as they were
            assert store.history(name) and open_case(folder, name, "reader9")
        assert status(store).cases == len(others) + 1
        made = export(store, out / "made", "monai")
        assert made.cases >= 1
        shutil.rmtree(out)
        attempt(lambda: store.withdraw(case_id, "reader9", "test"))
        store.save(Hip(seed=5, **SMALL).case("two"))
    else:
        attempt(lambda: export(store, out / "made", "monai"))
        shutil.rmtree(out, ignore_errors=True)
        attempt(lambda: store.withdraw(others[0], "reader9", "test"))
        attempt(lambda: store.save(Hip(seed=5, **SMALL).case("two")))
    attempt(lambda: check(store, repair=True))
    return refused


def test_every_kind_of_spoilt_case_file_is_told_from_a_sound_one(data):
    """Each value of a case file in turn, 16 kinds of others: what passes is used without an error of the program."""
    case_id = case_with_two(data)
    path = data / layout.case_file(case_id)
    store = open_store(data)
    passed = []
    kinds = [*RAW, *(text for _, text in spoiled(json.loads(path.read_bytes())))]
    for content in kinds:
        try:
            record_of(content, case_id)
        except ValueError as error:
            assert str(error).startswith(("is ", "has "))
        else:
            passed.append(content)
    assert len(kinds) > 3000 and 0 < len(passed) < 0.25 * len(kinds)
    for content in random.Random(1).sample(passed, 10):
        path.write_bytes(content)
        assert store.history(case_id) and open_case(data, case_id, "reader9") and status_html(store)


@pytest.mark.parametrize("radius_mm", [-24.0, 0.0, 500.0, 1e6])
def test_a_case_whose_sphere_is_no_head_is_none(data, radius_mm):
    case_id = case_with_two(data)
    plain = json.loads((data / layout.case_file(case_id)).read_bytes())
    plain["versions"][0]["sphere"]["radius_mm"] = radius_mm
    with pytest.raises(ValueError, match="does not write"):
        record_of(json.dumps(plain).encode(), case_id)


@pytest.mark.parametrize(
    ("field", "value"),
    [("volume_ratio", 1e17), ("volume_ratio", -0.1), ("ratio_interval", [0.1, 2.0]), ("head_volume_ml", 1e298)],
)
def test_a_case_with_a_number_that_no_hip_has_is_none(data, field, value):
    case_id = case_with_two(data)
    plain = json.loads((data / layout.case_file(case_id)).read_bytes())
    plain["versions"][0]["result"][field] = value
    with pytest.raises(ValueError, match="does not write"):
        record_of(json.dumps(plain).encode(), case_id)


def test_a_spoilt_case_file_costs_this_case_only(data, filled, tmp_path):
    case_id = case_with_two(data)
    content = (data / layout.case_file(case_id)).read_bytes()
    for text in [*RAW, content[:-1], content[: len(content) // 2], *chosen(json.loads(content), 30)]:
        (data / layout.case_file(case_id)).write_bytes(text)
        used(data, tmp_path / "out", case_id)
        check(open_store(data), repair=True)
        assert check(open_store(data)) == ()
        assert open_store(data).history(case_id)
        put_back(filled, data)


def test_a_spoilt_case_file_without_a_copy_in_the_history_costs_this_case_only(data, filled, tmp_path):
    case_id = case_with_two(data)
    content = (data / layout.case_file(case_id)).read_bytes()
    for text in [*RAW[:6], *chosen(json.loads(content), 12)]:
        for path in [data / layout.case_file(case_id), *data.glob("history/*/case.json")]:
            if case_id in path.read_text():
                path.write_bytes(text)
        used(data, tmp_path / "out", case_id)
        put_back(filled, data)


OF_A_CASE = [
    "cases/{}.json", "imagesTr/{}_0000.nii.gz", "labelsTr/{}.nii.gz", "original/{}.nii.gz", "staging/{}.nii.gz",
    "history/000001/case.json", "history/000001/mask.nii.gz", "history/000001/automatic.nii.gz",
    "history/000002/case.json", "history/000002/mask.nii.gz",
]  # fmt: skip
OF_ALL = ["onfh-assist.json", "dataset.json", "folds.json", "splits_final.json", "history/000005", "history/999999999"]
UNFINISHED = ["publish", "publish/plan.json", "publish/00", "publish/01", "publish/02", "case.json", "mask.nii.gz"]
THINGS = ["socket", "empty folder", "pipe", "link to nowhere", "link to keep", "link to ../../../../../dev/zero"]
CONTENTS = ["empty", "NUL", "no UTF-8", "deep"]


def each(names) -> list[tuple[str, str]]:
    """Return each place with a folder in it, and with the other things in turn: all of them everywhere is slow."""
    return [(name, what) for n, name in enumerate(names) for what in ("folder", THINGS[n % len(THINGS)])]


@pytest.fixture
def outside(tmp_path):
    """What must not be touched; and 60 seconds for a test, since a pipe or a device has no end."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "keep").write_bytes(b"mine")
    alarm = getattr(signal, "alarm", lambda seconds: None)
    alarm(60)
    yield place
    alarm(0)
    assert every_byte(place) == {"keep": b"mine"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize(("name", "what"), [*each(OF_A_CASE), *zip(OF_A_CASE[1:5], CONTENTS, strict=True)])
def test_what_lies_in_the_place_of_a_cases_file_costs_this_case_and_is_told_of(data, tmp_path, outside, name, what):
    case_id = case_with_two(data)
    lay(data / name.format(case_id), what, outside)
    told = check(open_store(data))
    path = name.format(case_id).removesuffix("/case.json")
    assert path in [one.path for one in told] and all(one.remedy for one in told)
    used(data, tmp_path / "out", case_id)
    again = check(open_store(data), repair=True)
    assert all(case_id in one.path + one.message or one.path.startswith("history/00000") for one in again)
    open_store(data).save(Hip(seed=6, **SMALL).case("two"))
    assert not any(path.is_symlink() or path.is_dir() for path in data.glob("[ilso]*/*.nii.gz"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize(("name", "what"), each(OF_ALL))
def test_what_lies_in_the_place_of_a_list_or_a_save_is_set_aside(data, tmp_path, outside, name, what):
    lay(data / name, what, outside)
    used(data, tmp_path / "out")
    if name != "onfh-assist.json":
        check(open_store(data), repair=True)
        open_store(data).save(Hip(seed=6, **SMALL).case("two"))
        left = [one.path for one in check(open_store(data))]
        assert left == (["history/000005"] if (name, what) == ("history/000005", "folder") else [])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize(("name", "what"), each(UNFINISHED))
def test_what_lies_in_an_unfinished_save_is_set_aside_and_the_rest_of_it_is_finished(
    data, tmp_path, outside, monkeypatch, name, what
):
    from ONFHAssistLib.curation.store import journal

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_publish", lambda *_: None)
        new = open_store(data).save(Hip(seed=7, **SMALL).case("one"))
    lay(data / "history" / "000005" / name, what, outside)
    assert check(open_store(data))
    used(data, tmp_path / "out")
    check(open_store(data), repair=True)
    open_store(data).save(Hip(seed=6, **SMALL).case("two"))
    left = check(open_store(data))
    assert not any(one.code == "interrupted" for one in left)
    assert all(new.stem in one.path + one.message or one.path.startswith("history/000005") for one in left)


@pytest.mark.parametrize("name", ["onfh-assist.json", "dataset.json", "folds.json", "splits_final.json"])
def test_a_spoilt_list_is_refused_or_made_again(data, filled, tmp_path, name):
    content = (data / name).read_bytes()
    for text in [*RAW, content[:-3], *chosen(json.loads(content), 12)]:
        (data / name).write_bytes(text)
        used(data, tmp_path / "out")
        if name != "onfh-assist.json":
            check(open_store(data), repair=True)
            assert check(open_store(data)) == ()
            open_store(data).save(Hip(seed=6, **SMALL).case("two"))
        put_back(filled, data)


@pytest.mark.parametrize("name", ["history/000001/case.json", "history/000004/case.json"])
def test_a_spoilt_copy_in_the_history_is_told_of_and_harms_nothing(data, filled, tmp_path, name):
    content = (data / name).read_bytes()
    for text in [*RAW, content[:-3], *chosen(json.loads(content), 10)]:
        (data / name).write_bytes(text)
        assert used(data, tmp_path / "out") == []
        assert len(open_store(data).cases()) == 4
        put_back(filled, data)


def test_a_spoilt_plan_of_an_interrupted_save_harms_nothing(data, filled, tmp_path, monkeypatch):
    from ONFHAssistLib.curation.store import journal

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_publish", lambda *_: None)
        new = open_store(data).save(Hip(seed=7, **SMALL).case("one"))
    shutil.copytree(data, tmp_path / "unfinished")
    plan = data / "history" / "000005" / "publish" / "plan.json"
    content = plan.read_bytes()
    for text in [*RAW, content[:-3], *chosen(json.loads(content), 12)]:
        plan.write_bytes(text)
        store = open_store(data)
        assert status(store).cases >= 3 and not status(store).damaged
        used(data, tmp_path / "out")
        check(open_store(data), repair=True)
        assert check(open_store(data)) == () and open_store(data).reopen(new.stem)
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "unfinished", data)


@pytest.mark.parametrize("text", [*RAW, b'{"pid": 1e99}', b'{"pid": "1", "host": 7}', b'{"pid": -5, "holder": []}'])
def test_a_spoilt_lock_is_waited_for_and_then_taken(data, monkeypatch, text):
    from ONFHAssistLib.curation.store import lock, store

    monkeypatch.setattr(store, "locked", lambda *a: lock.locked(*a, wait_s=5, expires_after_s=0.05))
    (data / ".lock").write_bytes(text)
    open_store(data).save(Hip(seed=6, **SMALL).case("two"))


def test_a_spoilt_lock_file_of_an_export_is_refused(data, tmp_path):
    store = open_store(data)
    made = export(store, tmp_path / "made", "monai")
    content = (made.folder / LOCK).read_bytes()
    for text in [*RAW, content[:-3], *chosen(json.loads(content), 120)]:
        (tmp_path / "lock.json").write_bytes(text)
        try:
            read_lock(tmp_path / "lock.json")
            export_again(store, tmp_path / "lock.json", tmp_path / "again")
        except InputError as error:
            assert str(error).endswith(".")
        shutil.rmtree(tmp_path / "again", ignore_errors=True)


@pytest.mark.parametrize(
    "name",
    ["{} (conflicted copy 2024-05-01).json", "{}.sync-conflict-20240501-101010-ABCDEFG.json", "{}-LAPTOP.json"]
    + ["{} (1).json", "copy of {}.json", "notes.json"],
)
def test_a_sync_conflicts_copy_of_a_case_file_is_left_out_and_named(data, tmp_path, name):
    case_id = case_with_two(data)
    stranger = data / "cases" / name.format(case_id)
    shutil.copyfile(data / layout.case_file(case_id), stranger)
    store = open_store(data)
    found = status(store)
    assert found.cases == 3 and not found.damaged and found.left_out == (stranger.name,)
    assert [one.path for one in check(store)] == [f"cases/{stranger.name}"]
    made = export(store, tmp_path / "made", "monai")
    assert made.left_out == (stranger.name,) and agree(store) and overview(data).cases
    store.withdraw(case_id, "reader9", "test")
    store.save(Hip(**SMALL).case("one"))
    assert [one.path for one in check(store, repair=True)] == [f"cases/{stranger.name}"] and check(store) == ()
