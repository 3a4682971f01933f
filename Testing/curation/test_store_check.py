"""What `check` finds and mends, and what `status` counts."""

import dataclasses
import errno
import gzip
import json
import os
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from reviewed_hip import Hip, every_byte

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.nifti import read_nifti
from ONFHAssistLib.curation.reports.status import status
from ONFHAssistLib.curation.store import inside, journal
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import open_store
from ONFHAssistLib.curation.store.rename import rename


@pytest.fixture
def filled(store):
    """Two approved cases, one draft."""
    for hip, state in ((Hip(), "approved"), (Hip("left"), "approved"), (Hip(seed=1), "draft")):
        store.save(hip.case(f"patient {hip.seed}", status=state))
    return store


def approved(store) -> str:
    return next(case.case_id for case in store.cases() if case.status == "approved")


def relabel(store, change) -> str:
    path = layout.label_file(approved(store))
    volume = read_nifti(store.folder / path)
    labels = volume.array.copy()
    change(labels)
    (store.folder / path).write_bytes(nifti_bytes(volume.like(labels)))
    return path


def edit(path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def turned(store) -> None:
    path = store.folder / layout.label_file(approved(store))
    volume = read_nifti(path)
    path.write_bytes(nifti_bytes(Volume(volume.array, volume.ijk_to_ras @ np.diag([-1.0, -1, 1, 1]))))


def other_label(store) -> None:
    relabel(store, lambda labels: labels.__setitem__((0, 0, 0), 7))


def no_head(store) -> None:
    relabel(store, lambda labels: labels.fill(0))


def far_necrosis(store) -> None:
    relabel(store, lambda labels: labels.__setitem__((0, 0, 0), 2))


def all_head(store) -> None:
    relabel(store, lambda labels: labels.fill(1))


def half_a_label(store) -> None:
    path = store.folder / layout.label_file(approved(store))
    path.write_bytes(path.read_bytes()[:50])


DAMAGE = [
    ("other label", other_label, "file", "label value 7"),
    ("empty mask", no_head, "file", "is empty"),
    ("necrosis outside", far_necrosis, "file", "touches no femoral head"),
    ("covers everything", all_head, "file", "covers the whole image"),
    ("other geometry", turned, "file", "another geometry"),
    ("half a file", half_a_label, "file", "can't be read"),
    ("no label", lambda s: (s.folder / layout.label_file(approved(s))).unlink(), "file", "is missing"),
    ("no original", lambda s: (s.folder / layout.original_file(approved(s))).unlink(), "file", "is missing"),
    ("no draft", lambda s: next((s.folder / "staging").glob("*[RL].nii.gz")).unlink(), "file", "is missing"),
    ("case edited", lambda s: edit(s.folder / layout.case_file(approved(s)), lambda c: c.update(fold=4)), "case-file",
     "was changed"),
    ("case damaged", lambda s: (s.folder / layout.case_file(approved(s))).write_text("{"), "case-file", "is damaged"),
    ("case lost", lambda s: (s.folder / layout.case_file(approved(s))).unlink(), "case-file", "missing or older"),
    ("stranger", lambda s: (s.folder / "imagesTr" / "x_0000.nii.gz").write_bytes(b"x"), "orphan", "no case"),
    ("dataset", lambda s: edit(s.folder / "dataset.json", lambda d: d["training"].pop()), "list", "dataset.json"),
    ("dataset gone bad", lambda s: (s.folder / "dataset.json").write_text("{"), "list", "dataset.json"),
    ("splits", lambda s: edit(s.folder / "splits_final.json", lambda d: d[0]["val"].append("x")), "list", "splits"),
    ("folds", lambda s: edit(s.folder / "folds.json", lambda d: d["patients"].clear()), "list", "folds.json"),
    ("image elsewhere", lambda s: shutil.move(
        s.folder / layout.image_file(approved(s), True), s.folder / layout.image_file(approved(s), False)),
     "file", "is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "code", "words"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_damage_is_found_with_its_remedy_and_mended_from_the_history(filled, damage, code, words):
    sound = every_byte(filled.folder)
    assert check(filled) == ()
    damage(filled)
    damaged = every_byte(filled.folder)
    found = check(filled)
    assert any(one.code == code and words in one.message + one.path for one in found), found
    assert all(one.remedy and one.message.endswith(".") and not one.repaired for one in found)
    assert every_byte(filled.folder) == damaged  # looking changes nothing

    assert all(one.repaired for one in check(filled, repair=True))
    assert check(filled) == ()
    mended = every_byte(filled.folder)
    assert {name: content for name, content in mended.items() if "set-aside" not in name} == sound
    assert set(damaged.values()) <= set(mended.values())  # nothing was deleted


def test_an_image_that_was_changed_cannot_be_mended_and_is_left_alone(filled):
    path = filled.folder / layout.image_file(approved(filled), True)
    volume = read_nifti(path)
    path.write_bytes(nifti_bytes(volume.like(volume.array + 1)))
    changed = every_byte(filled.folder)
    (finding,) = check(filled, repair=True)
    assert not finding.repaired and "get it back from a copy, or withdraw" in finding.remedy
    assert every_byte(filled.folder) == changed


def test_words_in_an_images_header_are_found(filled):
    path = filled.folder / layout.image_file(approved(filled), True)
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[148:156] = b"Jane Doe"  # "descrip" of NIfTI-1
    path.write_bytes(gzip.compress(bytes(content)))
    assert any("words in its header" in one.message for one in check(filled))


def rewrite(store, case_id: str, change) -> None:
    """Change a case and its copy in the history, as a faulty program might."""
    number = store.record(case_id).versions[-1].number
    for path in (store.folder / layout.case_file(case_id), journal.entry(store.folder, number) / "case.json"):
        edit(path, change)


def test_a_patient_in_two_folds_is_found(filled):
    cases = [case for case in filled.cases() if case.status == "approved"]
    rewrite(filled, cases[0].case_id, lambda facts: facts.update(fold=(facts["fold"] + 1) % 5))
    found = {one.code: one for one in check(filled)}
    assert "2 folds" in found["folds"].message and cases[0].case_id in found["folds"].message


def test_an_image_under_two_names_is_found(filled, tmp_path):
    one, draft = approved(filled), next(case.case_id for case in filled.cases() if case.status == "draft")
    image = (filled.folder / layout.image_file(one, True)).read_bytes()
    (filled.folder / layout.image_file(draft, False)).write_bytes(image)
    checksum = filled.record(one).files[layout.image_file(one, True)]
    rewrite(filled, draft, lambda facts: facts["files"].update({layout.image_file(draft, False): checksum}))
    (finding,) = (found for found in check(filled) if found.code == "duplicate")
    assert one in finding.message and draft in finding.message and "withdraw" in finding.remedy


def test_a_save_of_the_history_that_is_lost_is_found(filled):
    case_id = approved(filled)
    filled.save(dataclasses.replace(filled.reopen(case_id), comment="again"))
    shutil.rmtree(journal.entry(filled.folder, filled.record(case_id).versions[0].number))
    found = check(filled)
    assert {one.code for one in found} == {"history", "file"} and not any(one.repaired for one in found)
    assert {one.remedy.split(",")[0] for one in found} == {"get it back from a copy"}


@pytest.mark.parametrize("spoiled", ["{", "[]", '{"case": "x"}'])
def test_a_spoiled_save_in_the_history_is_told_and_does_not_stop_the_check(filled, spoiled):
    case_id = approved(filled)
    number = filled.record(case_id).versions[-1].number
    (journal.entry(filled.folder, number) / "case.json").write_text(spoiled)
    before = every_byte(filled.folder)
    (finding,) = check(filled, repair=True)
    assert finding.code == "history" and not finding.repaired and "from a copy" in finding.remedy
    assert every_byte(filled.folder) == before


def test_files_of_a_case_that_nobody_can_read_any_more_stay_where_they_are(filled):
    case_id = approved(filled)
    number = filled.record(case_id).versions[-1].number
    for path in (filled.folder / layout.case_file(case_id), journal.entry(filled.folder, number) / "case.json"):
        path.write_text("{")
    before = every_byte(filled.folder)
    found = check(filled, repair=True)
    assert {one.code for one in found} == {"case-file", "history"} and not any(one.repaired for one in found)
    assert every_byte(filled.folder) == before


def test_a_case_file_of_an_older_backup_is_brought_up_to_date(filled):
    case_id = approved(filled)
    path = filled.folder / layout.case_file(case_id)
    older = path.read_bytes()
    masks = Hip().masks(filled.reopen(case_id).image, 30.0) if case_id.endswith("R") else None
    filled.save(dataclasses.replace(filled.reopen(case_id), comment="newer", **({"masks": masks} if masks else {})))
    sound = every_byte(filled.folder)
    path.write_bytes(older)
    assert any("older than its last save" in one.message for one in check(filled))
    check(filled, repair=True)
    assert check(filled) == () and filled.reopen(case_id).comment == "newer"
    assert {name: b for name, b in every_byte(filled.folder).items() if "set-aside" not in name} == sound


def test_an_interrupted_save_is_found_and_finished(filled, monkeypatch):
    case_id = approved(filled)
    opened = filled.reopen(case_id)
    monkeypatch.setattr(journal, "_publish", lambda *_: None)
    filled.save(dataclasses.replace(opened, status="flagged"))
    monkeypatch.undo()
    assert check(filled)[0].code == "interrupted" and filled.record(case_id).status == "approved"
    assert check(filled, repair=True)[0].repaired
    assert check(filled) == () and filled.record(case_id).status == "flagged"


def of_status(store, status: str) -> str:
    return next(case.case_id for case in store.cases() if case.status == status)


def test_an_image_that_was_moved_takes_its_place_again_although_a_link_lies_there(filled, tmp_path):
    case_id = approved(filled)
    image, elsewhere = (filled.folder / layout.image_file(case_id, approved) for approved in (True, False))
    content = image.read_bytes()
    image.rename(elsewhere)
    image.symlink_to(tmp_path / "nowhere")
    assert all(one.repaired for one in check(filled, repair=True)) and check(filled) == ()
    assert image.read_bytes() == content and not image.is_symlink() and not elsewhere.exists()


@pytest.mark.parametrize("status", ["draft", "approved"])
def test_the_image_is_not_taken_for_a_mask_that_is_lost(filled, status):
    case_id = of_status(filled, status)
    record = filled.record(case_id)
    image = filled.folder / record.image_file
    (filled.folder / layout.kept_file(record.numbers[0], layout.MASK)).unlink()
    (filled.folder / layout.original_file(case_id)).unlink()
    before = image.read_bytes()
    check(filled, repair=True)
    (left,) = check(filled)
    assert left.path == layout.kept_file(record.numbers[0], layout.MASK) and image.read_bytes() == before


@pytest.mark.parametrize("name", [layout.SET_ASIDE, "original"])
def test_what_lies_in_the_place_of_a_folder_is_set_aside_and_the_repair_goes_on(store, name):
    store.save(Hip(spacing_mm=(8.0, 8.0, 8.0)).case(automatic=None, automatic_result=None))
    label = next((store.folder / "labelsTr").iterdir())
    sound = label.read_bytes()
    label.write_bytes(b"x")
    if (store.folder / name).exists():
        (store.folder / name).rmdir()
    (store.folder / name).write_bytes(b"mine")
    opened = open_store(store.folder)
    assert name in [one.path for one in check(opened)]
    assert all(one.repaired for one in check(opened, repair=True)) and check(opened) == ()
    assert label.read_bytes() == sound and (store.folder / name).is_dir()
    assert b"mine" in every_byte(store.folder / layout.SET_ASIDE).values()
    opened.save(Hip("left", spacing_mm=(8.0, 8.0, 8.0)).case())


@pytest.mark.parametrize("content", [None, b"x"])
def test_a_save_with_the_last_number_that_holds_nothing_blocks_no_other(filled, content):
    place = filled.folder / "history" / f"{layout.LARGEST_NUMBER}"
    place.mkdir()
    if content:
        (place / "case.json").write_bytes(content)
    with pytest.raises(InputError, match=r"no number left .* after history/999999999; .*repair"):
        filled.withdraw(approved(filled), "reader1", "test")
    assert [one.path for one in check(filled)] == ["history/999999999"]
    assert all(one.repaired for one in check(filled, repair=True)) and check(filled) == ()
    filled.withdraw(approved(filled), "reader1", "test")
    assert (filled.folder / "history" / "000004").is_dir() and check(filled) == ()


def test_what_can_not_be_mended_does_not_keep_the_rest_from_it(filled, monkeypatch):
    labels = sorted((filled.folder / "labelsTr").iterdir())
    for path in labels:
        path.write_bytes(b"x")
    replace = os.replace

    def refuse(source, target):
        if str(target) == str(labels[0]):
            raise PermissionError(errno.EACCES, "no")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    found = {one.path: one for one in check(filled, repair=True)}
    first, second = (found[path.relative_to(filled.folder).as_posix()] for path in labels)
    assert second.repaired and not first.repaired and "this time failed: writing is not allowed" in first.remedy
    monkeypatch.undo()
    assert all(one.repaired for one in check(filled, repair=True)) and check(filled) == ()
    assert not list(filled.folder.glob(".new-*"))


def test_a_file_that_may_not_be_read_costs_its_own_case(filled, monkeypatch):
    path = layout.image_file(approved(filled), True)
    read = inside.read

    def refuse(folder, name):
        if name == path:
            raise PermissionError(errno.EACCES, "no")
        return read(folder, name)

    monkeypatch.setattr(inside, "read", refuse)
    (finding,) = check(filled)
    assert finding.path == path and "can't be read" in finding.message


def test_a_save_that_would_meet_a_folder_is_refused_before_anything_is_written(filled):
    case_id = approved(filled)
    place = filled.folder / layout.label_file(case_id)
    place.unlink()
    place.mkdir()
    before = every_byte(filled.folder)
    with pytest.raises(InputError, match=r"Nothing was saved .*labelsTr/.* is a link, a folder .*repair it\.$"):
        filled.withdraw(case_id, "reader1", "test")
    assert every_byte(filled.folder) == before
    filled.withdraw(of_status(filled, "draft"), "reader1", "test")
    check(filled, repair=True)
    filled.withdraw(case_id, "reader1", "test")
    assert check(filled) == ()


def test_a_case_whose_mask_is_lost_can_be_withdrawn(filled):
    case_id = approved(filled)
    lost = layout.kept_file(filled.record(case_id).numbers[-1], layout.MASK)
    (filled.folder / lost).unlink()
    filled.withdraw(case_id, "reader1", "its mask is lost")
    assert filled.record(case_id).status == "withdrawn" and [one.path for one in check(filled)] == [lost]


def test_a_case_whose_last_save_is_lost_is_not_spoilt_by_the_next_one(filled):
    case_id = max(filled.cases(), key=lambda case: filled.record(case.case_id).numbers[-1]).case_id
    lost = journal.entry(filled.folder, filled.record(case_id).numbers[-1])
    shutil.rmtree(lost)
    for job in (
        lambda: filled.withdraw(case_id, "reader1", "test"),
        lambda: filled.save(Hip(seed=1).case("patient 1", "reader2")),
        lambda: rename(filled, case_id, "patient 7", "reader1", "test"),
    ):
        with pytest.raises(InputError, match="missing in the history; get history/000003 back"):
            job()
    filled.withdraw(approved(filled), "reader1", "test")
    assert filled.record(case_id).status == "draft"


def test_a_hip_that_was_saved_anew_after_its_file_was_lost_is_as_it_was_saved_last(filled):
    case_id = of_status(filled, "draft")
    (filled.folder / layout.case_file(case_id)).unlink()
    filled.save(Hip(seed=1).case("patient 1", "reader2"))
    check(filled, repair=True)
    for _ in range(2):
        (left,) = check(filled, repair=True)
        assert left.path == "history/000003" and not left.repaired
        assert [version.reviewer for version in filled.record(case_id).versions] == ["reader2"]


def test_a_spoilt_list_is_made_again_although_a_case_can_not_be(filled):
    lost = of_status(filled, "draft")
    for path in (filled.folder / layout.case_file(lost), filled.folder / "history" / "000003" / "case.json"):
        path.write_text("{")
    lists = {name: (filled.folder / name).read_bytes() for name in (layout.DATASET, layout.SPLITS)}
    assert {one.path for one in check(filled)} == {layout.case_file(lost), "history/000003"}
    for name in layout.LISTS:
        (filled.folder / name).write_text("{")
    check(filled, repair=True)
    assert {name: (filled.folder / name).read_bytes() for name in lists} == lists
    filled.withdraw(approved(filled), "reader1", "test")


def test_status_counts_what_is_there_and_says_what_is_lacking(store):
    assert status(store).lacking == ("No case is approved yet; there is nothing to train with.",)
    hips = [Hip(("right", "left")[n % 2], seed=n // 2, lesion_mm=[1.0, 14.0, 24.0][n % 3]) for n in range(6)]
    for n, hip in enumerate(hips):
        reader, state = f"r{n % 2}", "draft" if n == 5 else "approved"
        store.save(hip.case(f"patient {hip.seed}", reviewer=reader, status=state))
    now = status(store)
    assert (now.cases, now.patients, now.approved, now.approved_patients) == (6, 3, 5, 3)
    assert now.counts["status"] == {"approved": 5, "draft": 1, "flagged": 0, "withdrawn": 0}
    assert now.counts["side"] == {"left": 2, "right": 3} and now.counts["reviewer"] == {"r0": 3, "r1": 2}
    assert now.counts["plane"] == {"coronal": 5} and sum(now.counts["fold"].values()) == 5
    by_hand = [str(hip.case().result.grades["steinberg"].grade) for hip in hips[:5]]
    assert now.counts["Steinberg"] == {name: by_hand.count(name) for name in sorted(set(by_hand))}
    absent = [name for name in ("without ONFH", "mild", "moderate", "severe") if name not in by_hand]
    assert absent and f"No approved case is Steinberg {', '.join(absent)}." in now.lacking
    assert any("fold 3, 4" in line for line in now.lacking)
    assert (now.saved_last_week, now.approved_last_week) == (6, 5)
    later = status(store, datetime.now(UTC) + timedelta(days=8))
    assert (later.saved_last_week, later.approved_last_week, later.cases) == (0, 0, 6)


@pytest.mark.parametrize("damage", ["missing", "spoiled", "of another layout"])
def test_the_index_is_only_a_cache(filled, tmp_path, damage):
    cases = filled.cases()
    (cache,) = (tmp_path / "cache").rglob("*.sqlite")
    if damage == "missing":
        cache.unlink()
    elif damage == "spoiled":
        cache.write_bytes(b"no database" * 100)
    else:
        import sqlite3

        with sqlite3.connect(cache) as database:
            database.execute("DROP TABLE cases")
            database.execute("CREATE TABLE cases (something TEXT)")
        database.close()
    assert filled.cases() == cases


def test_the_index_notices_what_others_do(filled, tmp_path, monkeypatch):
    case_id = approved(filled)
    assert {case.case_id for case in filled.cases()} >= {case_id}
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_CACHE_HOME", str(tmp_path / "another cache"))
        open_store(filled.folder).withdraw(case_id, "reader2", "why not")
    assert {case.case_id: case.status for case in filled.cases()}[case_id] == "withdrawn"
    (filled.folder / layout.case_file(case_id)).unlink()
    assert case_id not in {case.case_id for case in filled.cases()}


def test_a_repair_waits_for_its_turn(filled, monkeypatch):
    from ONFHAssistLib.curation.store import store as module
    from ONFHAssistLib.curation.store.lock import locked

    monkeypatch.setattr(module, "locked", lambda folder, holder: locked(folder, holder, wait_s=0.2))
    with locked(filled.folder, "reader7"), pytest.raises(InputError, match="reader7"):
        check(filled, repair=True)


def test_a_folder_that_may_not_be_read_is_told_and_the_rest_is_checked(filled, monkeypatch):
    (filled.folder / layout.label_file(approved(filled))).unlink()
    scandir = os.scandir

    def refused(path):
        if os.path.basename(path) == "original":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    found = check(filled)
    assert ("unreadable", "original") in [(one.code, one.path) for one in found]
    assert any(one.code == "file" for one in found)
