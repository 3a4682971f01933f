"""The speed benchmark around what is timed: no time is tested."""

import json
import sys

import pytest
import SimpleITK as sitk

from training.benchmarks import nnunet, speed
from training.benchmarks.pairs import compared, timed_in_turn, warm_pairs

RESULTS = {
    "study": "case_03_t1.nii.gz",
    "cores": 2,
    "warm": {"median_s": 1.5},
    "cold": {"median_s": 3.0, "peak_mib": 512},
}
NNUNET = {"seconds": 60.0, "patches": 8}


def test_without_the_real_data_the_sample_study_is_timed_and_planned_for(monkeypatch, tmp_path):
    monkeypatch.setenv("ONFH_DATA", str(tmp_path))
    study, images = speed.studies()
    assert study.name == "procedural_t1.nii.gz" and images == [study]


def test_no_held_back_study_is_used(monkeypatch, tmp_path):
    from training.real.data import TEST_CASES

    (tmp_path / "t1_coronal").mkdir()
    monkeypatch.setenv("ONFH_DATA", str(tmp_path))
    study, images = speed.studies()
    assert study.name == "case_03_t1.nii.gz" and study in images and len(images) == 10
    assert not [path for path in images if path.name[5:7] in TEST_CASES]


def test_the_rows_say_study_cores_and_how_many_times_longer_nnunet_takes():
    rows = speed.table(RESULTS).splitlines()
    assert len(rows) == 2 and all("`case_03_t1.nii.gz`, 2 cores" in row for row in rows)
    assert "1.50 s" in rows[0] and "0.50 GiB" in rows[1]
    with_nnunet = speed.table(RESULTS | {"nnunet": NNUNET, "ratio": 40.0, "processor_ratio": 50.0}).splitlines()
    assert with_nnunet[:2] == rows and "60 s (8 patches): 40 times on the clock, 50 of the processor" in with_nnunet[2]


def test_the_part_of_another_version_is_that_of_the_pairs_and_not_of_the_medians():
    pairs = [((10.0, 2.0), (5.0, 1.0)), ((2.0, 2.0), (1.0, 1.0)), ((40.0, 2.0), (40.0, 1.0))]
    found = compared(pairs)
    assert found["clock"] == {"median_s": [10.0, 5.0], "ratio": 0.5, "quartiles": [0.5, 0.75]}
    row = speed.table(RESULTS | {"against": {"commit": "abc", "warm": found, "cold": found}}).splitlines()[2]
    assert (
        "abc, warm" in row and "0.50 (0.50–0.50) of the processor's, 0.50 (0.50–0.75) of the clock's (3 pairs)" in row
    )


def test_each_second_pair_begins_with_the_other_version():
    ran = []
    timed_in_turn((lambda: ran.append("a") or (1, 1), lambda: ran.append("b") or (1, 1)), pairs=3)
    assert "".join(ran) == "abbaab"


def test_the_version_that_is_timed_is_that_of_its_checkout(tmp_path):
    checkouts = tmp_path / "older", tmp_path / "newer"
    for checkout, seconds in zip(checkouts, (0.2, 0.05), strict=True):
        (checkout / "ONFHAssistLib" / "imaging").mkdir(parents=True)
        (checkout / "ONFHAssistLib" / "analysis.py").write_text(
            "import time\n"
            "from types import SimpleNamespace as Any\n"
            "def open_models(device, threads): return threads\n"
            f"def analyse(study, models): time.sleep({seconds}); return Any(hips=[Any(status='graded')] * models)\n"
        )
        (checkout / "ONFHAssistLib" / "imaging" / "read.py").write_text("def read_study(path): return path\n")
    found = warm_pairs(checkouts, tmp_path / "study.nii.gz", threads=2, pairs=2)
    older, newer = found["clock"]["median_s"]
    assert older >= 0.2 and 0.05 <= newer < older
    with pytest.raises(RuntimeError, match="Not both hips"):
        warm_pairs(checkouts, tmp_path / "study.nii.gz", threads=1, pairs=2)


def test_a_python_without_nnunet_is_told_what_to_install(tmp_path, monkeypatch):
    broken = tmp_path / "nnunet.py"
    broken.write_text("import no_such_library_as_nnunet")
    monkeypatch.setattr(speed, "NNUNET", broken)
    with pytest.raises(SystemExit, match="install the extra benchmark"):
        speed.nnunet(sys.executable, tmp_path / "study.nii.gz", [], threads=1)


def test_the_studies_are_laid_out_as_nnunet_reads_them(tmp_path):
    study = speed.resource_path("SampleData", "procedural_t1.nii.gz")
    nnunet.write_dataset(tmp_path / "data", [study, study])
    content = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert content["numTraining"] == 2 and list(content["labels"].values()) == [0, 1, 2, 3, 4]
    for number in (0, 1):
        image = sitk.ReadImage(str(tmp_path / "data" / "imagesTr" / f"case_{number:02}_0000.nii.gz"))
        label = sitk.ReadImage(str(tmp_path / "data" / "labelsTr" / f"case_{number:02}.nii.gz"))
        assert image.GetSize() == label.GetSize() and image.GetSpacing() == label.GetSpacing()
        assert sitk.GetArrayFromImage(label).max() == 1
