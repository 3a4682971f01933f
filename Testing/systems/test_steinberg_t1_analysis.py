"""S-T1 on its way through the analysis and the command line; the hip is made of solids with a dark lesion."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from ONFHAssistLib import analysis, cli
from ONFHAssistLib.analysis import AnalysisOptions, analyse
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import HeadSeed
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.systems import known
from ONFHAssistLib.systems.base import Models
from Testing.hip_phantom import (
    AXIAL,
    RADIUS_MM,
    add_hip,
    anatomy_network,
    finder_network,
    grid,
    head_ml,
    necrosis_network,
    network,
)

CENTRE = (88.0, 2.0, -4.0)
LESION_MM = 14.0
"""Radius of a dark ball in the middle of the head."""
SOURCE = {"modality": "CT", "plane": "axial", "sequence": "T1", "sequence_from": "tags", "fat_suppressed": False}
SOURCE |= {"body_part": "hip", "contrast_agent": None}


def study(lesion: bool) -> Study:
    """A hip whose codes are read with the CT window, so that they are exact, and that is called axial T1."""
    volume = add_hip(grid(AXIAL, (1.0, 1.0, 3.0), (150, 126, 120), CENTRE), "right", CENTRE, lesion=False)
    distance = np.linalg.norm(volume.grid_ras() - np.array(CENTRE), axis=-1)
    array = volume.array + np.random.default_rng(0).normal(0, 5, volume.array.shape)
    array[(distance < LESION_MM) & lesion] = 300.0  # code 0: darker than the head
    return Study(volume.like(array.astype(np.float32)), SOURCE, {}, ())


def models(head_from: float = 0.5) -> Models:
    """Networks that read codes; S-T1's calls head what is a ball of bone: it knows where the ball is."""

    def ball(batch):
        size = batch.shape[-1]
        at = np.hypot(*(np.indices((size, size)) - (size - 1) / 2)) * 0.375
        solid = np.where(at < RADIUS_MM, 1.0, -1.0) * 9 + (0.5 - head_from) * 99
        return np.broadcast_to(solid, batch.shape)

    own = network(ball, "steinberg_t1", size_px=[256, 256], pixel_mm=0.375, neighbour_mm=None)
    return Models.of(finder_network(), anatomy_network(), necrosis_network(), own)


OPTIONS = AnalysisOptions(
    sides=("right",), systems=("networks", "steinberg-t1"), heads=(HeadSeed("right", CENTRE, RADIUS_MM),)
)  # fmt: skip


def test_both_results_stand_side_by_side():
    result = analyse(study(lesion=True), OPTIONS, models=models())
    hip, (found,) = result.hips[0], result.findings
    assert (found.system, found.about, found.reason) == ("steinberg-t1", "right", None)
    assert found.value("passed") and 0 < found.value("threshold") < 0.9
    ratio = (LESION_MM / RADIUS_MM) ** 3
    assert found.value("volume_ratio") == pytest.approx(ratio, abs=0.03)
    assert found.grades["steinberg"].grade == "moderate"
    head, necrosis = (mask.volume.array for mask in found.masks)
    assert necrosis.sum() / head.sum() == pytest.approx(found.value("volume_ratio"))
    assert head.shape == result.volume.array.shape
    assert hip.volume_ratio == 0 and found.value("necrosis_dice") == 0  # the other network looks for what is bright
    assert [model["name"] for model in result.models][-1] == "steinberg_t1"


def test_a_sound_head_is_without_onfh():
    (found,) = analyse(study(lesion=False), OPTIONS, models=models()).findings
    assert not found.value("passed") and found.value("volume_ratio") == 0
    assert found.grades["steinberg"].grade == "without ONFH"
    assert found.value("necrosis_dice") is None and found.value("head_volume_ml") == pytest.approx(head_ml(), rel=0.35)


def test_a_head_that_only_the_networks_see_is_said_and_their_grade_stays():
    result = analyse(study(lesion=False), OPTIONS, models=models(head_from=9.0))
    (found,) = result.findings
    assert result.hips[0].status == "graded" and found.reason and not found.masks
    assert ("steinberg-t1-no-result", found.reason) in [(n.code, n.message) for n in result.warnings]


