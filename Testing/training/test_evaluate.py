"""The numbers that the README shows."""

import numpy as np
import pytest

from ONFHAssistLib.core.hip import HipResult, StudyResult
from ONFHAssistLib.core.volume import Volume
from training import evaluate

RESULTS = {
    "heads": {
        "found": 29,
        "heads": 30,
        "centre_mm": {"median": 0.9, "q1": 0.5, "q3": 1.2, "min": 0.1, "max": 3.3, "n": 29},
        "test_dice": {"median": 0.951, "q1": 0.94, "q3": 0.96, "min": 0.911, "max": 0.97, "n": 10},
        "test_ratio_below_1_percent": 9,
        "all_ratio_below_1_percent": 28,
        "test_without_onfh": 8,
        "all_without_onfh": 26,
    },
    "lesions": {
        "lesions": 120,
        "hips": 10,
        "dice": {"median": 0.834, "q1": 0.7, "q3": 0.9, "min": 0.0, "max": 0.97, "n": 120},
        "steinberg_right": 0.8417,
        "kappa": 0.91,
        "ratio_error_points": {"median": 0.9, "q1": 0.4, "q3": 2.1, "min": 0.0, "max": 9.0, "n": 120},
    },
    "others": {
        "ct": {
            "hips": {
                "right": {"steinberg": "mild, borderline", "ratio": 0.012},
                "left": {"status": "not graded", "reason": "metal lies in it"},
            },
            "warnings": ["metal"],
        },
        "mixed_localizer_dicom": {"refused": "three orientations are mixed"},
    },
    "speed": {"wall_s": [9.0, 11.26, 10.0], "peak_mib": [900, 1024, 1000], "cores": 2},
}


def test_spread_gives_median_quartiles_and_extremes():
    values = [5.0, 1.0, 2.0, 4.0, 3.0]
    assert evaluate.spread(values) == {"median": 3.0, "q1": 2.0, "q3": 4.0, "min": 1.0, "max": 5.0, "n": 5}
    assert evaluate.spread([1.23456], digits=2)["median"] == 1.23


def test_the_table_shows_what_was_measured_and_the_worst_case():
    lines = evaluate.table(RESULTS).splitlines()
    assert len({line.count("|") for line in lines}) == 1  # one Markdown table
    text = "\n".join(lines)
    for shown in ("29 of 30", "median 0.90 (0.50–1.20) mm", "worst 3.30 mm", "worst 0.911", "9; 28", "8; 26"):
        assert shown in text
    for shown in (
        "120 lesions painted into the 10 test hips",
        "median 0.834 (0.700–0.900)",
        "84 % right, kappa 0.91",
        "median 0.9 (0.4–2.1) points",
        "11.3 s, 1.00 GiB",
    ):
        assert shown in text
    assert "right: mild, borderline (1.2 %); left not graded: metal lies in it; warnings: metal" in text
    assert "refused: three orientations are mixed" in text


@pytest.mark.parametrize("part", RESULTS)
def test_a_part_that_was_not_measured_is_left_out(part):
    rest = {name: value for name, value in RESULTS.items() if name != part}
    assert 2 < len(evaluate.table(rest).splitlines()) < len(evaluate.table(RESULTS).splitlines())
    assert len(evaluate.table({}).splitlines()) == 2


def test_a_hip_that_is_not_graded_keeps_its_reason_in_the_summary():
    volume = Volume(np.zeros((1, 1, 1)), np.eye(4))
    hip = HipResult("left", "not graded", "There is metal.")
    summary = evaluate._summary(StudyResult(volume, {"modality": "CT"}, (hip,), ()))
    assert summary == {
        "source": {"modality": "CT"},
        "hips": {"left": {"status": "not graded", "reason": "There is metal."}},
        "warnings": [],
    }


def test_without_the_real_data_it_says_where_to_put_it(monkeypatch):
    monkeypatch.setattr(evaluate, "data_folder", lambda: None)
    monkeypatch.setattr("sys.argv", ["evaluate", "heads"])
    with pytest.raises(SystemExit, match="ONFH_DATA"):
        evaluate.main()
