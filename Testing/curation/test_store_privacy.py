"""Nothing in the folder tells who the patient is, and one patient has one name."""

import dataclasses
import gzip
import itertools
import json
import os
from datetime import date

import pytest
from reviewed_hip import MODEL, SOURCE, Hip, every_byte

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.store import keys
from ONFHAssistLib.curation.store.folder import create_store, open_store

PATIENT = {"patient": "HOSP-4711", "identifiers": ("Müller^Jane", "20240131", "ACC 998877")}


def test_no_file_holds_what_the_header_said(store, hip):
    source = SOURCE | {"PatientName": "Müller^Jane", "institution": "St Elsewhere", "StudyDate": "20240131"}
    model = MODEL | {"path": "/home/jane/models"}
    store.save(hip.case(**PATIENT, source=source, models=(model,), study_date=date(2024, 1, 31), comment="rim unclear"))
    files = every_byte(store.folder)
    for name, content in files.items():
        plain = gzip.decompress(content)[:352] if name.endswith(".gz") else content
        text = f"{name} {plain.decode('utf-8', 'replace')}".lower()
        for secret in ("4711", "hosp", "müller", "jane", "20240131", "2024-01-31", "998877", "elsewhere"):
            assert secret not in text, f"{secret} in {name}"
    assert store.key_file.read_text().strip() not in b"".join(files.values()).decode("latin-1")


@pytest.mark.parametrize(
    "more",
    [
        {"comment": "Mrs. MULLER came back"},
        {"comment": "jane"},
        {"comment": "compare with acc998877"},
        {"comment": "see 998877"},
        {"comment": "MRI of 31.1.2024"},
        {"comment": "MRI of 2024-01-31"},
        {"comment": "operated on 02/15/2023", "identifiers": ("15.02.2023",)},
        {"comment": "as on 5.3.2024", "study_date": date(2024, 3, 5)},
        {"comment": "patient HOSP 4711"},
        {"reviewer": "jane"},
        {"source": SOURCE | {"body_part": "Müller"}},
        {"models": (MODEL | {"name": "for Jane"},)},
    ],
)
def test_a_save_that_would_name_the_patient_is_refused(store, hip, more):
    before = every_byte(store.folder)
    with pytest.raises(InputError, match="name, number or date of the patient") as caught:
        store.save(hip.case(**(PATIENT | more)))
    assert every_byte(store.folder) == before
    assert not any(secret in str(caught.value).lower() for secret in ("jane", "muller", "998877", "4711"))


def test_a_code_that_is_an_ordinary_word_and_a_number_is_no_hindrance(store, hip):
    store.save(hip.case("Hip case-12", comment="a case of a hip; slice 12 is dark"))
    with pytest.raises(InputError):
        store.save(hip.case("Hip case-12", comment="see Hip Case 12"))


def test_ordinary_words_are_not_taken_for_the_patient(store, hip):
    comment = "The 4 slices at the rim are unclear, janeway; 31 mm, grade 2024 of 1"
    store.save(hip.case(**(PATIENT | {"comment": comment, "identifiers": ("Müller^Jane", "20240131", "M", "4")})))
    assert store.reopen(store.cases()[0].case_id).comment == comment


def test_the_same_patient_has_one_name_however_the_code_is_typed(store):
    paths = [
        store.save(Hip(seed=n).case(code))
        for n, code in enumerate(["HOSP-4711", "hosp-4711 ", "ＨＯＳＰ-4711", "HOSP-4712"])
    ]
    patients = [json.loads(path.read_text())["patient"] for path in paths]
    assert len(set(patients[:3])) == 1 and patients[3] != patients[0]


def test_the_same_image_under_another_code_is_refused(store, hip):
    store.save(hip.case("one"))
    with pytest.raises(InputError, match="under another patient code"):
        store.save(dataclasses.replace(hip.case("two"), masks=Hip("right", lesion_mm=3).masks(hip.image())))
    store.save(Hip("left").case("one"))
    assert len(store.cases()) == 2


