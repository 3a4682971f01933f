"""The loop's own pieces; the loop itself runs outside of the tests (``python -m training.benchmarks.loop``)."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "curation"))
from reviewed_hip import CENTRES, RADIUS_MM, SOURCE, Hip

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.curation.reports.training_cases import training_cases
from ONFHAssistLib.curation.store.folder import open_store
from training.benchmarks import loop
from training.learning.curated import read_hip


@pytest.fixture
def patients(monkeypatch):
    """Three made-up patients; a stand-in for the networks that finds heads and no necrosis."""
    images = {case: Hip(seed=n, spacing_mm=(2.0, 2.0, 4.0)).image() for n, case in enumerate(("01", "02", "03"))}
    images = {case: image.like(image.array * 0 + 500 + n) for n, (case, image) in enumerate(images.items())}
    grids = {case: image.grid_ras() for case, image in images.items()}

    def study_of(case):
        return SimpleNamespace(volume=images[case], source=SOURCE)

    def head_of(image, side):
        grid = next(grids[case] for case in images if images[case].array.shape == image.array.shape)
        return image.like(np.linalg.norm(grid - np.array(CENTRES[side]), axis=-1) <= RADIUS_MM)

    def analyse(study, options, models):
        heads = {side: head_of(study.volume, side) for side in options.sides}
        masks = tuple(
            HipMasks.of(side, head, head.like(np.zeros(head.array.shape, bool)), Sphere(CENTRES[side], RADIUS_MM))
            for side, head in heads.items()
        )
        return StudyResult(study.volume, SOURCE, tuple(map(grade, masks)), masks, models=({"name": "necrosis"},))

    monkeypatch.setattr(loop, "PATIENTS", tuple(images))
    monkeypatch.setattr(loop, "TEST_PATIENTS", ("02",))
    monkeypatch.setattr(loop, "analyse", analyse)
    monkeypatch.setattr(loop, "study_of", study_of)
    monkeypatch.setattr(
        loop, "truth_of", lambda case, side: (Sphere(CENTRES[side], RADIUS_MM), head_of(images[case], side))
    )
    return images


def test_the_scripted_reader_puts_the_painted_lesion_in_the_place_of_the_networks(patients, tmp_path):
    folder = loop.correct(tmp_path, None)
    _, cases = training_cases(folder)
    assert len(cases) == 6 and len({case.patient for case in cases}) == 3
    assert sorted(case.ratio > 0 for case in cases) == [False] * 3 + [True] * 3
    for case in cases:
        assert case.provenance["head"] == "automatic"
        if case.ratio == 0:
            continue
        assert case.provenance["necrosis"] == "corrected"
        assert loop.RATIOS[0] * 0.9 < case.ratio < loop.RATIOS[1] * 1.1
        hip = read_hip(folder, case)
        depth = RADIUS_MM - np.linalg.norm(hip.hip.volume.grid_ras() - np.array(case.centre_ras_mm), axis=-1)
        assert hip.hip.volume.array[hip.necrosis & (depth > 6)].mean() > 1.1 * hip.hip.volume.array[~hip.head].mean()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nii.gz")}
    assert loop.correct(tmp_path, None) == folder  # done already
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nii.gz")} == before


def test_the_test_sets_hold_the_painted_truth(patients, tmp_path):
    lesions = loop.bright_lesions()
    assert len(lesions) == 2 * loop.LESIONS_PER_HIP
    folder = loop.test_set(tmp_path, "Dataset111_Bright", lesions)
    _, cases = training_cases(folder)
    assert len(cases) == len(lesions) and len({case.patient for case in cases}) == 1
    assert all(case.provenance == {"head": "manual", "necrosis": "manual"} for case in cases)
    sound = loop.test_set(tmp_path, "Dataset113_Sound", loop.sound_heads())
    assert [case.ratio for case in training_cases(sound)[1]] == [0.0, 0.0]
    assert len(open_store(sound).cases()) == 2


def test_what_was_measured_is_kept(tmp_path):
    made = []
    for _ in range(2):
        assert loop._kept(tmp_path / "kept.json", lambda: made.append(1) or [1]) == [1]
    assert len(made) == 1
