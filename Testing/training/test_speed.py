"""The speed benchmark around what is timed: no time is tested."""

import json
import sys

import pytest
import SimpleITK as sitk

from training.benchmarks import nnunet, speed

RESULTS = {
    "study": "case_03_t1.nii.gz",
    "cores": 2,
    "warm": {"median_s": 1.5},
    "cold": {"median_s": 3.0, "peak_mib": 512},
}


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
    with_nnunet = speed.table(RESULTS | {"nnunet": {"seconds": 60.0, "patches": 8}, "ratio": 40.0}).splitlines()
    assert with_nnunet[:2] == rows and "60 s (8 patches): 40 times" in with_nnunet[2]


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
