"""A slip of the fingers in a patient's code is asked about, whatever of the two was there first."""

import time

import pytest
from reviewed_hip import Hip

from ONFHAssistLib.curation.store.codes import similar_codes


@pytest.mark.parametrize(
    ("there", "entered", "likeness"),
    [
        ("P", "P06", "beginning"),
        ("P06", "P", "longer"),
        ("P150", "P", "longer"),
        ("P06", "P07", "one sign"),
        ("P06", "P60", "one sign"),
        ("P-2024-0071", "P-2024-071", "one sign"),
        ("P-2024-071", "p-2024-0071 ", "one sign"),
        ("HOSP-4711", "HOSP-4771", "one sign"),
    ],
)
def test_a_code_that_is_almost_another_patients_is_asked_about(store, there, entered, likeness):
    path = store.save(Hip().case(there))
    (found,) = similar_codes(store.folder, entered)
    assert (found.likeness, found.code, found.cases) == (likeness, there.lower(), (path.stem,))
    assert found.question.endswith("?") and there.lower() in found.question and entered.strip() in found.question
    assert similar_codes(store.folder.parent, entered) == (found,)  # as the reviewers are given it


@pytest.mark.parametrize("entered", ["P06", "p06 ", "P 06", "P17", "HOSP-4711", "Q"])
def test_a_known_code_and_one_that_is_quite_another_are_not_asked_about(store, entered):
    store.save(Hip().case("P06"))
    assert similar_codes(store.folder, entered) == ()


def test_the_wrong_code_of_a_case_is_not_taken_for_another_patients(store):
    name = store.save(Hip().case("P")).stem
    store.save(Hip(seed=2).case("P09"))
    (found,) = similar_codes(store.folder, "P08", renamed=name)
    assert found.code == "p09"


def test_where_nothing_was_saved_nothing_is_asked(store, tmp_path):
    assert similar_codes(store.folder, "P") == similar_codes(tmp_path / "new", "P") == ()


def test_the_question_comes_at_once(store):
    store.save(Hip().case("P06"))
    start = time.monotonic()
    similar_codes(store.folder, "HOSPITAL-2024-000123")
    assert time.monotonic() - start < 1.0
