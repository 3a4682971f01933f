"""A patient code that was entered wrongly is put right, and the history says so."""

import json
from datetime import date

import pytest
from reviewed_hip import Hip, every_byte

from ONFHAssistLib import cli
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.history import RENAMED, save_line
from ONFHAssistLib.curation.reports.export import export, export_again
from ONFHAssistLib.curation.store import keys
from ONFHAssistLib.curation.store.check import check
from ONFHAssistLib.curation.store.rename import rename

SMALL = {"spacing_mm": (8.0, 8.0, 8.0)}


@pytest.fixture
def mixed(store):
    """P06 and P07 were both saved as "P"."""
    for seed in (6, 7):
        for side in ("right", "left"):
            store.save(Hip(side, seed=seed, **SMALL).case("P", study_date=date(2024, 1, seed)))
    return store


def patients(store) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for case in store.cases():
        found.setdefault(case.patient, set()).add(case.case_id)
    return found


def test_both_hips_of_an_image_are_given_to_the_right_patient(mixed):
    key = keys.read_key(mixed.key_file)
    first = mixed.cases()[0].case_id
    kept = {path: text for path, text in every_byte(mixed.folder).items() if path.startswith("history/")}
    names = rename(mixed, first, "P06", "reader9", "typed too fast")
    assert len(names) == 2 and first in names
    assert {who: len(cases) for who, cases in patients(mixed).items()} == {
        key.pseudonym("P06"): 2,
        key.pseudonym("P"): 2,
    }
    assert check(mixed) == () and kept.items() <= every_byte(mixed.folder).items()
    assert b"P06" not in b"".join(every_byte(mixed.folder).values())
    last = mixed.history(first)[-1]
    assert (last.status, last.reviewer, last.comment) == (RENAMED, "reader9", "typed too fast")
    assert "reader9" in save_line(last) and mixed.reopen(first).masks.head.array.any()
    other = next(name for name in patients(mixed)[key.pseudonym("P")])
    rename(mixed, other, "P07", "reader9", "typed too fast")
    assert set(patients(mixed)) == {key.pseudonym("P06"), key.pseudonym("P07")} and check(mixed) == ()
    assert set(json.loads((mixed.folder / "folds.json").read_text())["patients"]) == set(patients(mixed))


def test_the_date_is_shifted_as_all_dates_of_the_right_patient(mixed):
    key = keys.read_key(mixed.key_file)
    name = mixed.cases()[0].case_id
    before = key.unshifted(date.fromisoformat(mixed.record(name).study_date), mixed.record(name).patient)
    rename(mixed, name, "P06", "reader9", "typed too fast")
    record = mixed.record(name)
    assert date.fromisoformat(record.study_date) == key.shifted(before, record.patient)