def test_dates_are_shifted_by_the_same_days_for_all_of_a_patients_images(store):
    days = [date(2024, 1, 31), date(2025, 2, 1)]
    for patient in ("one", "two"):
        for n, day in enumerate(days):
            store.save(Hip(seed=n + 10 * len(patient) + ord(patient[0])).case(patient, study_date=day))
    found: dict = {}
    for case in store.cases():
        found.setdefault(case.patient, []).append(date.fromisoformat(store.record(case.case_id).study_date))
    shifts = set()
    for dates in found.values():
        early, late = sorted(dates)
        assert late - early == days[1] - days[0] and early < days[0]
        shifts.add(days[0] - early)
    assert len(found) == len(shifts) == 2


def test_another_key_is_refused_and_the_right_one_can_be_handed_over(store, hip, tmp_path, monkeypatch):
    path = store.save(hip.case())
    handed = tmp_path / "handed over.key"
    handed.write_bytes(store.key_file.read_bytes())
    monkeypatch.setenv("ONFH_KEYS", str(tmp_path / "keys of another member"))
    member = open_store(store.folder)  # may look at everything
    assert [case.case_id for case in member.cases()] == [path.stem]
    before = every_byte(store.folder)
    with pytest.raises(InputError, match=r"key of the data set Dataset101_Heads .* is not on this computer"):
        member.save(Hip("left").case())
    other = keys.keep_key(keys.new_key())
    with pytest.raises(InputError, match="is not that of the data set"):
        open_store(store.folder, other)
    keys.key_file(member.fingerprint).write_bytes(other.read_bytes())  # under the right name, too
    with pytest.raises(InputError, match="is not that of the data set"):
        member.save(Hip("left").case())
    assert every_byte(store.folder) == before
    keys.key_file(member.fingerprint).unlink()
    open_store(store.folder, handed).save(Hip("left").case())
    assert len({case.patient for case in member.cases()}) == 1


@pytest.mark.parametrize("content", [b"", b"no key", b"00ff", b"\xff\xfe"])
def test_a_file_that_is_no_key_is_refused(store, tmp_path, content):
    path = tmp_path / "some.key"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a key of a data set"):
        open_store(store.folder, path)


def test_the_key_lies_outside_of_the_folder_and_is_for_its_user_alone(store, tmp_path, monkeypatch):
    assert not store.key_file.is_relative_to(store.folder)
    assert store.key_file.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("ONFH_KEYS", str(tmp_path / "Dataset102_More" / "keys"))
    with pytest.raises(InputError, match="keys would lie inside"):
        create_store(tmp_path / "Dataset102_More")


def test_two_data_sets_do_not_share_names_unless_they_share_the_key(store, hip, tmp_path):
    other = create_store(tmp_path / "Dataset102_More")
    same = create_store(tmp_path / "Dataset103_More", key=keys.read_key(store.key_file))
    names = [place.save(hip.case()).stem for place in (store, other, same)]
    assert names[0] == names[2] != names[1]
    assert all(a not in names[1] for a, _ in itertools.pairwise(names[0].split("_")))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_key_is_readable_by_its_owner_alone_from_its_first_byte(tmp_path, monkeypatch):
    monkeypatch.setenv("ONFH_KEYS", str(tmp_path / "keys"))
    modes, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: modes.append(os.fstat(file).st_mode) or fsync(file))
    before = os.umask(0)
    try:
        path = keys.keep_key(keys.new_key())
    finally:
        os.umask(before)
    assert [oct(mode & 0o777) for mode in [*modes, path.stat().st_mode, path.parent.stat().st_mode]][-3:] == [
        "0o600",
        "0o600",
        "0o700",
    ]
    assert all(mode & 0o777 == 0o600 for mode in modes)


def test_a_key_that_cannot_be_kept_is_told(tmp_path, monkeypatch):
    (tmp_path / "keys").write_text("in the way")
    monkeypatch.setenv("ONFH_KEYS", str(tmp_path / "keys"))
    with pytest.raises(InputError, match=r"The key cannot be kept in .* ONFH_KEYS"):
        keys.keep_key(keys.new_key())
