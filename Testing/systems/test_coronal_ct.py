"""S-CT on hips of simple solids, whose lesion is a ball of known place; the networks read codes."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from ONFHAssistLib.analysis import AnalysisOptions, analyse
from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import HeadSeed
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.systems import chosen, known
from ONFHAssistLib.systems.base import Models, refusal
from ONFHAssistLib.systems.coronal_ct.hip import slice_probabilities
from Testing.hip_phantom import (
    AXIAL,
    CORONAL,
    LESION_OFFSET,
    LESION_RADIUS_MM,
    RADIUS_MM,
    add_hip,
    anatomy_network,
    finder_network,
    grid,
    head_ml,
    hu,
    lesion_ml,
    necrosis_network,
    network,
)

CENTRES = {"right": (88.0, 2.0, -4.0), "left": (-88.0, 2.0, -4.0)}
SOURCE = {"modality": "CT", "plane": "coronal", "sequence": "CT", "sequence_from": "tags", "fat_suppressed": False}
SOURCE |= {"body_part": "hip", "contrast_agent": None}
DECISION = {"rule": "mean of the top three", "slice_from": 0.4, "hip_from": 0.5, "run_from": 0.5}
DECISION |= {"measured_on": "Painted hips of nobody."}
LESION_PX = 20
"""So many pixels of a lesion make the slice a diseased one."""
PATCH = {"size_px": [128, 128], "pixel_mm": 0.75, "neighbour_mm": 3.0, "modalities": ["CT"]}
EXTENT = (150, 150, 120)
GRIDS = {
    "coronal": grid(CORONAL, (0.8, 0.8, 3.0), (130, 130, 110), CENTRES["right"]),
    "axial": grid(AXIAL, (0.8, 0.8, 1.5), (130, 130, 130), CENTRES["right"]),
    "sagittal": grid(CORONAL[:, [2, 1, 0]], (0.8, 0.8, 2.0), (130, 130, 130), CENTRES["right"]),
    "oblique": grid(CORONAL, (0.8, 0.8, 2.0), (150, 150, 130), CENTRES["right"], turn_deg=(18, 7, 11)),
    "left-handed": grid(AXIAL, (0.8, 0.8, 2.0), (130, 130, 130), CENTRES["right"], flip=(0,)),
}


def diagnosis(likely: float = 9.0, **decision):
    """A slice with a lesion has the logit ``likely``, any other -9; the mean of its map is that."""

    def looks(batch):
        sick = (batch[:, 1] > 0.95).sum(axis=(1, 2)) > LESION_PX
        logits = np.where(sick, likely, -9.0)[:, None, None, None]
        return logits + np.linspace(-1, 1, 64).reshape(1, 1, 8, 8)

    return network(looks, "ct_diagnosis", decision=DECISION | decision, **PATCH)


def outliner(level: float = 0.95):
    return network(lambda batch: 40 * (batch[:, 1:2] - level), "ct_necrosis", **PATCH)


def models(*, outlines=None, **diagnosed) -> Models:
    own = (diagnosis(**diagnosed), outlines or outliner())
    return Models.of(finder_network(), anatomy_network(), necrosis_network(modalities=["T1"]), *own)


def hips(where, *sides, lesion=("right",), air=True):
    """A CT with these hips; a layer of fat and air at its border, as in every patient."""
    for side in sides:
        where = add_hip(where, side, CENTRES[side], lesion=side in lesion)
    array = where.array.copy()
    array[:2], array[-2:] = (-1000, -100) if air else (300, 300)
    return where.like(array)


def study(volume, **source) -> Study:
    return Study(volume, SOURCE | source, {}, ())


def options(*sides, systems=("coronal-ct",), **more) -> AnalysisOptions:
    seeds = tuple(HeadSeed(side, CENTRES[side], RADIUS_MM) for side in sides)
    return AnalysisOptions(sides=sides, systems=systems, heads=seeds, **more)


def lesion_of(where) -> np.ndarray:
    return np.linalg.norm(where.grid_ras() - np.array(CENTRES["right"]) - LESION_OFFSET, axis=-1) < LESION_RADIUS_MM


@pytest.mark.parametrize("name", GRIDS)
def test_a_lesion_is_found_outlined_and_graded_in_every_orientation(name):
    """Volume, place and slices are those of the ball that was drawn, and the outline lies on the input's own voxels."""
    result = analyse(study(hips(GRIDS[name], "right")), options("right"), models=models())
    (hip,), (masks,) = result.hips, result.masks
    assert hip.status == "graded" and hip.reason is None
    assert hip.volume_ratio == pytest.approx(lesion_ml() / head_ml(), rel=0.1)
    drawn, whole = lesion_of(GRIDS[name]), masks.whole()
    found = whole.necrosis.array
    assert found.shape == GRIDS[name].shape and not (found & ~whole.head.array).any()
    assert 2 * (found & drawn).sum() / (found.sum() + drawn.sum()) > 0.9
    of_hip, of_patient = result.findings
    assert (of_hip.about, of_patient.about) == ("right", "patient")
    assert of_hip.grades["Necrosis on CT"].grade == of_patient.grades["Necrosis on CT"].grade == "necrosis"
    assert of_hip.value("reformatted") == (name != "coronal")
    assert any("reformatted to coronal" in note for note in of_hip.notes) == (name != "coronal")


