"""Champion against challenger: the figures, the verdict, which cases count, and the report."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "curation"))
from reviewed_hip import Hip

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.curation.reports.training_cases import training_cases
from ONFHAssistLib.curation.store.folder import create_store
from ONFHAssistLib.models.bundle import load_bundle
from training.learning.curated import read_hip
from training.measuring import comparison
from training.measuring.comparison import INCONCLUSIVE, Measured, Row, compare_rows, measure
from training.measuring.comparison_page import by_patient, page, summary


def row(patient: int, old: float, new: float, *, old_error=5.0, new_error=5.0, right=(True, True), hip="R") -> Row:
    one, other = (
        Measured(dice, 0.2, error, "moderate", correct)
        for dice, error, correct in zip((old, new), (old_error, new_error), right, strict=True)
    )
    return Row(f"p{patient}_{hip}", f"p{patient}", 0.2, "moderate", one, other, 100.0 * abs(new - old))


def test_a_network_that_is_better_in_every_patient_is_called_better():
    rows = [row(n, 0.5, 0.6 + 0.01 * n, old_error=8, new_error=3 + 0.1 * n) for n in range(8)]
    figures, verdict, sentence = compare_rows(rows)
    dice, error, grade = figures
    assert verdict == "new" and "The new network is better: in Dice, error of the ratio" in sentence
    assert (dice.old, dice.new) == (pytest.approx(0.5), pytest.approx(0.635))
    assert dice.difference.value == pytest.approx(0.135) and 0 < dice.difference.low < 0.135 < dice.difference.high
    assert error.difference.value == pytest.approx(-4.65) and error.better == "new"
    assert grade.better == INCONCLUSIVE and grade.difference.value == 0
    swapped = [Row(r.case, r.patient, r.ratio, r.grade, r.new, r.old, r.changed_mm3) for r in rows]
    assert compare_rows(swapped)[1] == "old"


def test_differences_that_go_both_ways_can_not_be_told():
    rng = np.random.default_rng(0)
    rows = [row(n, 0.7, 0.7 + rng.normal(0, 0.05)) for n in range(20)]
    assert compare_rows(rows)[1:] == (
        INCONCLUSIVE,
        "The comparison is inconclusive: no figure differs beyond chance (20 hips of 20 patients).",
    )


def test_better_in_one_and_worse_in_another_figure_can_not_be_told():
    rows = [row(n, 0.5, 0.7, old_error=2, new_error=6) for n in range(8)]
    _, verdict, sentence = compare_rows(rows)
    assert verdict == INCONCLUSIVE and "the new one is better in Dice, the old one in error of the ratio" in sentence


def test_many_hips_of_few_patients_are_few():
    rows = [row(n % 4, 0.5, 0.7, hip=str(n)) for n in range(40)]
    assert compare_rows(rows)[1] == INCONCLUSIVE and "40 hips of 4 patients are too few" in compare_rows(rows)[2]


def test_patients_are_drawn_and_not_hips():
    """Ten hips of one patient who alone does better tell of that patient only."""
    rows = [row(0, 0.5, 0.9, hip=str(n)) for n in range(30)] + [row(n, 0.5, 0.48) for n in range(1, 6)]
    assert compare_rows(rows)[0][0].better == INCONCLUSIVE


def test_a_sound_hip_without_necrosis_has_no_dice_but_a_grade():
    rows = [row(n, 0.5, 0.7) for n in range(6)]
    sound = Measured(None, 0.0, 0.0, "without ONFH", True)
    rows.append(Row("p9_R", "p9", 0.0, "without ONFH", sound, sound, 0.0))
    dice, _, grade = compare_rows(rows)[0]
    assert (dice.old, dice.new) == (pytest.approx(0.5), pytest.approx(0.7)) and grade.new == 1.0


@pytest.fixture
def store(tmp_path):
    store = create_store(tmp_path / "Dataset101_Heads")
    for n in range(5):
        store.save(Hip(seed=n, lesion_mm=12 + 2 * n).case(f"p{n}"))
    return store


def hip_of(store, number=0):
    return read_hip(store.folder, training_cases(store.folder)[1][number])


def masks_of(hip, head=None, necrosis=None) -> HipMasks:
    grid = hip.hip.volume
    sphere = Sphere(hip.case.centre_ras_mm, hip.case.radius_mm)
    head, necrosis = hip.head if head is None else head, hip.necrosis if necrosis is None else necrosis
    return HipMasks.of("right", grid.like(head), grid.like(necrosis), sphere).whole()


def test_a_case_is_measured_against_the_readers_masks(store):
    hip = hip_of(store)
    perfect = measure(hip, masks_of(hip), "necrosis")
    assert (perfect.dice, perfect.ratio_error, perfect.right) == (1.0, 0.0, True)
    nothing = measure(hip, masks_of(hip, necrosis=np.zeros_like(hip.necrosis)), "necrosis")
    true_ratio = hip.necrosis.sum() / hip.head.sum()
    assert (nothing.dice, nothing.grade) == (0.0, "without ONFH")
    assert nothing.ratio_error == pytest.approx(100 * true_ratio)
    assert measure(hip, None, "necrosis") == Measured(0.0, None, pytest.approx(100 * true_ratio), None, False)
    half = hip.head.copy()
    half[: len(half) // 2] = False
    expected = 2 * half.sum() / (half.sum() + hip.head.sum())
    assert measure(hip, masks_of(hip, head=half), "anatomy").dice == pytest.approx(expected)


def test_slices_that_nobody_has_reviewed_are_not_compared(tmp_path):
    store = create_store(tmp_path / "Dataset101_Heads")
    store.save(Hip().case(reviewed_slices=tuple(range(5, 12))))
    hip = hip_of(store)
    wrong = hip.necrosis | ~hip.known  # all of what nobody has seen
    assert measure(hip, masks_of(hip, head=hip.head | ~hip.known, necrosis=wrong), "necrosis").dice == 1.0


def bundle_that_has_seen(folder, patients, version="9.0.0"):
    source = load_bundle("necrosis").folder
    shutil.copytree(source, folder)
    path = folder / "configs/metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata |= {"version": version, "changelog": {version: "Test."}}
    metadata["onfh_assist"]["learned_from"] = {"data_set": "D", "content": "c", "patients": patients}
    path.write_text(json.dumps(metadata), encoding="utf-8")
    return load_bundle(folder)


def test_patients_that_one_of_them_has_seen_are_left_out(store, tmp_path):
    cases = training_cases(store.folder)[1]
    one = bundle_that_has_seen(tmp_path / "a" / "necrosis", [cases[0].patient])
    two = bundle_that_has_seen(tmp_path / "b" / "necrosis", [cases[1].patient, "p-of-another-set"])
    _, left, out = comparison.unseen(store.folder, one, two)
    assert [case.case for case in left] == [case.case for case in cases[2:]] and out == 2
    assert comparison.unseen(store.folder, load_bundle("necrosis"))[2] == 0
    everyone = bundle_that_has_seen(tmp_path / "c" / "necrosis", [case.patient for case in cases])
    with pytest.raises(InputError, match="have seen every patient of Dataset101_Heads"):
        comparison.unseen(store.folder, one, everyone)


def test_networks_that_can_not_be_compared_are_refused(store, tmp_path):
    necrosis, anatomy, finder = map(load_bundle, ("necrosis", "anatomy", "hip_finder"))
    with pytest.raises(InputError, match="made for other labels"):
        comparison.compare(necrosis, anatomy, store.folder)
    with pytest.raises(InputError, match="same network"):
        comparison.compare(necrosis, necrosis, store.folder)
    with pytest.raises(InputError, match="hip_finder can't be compared"):
        comparison.compare(finder, finder, store.folder)
    with pytest.raises(InputError, match="is not a data set"):
        comparison.unseen(tmp_path, necrosis)


def test_the_report_shows_the_ten_cases_that_changed_most(store, monkeypatch, tmp_path):
    """Two stand-ins: the old network finds nothing, the new one what the reader has drawn."""
    new = bundle_that_has_seen(tmp_path / "necrosis", [])
    monkeypatch.setattr(comparison, "_open", lambda bundle, device: bundle.version)
    old_version = load_bundle("necrosis").version

    def segment(hip, anatomy, necrosis):
        found = necrosis != old_version
        return masks_of(hip, necrosis=None if found else np.zeros_like(hip.necrosis))

    monkeypatch.setattr(comparison, "segment", segment)
    monkeypatch.setattr(comparison, "require_fit", lambda bundle, name: None)
    weights = dict(new.metadata["onfh_assist"]["sha256"])
    new.metadata["onfh_assist"]["sha256"] = weights | {"model.bin": "0" * 64}
    outcome, shown = comparison.compare(load_bundle("necrosis"), new, store.folder)
    assert outcome.verdict == "new" and outcome.left_out == 0 and len(outcome.rows) == 5
    assert all(row.new.dice == 1.0 and row.old.dice == 0.0 for row in outcome.rows)
    assert outcome.agreement["new"] == {"bias": 0.0, "lower_limit": 0.0, "upper_limit": 0.0}
    assert outcome.kappa["new"] == 1.0
    for row_ in outcome.rows:
        hip = shown[row_.case][0]
        assert row_.changed_mm3 == pytest.approx(hip.necrosis.sum() * hip.hip.volume.voxel_ml * 1000)
    text = page(outcome, shown)
    assert text.count("<img") == 5 and text.count("<svg") == 2 and outcome.sentence in text
    assert json.loads(comparison.as_json(outcome))["rows"][0]["old"]["dice"] == 0.0
    assert "The new network is better" in summary(outcome) and len(by_patient(outcome.rows)) == 5


def test_only_the_ten_that_changed_most_are_kept(store, monkeypatch):
    monkeypatch.setattr(comparison, "SHOWN", 2)
    monkeypatch.setattr(comparison, "_open", lambda bundle, device: bundle.version)
    monkeypatch.setattr(comparison, "require_fit", lambda bundle, name: None)
    calls = iter(range(100))
    monkeypatch.setattr(
        comparison,
        "segment",
        lambda hip, *networks: masks_of(hip, necrosis=hip.necrosis & bool(next(calls) % 2)),
    )
    old, new = load_bundle("necrosis"), load_bundle("anatomy")
    outcome, shown = comparison.compare(old, new, store.folder)
    most = sorted(outcome.rows, key=lambda row: -row.changed_mm3)[:2]
    assert set(shown) == {row.case for row in most}
