"""A data set from somebody else is opened, looked through, repaired, saved into: nothing outside of it is touched."""

import contextlib
import json
import os
import shutil
import signal

import pytest
from reviewed_hip import Hip, every_byte

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.reports.agree import agree
from ONFHAssistLib.curation.reports.export import export
from ONFHAssistLib.curation.reports.overview import overview
from ONFHAssistLib.curation.reports.status import status
from ONFHAssistLib.curation.reports.status_page import status_html
from ONFHAssistLib.curation.store import keys
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.curation.store.open_case import open_case

HIP = Hip(spacing_mm=(8.0, 8.0, 8.0))
alarm = getattr(signal, "alarm", lambda seconds: None)  # not on Windows
links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")


@pytest.fixture
def victim(tmp_path):
    """What must not be touched: a file and a folder beside the data set."""
    place = tmp_path / "victim"
    (place / "below").mkdir(parents=True)
    (place / "keep.txt").write_text("mine")
    (place / "below" / "mask.nii.gz").write_bytes(b"mine")
    (place / "below" / "case.json").write_text("{}")
    return place


@pytest.fixture
def hostile(store):
    store.save(HIP.case())
    store.save(HIP.case(reviewer="reader2"))
    store.save(Hip("left", spacing_mm=(8.0, 8.0, 8.0)).case())
    return store


def use_all(folder, tmp_path) -> list[str]:
    """Do with a data set what a user does; return what was refused. Anything but InputError, or a hang, fails."""
    said = []

    def attempt(job) -> None:
        alarm(30)
        try:
            job()
        except InputError as error:
            said.append(str(error))
            assert str(error).endswith(".") and "\x1b" not in str(error)
        finally:
            alarm(0)

    attempt(lambda: open_store(folder))
    attempt(lambda: overview(folder))
    with contextlib.suppress(InputError):
        store = open_store(folder)
        names = [case.case_id for case in store.cases()]
        for job in (status, status_html, check, agree):
            attempt(lambda job=job: job(store))
        for name in names:
            attempt(lambda name=name: store.history(name))
            attempt(lambda name=name: open_case(folder, name, "reader9"))
        attempt(lambda: export(store, tmp_path / "out" / "made", "monai"))
        attempt(lambda: store.save(Hip(seed=5, spacing_mm=(8.0, 8.0, 8.0)).case("other")))
        attempt(lambda: store.withdraw(names[0], "reader9", "test"))
        attempt(lambda: check(store, repair=True))
        attempt(lambda: check(store, repair=True))
        attempt(lambda: store.save(HIP.case()))
    return said


def plan(store, **content) -> None:
    """Leave a save unfinished, with a plan of somebody else."""
    last = max(int(path.name) for path in (store.folder / "history").iterdir())
    waiting = store.folder / "history" / f"{last:06d}" / "publish"
    waiting.mkdir()
    (waiting / "00").write_bytes(b"payload")
    (waiting / "plan.json").write_text(json.dumps({"token": "t", "publish": {}, "moves": [], "removes": []} | content))


@pytest.mark.parametrize("leads", ["../victim/keep.txt", "{victim}/keep.txt", "cases/../../victim/keep.txt", "..\\x"])
@pytest.mark.parametrize("step", ["publish to", "publish from", "move from", "move to", "remove"])
def test_a_plan_that_leads_out_of_the_folder_is_not_carried_out(hostile, victim, tmp_path, leads, step):
    path = leads.format(victim=victim)
    content = {
        "publish to": {"publish": {"00": path}},
        "publish from": {"publish": {f"../../../{path}": "dataset.json"}},
        "move from": {"moves": [[path, "imagesTr/stolen.nii.gz"]]},
        "move to": {"moves": [["dataset.json", path]]},
        "remove": {"removes": [path]},
    }[step]
    plan(hostile, **content)
    before = every_byte(victim)
    said = use_all(hostile.folder, tmp_path)
    assert every_byte(victim) == before and any("plan.json is damaged or not from this software" in one for one in said)
    assert check(hostile) == () and b"mine" not in every_byte(hostile.folder).values()


@pytest.mark.parametrize(
    "content",
    [
        {"removes": ["onfh-assist.json"]},
        {"removes": ["dataset.json"]},
        {"publish": {"00": "onfh-assist.json"}},
        {"publish": {"00": "history/000001/case.json"}},
        {"moves": [["history", "staging"]]},
        {"moves": [["cases", "staging/x"]]},
        {"publish": {"plan.json": "dataset.json"}},
    ],
)
def test_a_plan_that_would_harm_the_data_set_itself_is_not_carried_out(hostile, tmp_path, content):
    plan(hostile, **content)
    before = every_byte(hostile.folder)
    open_store(hostile.folder)
    status(hostile)
    assert every_byte(hostile.folder) == before
    with pytest.raises(InputError, match="let the check repair it"):
        hostile.save(HIP.case())
    check(hostile, repair=True)
    assert check(hostile) == ()
    hostile.save(HIP.case())


def test_an_interrupted_save_whose_plan_is_damaged_is_finished_by_the_check(hostile, monkeypatch):
    from ONFHAssistLib.curation.store import journal

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_publish", lambda *_: None)
        path = hostile.save(Hip(seed=7, spacing_mm=(8.0, 8.0, 8.0)).case("other"))
    (waiting,) = hostile.folder.glob("history/*/publish/plan.json")
    waiting.write_text('{"token"')
    for _ in range(2):
        check(hostile, repair=True)
    assert check(hostile) == () and hostile.reopen(path.stem).masks.head.array.any()


