"""The interval of the ratio: calibrated on hips whose errors are known."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "curation"))
from reviewed_hip import RADIUS_MM, SOURCE, Hip

from ONFHAssistLib.analysis import AnalysisOptions, analyse, open_models
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.necrosis import necrosis_above
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.curation.case.reviewed import ReviewedCase
from ONFHAssistLib.curation.reports.export import export
from ONFHAssistLib.curation.reports.training_cases import training_cases
from ONFHAssistLib.curation.store.folder import create_store
from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.models.bundle import load_bundle
from Testing import hip_phantom
from training import calibrate
from training.measuring import calibration, interval
from training.measuring.calibration import Outcome
from training.measuring.interval import LOGITS, Case, Fit, fit
from training.real import labels
from training.real.data import NO_DATA, VALIDATION_CASES, data_folder

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
    assert interval.held_out(easy + hard) == {"easy": 1.0, "hard": pytest.approx(1 / 20)}


def test_the_interval_is_wide_enough_for_the_next_patient_too():
    """Each hip of b is two steps harder than that of a: what holds 91 of a's 100 hips holds 85 of b's."""
    cases = [case(patient, too_small_by=(n + late) // 5) for patient, late in (("a", 0), ("b", 10)) for n in range(100)]
    assert min(interval.held_out(cases).values()) < 0.9
    found, level = interval.calibrate(cases)
    assert level > 0.9 and min(interval.held_out(cases, level).values()) >= 0.9
    assert min(interval.held_out(cases, round(level - 0.01, 2)).values()) < 0.9
    assert found == fit(cases, level)


def test_one_patient_and_patients_alike_need_no_more_than_nine_of_ten():
    alone = [case("a", too_small_by=n // 5) for n in range(100)]
    alike = [case(patient, too_small_by=n // 5) for patient in "ab" for n in range(100)]
    assert [interval.calibrate(cases)[1] for cases in (alone, alike)] == [0.9, 0.9]


def test_where_no_outline_is_wide_enough_for_the_next_patient_the_widest_is_taken():
    """Four of 100 hips of each patient are missed, other ones at other steps: 95 % cannot be held."""
    cases = [case("a", too_small_by=99 if n < 4 else 1) for n in range(100)]
    cases += [case("b", too_small_by=99 if n < 4 else 30) for n in range(100)]
    found, level = interval.calibrate(cases)
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
    outcome = Outcome(Fit(8, 10, {"12": 0.92}, 0.07), ("T1", "PD"), "3 lesions of made-up patients", {})
    calibration.write(bundle, outcome, 0.4)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.name for path in after if after[path] != before.get(path)} == {"metadata.json"}
    again = load_bundle(folder)
    assert again.input["calibration"] == {
        "certain": expit(LOGITS[8]),
        "possible": expit(-LOGITS[10]),
        "head_mm": 0.4,
        "coverage": 0.9,
        "sequences": ["T1", "PD"],
        "measured_on": "3 lesions of made-up patients",
    }
    rest = json.loads(json.dumps(again.metadata))
    rest["onfh_assist"]["calibration"] = bundle.input.get("calibration")
    expected = json.loads(json.dumps(bundle.metadata))
    expected["onfh_assist"].setdefault("calibration", None)
    assert rest == expected


def test_the_outline_of_a_head_is_known_to_half_a_pixel():
    assert calibration.head_mm(load_bundle("anatomy")) == 0.5 == load_bundle("necrosis").input["calibration"]["head_mm"]


def test_without_the_real_data_nothing_is_calibrated(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ONFH_DATA", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["calibrate"])
    with pytest.raises(SystemExit) as stopped:
        calibrate.main()
    assert stopped.value.code == 2 and NO_DATA in capsys.readouterr().err


@pytest.mark.skipif(data_folder() is None, reason=NO_DATA)
def test_without_label_maps_it_is_said_how_to_make_them(monkeypatch, tmp_path):
    monkeypatch.setattr(labels, "REAL_LABELS", tmp_path)
    with pytest.raises(InputError, match=r"with python -m training\.label_real"):
        calibration.run_case((VALIDATION_CASES[0], "left", 3, "T1"))


@pytest.mark.skipif(data_folder() is None, reason=NO_DATA)
@pytest.mark.skipif(not labels.REAL_LABELS.is_dir(), reason="python -m training.label_real was not run here")
def test_a_painted_hip_gives_nested_ratios_about_its_own():
    found = calibration.run_case((VALIDATION_CASES[0], "left", 3, "T1"))
    assert 0.03 <= found.truth <= 0.5
    assert (np.diff(found.certain) <= 0).all() and found.certain[-1] < found.truth
    assert (found.possible[1:] >= found.possible[0]).all() and found.possible[-1] > found.truth
    assert found.certain[0] == found.possible[0]


def covered(n: int, even: bool) -> float:
    """Part of the hips of tomorrow that are held after a calibration with n, meaned over many; errors are normal."""
    rng = np.random.default_rng(n)
    shares = []
    for _ in range(300):
        found = fit([case("a", too_small_by=error) for error in rng.normal(0, 9, n)], even=even)
        errors = rng.normal(0, 9, 1000)
        shares.append(np.mean((errors <= found.outer) & (-errors <= found.inner)))
    return float(np.mean(shares))


def test_after_nine_hips_nine_of_ten_of_tomorrow_are_held():
    """Where both probabilities lie equally far from even odds; the narrowest pair would hold eight of ten."""
    assert covered(9, even=True) == pytest.approx(0.9, abs=0.015)
    assert covered(9, even=False) < 0.84
    found = fit([case("a", too_small_by=n) for n in range(9)], even=True)
    assert found.inner == found.outer == 8


LAYER_MM = 4.0
"""Of the made-up hips: one layer of voxels."""
LAYERS_MISSED = {"one": 1, "two": 2}
"""By the reviewer's code: how many layers at the lower end of the necrosis the made-up network misses."""