@pytest.mark.parametrize("day", ["9999-12-31", "9990-06-01", "0001-01-01", "0005-01-01"])
def test_a_date_that_no_image_has_hinders_nobody(mixed, day):
    """Some programs write the year 1 or 9999 in place of a date; what can't be shifted is not known."""
    name = mixed.cases()[0].case_id
    number = mixed.record(name).numbers[-1]
    for path in (mixed.folder / "cases" / f"{name}.json", mixed.folder / "history" / f"{number:06d}" / "case.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"study_date": day}))
    assert name in rename(mixed, name, "P06", "reader9", "typed too fast")
    found = mixed.record(name).study_date
    assert found is None or found[:2] == day[:2]
    assert check(mixed) == () and mixed.record(name).patient == keys.read_key(mixed.key_file).pseudonym("P06")


def test_a_study_of_the_year_1_is_saved_without_its_date(store):
    path = store.save(Hip(**SMALL).case("P", study_date=date(1, 1, 1)))
    assert store.record(path.stem).study_date is None and check(store) == ()


def test_a_case_joins_the_patient_and_the_fold_that_are_there(mixed):
    wrong = mixed.cases()[0].case_id
    path = mixed.save(Hip(seed=1, **SMALL).case("P06"))
    rename(mixed, wrong, "P06", "reader9", "typed too fast")
    cases = patients(mixed)[mixed.record(path.stem).patient]
    assert len(cases) == 3 and len({mixed.record(name).fold for name in cases}) == 1 and check(mixed) == ()


def test_after_it_the_image_is_saved_under_the_right_code_and_no_other(mixed):
    case = next(case for case in mixed.cases() if case.side == "right")
    seed = next(n for n in (6, 7) if mixed.study_of(Hip(seed=n, **SMALL).image()) in case.case_id)
    rename(mixed, case.case_id, "P06", "reader9", "typed too fast")
    with pytest.raises(InputError, match=r"under another patient code .*data rename"):
        mixed.save(Hip(seed=seed, **SMALL).case("P"))
    assert mixed.save(Hip(seed=seed, **SMALL).case("p06", reviewer="reader2")).stem == case.case_id
    assert len(mixed.record(case.case_id).versions) == 2 and check(mixed) == () and len(mixed.cases()) == 4
    assert [save.status for save in mixed.history(case.case_id)] == ["approved", RENAMED, "approved"]


def test_all_cases_of_a_code_are_renamed_at_once(mixed):
    names = rename(mixed, mixed.cases()[0].case_id, "Q1", "reader9", "another list", every=True)
    assert len(names) == 4 and len(patients(mixed)) == 1 and check(mixed) == ()


def test_what_was_exported_before_is_exported_again_bit_for_bit(mixed, tmp_path):
    made = export(mixed, tmp_path / "made", "monai")
    rename(mixed, mixed.cases()[0].case_id, "P06", "reader9", "typed too fast")
    again = export_again(mixed, made.folder / "export.lock.json", tmp_path / "again")
    assert every_byte(made.folder) == every_byte(again.folder)


def test_a_damaged_case_file_is_restored_with_the_right_patient(mixed):
    name = mixed.cases()[0].case_id
    rename(mixed, name, "P06", "reader9", "typed too fast")
    patient = mixed.record(name).patient
    (mixed.folder / "cases" / f"{name}.json").write_text("{")
    check(mixed, repair=True)
    assert check(mixed) == () and mixed.record(name).patient == patient


@pytest.mark.parametrize(
    ("code", "reviewer", "why", "said"),
    [
        (" ", "reader9", "why", "give the right patient code"),
        ("P06", "reader9", " ", "say why"),
        ("P06", "Jane Doe", "why", "reviewer's code"),
        ("p ", "reader9", "why", "has this patient code already"),
        ("P06", "reader9", "it is p-06", "holds a name, number or date"),
    ],
)
def test_what_is_missing_is_said_and_nothing_changes(mixed, code, reviewer, why, said):
    before = every_byte(mixed.folder)
    with pytest.raises(InputError, match=said):
        rename(mixed, mixed.cases()[0].case_id, code, reviewer, why)
    assert every_byte(mixed.folder) == before


def test_the_command_asks_where_the_code_may_be_a_slip(mixed, capsys):
    name = mixed.cases()[0].case_id
    ask = [
        "data",
        "rename",
        str(mixed.folder),
        name,
        "--reviewer",
        "reader9",
        "--why",
        "typed too fast",
        "--code",
        "P06",
    ]
    assert cli.main(ask) == 0  # "P", which is put right here, is not another patient's
    assert "belongs to the patient" in capsys.readouterr().out
    ask_again = [*ask[:3], mixed.cases()[-1].case_id, *ask[4:-1], "P0"]
    before = every_byte(mixed.folder)
    assert cli.main(ask_again) == 2
    assert "is the beginning of another patient's code" in capsys.readouterr().err
    assert every_byte(mixed.folder) == before
    assert cli.main(["data", "history", str(mixed.folder), name]) == 0
    assert RENAMED in capsys.readouterr().out
    assert cli.main([*ask[:3], "nobody", *ask[4:]]) == 2