def test_only_the_models_of_the_chosen_systems_are_opened(monkeypatch):
    opened = []
    bundle = SimpleNamespace(kind="segmentation")
    monkeypatch.setattr(analysis, "load_bundle", lambda name: opened.append(name) or bundle)
    monkeypatch.setattr(analysis, "open_engine", lambda *a, **b: None)
    analysis.open_models()
    assert opened == ["hip_finder", "head_check", "anatomy", "necrosis"]
    analysis.open_models(systems=("steinberg-t1",))
    assert opened[4:] == ["hip_finder", "head_check", "anatomy", "steinberg_t1"]
    result = analyse(study(lesion=True), dataclasses.replace(OPTIONS, systems=("networks",)), models=models())
    assert result.findings == ()


def test_alone_it_grades_beside_a_head_that_waits_for_a_reader():
    """The networks' necrosis is not sought, so their hip has no grade; what S-T1 finds is not compared with it."""
    alone = dataclasses.replace(OPTIONS, systems=("steinberg-t1",))
    opened = {name: network for name, network in models().networks.items() if name != "necrosis"}
    result = analyse(study(lesion=True), alone, models=Models(opened))
    (hip,), (found,) = result.hips, result.findings
    assert hip.status == "not graded" and "were not asked" in hip.reason and hip.head_volume_ml
    assert result.masks[0].head.array.any() and not result.masks[0].necrosis.array.any()
    assert found.grades["steinberg"].grade == "moderate" and found.value("head_dice") is None


def test_a_coronal_image_is_refused_before_any_network_is_opened(monkeypatch):
    monkeypatch.setattr(analysis, "open_models", lambda *a: pytest.fail("The models were opened."))
    seen = study(lesion=True)
    with pytest.raises(InputError, match="this one is coronal, T1"):
        alone = dataclasses.replace(OPTIONS, systems=("steinberg-t1",))
        analyse(dataclasses.replace(seen, source=SOURCE | {"plane": "coronal"}), alone)


def test_beside_another_system_it_says_why_it_does_not_read_a_coronal_image():
    seen = dataclasses.replace(study(lesion=True), source=SOURCE | {"plane": "coronal"})
    result = analyse(seen, OPTIONS, models=models())
    (found,) = result.findings
    assert found.about == "patient" and "this one is coronal, T1" in found.reason
    assert result.hips[0].status == "graded"


def test_the_command_line_refuses_a_coronal_image_and_writes_nothing(tmp_path, capsys):
    sample = resource_path("SampleData", "procedural_t1.nii.gz")
    code = cli.main(["grade", str(sample), "--system", "steinberg-t1", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert code == 2 and "reads axial T1 images, and this one is coronal" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_line_knows_no_other_system(tmp_path, capsys):
    sample = resource_path("SampleData", "procedural_t1.nii.gz")
    assert cli.main(["grade", str(sample), "--system", "s-ct", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert (
        f"'s-ct' is not known; there are {', '.join(known())}." in said
        and "steinberg-t1" in known()
        and said.count("\n") == 1
    )
    assert not (tmp_path / "out").exists()


def test_the_shipped_system_grades_an_axial_study(tmp_path, capfd):
    """From file to report with the shipped networks: the sample study's right hip, cut anew in axial slices."""
    if not resource_path("Bundles").joinpath("steinberg_t1").is_dir():
        pytest.skip("the bundle steinberg_t1 is not there")
    import SimpleITK as sitk

    image = sitk.ReadImage(str(resource_path("SampleData", "procedural_t1.nii.gz")))
    axes = np.array(image.GetDirection()).reshape(3, 3)
    extent = np.abs(axes * np.array(image.GetSize()) * np.array(image.GetSpacing())).sum(axis=1)
    corner = (
        np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])) - extent / 2
    )
    target = sitk.Image([int(extent[0]), int(extent[1]), int(extent[2] / 3)], sitk.sitkFloat32)
    target.SetSpacing((1.0, 1.0, 3.0))
    target.SetOrigin(corner.tolist())
    sitk.WriteImage(
        sitk.Resample(image, target, sitk.Transform(), sitk.sitkLinear, 0.0), str(tmp_path / "axial.nii.gz")
    )
    code = cli.main(
        ["grade", str(tmp_path / "axial.nii.gz"), "--system", "networks", "--system", "steinberg-t1"]
        + ["--out", str(tmp_path), "--json"]
    )
    printed = capfd.readouterr()
    assert code == 0, printed.err
    report = json.loads(printed.out)
    graded = {hip["side"] for hip in report["hips"] if hip["status"] == "graded"}
    assert graded and {found["about"] for found in report["findings"]} == graded
    for found in report["findings"]:
        assert found["figures"]["head_dice"]["value"] > 0.7