@pytest.fixture
def networks(monkeypatch):
    """Networks that find a head unless the reviewer is "none"; towards the pole each layer is more by one logit.

    What is one layer too small is held from the first of LOGITS above 1 on, 1.2; two layers from 2.1 on.
    """

    def segment(hip, anatomy, necrosis):
        if hip.case.reviewer == "none":
            return None
        grid = hip.hip.volume
        up_mm = grid.grid_ras()[..., 2]
        lowest_mm = up_mm[hip.necrosis].min() if hip.necrosis.any() else RADIUS_MM * 2
        logit = (up_mm - lowest_mm) / LAYER_MM - LAYERS_MISSED[hip.case.reviewer] + 0.01
        probability = grid.like((expit(logit) * hip.head).astype(np.float32))
        dead = grid.like(necrosis_above(probability, hip.head))
        sphere = Sphere(hip.case.centre_ras_mm, hip.case.radius_mm)
        return HipMasks.of("right", grid.like(hip.head), dead, sphere, probability=probability)

    monkeypatch.setattr(calibration, "segment", segment)
    monkeypatch.setattr(calibration, "open_network", lambda folder: folder.name)
    monkeypatch.setattr(calibration, "run_jobs", lambda function, jobs: map(function, jobs))


@pytest.fixture
def store(tmp_path):
    return create_store(tmp_path / "Dataset101_Heads")


def save(store, numbers, reviewer="one", sequence="T1", lesion_mm=16.0, **more):
    """Save a hip each of the patients of these numbers."""
    for n in numbers:
        hip = Hip(seed=n, lesion_mm=lesion_mm)
        store.save(hip.case(f"p{n}", reviewer, source=SOURCE | {"sequence": sequence}, **more))


@pytest.fixture
def bundles(tmp_path):
    """A folder with a necrosis bundle that has no calibration yet, as one that was trained on."""
    folder = tmp_path / "bundles" / "necrosis"
    shutil.copytree(resource_path("Bundles", "necrosis"), folder)
    rewrite(folder, lambda own: own.pop("calibration"))
    return folder.parent


def rewrite(folder, change):
    path = folder / "configs/metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    change(metadata["onfh_assist"])
    path.write_text(json.dumps(metadata), encoding="utf-8")


def run(monkeypatch, *arguments):
    """Run the command line; return the exit code."""
    monkeypatch.setattr(sys, "argv", ["calibrate", *map(str, arguments)])
    try:
        calibrate.main()
    except SystemExit as ended:
        return ended.code
    return 0


def calibration_in(bundles):
    return load_bundle(bundles / "necrosis").input.get("calibration")