@pytest.mark.parametrize("name", GRIDS)
def test_the_strip_tells_where_along_the_body_the_lesion_lies(name):
    """Slices follow one another backwards; those through the ball, and no others, are positive."""
    result = analyse(study(hips(GRIDS[name], "right")), options("right"), models=models())
    strip = result.findings[0].strip
    forward = np.array([s.position_ras_mm for s in strip.slices]) @ np.array([0.0, 1.0, 0.0])
    assert (np.diff(forward) < 0).all() and strip.direction[1] < -0.98
    reach_mm, step_mm = 2 * 0.95 * RADIUS_MM, result.findings[0].value("slice_spacing_mm")
    assert reach_mm - 2 * step_mm < np.ptp(forward) <= reach_mm
    middle = CENTRES["right"][1] + LESION_OFFSET[1]
    inside = np.abs(forward - middle) < LESION_RADIUS_MM - 1.5
    beyond = np.abs(forward - middle) > LESION_RADIUS_MM + 1.5
    probability = np.array([s.probability for s in strip.slices])
    assert (probability[inside] > 0.99).all() and (probability[beyond] < 0.01).all() and inside.sum() >= 4
    numbered = [s.index for s in strip.slices]
    if name == "coronal":
        assert numbered == list(range(numbered[0], numbered[-1] + 1))
        places = GRIDS[name].ijk(np.array([s.position_ras_mm for s in strip.slices]))
        assert places[:, 2] == pytest.approx(numbered, abs=1e-6)
    else:
        assert set(numbered) == {None}


def test_a_left_hip_is_the_mirror_image_of_a_right_one():
    wide = grid(CORONAL, (1.0, 1.0, 3.0), (310, 140, 110), (0.0, 2.0, -4.0))
    result = analyse(
        study(hips(wide, "right", "left", lesion=("right", "left"))), options("right", "left"), models=models()
    )
    right, left, patient = result.findings
    assert [s.probability for s in right.strip.slices] == pytest.approx([s.probability for s in left.strip.slices])
    ratios = [hip.volume_ratio for hip in result.hips]
    assert ratios[0] == pytest.approx(ratios[1], rel=0.02) and ratios[0] > 0.05
    assert patient.value("right_hip") == pytest.approx(patient.value("left_hip"))


def test_a_sound_hip_has_no_outline_and_the_patient_is_as_the_worse_hip():
    wide = grid(CORONAL, (1.0, 1.0, 3.0), (310, 140, 110), (0.0, 2.0, -4.0))
    seen = study(hips(wide, "right", "left"))
    outlines = outliner(level=0.5)  # would outline the whole of any head that it is asked about
    result = analyse(seen, options("right", "left"), models=models(outlines=outlines))
    right, left = result.hips
    assert left.status == "graded" and left.volume_ratio == 0
    assert left.grades["steinberg"].grade == "without ONFH" and right.volume_ratio > 0.3
    patient = result.findings[-1]
    assert patient.value("left_hip") < 0.01 < 0.99 < patient.value("right_hip") == patient.value("value")
    rule = patient.grades["Necrosis on CT"].rule
    assert rule.startswith("The right hip counts, the worse one: mean of the 3 highest slices (9 mm) 100.0 % ≥ 50.0 %")


