"""All names that a DICOM header has for the patient are looked for, and words in the image itself are not saved."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dicom_files import make_series

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.case.privacy import refuse_identifiers
from ONFHAssistLib.curation.store.folder import create_store
from ONFHAssistLib.imaging.read import read_study

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "curation"))
from reviewed_hip import Hip


def read(folder, **tags):
    for n, header in enumerate(make_series(**tags)):
        header.save_as(folder / f"{n}.dcm", enforce_file_format=True)
    return read_study(folder)


@pytest.mark.parametrize(
    ("tags", "comment"),
    [
        ({"OtherPatientNames": ["Roe^Ann", "Poe^Ann"]}, "Mrs Poe"),
        ({"PatientBirthName": "Zuckmayer^Ann"}, "née Zuckmayer"),
        ({"PatientMotherBirthName": "Fontane"}, "fontane"),
    ],
)
def test_another_name_of_the_patient_in_a_comment_is_found(tmp_path, tags, comment):
    patient = read(tmp_path, **tags).patient
    with pytest.raises(InputError, match="holds a name"):
        refuse_identifiers({"comment": comment}, patient.values())


@pytest.mark.parametrize(("value", "burned"), [("YES", True), ("yes ", True), ("NO", False), (None, False)])
def test_an_image_with_words_drawn_into_it_is_not_saved(tmp_path, monkeypatch, value, burned):
    (tmp_path / "image").mkdir()
    study = read(tmp_path / "image", **({"BurnedInAnnotation": value} if value else {}))
    assert study.source.get("burned_in", False) is burned
    monkeypatch.setenv("ONFH_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = create_store(tmp_path / "Dataset101_Heads")
    case = replace(Hip().case(), source=study.source)
    if burned:
        with pytest.raises(InputError, match="words are drawn into it"):
            store.save(case)
    else:
        assert b"burned_in" not in store.save(case).read_bytes()
