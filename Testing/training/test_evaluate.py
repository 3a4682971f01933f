"""The numbers that docs/figures.md shows."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from ONFHAssistLib.core.results import HipResult
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume
from training import evaluate
from training.measuring import heads, others, painted, runs
from training.measuring.table import table
from training.measuring.truth import study_of, truth_of
from training.phantoms.second_painter import LesionSpec


def figures(median, low, high, worst_low=0.0, worst_high=9.0, n=10):
    """As ``runs.spread`` gives them."""
    return {"median": median, "q1": low, "q3": high, "min": worst_low, "max": worst_high, "n": n}


RESULTS = {
    "heads": {
        "found": 29,
        "heads": 30,
        "centre_mm": figures(0.9, 0.5, 1.2, 0.1, 3.3, 29),
        "all_ratio_below_1_percent": 28,
        "all_without_onfh": 26,
        "test_heads": 10,
        "test_patients": 5,
        "test_ratio_below_1_percent": 9,
        "test_without_onfh": 8,
        "test_dice": figures(0.951, 0.94, 0.96, 0.911, 0.97),
        "test_assd_mm": figures(0.61, 0.5, 0.7),
        "test_hd95_mm": figures(2.4, 1.82, 4.1),
        "test_signed_bias_mm": figures(0.31, -0.12, 0.5, -0.4, 0.9),
        "test_acetabular_edge_mm": figures(1.9, 1.1, 2.8),
        "test_teardrop_mm": figures(2.6, 1.4, 4.0, n=9),
    },
    "lesions": {
        "lesions": 200,
        "hips": 10,
        "dice": figures(0.834, 0.7, 0.9, n=200),
        "assd_mm": figures(0.72, 0.5, 1.1, n=199),
        "dice_by_mitchell": {"A": figures(0.81, 0.7, 0.9), "B": figures(0.79, 0.7, 0.9)},
        "assd_by_mitchell": {"A": figures(0.66, 0.5, 0.9)},
        "dice_by_size": {"3-8 %": figures(0.7, 0.6, 0.8)},
        "assd_by_size": {"3-8 %": figures(0.91, 0.6, 1.2)},
        "steinberg_right": 0.9417,
        "kappa": 0.9612,
        "ratio_error_points": figures(0.9, 0.4, 2.1, n=200),
        "ratio_bias_points": figures(-0.3, -1.4, 0.9, n=200),
        "interval": {"coverage": 0.905, "n": 200, "width_points": figures(4.2, 3.1, 5.9, n=200)},
        "jic": {"right": 0.913, "n": 172},
    },
    "contrasts": {
        "t2": {
            "lesions": 200,
            "dice": figures(0.861, 0.8, 0.9, n=200),
            "ratio_bias_points": figures(-0.7, -2.0, 0.8, n=200),
            "interval": {"coverage": 0.885, "n": 200, "width_points": figures(7.2, 5.1, 9.9, n=200)},
        },
        "stir": {
            "lesions": 200,
            "dice": figures(0.852, 0.8, 0.9, n=200),
            "ratio_bias_points": figures(0.2, -2.0, 0.8, n=200),
            "interval": None,
        },
    },
    "elsewhere": {
        "heads": {
            "whole": 24,
            "found": 23,
            "near": 21,
            "centre_mm": figures(1.4, 0.9, 2.0, n=23),
            "cut": 4,
            "cut_graded": 1,
            "mr_found": 17,
            "mr_without_onfh": 16,
            "ct_with_number": 0,
        },
        "none": {
            "image": {"places": 11, "graded": 0, "asks": 1, "none": 10},
            "crop": {"places": 198, "graded": 2, "asks": 3, "none": 193},
            "stranger": {"places": 40, "graded": 0, "asks": 4, "none": 36},
        },
        "noise": {
            "6%": {"heads": 10, "without_onfh": 8, "wrong": 2, "wrong_without_warning": 1, "not_graded": 0},
        },
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
    "pair": {"centre_mm": 1.62, "scanner_mm": 9.75, "radius_mm": 0.3},
}


def test_spread_gives_median_quartiles_and_extremes():
    values = [5.0, 1.0, 2.0, 4.0, 3.0]
    assert runs.spread(values) == {"median": 3.0, "q1": 2.0, "q3": 4.0, "min": 1.0, "max": 5.0, "n": 5}
    assert runs.spread([1.23456], digits=2)["median"] == 1.23


def test_the_table_shows_what_was_measured_and_the_worst_case():
    lines = table(RESULTS).splitlines()
    assert len({line.count("|") for line in lines}) == 1  # one Markdown table
    text = "\n".join(lines)
    for shown in (
        "29 of 30",
        "median 0.90 (0.50–1.20) mm",
        "-0.3 points",
        "median 0.861 (0.800–0.900); -0.7 points; 88.5 %, width median 7.2 (5.1–9.9)",
        "+0.2 points; none",
        "23 found, 21 within 3 mm; median 1.4 (0.9–2.0) mm",
        "16 of 17",
        "2 graded; 3 ask for a look",
        "6%: 8 of 10, 2 wrong (1 unwarned), 0 not graded",
        "worst 3.30 mm",
        "10 heads of the 5 real test studies",
        "worst 0.911",
        "median 2.40 (1.82–4.10) mm",
        "median +0.31 (-0.12 to +0.50) mm",
        "9; 28",
        "8; 26",
        "9 hips of the 5 test studies",
        "median 2.6 (1.4–4.0) mm",
    ):
        assert shown in text
    for shown in (
        "200 lesions painted into the 10 test hips",
        "median 0.834 (0.700–0.900)",
        "median 0.72 (0.50–1.10) mm",
        "A: 0.81; 0.66, B: 0.79; –",
        "3-8 %: 0.70; 0.91",
        "94.2 %; 0.961",
        "median 0.9 (0.4–2.1) points",
        "90.5 %, width median 4.2 (3.1–5.9) points",
        "the 172 of them with a true class",
        "91.3 %",
        "1.6 mm (9.8 mm in the scanners",
    ):
        assert shown in text
    assert "right: mild, borderline (1.2 %); left not graded: metal lies in it; warnings: metal" in text
    assert "refused: three orientations are mixed" in text


@pytest.mark.parametrize("part", RESULTS)
def test_a_part_that_was_not_measured_is_left_out(part):
    rest = {name: value for name, value in RESULTS.items() if name != part}
    assert 2 < len(table(rest).splitlines()) < len(table(RESULTS).splitlines())
    assert len(table({}).splitlines()) == 2


def test_a_hip_that_is_not_graded_keeps_its_reason_in_the_summary():
    volume = Volume(np.zeros((1, 1, 1)), np.eye(4))
    hip = HipResult("left", "not graded", "There is metal.")
    summary = others._summary(StudyResult(volume, {"modality": "CT"}, (hip,), ()))
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


def lesion_row(ratio, truth, jic_truth, mitchell="A", **graded):
    """A row as ``measure_lesion`` gives it; of a hip that was not graded without more."""
    row = {"case": "04", "side": "right", "mitchell": mitchell, "ratio": ratio, "truth": truth, "jic_truth": jic_truth}
    row |= {"graded": bool(graded), "dice": 0.0}
    return row | graded


def test_lesions_are_summarised_by_class_and_size_and_a_hip_that_is_not_graded_is_wrong(monkeypatch):
    right = {"assd_mm": 0.5, "borderline": False, "interval": [0.1, 0.2]}
    rows = [
        lesion_row(0.05, "mild", "A", "B"),
        lesion_row(0.10, "mild", "B", dice=0.8, predicted="mild", predicted_ratio=0.12, jic="B", **right),
        lesion_row(0.14, "mild", "C1", dice=0.9, predicted="moderate", predicted_ratio=0.16, jic="C2",
                   **right | {"borderline": True}),
        lesion_row(0.40, "severe", None, dice=0.9, predicted="severe", predicted_ratio=0.35, jic="C2", **right),
    ]  # fmt: skip
    monkeypatch.setattr(painted, "measure", lambda section, function, jobs, processes: rows[: len(jobs)])
    summary = painted.evaluate_lesions("test", 4)
    assert (summary["lesions"], summary["graded"], summary["steinberg_right"]) == (4, 3, 0.5)
    assert summary["wrong_but_called_borderline"] == 1
    assert summary["dice_by_mitchell"]["B"]["median"] == 0 and "B" not in summary["assd_by_mitchell"]
    assert {name: part["n"] for name, part in summary["dice_by_size"].items()} == {
        "3-8 %": 1, "8-15 %": 2, "30-50 %": 1
    }  # fmt: skip
    assert summary["interval"]["coverage"] == pytest.approx(2 / 3, abs=1e-4)
    assert (summary["jic"]["right"], summary["jic"]["n"]) == (pytest.approx(1 / 3, abs=1e-4), 3)
    assert summary["jic"]["confusion"][4][3] == 1  # the truth has no class, C2 was given
    assert summary["ratio_error_points"]["max"] == pytest.approx(5)


def test_heads_are_summarised_by_patients_who_were_tested_and_who_were_trained_on(monkeypatch):
    def study(case, bias, teardrop):
        return [
            {"case": case, "side": side, "found": found, "centre_mm": 1.0, "ratio": 0.0, "steinberg": "without ONFH",
             "dice": 0.9, "assd_mm": 0.5, "hd95_mm": 2.0, "signed_bias_mm": bias, "teardrop_mm": teardrop}
            for side, found in (("right", True), ("left", False))
        ]  # fmt: skip

    studies = [study("04", 0.3, 2.5), study("09", 0.5, None), study("12", -0.2, 1.0)]
    monkeypatch.setattr(heads, "measure", lambda section, function, jobs, processes: studies)
    summary = heads.evaluate_heads("test")
    assert (summary["found"], summary["heads"], summary["all_without_onfh"]) == (3, 6, 3)
    assert (summary["test_heads"], summary["test_patients"], summary["validation_heads"]) == (2, 2, 1)
    assert summary["test_signed_bias_mm"]["median"] == pytest.approx(0.4)
    assert (summary["test_teardrop_mm"]["n"], summary["training_teardrop_mm"]["median"]) == (1, 1.0)
    assert "test_acetabular_edge_mm" not in summary


def test_a_killed_measurement_goes_on_where_it_stopped_unless_the_models_are_others(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "KEPT", tmp_path)
    monkeypatch.setattr(runs, "weights", lambda: {"anatomy": "one"})
    with pytest.raises(ValueError):  # of the third
        runs.measure("roots", math.sqrt, [(4.0,), (9.0,), (-1.0,)], 1)
    (file,) = tmp_path.iterdir()
    kept = file.read_text(encoding="utf-8")
    assert [json.loads(line) for line in kept.splitlines() if line] == [["[4.0]", 2.0], ["[9.0]", 3.0]]
    # The row of 4 stands in for what was measured; that of 9 was cut off by the kill.
    file.write_text(kept.replace("2.0]", "7.0]")[:-2], encoding="utf-8")
    assert runs.measure("roots", math.sqrt, [(9.0,), (4.0,)], 1) == [3.0, 7.0]
    assert runs.measure("roots", math.sqrt, [(9.0,), (4.0,)], 1) == [3.0, 7.0]
    assert file.read_text(encoding="utf-8").count("[9.0]") == 2  # the one that was cut off, and the one made anew
    monkeypatch.setattr(runs, "weights", lambda: {"anatomy": "two"})
    assert runs.measure("roots", math.sqrt, [(9.0,), (4.0,)], 1) == [3.0, 2.0]


def test_the_results_name_one_set_of_models_and_those_of_training_patients_stay_out_of_the_table(monkeypatch, tmp_path):
    monkeypatch.setattr(evaluate, "data_folder", lambda: tmp_path)
    monkeypatch.setattr(evaluate, "EVALUATION", tmp_path / "docs" / "evaluation.json")
    monkeypatch.setattr(evaluate, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(evaluate, "weights", lambda names: {"anatomy": "abc"})
    monkeypatch.setattr(evaluate, "evaluate_heads", lambda cases, processes: {"cases": cases})
    for cases, path in (("test", "docs/evaluation.json"), ("train", "cache/evaluation-train.json")):
        monkeypatch.setattr("sys.argv", ["evaluate", "heads", "--cases", cases])
        evaluate.main()
        written = json.loads((tmp_path / path).read_text(encoding="utf-8"))
        assert written == {"heads": {"cases": cases, "models": {"anatomy": "abc"}}}
    monkeypatch.setattr(evaluate, "evaluate_pair", lambda processes: {"centre_mm": 1.0})
    monkeypatch.setattr("sys.argv", ["evaluate", "pair"])
    evaluate.main()
    assert set(json.loads((tmp_path / "docs/evaluation.json").read_text(encoding="utf-8"))) == {"heads", "pair"}
    monkeypatch.setattr(evaluate, "weights", lambda names: {"anatomy": "another"})
    evaluate.main()
    assert set(json.loads((tmp_path / "docs/evaluation.json").read_text(encoding="utf-8"))) == {"pair"}
    monkeypatch.setattr("sys.argv", ["evaluate", "others", "--cases", "train"])
    with pytest.raises(SystemExit, match="no training patients"):
        evaluate.main()


def test_only_the_first_painter_paints_training_patients_and_only_near_the_head(monkeypatch):
    if evaluate.data_folder() is None:
        pytest.skip("the real data is not there")

    def never(*args):
        raise AssertionError("the second painter is for the test patients")

    monkeypatch.setattr(painted, "paint_second", never)
    spec = LesionSpec(case=0, side="left", target_ratio=0.2, mitchell="A", seed=5)
    sphere, head = truth_of("12", "left")
    image, necrosis, mitchell = painted.paint_lesion("12", spec)
    assert mitchell in "ABCD" and necrosis[~head.array].sum() == 0
    assert necrosis.sum() / head.array.sum() == pytest.approx(0.2, abs=0.01)
    before = study_of("12").volume
    changed = before.ras(np.argwhere(image != before.array)[:, ::-1])
    assert len(changed) > 500
    # A little marrow of the neck may be painted with it, never the other hip.
    assert np.linalg.norm(changed - sphere.centre_ras_mm, axis=1).max() < 60


def test_heads_on_two_scanners_are_compared_by_what_lies_in_them_not_by_where_the_patient_lay(monkeypatch):
    islands = {name: np.array(at) for name, at in others.BONE_ISLAND_RAS_MM.items()}
    spheres = {
        "ct_mr_pair_t1": [*(islands["ct_mr_pair_t1"] - (9, -8, -9)), 24.8],
        "ct_mr_pair_ct": [*(islands["ct_mr_pair_ct"] - (9, -8, -7)), 24.5],
    }
    monkeypatch.setattr(others, "measure", lambda section, function, jobs, processes: [spheres[n] for n, _ in jobs])
    pair = others.evaluate_pair()
    apart = np.linalg.norm(islands["ct_mr_pair_t1"] - islands["ct_mr_pair_ct"] + (0, 0, 2))
    assert pair == {"centre_mm": 2.0, "scanner_mm": pytest.approx(apart, abs=0.01), "radius_mm": -0.3}
    spheres["ct_mr_pair_ct"] = None
    assert others.evaluate_pair()["centre_mm"] is None


def test_intervals_of_an_older_calibration_are_not_taken_for_those_of_a_new_one(monkeypatch):
    def measured_with(calibration):
        own = {"sha256": {"model.safetensors": 64 * "0"}, **calibration}
        monkeypatch.setattr(runs, "load_bundle", lambda name: SimpleNamespace(metadata={"onfh_assist": own}))
        return runs._measured_with()

    none, first, second = ({}, {"calibration": {"certain": 0.9}}, {"calibration": {"certain": 0.99}})
    assert len({measured_with(calibration) for calibration in (none, first, second)}) == 3
    assert measured_with(first) == measured_with(first)