def test_a_network_is_calibrated_with_the_reviewed_hips_of_a_data_set(networks, store, bundles, monkeypatch, capsys):
    save(store, range(10))
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    found = calibration_in(bundles)
    assert (found["certain"], found["possible"]) == (pytest.approx(expit(1.2)), pytest.approx(expit(-1.2)))
    assert (found["sequences"], found["head_mm"], found["coverage"]) == (["T1"], 0.5, 0.9)
    assert found["measured_on"] == "reviewed hips of 10 patients of Dataset101_Heads: 10 with necrosis on T1"
    said = capsys.readouterr().out
    assert "hips of 10 patients" in said and "with few patients the interval may be too narrow" in said
    assert '"held": {\n  "with necrosis on T1": 1.0\n }' in said and '"patients": 10' in said


def test_an_export_calibrates_as_its_data_set_does(networks, store, bundles, monkeypatch, tmp_path):
    save(store, range(9))
    save(store, range(9, 12), lesion_mm=0)
    exported = export(store, tmp_path / "exported", "monai", "status == approved and grade != none").folder
    assert run(monkeypatch, "--data", exported, "--bundles", bundles) == 0
    assert calibration_in(bundles)["possible"] == pytest.approx(expit(-1.2))


def test_one_of_nineteen_hips_may_be_missed_and_none_of_ten(networks, store, bundles, monkeypatch):
    save(store, range(9))
    save(store, [9], "two")
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    assert calibration_in(bundles)["possible"] == pytest.approx(expit(-2.1))
    save(store, range(10, 19))
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    assert calibration_in(bundles)["possible"] == pytest.approx(expit(-1.2))


def test_patients_that_the_network_has_learned_from_do_not_calibrate_it(networks, store, bundles, monkeypatch, capsys):
    save(store, range(9))
    save(store, range(9, 12), "two")
    learned = [case.patient for case in training_cases(store.folder)[1] if case.reviewer == "two"]
    rewrite(bundles / "necrosis", lambda own: own.update(learned_from=seen(learned)))
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    found = calibration_in(bundles)
    assert found["possible"] == pytest.approx(expit(-1.2)) and "of 9 patients" in found["measured_on"]
    assert not any(patient in json.dumps(found) + capsys.readouterr().out for patient in learned)
    everyone = [case.patient for case in training_cases(store.folder)[1]]
    rewrite(bundles / "necrosis", lambda own: own.update(learned_from=seen(everyone)))
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 2
    assert "have seen every patient of Dataset101_Heads" in capsys.readouterr().err


def seen(patients):
    return {"data_set": "D", "content": "c", "patients": patients}


def test_what_can_not_count_is_left_out_and_said_so(networks, store, bundles, monkeypatch, capsys):
    save(store, range(9))
    save(store, [20], "two", reviewed_slices=(5, 6, 7))
    save(store, [21], "none")
    save(store, range(30, 33), "two", "STIR")
    save(store, range(40, 50), "two", "unknown")
    save(store, range(60, 62), "two", lesion_mm=0)
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    found = calibration_in(bundles)
    assert found["possible"] == pytest.approx(expit(-1.2)) and found["sequences"] == ["T1"]
    assert (
        "Left out: 1 with slices that nobody has reviewed, 1 without a head that the networks find, "
        "3 with necrosis on STIR, 10 with necrosis on unknown, 2 without necrosis on T1."
    ) in capsys.readouterr().out


def test_many_sound_hips_do_not_hide_missed_lesions(networks, store, bundles, monkeypatch):
    """Of all 41 hips 39 would do, so two could be missed; of the 9 with necrosis it has to be all."""
    save(store, range(7))
    save(store, range(7, 9), "two")
    save(store, range(9, 41), lesion_mm=0)
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    found = calibration_in(bundles)
    assert found["possible"] == pytest.approx(expit(-2.1))
    assert found["measured_on"].endswith("9 with necrosis on T1, 32 without necrosis on T1")


def test_other_sequences_are_calibrated_too(networks, store, bundles, monkeypatch):
    save(store, range(9), "one", "T1")
    save(store, range(9, 18), "two", "STIR")
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    found = calibration_in(bundles)
    assert found["sequences"] == ["STIR", "T1"] and found["possible"] == pytest.approx(expit(-2.1))


