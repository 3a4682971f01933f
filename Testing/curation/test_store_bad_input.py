"""A folder that is not what it should be: one clear sentence, and nothing touched."""

import errno
import json
import os
import shutil

import pytest
from reviewed_hip import Hip, every_byte

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.store import disk, lock
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import create_store, open_store, save_case


def refused(job, words: str, folder) -> None:
    before = every_byte(folder)
    with pytest.raises(InputError, match=words) as caught:
        job()
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert every_byte(folder) == before


def test_a_folder_that_is_something_else(tmp_path, hip):
    (tmp_path / "holiday.jpg").write_bytes(b"sea")
    refused(lambda: open_store(tmp_path), "not a data set", tmp_path)
    refused(lambda: open_store(tmp_path / "holiday.jpg"), "not a data set", tmp_path)
    refused(lambda: save_case(hip.case(), tmp_path), "something else than data sets", tmp_path)
    refused(lambda: save_case(hip.case(), tmp_path / "holiday.jpg"), "something else", tmp_path)


def test_a_data_set_of_nnunet_that_is_not_ours(tmp_path, hip):
    place = tmp_path / "Dataset007_Other"
    (place / "imagesTr").mkdir(parents=True)
    (place / "dataset.json").write_text("{}")
    refused(lambda: open_store(place), "not a data set of this software", tmp_path)
    refused(lambda: save_case(hip.case(), place), "something else", tmp_path)
    refused(lambda: create_store(place), "is not empty", tmp_path)


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ({"format": "onfh-assist-data/2"}, "newer version"),
        ({"format": "zip"}, "unknown format"),
        ({"format": None, "key_fingerprint": None}, "unknown format"),
        ("{", "can't be read"),
        ("[]", "can't be read"),
    ],
)
def test_a_data_set_of_a_newer_version_or_a_damaged_one(store, hip, marker, words):
    path = store.folder / "onfh-assist.json"
    text = marker if isinstance(marker, str) else json.dumps(json.loads(path.read_text()) | marker)
    path.write_text(text)
    refused(lambda: open_store(store.folder), words, store.folder)
    refused(lambda: save_case(hip.case(), store.folder), words, store.folder)


@pytest.mark.parametrize("gone", ["cases", "history", "imagesTr", "labelsTr", "original"])
def test_a_folder_that_was_copied_in_part(store, hip, gone):
    store.save(hip.case())
    shutil.rmtree(store.folder / gone)
    refused(lambda: open_store(store.folder), f"incomplete \\({gone} missing\\); copy it again", store.folder)


def test_empty_folders_that_a_sync_program_left_out_are_made_again(store, hip):
    for name in ("imagesTr", "labelsTr", "staging", "original"):
        (store.folder / name).rmdir()
    open_store(store.folder).save(hip.case(automatic=None))
    for name in ("staging", "original"):
        (store.folder / name).rmdir()
    assert len(open_store(store.folder).cases()) == 1 and (store.folder / "original").is_dir()


@pytest.mark.parametrize("name", ["dataset.json", "folds.json"])
@pytest.mark.parametrize("content", ["{", "[]", '{"training": [{}]}', ""])
def test_a_list_that_was_edited_by_hand_and_spoiled(store, hip, name, content):
    store.save(hip.case())
    (store.folder / name).write_text(content)
    refused(lambda: store.save(Hip("left").case()), "damaged; check the data set", store.folder)


@pytest.mark.parametrize("name", ["dataset.json", "folds.json", "splits_final.json"])
def test_a_list_that_is_missing_can_be_made_again(store, hip, name):
    store.save(hip.case())
    before = every_byte(store.folder)
    (store.folder / name).unlink()
    opened = open_store(store.folder)
    if name != "splits_final.json":  # that one is only written
        refused(lambda: opened.save(Hip("left").case()), "missing or damaged; check the data set", store.folder)
    assert [one.path for one in check(opened, repair=True)] == [name]
    assert every_byte(store.folder) == before