def test_metal_in_one_head_refuses_that_hip_and_the_other_is_diagnosed():
    wide = grid(CORONAL, (1.0, 1.0, 3.0), (310, 140, 110), (0.0, 2.0, -4.0))
    both = hips(wide, "right", "left")
    array = both.array.copy()
    array[np.linalg.norm(both.grid_ras() - np.array(CENTRES["left"]), axis=-1) < 6] = 3000
    result = analyse(study(both.like(array)), options("right", "left"), models=models())
    right, left = result.hips
    assert right.status == "graded" and left.status == "not graded" and "metal" in left.reason
    assert [found.about for found in result.findings] == ["right", "patient"]
    assert "as the left one was not diagnosed" in result.findings[-1].grades["Necrosis on CT"].rule


def test_slices_that_look_diseased_without_an_outline_make_the_head_not_sound_and_no_number_of_it():
    seen = study(hips(GRIDS["coronal"], "right"))
    result = analyse(seen, options("right"), models=models(outlines=outliner(level=2.0)))
    (hip,), (found, patient) = result.hips, result.findings
    assert hip.status == "not graded" and hip.head_volume_ml == pytest.approx(head_ml(), rel=0.1)
    assert "not sound, by which disease is not said" in hip.reason and "that a reader draws is graded" in hip.reason
    assert found.grades["Necrosis on CT"].grade == patient.grades["Necrosis on CT"].grade == "not sound"
    assert not result.masks[0].necrosis.array.any()


def test_slices_below_the_hip_s_threshold_outline_nothing_and_are_told():
    result = analyse(study(hips(GRIDS["coronal"], "right")), options("right"), models=models(likely=-0.2))
    (hip,), (found, _) = result.hips, result.findings
    assert hip.volume_ratio == 0 and found.grades["Necrosis on CT"].grade == "no necrosis seen"
    count = len(found.strip.positive)
    assert count >= 4 and f"{count} slices reach the threshold, which does not make the hip" in " ".join(found.notes)


def test_the_second_network_is_asked_about_positive_slices_only():
    asked = []
    outlines = network(lambda batch: asked.append(len(batch)) or 40 * (batch[:, 1:2] - 0.95), "ct_necrosis", **PATCH)
    result = analyse(study(hips(GRIDS["coronal"], "right")), options("right"), models=models(outlines=outlines))
    strip = result.findings[0].strip
    assert asked == [len(strip.positive)] and 0 < asked[0] < len(strip.slices)


def test_the_logit_of_a_slice_is_the_mean_of_its_map():
    batch = np.random.default_rng(0).normal(size=(4, 3, 128, 128)).astype(np.float32)
    maps = np.random.default_rng(1).normal(size=(4, 1, 16, 16))
    found = slice_probabilities(batch, network(lambda _: maps, "ct_diagnosis"))
    assert found == pytest.approx(1 / (1 + np.exp(-maps.mean(axis=(1, 2, 3)))), abs=1e-6)


def test_the_longest_run_is_told_in_mm():
    decision = {"rule": "longest run", "hip_from": 9.0}
    result = analyse(study(hips(GRIDS["coronal"], "right")), options("right"), models=models(**decision))
    found = result.findings[0]
    grade = found.grades["Necrosis on CT"]
    positive = len(found.strip.positive)
    assert grade.unit == "mm" and grade.value == 3 * positive
    assert grade.rule == f"Longest run of slices at or above 50.0 % {3 * positive:.1f} mm ≥ 9.0 mm: necrosis."


@pytest.mark.parametrize(("unsure", "said"), [([0.3, 0.8], False), ([0.9, 1.0], True), (None, False)])
def test_a_hip_near_the_threshold_is_said_to_be_not_sure(unsure, said):
    decision = {} if unsure is None else {"unsure": unsure}
    result = analyse(study(hips(GRIDS["coronal"], "right")), options("right"), models=models(**decision))
    rule = result.findings[0].grades["Necrosis on CT"].rule
    assert ("not sure: of hips from 90.0 % to 100.0 % fewer than nine in ten were told right" in rule) == said