def test_the_former_calibration_is_replaced_and_what_is_lost_is_told(networks, store, bundles, monkeypatch, capsys):
    shutil.copytree(resource_path("Bundles", "necrosis"), bundles / "necrosis", dirs_exist_ok=True)
    save(store, range(9), sequence="PD")
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    assert calibration_in(bundles)["sequences"] == ["PD"]
    assert "on T1 there is no interval any more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (
            [(range(8), "one", "T1")],
            r"\(8 with necrosis on T1\); it takes 9 with necrosis of one known sequence: approve",
        ),
        ([(range(5), "one", "T1"), (range(5, 10), "one", "STIR")], "5 with necrosis on STIR, 5 with necrosis on T1"),
        ([(range(12), "one", "unknown")], "12 with necrosis on unknown"),
        ([(range(12), "none", "T1")], "12 without a head that the networks find"),
        ([], "holds no approved case"),
    ],
)
def test_too_few_hips_end_in_one_sentence_and_change_nothing(
    networks, store, bundles, monkeypatch, capsys, saved, words
):
    for numbers, reviewer, sequence in saved:
        save(store, numbers, reviewer, sequence)
    before = {path: path.read_bytes() for path in bundles.rglob("*") if path.is_file()}
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 2
    assert {path: path.read_bytes() for path in bundles.rglob("*") if path.is_file()} == before
    said = capsys.readouterr().err
    assert re.search(words, said) and said.count("\n") == 1


def test_a_folder_without_a_necrosis_bundle_leaves_the_shipped_one_alone(store, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "--data", store.folder, "--bundles", tmp_path) == 2
    assert f"There is no necrosis bundle in {tmp_path}" in capsys.readouterr().err
    assert run(monkeypatch, "--data", store.folder, "--bundles", tmp_path / "nowhere") == 2


def test_the_interval_then_appears_in_a_report_on_t1(networks, store, bundles, monkeypatch):
    """With the shipped networks, on the sample study, whose left hip has a lesion."""
    save(store, range(9))
    assert run(monkeypatch, "--data", store.folder, "--bundles", bundles) == 0
    monkeypatch.setenv("ONFH_BUNDLES", str(bundles))
    sample = read_study(resource_path("SampleData", "procedural_t1.nii.gz"))
    result = analyse(sample, AnalysisOptions(sides=("left",)), models=open_models("cpu"))
    low, high = result.hips[0].ratio_interval
    assert sample.source["sequence"] == "T1" and 0 < low < result.hips[0].volume_ratio < high < 1
    (necrosis,) = (model for model in result.models if model["name"] == "necrosis")
    assert necrosis["interval_measured_on"].startswith("reviewed hips of 9 patients")


def test_a_ct_goes_from_its_heads_centre_to_masks(monkeypatch, tmp_path, bundles):
    """Solids with networks that read them, and that take a lesion for a little larger or smaller than it is."""
    store = create_store(tmp_path / "Dataset102_Heads", modality="CT")
    centre = (90.0, 0.0, 0.0)
    for n in range(9):
        image = hip_phantom.grid(hip_phantom.AXIAL, (2.0, 2.0, 4.0), (150, 150, 110), centre)
        image = hip_phantom.add_hip(image, "right", centre)
        offset = image.grid_ras() - np.array(centre)
        head = np.linalg.norm(offset, axis=-1) < hip_phantom.RADIUS_MM
        dead = np.linalg.norm(offset - hip_phantom.LESION_OFFSET, axis=-1) < hip_phantom.LESION_RADIUS_MM
        masks = HipMasks.of("right", image.like(head), image.like(dead), Sphere(centre, hip_phantom.RADIUS_MM))
        noise = np.random.default_rng(n).normal(0, 1, head.shape)
        source = SOURCE | {"modality": "CT", "sequence": "CT", "plane": "axial"}
        store.save(
            ReviewedCase(f"p{n}", image.like(image.array + noise), masks, grade(masks), "r", "approved", source=source)
        )
    networks = {"anatomy": hip_phantom.anatomy_network(), "necrosis": hip_phantom.necrosis_network()}
    monkeypatch.setattr(calibration, "open_network", lambda folder: networks[folder.name])
    monkeypatch.setattr(calibration, "run_jobs", lambda function, jobs: map(function, jobs))
    outcome = calibration.with_reviewed_cases(store.folder, *calibration.find_bundles(bundles))
    assert outcome.sequences == ("CT",) and outcome.found.held == {"with necrosis on CT": 1.0}
    assert outcome.found.width < 0.05
