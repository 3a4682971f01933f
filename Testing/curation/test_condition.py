"""Which cases a condition selects, and what it refuses to read."""

import pytest

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.curation.reports.condition import condition
from ONFHAssistLib.curation.reports.training_case import FIELDS

SEVERE = {name: None for name in FIELDS} | {
    "status": "approved",
    "grade": "severe",
    "ratio": 0.4,
    "side": "left",
    "fold": 3,
    "sequence": "T1",
}


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("status == approved and grade != none", True),
        ("status == draft or grade == severe", True),
        ("not (side == left)", False),
        ("side != left or ratio > 0.5", False),
        ("ratio >= 0.4 and ratio < 1 and ratio > -1", True),
        ("fold in (1, 3)", True),
        ("fold not in [1, 3]", False),
        ("grade == 'without ONFH'", False),
        ("jic == none and jic != A", True),
        ("sequence == T1", True),
        ('sequence == "T1"', True),
        ("jic == None", True),
        ("  fold == 3  ", True),
    ],
)
def test_a_case_meets_a_condition(text, met):
    assert condition(text, FIELDS)(SEVERE) is met


def test_a_ratio_that_is_not_known_is_neither_small_nor_large():
    unknown = SEVERE | {"ratio": None}
    assert not condition("ratio < 0.5", FIELDS)(unknown) and not condition("ratio >= 0.5", FIELDS)(unknown)
    assert condition("ratio == none", FIELDS)(unknown) and condition("ratio != 0.4", FIELDS)(unknown)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no such sentence"),
        ("status = approved", "no such sentence"),
        ("status", "not a field, a comparison and a value"),
        ("status == aproved", "never 'aproved'"),
        ("colour == red", "no field colour"),
        ("approved == status", "no field approved"),
        ("ratio == high", "compared with a number"),
        ("side < left", "can't be compared like that"),
        ("fold in 3", "in parentheses"),
        ("reviewer == reader-1", "put it in quotes"),
        ("0.1 < ratio < 0.3", "not a field, a comparison and a value"),
        ("__import__('os').system('true') == 1", "not a field"),
        ("status == __import__('os')", "no value"),
        ("status == (lambda: 1)()", "no value"),
        ("reviewer == f'{1}'", "no value"),
        ("side == True", "no value"),
        ("not " * 30 + "side == left", "nested too deeply"),
        ("(" * 230 + "side == left" + ")" * 230, "can't be read"),
        ("side == left or " * 40 + "side == left", "too long"),
        ("side == left\nstatus == draft", "no such sentence"),
        ("side == left\0", "no such sentence"),
    ],
)
def test_what_is_no_condition_is_refused_in_one_sentence(text, said):
    with pytest.raises(InputError, match="can't be read") as caught:
        condition(text, FIELDS)
    message = str(caught.value)
    assert said in message and message.endswith(".") and "\n" not in message


def test_nothing_in_a_condition_is_run(tmp_path):
    mark = tmp_path / "ran"
    with pytest.raises(InputError):
        condition(f"side == open({str(mark)!r}, 'w')", FIELDS)
    assert not mark.exists()


@pytest.mark.parametrize("number", ["9" * 400, f"-{'9' * 400}", "1e999", "0x" + "f" * 400])
def test_a_huge_number_is_a_condition_or_a_sentence(number):
    for text in (f"ratio > {number}", f"fold == {number}", f"ratio in ({number}, 1)"):
        try:
            assert condition(text, FIELDS)({"ratio": 0.2, "fold": 1}) in (True, False)
        except InputError as error:
            assert "can't be read" in str(error)
