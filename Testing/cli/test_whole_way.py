"""The whole way with the networks that come with the repository, in a process of its own as a user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = ROOT / "Resources"
SAMPLE = RESOURCES / "SampleData" / "procedural_t1.nii.gz"
needs_models = pytest.mark.skipif(not (RESOURCES / "Bundles" / "necrosis").is_dir(), reason="no bundles here")
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="no sample study here")


def grade(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "ONFHAssistLib.cli", "grade", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@needs_models
@needs_sample
def test_the_sample_study_is_graded_and_all_files_are_there(tmp_path):
    result = grade(SAMPLE, "--out", tmp_path / "out", "--json", "--device", "cpu")
    assert (result.returncode, result.stderr) == (0, "")
    hips = json.loads(result.stdout)["hips"]
    assert [(hip["side"], hip["status"]) for hip in hips] == [("right", "graded"), ("left", "graded")]
    assert sorted(hip["grades"]["steinberg"]["grade"] == "without ONFH" for hip in hips) == [False, True]
    names = ["masks.nii.gz", "masks.seg.nrrd", "report.html", "report.json", "slices.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def phantom_of_a_head() -> sitk.Image:
    """A coronal T1 of a skull: scalp, bone, brain with bright white matter; 30 slices of 5 mm."""
    k, j, i = np.indices((30, 128, 128)).astype(float)
    y, z, x = (k - 14.5) * 5.0, (j - 63.5) * 1.8, (i - 63.5) * 1.8
    radius = np.sqrt((x / 75) ** 2 + (y / 95) ** 2 + (z / 85) ** 2)
    image = np.select([radius < 0.55, radius < 0.86, radius < 0.93, radius < 1], [380.0, 260.0, 40.0, 700.0], 8.0)
    image += np.random.default_rng(5).normal(0, 8, image.shape)
    head = sitk.GetImageFromArray(np.clip(image, 0, None).astype(np.int16))
    head.SetSpacing((1.8, 1.8, 5.0))
    head.SetDirection((1, 0, 0, 0, 0, 1, 0, -1, 0))
    return head


def noise() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(6).normal(300, 60, (30, 128, 128)).astype(np.int16))
    image.SetSpacing((2.8, 2.8, 5.0))
    image.SetDirection((1, 0, 0, 0, 0, 1, 0, -1, 0))
    return image


@needs_models
@pytest.mark.parametrize("make", [phantom_of_a_head, noise])
def test_another_part_of_the_body_is_refused_and_says_what_was_not_found(tmp_path, make):
    sitk.WriteImage(make(), str(tmp_path / "other.nii.gz"))
    result = grade(tmp_path / "other.nii.gz", "--out", tmp_path / "out", "--device", "cpu")
    assert result.returncode == 2 and result.stdout == ""
    assert "femoral head" in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
