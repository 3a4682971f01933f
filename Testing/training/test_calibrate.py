"""The interval of the ratio: calibrated on hips whose errors are known."""

import json
import shutil
import sys

import numpy as np
import pytest
from scipy.special import expit

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.models.bundle import load_bundle
from training import calibrate, label_real
from training.calibrate import LOGITS, Case, Fit, fit
from training.data import NO_DATA, VALIDATION_CASES, data_folder

STEP = 0.004


def case(patient, too_small_by=0, too_large_by=0):
    """A hip whose ratio of 0.2 is held once the outer outline has moved so many steps out, the inner one so many in."""
    n = np.arange(len(LOGITS))
    return Case(patient, 0.2 + STEP * (too_small_by - too_large_by), 0.2 - STEP * n, 0.2 + STEP * n)


def test_the_interval_holds_nine_of_ten_hips_and_is_no_wider_than_that():
    """Three hips for each of 33 steps: of 99 hips 90 are held from step 29 on (ceil(100 * 0.9) = 90)."""
    found = fit([case("a", too_small_by=n // 3) for n in range(99)])
    assert found.possible == pytest.approx(expit(-LOGITS[29]))
    assert found.certain == 0.5
    assert found.held == {"a": pytest.approx(90 / 99)}
    assert found.width == pytest.approx(29 * STEP)


def test_ratios_that_are_too_large_move_the_inner_outline():
    found = fit([case("a", too_large_by=n // 3) for n in range(99)])
    assert (found.certain, found.possible) == (pytest.approx(expit(LOGITS[29])), 0.5)


def test_of_two_ways_to_hold_enough_the_narrower_one_is_taken():
    """Few hips are far too small: it is cheaper to hold the many that are a little too large."""
    hips = [case("a", too_large_by=2) for _ in range(20)] + [case("a") for _ in range(74)]
    found = fit(hips + [case("a", too_small_by=20) for _ in range(5)])
    assert (found.certain, found.possible) == (pytest.approx(expit(LOGITS[2])), 0.5)
    assert found.held["a"] == pytest.approx(94 / 99)


def test_the_hips_of_a_hard_patient_do_not_hide_behind_those_of_an_easy_one():
    easy, hard = [case("easy") for _ in range(200)], [case("hard", too_small_by=n) for n in range(20)]
    found = fit(easy + hard)
    assert found.possible == pytest.approx(expit(-LOGITS[18]))  # ceil(21 * 0.9) = 19 of 20
    assert found.held == {"easy": 1.0, "hard": pytest.approx(0.95)}


def test_a_normal_head_is_held_only_where_its_interval_starts_at_nothing():
    n = np.arange(len(LOGITS))
    speck = Case("a", 0.0, np.where(n < 7, 0.01, 0.0), np.full(len(n), 0.02))
    assert fit([speck] * 20).certain == pytest.approx(expit(LOGITS[7]))


def test_how_well_it_holds_for_a_patient_it_was_not_calibrated_on_is_told():
    easy, hard = [case("easy") for _ in range(20)], [case("hard", too_small_by=n) for n in range(20)]
    assert calibrate.held_out(easy + hard) == {"easy": 1.0, "hard": pytest.approx(1 / 20)}


def test_the_interval_is_wide_enough_for_the_next_patient_too():
    """Each hip of b is two steps harder than that of a: what holds 91 of a's 100 hips holds 85 of b's."""
    cases = [case(patient, too_small_by=(n + late) // 5) for patient, late in (("a", 0), ("b", 10)) for n in range(100)]
    assert min(calibrate.held_out(cases).values()) < 0.9
    found, level = calibrate.calibrate(cases)
    assert level > 0.9 and min(calibrate.held_out(cases, level).values()) >= 0.9
    assert min(calibrate.held_out(cases, round(level - 0.01, 2)).values()) < 0.9
    assert found == fit(cases, level)


def test_one_patient_and_patients_alike_need_no_more_than_nine_of_ten():
    alone = [case("a", too_small_by=n // 5) for n in range(100)]
    alike = [case(patient, too_small_by=n // 5) for patient in "ab" for n in range(100)]
    assert [calibrate.calibrate(cases)[1] for cases in (alone, alike)] == [0.9, 0.9]


def test_where_no_outline_is_wide_enough_for_the_next_patient_the_widest_is_taken():
    """Four of 100 hips of each patient are missed, other ones at other steps: 95 % cannot be held."""
    cases = [case("a", too_small_by=99 if n < 4 else 1) for n in range(100)]
    cases += [case("b", too_small_by=99 if n < 4 else 30) for n in range(100)]
    found, level = calibrate.calibrate(cases)
    assert level == 0.95 and found == fit(cases, level)


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ([], "nothing to calibrate"),
        ([case("a", too_small_by=99) for _ in range(30)], "hold the true ratio of 0 %"),
        ([case("a") for _ in range(5)], "too few"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_with_its_reason(cases, words):
    with pytest.raises(InputError, match=words):
        fit(cases)


def test_a_calibration_changes_nothing_of_a_bundle_but_its_metadata(tmp_path):
    folder = tmp_path / "necrosis"
    shutil.copytree(resource_path("Bundles", "necrosis"), folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    bundle = load_bundle(folder)
    calibrate.write(bundle, Fit(8, 10, {"12": 0.92}, 0.07), 0.4, "3 lesions of made-up patients")
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in after if after[path] != before.get(path)} == {"metadata.json"}
    again = load_bundle(folder)
    assert again.input["calibration"] == {
        "certain": expit(LOGITS[8]),
        "possible": expit(-LOGITS[10]),
        "head_mm": 0.4,
        "coverage": 0.9,
        "sequences": ["T1"],
        "measured_on": "3 lesions of made-up patients",
    }
    rest = json.loads(json.dumps(again.metadata))
    rest["onfh_assist"]["calibration"] = bundle.input.get("calibration")
    expected = json.loads(json.dumps(bundle.metadata))
    expected["onfh_assist"].setdefault("calibration", None)
    assert rest == expected


def test_the_outline_of_a_head_is_known_to_half_a_pixel():
    assert calibrate.head_mm(load_bundle("anatomy")) == 0.5 == load_bundle("necrosis").input["calibration"]["head_mm"]


def test_without_the_real_data_nothing_is_calibrated(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ONFH_DATA", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["calibrate"])
    with pytest.raises(SystemExit) as stopped:
        calibrate.main()
    assert stopped.value.code == 2 and NO_DATA in capsys.readouterr().err


@pytest.mark.skipif(data_folder() is None, reason=NO_DATA)
def test_without_label_maps_it_is_said_how_to_make_them(monkeypatch, tmp_path):
    monkeypatch.setattr(label_real, "REAL_LABELS", tmp_path)
    with pytest.raises(InputError, match=r"with python -m training\.label_real"):
        calibrate.run_case((VALIDATION_CASES[0], "left", 3))


@pytest.mark.skipif(data_folder() is None, reason=NO_DATA)
@pytest.mark.skipif(not label_real.REAL_LABELS.is_dir(), reason="python -m training.label_real was not run here")
def test_a_painted_hip_gives_nested_ratios_about_its_own():
    found = calibrate.run_case((VALIDATION_CASES[0], "left", 3))
    assert 0.03 <= found.truth <= 0.5
    assert (np.diff(found.certain) <= 0).all() and found.certain[-1] < found.truth
    assert (found.possible[1:] >= found.possible[0]).all() and found.possible[-1] > found.truth
    assert found.certain[0] == found.possible[0]