def test_a_contrast_agent_is_harmless_and_said():
    seen = study(hips(GRIDS["coronal"], "right"), contrast_agent=True)
    (found, _) = analyse(seen, options("right"), models=models()).findings
    assert any("contrast agent" in note for note in found.notes)


def test_the_networks_alone_on_ct_seek_nothing_and_say_what_does(monkeypatch):
    monkeypatch.setattr("ONFHAssistLib.analysis.at_hand", known)  # as where its models are installed
    seen = study(hips(GRIDS["coronal"], "right"))
    alone = analyse(seen, options("right", systems=("networks",)), models=models())
    (hip,) = alone.hips
    assert hip.status == "not graded" and hip.head_volume_ml and alone.findings == ()
    assert "not sought on CT" in hip.reason and hip.reason.endswith("; choose the system coronal-ct to have it sought")
    both = analyse(seen, options("right", systems=("networks", "coronal-ct")), models=models())
    assert both.hips[0].status == "graded" and both.hips[0].volume_ratio > 0.05


def test_where_nothing_else_can_seek_it_nothing_is_advised():
    thick = grid(CORONAL, (0.8, 0.8, 6.0), (130, 130, 130), CENTRES["right"])
    (hip,) = analyse(study(hips(thick, "right")), options("right", systems=("networks",)), models=models()).hips
    assert "not sought on CT" in hip.reason and "coronal-ct" not in hip.reason


def refused(seen, **patient) -> str:
    return refusal(chosen(["coronal-ct"])[0], seen, patient)


def test_what_it_cannot_read_is_refused_with_what_to_do():
    volume = hips(GRIDS["coronal"], "right")
    assert refused(study(volume)) == "" and refused(study(volume), age=52) == ""
    assert "reads CT, and this image is MR; give a CT" in refused(study(volume, modality="MR"))
    assert "of unknown kind" in refused(study(volume, modality="unknown"))
    thick = hips(grid(AXIAL, (0.8, 0.8, 6.0), (130, 130, 130), CENTRES["right"]), "right")
    assert "at most 5 mm, and these lie 6.0 mm apart" in refused(study(thick))
    assert "Age (years) is 12" in refused(study(volume), age=12)
    grey = volume.like(np.clip((volume.array + 200) / 1000, 0, 1) * 255)
    assert "Hounsfield units, and this image's values are none" in refused(study(grey))
    with pytest.raises(InputError, match="give a CT"):
        analyse(study(volume, modality="MR"), options("right"), models=models())


def test_a_bundle_that_does_not_say_when_a_slice_counts_is_refused():
    broken = models()
    del broken["ct_diagnosis"].bundle.input["decision"]
    with pytest.raises(InputError, match="does not say from which probability"):
        analyse(study(hips(GRIDS["coronal"], "right")), options("right"), models=broken)


def test_thin_slices_are_averaged_and_askew_ones_set_upright():
    """Noise between thin slices is no texture of bone: of 0.6 mm, three and more make one of 2 mm."""
    thin = grid(CORONAL, (0.8, 0.8, 0.6), (120, 120, 80), CENTRES["right"])
    image = hips(thin, "right")
    image = image.like(image.array + np.random.default_rng(0).normal(0, 5, image.shape).astype(np.float32))
    (found, _) = analyse(study(image), options("right"), models=models()).findings
    assert found.value("reformatted") and found.value("slice_spacing_mm") == 2.0


def test_a_mask_is_one_piece_with_what_it_encloses():
    """Dots of probability are dropped, and a hole in the lesion is filled, as in every mask here."""
    seen = study(hips(GRIDS["axial"], "right"))
    array = seen.volume.array.copy()
    hole = np.linalg.norm(seen.volume.grid_ras() - np.array(CENTRES["right"]) - LESION_OFFSET, axis=-1) < 3
    dot = np.linalg.norm(seen.volume.grid_ras() - np.array(CENTRES["right"]) + [0, 0, 14], axis=-1) < 2.5
    array[hole], array[dot] = hu(0.9), hu(1.0)
    seen = dataclasses.replace(seen, volume=seen.volume.like(array))
    (masks,) = analyse(seen, options("right"), models=models()).masks
    necrosis = masks.whole().necrosis.array
    assert necrosis[hole].all() and not necrosis[dot].any() and ndimage.label(necrosis)[1] == 1