@pytest.mark.parametrize("change", [lambda text: text[:100], lambda text: text.replace('"side"', '"sides"')])
def test_a_case_that_was_edited_by_hand_and_spoiled(store, hip, change):
    path = store.save(hip.case())
    path.write_text(change(path.read_text()))
    (damaged,) = store.cases()
    assert damaged.problem and damaged.case_id == path.stem
    refused(lambda: store.save(hip.case()), "check the data set", store.folder)
    refused(lambda: store.reopen(path.stem), "check the data set", store.folder)


def test_a_case_or_version_that_does_not_exist(store, hip):
    path = store.save(hip.case(automatic=None, automatic_result=None))
    refused(lambda: store.reopen("p0_0_R"), "no case p0_0_R", store.folder)
    refused(lambda: store.reopen(path.stem, 7), "no version 7", store.folder)
    refused(lambda: store.reopen(path.stem, 0), "networks had no part", store.folder)
    refused(lambda: store.withdraw(path.stem, "reader1", " "), "say why", store.folder)
    refused(lambda: store.withdraw(path.stem, "Jane Doe", "why"), "reviewer's code", store.folder)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_is_read_only(store, hip, monkeypatch, code):
    path = store.save(hip.case())
    os_open = os.open

    def read_only(name, flags, *rest):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(code, os.strerror(code), str(name))
        return os_open(name, flags, *rest)

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(lock.os, "open", read_only)
    for name in ("write", "make_folder", "move"):
        monkeypatch.setattr(disk, name, refuse)
    opened = open_store(store.folder)
    assert opened.reopen(path.stem).status == "approved" and len(opened.cases()) == 1
    refused(lambda: opened.save(Hip("left").case()), "Nothing was saved .* (read-only|not allowed)", store.folder)
    refused(lambda: opened.withdraw(path.stem, "reader1", "why"), "Nothing was saved", store.folder)


def test_a_name_or_number_that_does_not_fit(tmp_path, store):
    refused(lambda: create_store(tmp_path / "Training"), "no name for a data set; nnU-Net wants", tmp_path)
    refused(lambda: create_store(tmp_path / "Dataset1_Heads"), "no name for a data set", tmp_path)
    refused(lambda: create_store(tmp_path / "Dataset101_Other"), "number 101 is taken by Dataset101_Heads", tmp_path)
    refused(lambda: create_store(tmp_path / "Dataset101_Heads"), "is not empty", tmp_path)
    refused(lambda: create_store(tmp_path / "Dataset102_US", "US"), "modality 'US'", tmp_path)


def test_a_data_set_that_cannot_be_made_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(disk, "write", full)
    refused(lambda: create_store(tmp_path / "Dataset101_Heads"), "could not be made .* disk is full", tmp_path)
    assert not (tmp_path / "Dataset101_Heads").exists() and not any((tmp_path / "keys").iterdir())


def test_an_image_that_lies_elsewhere_than_before(store, hip):
    store.save(hip.case())
    case = hip.case()
    matrix = case.image.ijk_to_ras.copy()
    matrix[2, 3] += 3.0

    image = Volume(case.image.array, matrix)
    other = type(case)(**{**vars(case), "image": image, "masks": case.masks.moved_to(image.grid), "automatic": None})
    refused(lambda: store.save(other), "lies elsewhere", store.folder)


@pytest.mark.parametrize("folder", ["new", "new/Dataset300_Mine", "."])
def test_the_first_case_makes_the_data_set(tmp_path, hip, folder):
    root = tmp_path / "training"
    root.mkdir()
    place = root / folder
    path = save_case(hip.case(), place)
    assert path.parent.parent.name == ("Dataset300_Mine" if "300" in folder else "Dataset101_FemoralHeadMR")
    ct = save_case(Hip(seed=1).case(source={"modality": "CT"}), place) if "300" not in folder else None
    assert ct is None or ct.parent.parent.name == "Dataset102_FemoralHeadCT"
    assert save_case(Hip("left").case(), place).parent == path.parent
    assert len(open_store(path.parent.parent).cases()) == 2
