"""A command line whose analysis gives a made-up study, so that its manners are tested without networks."""

import logging
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.masks import HipMasks
from ONFHAssistLib.core.results import Grade, HipResult, Notice
from ONFHAssistLib.core.study import StudyResult
from ONFHAssistLib.core.volume import Volume

SHAPE = (8, 24, 40)
PATIENT = {"name": "Doe^Jane", "id": "HOSP-4711"}


def made_up_result() -> StudyResult:
    """The right hip is severe and borderline, the left one is not graded."""
    volume = Volume(np.random.default_rng(3).normal(100, 9, SHAPE).astype(np.float32), np.diag([5.0, 5.0, 5.0, 1.0]))
    head = np.zeros(SHAPE, bool)
    head[2:6, 6:16, 6:16] = True
    necrosis = head.copy()
    necrosis[:, 9:] = False
    sphere = Sphere((52.5, 52.5, 17.5), 25.0)
    right = HipResult(
        side="right",
        status="graded",
        sphere=sphere,
        head_volume_ml=50.0,
        necrosis_volume_ml=15.7,
        volume_ratio=0.314,
        ratio_interval=(0.282, 0.351),
        look_first=(4, 3),
        grades={
            "steinberg": Grade(
                "severe", "31.4 % of head volume > 30 %: severe", 0.314, 0.014, "fraction", interval=(0.282, 0.351)
            ),
            "jic": Grade("C1", "passes two thirds [66.7 %]", 0.8, 0.13, "fraction"),
            "kerboul": Grade(3, "118° + 142° = 260°: grade 3", 260.0, 10.0, "degrees"),
            "necrotic_index": Grade(None, "a value without classes", 51.7),
            "cjfh": Grade(None, "A pillar of the mid-coronal head shows no bone."),
        },
    )
    left = HipResult(side="left", status="not graded", reason="There is metal in the left hip.")
    return StudyResult(
        volume=volume,
        source={"kind": "NIfTI", "modality": "MR"},
        hips=(right, left),
        masks=(HipMasks.of("right", volume.like(head), volume.like(necrosis), sphere),),
        warnings=(Notice("metal", "Metal was found in the image."),),
        models=(
            {
                "name": "anatomy",
                "version": "0.1.0",
                "sha256": 12 * "0",
                "engine": "OpenVINO 2026.4.1",
                "device": "cpu",
                "trained_on": "nothing",
                "licence": "Apache-2.0",
            },
        ),
        patient=PATIENT,
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A small image that can be read."""
    path = tmp_path / "in" / "hips.nii.gz"
    path.parent.mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(made_up_result().volume.array), str(path))
    return path


@pytest.fixture
def analysis(monkeypatch) -> dict:
    """Put a made-up result in the place of the analysis; holds the options it was called with."""
    seen: dict = {}

    def analyse(study, options, progress, cancelled, models):
        seen.update(study=study, options=options)
        progress(0.5, "Looking")
        return made_up_result()

    monkeypatch.setattr("ONFHAssistLib.analysis.analyse", analyse)
    return seen


@pytest.fixture(autouse=True)
def restore_logging():
    yield
    logging.disable(logging.NOTSET)
