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
SAMPLE = ROOT / "Resources" / "SampleData" / "procedural_t1.nii.gz"


def grade(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "ONFHAssistLib.cli", "grade", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=120,
    )


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
    return coronal(image, (1.8, 1.8, 5.0))


def phantom_of_a_knee() -> sitk.Image:
    """A coronal T1 of a right knee: fatty marrow in a dark cortex, cartilage, muscle, a coat of fat; 28 slices of 4 mm.

    The condyles are as round as a femoral head, of 21 mm radius, and each has only the shaft above it.
    """
    k, j, i = np.indices((28, 160, 160)).astype(float)
    x, back, up = (i - 79.5) * 1.1, (k - 13.5) * 4.0, (79.5 - j) * 1.1
    leg = np.hypot(x, back) - np.where(up > 30, 62 + 0.1 * (up - 30), 62 - 0.12 * np.maximum(-up - 20, 0))
    ball = [np.sqrt((x - side * 24) ** 2 + (back - 8) ** 2 + (up - 20) ** 2) - 21 for side in (-1, 1)]
    shaft = np.maximum(np.hypot(x, back + 4) - np.clip(46 - 0.55 * up, 15, 42), 12 - up)
    plateau = np.maximum(np.hypot(x / 1.3, back - 2) - np.clip(30 + 0.22 * (up + 6), 13, 30), up + 6)
    patella = np.sqrt((x / 1.1) ** 2 + (2 * (back + 40)) ** 2 + (up - 26) ** 2) - 19
    fibula = np.maximum(np.hypot(x + 32, back - 22) - 7, up + 18)
    bone = np.minimum.reduce([*ball, shaft, plateau, patella, fibula])
    gap = (np.abs(up + 3.5) < 4) & (np.abs(x) < 42) & (np.hypot(x, back) < 44)
    tissue = [leg > 0, bone < -1.5, bone < 0, gap, leg > -9]
    image = np.select(tissue, [6.0, 560.0, 50.0, 230.0, 640.0], 210.0)
    image += np.random.default_rng(7).normal(0, 9, image.shape)
    return coronal(image, (1.1, 1.1, 4.0))


def noise() -> sitk.Image:
    return coronal(np.random.default_rng(6).normal(300, 60, (30, 128, 128)), (2.8, 2.8, 5.0))


def coronal(array: np.ndarray, spacing_mm: tuple[float, float, float]) -> sitk.Image:
    """An image whose slices run from front to back."""
    image = sitk.GetImageFromArray(np.clip(array, 0, None).astype(np.int16))
    image.SetSpacing(spacing_mm)
    image.SetDirection((1, 0, 0, 0, 0, 1, 0, -1, 0))
    return image


@pytest.mark.parametrize("make", [phantom_of_a_head, phantom_of_a_knee, noise])
def test_another_part_of_the_body_is_refused_and_says_what_was_not_found(tmp_path, make):
    sitk.WriteImage(make(), str(tmp_path / "other.nii.gz"))
    result = grade(tmp_path / "other.nii.gz", "--out", tmp_path / "out", "--device", "cpu")
    assert result.returncode == 2 and result.stdout == ""
    assert "femoral head" in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
