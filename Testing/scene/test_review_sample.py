"""The sample study on its whole way: volume node, real analysis, review, edit, saved scene."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from review_parts import add_volume, paint

from ONFHAssistLib.analysis import AnalysisOptions, analyse, open_models
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.imaging.read import read_study
from ONFHAssistLib.scene.restoring import restore
from ONFHAssistLib.scene.review import Review
from ONFHAssistLib.scene.volumes import describe, study_from_node

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def models():
    return open_models("cpu")


def test_the_sample_study_is_analysed_reviewed_and_opened_again(scene, models, reopened):
    from_file = read_study(resource_path("SampleData", "procedural_t1.nii.gz"))
    node = add_volume(scene, from_file.volume)
    study = study_from_node(node)
    assert describe(study).startswith("coronal T1, ")
    result = analyse(study, models=models)
    expected = analyse(from_file, models=models)
    assert [hip.status for hip in result.hips] == ["graded", "graded"]
    assert [hip.volume_ratio for hip in result.hips] == [hip.volume_ratio for hip in expected.hips]
    review = Review.begin(scene, node, result)
    side = max(review.sides, key=lambda one: review.hip(one).volume_ratio)
    sphere = review.hip(side).sphere
    assert review.hip(side).ratio_interval is not None and review.slices_that_matter(side)

    ball = np.linalg.norm(study.volume.grid_ras() - np.array(sphere.centre_ras_mm), axis=-1) <= 0.5 * sphere.radius_mm
    paint(review, side, "necrosis", ball, value=False)
    assert review.update() == (side,)
    assert review.hip(side) == grade(review.masks(side))
    assert review.hip(side).volume_ratio < review.automatic(side).volume_ratio
    (again,) = restore(reopened())
    assert again.hip(side).volume_ratio == pytest.approx(review.hip(side).volume_ratio, abs=1e-9)
    assert again.automatic(side).ratio_interval == pytest.approx(result.hips[side == "left"].ratio_interval, abs=1e-9)


def test_a_hip_that_was_missed_is_graded_from_its_seed_like_the_one_that_was_found(scene, models):
    study = read_study(resource_path("SampleData", "procedural_t1.nii.gz"))
    whole = analyse(study, models=models)
    found = whole.hips[1]
    missed = replace(found, status="not graded", reason="it was not seen", sphere=None, slices=(), grades={})
    result = replace(whole, hips=(whole.hips[0], missed), masks=whole.masks[:1])
    review = Review.begin(scene, add_volume(scene, study.volume), result)
    from ONFHAssistLib.scene import markups

    node = markups.landmarks_node(review.volume_node)
    index = markups.control_point(node, "left", "head centre")
    node.SetNthControlPointPositionWorld(index, *(np.array(found.sphere.centre_ras_mm) + [3.0, -2.0, 3.0]))
    options = AnalysisOptions(sides=("left",), heads=(review.seed("left"),))
    review.replace_hip(analyse(study, options, models=models), "left")
    assert review.hip("left").status == "graded"
    assert review.hip("left").volume_ratio == pytest.approx(found.volume_ratio, abs=0.02)


def test_the_review_can_be_imported_in_slicers_python_before_anything_is_installed():
    """There numpy, scipy, SimpleITK, pydicom and vtk are all that there is of what the project needs."""
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import ONFHAssistLib.scene.review, ONFHAssistLib.scene.state, ONFHAssistLib.scene.views, ONFHAssistLib.scene.pictures
"""
    names = {"skimage", "openvino", "jsonschema", "jinja2", "PIL", "safetensors", "torch", "monai", "matplotlib"}
    names |= {"rich", "typer", "qt", "ctk", "slicer"}
    done = subprocess.run([sys.executable, "-c", code.replace("{names}", repr(names))], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