@pytest.mark.parametrize("leads", ["/dev/zero", "../victim/keep.txt", "{victim}/keep.txt", "cases/../../victim/x"])
def test_a_case_whose_files_lie_elsewhere_is_read_by_nobody(hostile, victim, tmp_path, leads):
    for path in [*hostile.folder.glob("cases/*_R.json"), *hostile.folder.glob("history/*/case.json")]:
        record = json.loads(path.read_text())
        if record["side"] == "right":
            record["files"][leads.format(victim=victim)] = 64 * "0"
            path.write_text(json.dumps(record))
    before = every_byte(victim)
    use_all(hostile.folder, tmp_path)
    assert every_byte(victim) == before


@pytest.mark.parametrize("name", ["../../{}", "/{}", "..", "a\x1b[31m", ""])
def test_a_case_or_patient_with_the_name_of_a_path_is_no_case(hostile, victim, tmp_path, name):
    before = every_byte(victim)
    for field in ("case", "patient"):
        for path in [*hostile.folder.glob("cases/*.json"), *hostile.folder.glob("history/*/case.json")]:
            path.write_text(json.dumps(json.loads(path.read_text()) | {field: name.format("victim/keep")}))
        use_all(hostile.folder, tmp_path)
        with pytest.raises(InputError, match="has no case"):
            hostile.record(name.format("victim/keep"))
    assert every_byte(victim) == before


@links
@pytest.mark.parametrize("name", [*layout.FOLDERS, layout.SET_ASIDE])
def test_a_folder_that_is_a_link_is_not_followed(hostile, victim, tmp_path, name):
    shutil.rmtree(hostile.folder / name, ignore_errors=True)
    (hostile.folder / name).symlink_to(victim / "below")
    before = every_byte(victim)
    assert any("by a link, which is not followed" in one for one in use_all(hostile.folder, tmp_path))
    assert every_byte(victim) == before


@links
@pytest.mark.parametrize("target", ["keep.txt", "below", "nowhere"])
@pytest.mark.parametrize(
    "name",
    ["onfh-assist.json", "dataset.json", "folds.json", "splits_final.json", ".lock", "history/000001"]
    + ["history/000001/mask.nii.gz", "history/000003/case.json", "history/000003/publish", "history/.work-1"]
    + ["history/000009", "cases/{}.json", "labelsTr/{}.nii.gz", "imagesTr/{}_0000.nii.gz", "staging/{}.nii.gz"]
    + ["original/x", "cases/notes.json"],
)
def test_a_link_in_the_folder_is_not_followed(hostile, victim, tmp_path, name, target, monkeypatch):
    from ONFHAssistLib.curation.store import lock, store

    monkeypatch.setattr(store, "locked", lambda *a: lock.locked(*a, wait_s=3, expires_after_s=0.5))
    case_id = next(case.case_id for case in hostile.cases() if case.side == "right")
    place = hostile.folder / name.format(case_id)
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.symlink_to(victim / target)
    before = every_byte(victim)
    use_all(hostile.folder, tmp_path)
    assert every_byte(victim) == before and sorted(victim.iterdir()) == [victim / "below", victim / "keep.txt"]
    assert b"mine" not in every_byte(tmp_path / "out").values() if (tmp_path / "out").exists() else True


@links
@pytest.mark.parametrize(
    "name",
    ["onfh-assist.json", "folds.json", ".lock", "cases/{}.json", "labelsTr/{}.nii.gz", "history/000001/case.json"],
)
def test_a_pipe_in_the_folder_keeps_nobody_waiting(hostile, tmp_path, name, monkeypatch):
    from ONFHAssistLib.curation.store import lock, store

    monkeypatch.setattr(store, "locked", lambda *a: lock.locked(*a, wait_s=3, expires_after_s=0.5))
    case_id = next(case.case_id for case in hostile.cases() if case.side == "right")
    place = hostile.folder / name.format(case_id)
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    use_all(hostile.folder, tmp_path)


@pytest.mark.parametrize("fingerprint", ["../../victim/keep", "", "0" * 15, "x" * 16, None, 7, ["0"]])
def test_a_fingerprint_that_is_a_path_names_no_key(hostile, victim, fingerprint):
    (victim / "keep.key").write_text("00" * 32)
    marker = hostile.folder / "onfh-assist.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"key_fingerprint": fingerprint}))
    with pytest.raises(InputError, match="is damaged"):
        open_store(hostile.folder)


@links
def test_a_key_is_for_its_user_alone_from_its_first_byte_and_a_link_in_its_place_is_not_written_through(
    tmp_path, victim, monkeypatch
):
    modes = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, *mode, **k: modes.append(mode) or real(path, flags, *mode, **k))
    path = keys.keep_key(keys.new_key())
    assert (0o600,) in modes and path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="is not a key"):
        keys.read_key(tmp_path / "dev" / "zero")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")
def test_a_key_without_end_is_no_key():
    from pathlib import Path

    with pytest.raises(InputError, match="is not a key"):
        keys.read_key(Path("/dev/zero"))


def test_a_packed_mask_without_end_takes_no_memory(hostile):
    import gzip
    import tracemalloc

    case_id = next(case.case_id for case in hostile.cases() if case.side == "right")
    path = hostile.folder / layout.label_file(case_id)
    header = bytearray(gzip.decompress(path.read_bytes())[:352])
    header[40:56] = b"".join(n.to_bytes(2, "little") for n in (3, 30000, 30000, 30000, 1, 1, 1, 1))
    path.write_bytes(gzip.compress(bytes(header) + bytes(200 * 2**20), 1))
    tracemalloc.start()
    assert any(one.path == layout.label_file(case_id) for one in check(hostile))
    assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    tracemalloc.stop()
