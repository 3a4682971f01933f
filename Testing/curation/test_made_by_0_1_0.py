"""A data set that version 0.1.0 has made, with a save that was interrupted, is used as it was."""

import zipfile
from pathlib import Path

import pytest
from reviewed_hip import Hip, every_byte

from ONFHAssistLib.curation.reports.export import export, export_again
from ONFHAssistLib.curation.reports.status import status
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.folder import open_store

ARCHIVE = Path(__file__).parent / "made_by_0_1_0" / "Dataset101_Heads.zip"


@pytest.fixture
def place(tmp_path):
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "Dataset101_Heads"


def test_it_opens_and_nothing_is_wrong_and_no_file_of_a_save_is_changed(place, tmp_path):
    before = every_byte(place)
    store = open_store(place, tmp_path / "the.key")
    assert check(store) == ()
    found = status(store)
    assert (found.cases, found.patients, found.approved) == (4, 3, 2) and not found.damaged and not found.left_out
    after = every_byte(place)
    kept = {path: content for path, content in before.items() if path.startswith("history/") and "publish" not in path}
    assert kept and kept.items() <= after.items()


def test_its_cases_are_opened_saved_withdrawn_and_exported(place, tmp_path):
    store = open_store(place, tmp_path / "the.key")
    for case in store.cases():
        opened = store.reopen(case.case_id)
        assert opened.masks.head.array.any() and store.history(case.case_id)
    approved = [case.case_id for case in store.cases() if case.status == "approved"]
    made = export(store, tmp_path / "made", "monai")
    assert made.cases == 2 and every_byte(made.folder) == every_byte(
        export_again(store, made.folder / "export.lock.json", tmp_path / "again").folder
    )
    store.withdraw(approved[0], "reader1", "test")
    store.save(Hip(seed=9).case("P15"))
    assert len({case.patient for case in store.cases()}) == 3 and check(store) == ()
