"""A study on its whole way through the analysis; networks and hips are the solids of hip_phantom."""

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest

from ONFHAssistLib.analysis import AnalysisOptions, analyse, grade, grade_file
from ONFHAssistLib.core.errors import Cancelled, InputError
from ONFHAssistLib.core.geometry import HeadSeed
from ONFHAssistLib.core.resources import resource_path
from ONFHAssistLib.core.results import Notice
from ONFHAssistLib.exchange.page import report_html
from ONFHAssistLib.imaging.read import Study
from ONFHAssistLib.systems.base import Models
from Testing.hip_phantom import (
    AXIAL,
    RADIUS_MM,
    add_hip,
    anatomy_network,
    finder_network,
    grid,
    head_ml,
    lesion_ml,
    necrosis_network,
    network,
)

CENTRES = {"right": (88.0, 2.0, -4.0), "left": (-84.0, 5.0, 1.0)}
RATIO = lesion_ml() / head_ml()


def study(*sides, lesions=("right", "left"), **source):
    """An axial CT of a pelvis with a hip on each of ``sides``."""
    volume = grid(AXIAL, (1.5, 1.5, 3.0), (320, 126, 120))
    for side in sides:
        volume = add_hip(volume, side, CENTRES[side], lesion=side in lesions)
    known = {"modality": "CT", "sequence": "CT", "sequence_from": "tags", "fat_suppressed": False, "body_part": "hip"}
    known["contrast_agent"] = None
    return Study(volume, known | source, {"name": "Doe^Jane"}, (Notice("from-reading", "Seen while reading."),))


def models(finder=None, necrosis=None):
    return Models.of(finder or finder_network(), anatomy_network(), necrosis or necrosis_network())


def no_finder():
    def refuse(batch):
        raise AssertionError("The finder was run although every head was given.")

    return network(refuse, "hip_finder", pixel_mm=5.0)


def test_both_hips_are_found_measured_and_graded():
    seen = study("right", "left", lesions=("left",))
    steps = []
    result = analyse(seen, progress=lambda fraction, stage: steps.append((fraction, stage)), models=models())
    assert [(hip.side, hip.status, hip.reason) for hip in result.hips] == [
        ("right", "graded", None),
        ("left", "graded", None),
    ]
    right, left = result.hips
    for hip in result.hips:
        assert np.linalg.norm(np.subtract(hip.sphere.centre_ras_mm, CENTRES[hip.side])) < 0.7
        assert hip.sphere.radius_mm == pytest.approx(RADIUS_MM, abs=0.7)
        assert hip.head_volume_ml == pytest.approx(head_ml(), rel=0.04)
    assert right.volume_ratio == 0 and right.grades["steinberg"].grade == "without ONFH"
    assert left.volume_ratio == pytest.approx(RATIO, abs=0.01) and left.grades["steinberg"].grade == "mild"
    assert [masks.side for masks in result.masks] == ["right", "left"]
    assert result.masks[1].necrosis.array.any() and not result.masks[0].necrosis.array.any()
    assert result.volume is seen.volume and result.patient == {"name": "Doe^Jane"}
    assert [notice.code for notice in result.warnings] == ["from-reading"]
    assert [model["name"] for model in result.models] == ["hip_finder", "anatomy", "necrosis"]

    fractions = [fraction for fraction, _ in steps]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    stages = " / ".join(stage for _, stage in steps)
    for word in ("Finding", "Segmenting the right", "Grading the right", "Segmenting the left", "Grading the left"):
        assert word in stages


def test_work_is_done_once():
    """The finder once; the anatomy once for each hip, to find its sphere and to cut its head; the necrosis once."""
    opened = models()
    analyse(study("right", "left"), models=opened)
    assert [network.engine.calls for network in opened.networks.values()] == [1, 2, 2]


def test_a_side_without_a_head_is_not_graded_and_says_how_to_help():
    result = analyse(study("left"), models=models())
    right, left = result.hips
    assert (right.side, right.status, left.status) == ("right", "not graded", "graded")
    assert "no femoral head" in right.reason and "give its centre" in right.reason
    assert right.grades == {} and right.sphere is None
    assert [masks.side for masks in result.masks] == ["left"]


def test_an_image_without_any_head_is_refused():
    with pytest.raises(InputError, match="No femoral head was found") as error:
        analyse(study(), models=models())
    assert "the centre of the head" in str(error.value)


def test_asking_for_the_side_that_is_missing_is_refused_by_its_name():
    with pytest.raises(InputError, match="No left femoral head was found"):
        analyse(study("right"), AnalysisOptions(sides=("left",)), models=models())


def test_only_the_side_that_was_asked_for_is_graded():
    result = analyse(study("right", "left"), AnalysisOptions(sides=("left",)), models=models())
    assert [(hip.side, hip.status) for hip in result.hips] == [("left", "graded")]
    assert [masks.side for masks in result.masks] == ["left"]


def test_heads_that_the_reader_gave_are_used_and_the_finder_is_not_run():
    centre = (CENTRES["right"][0] + 1.0, CENTRES["right"][1], CENTRES["right"][2] - 1.5)
    options = AnalysisOptions(sides=("right",), heads=(HeadSeed("right", centre, 22.0),))
    (hip,) = analyse(study("right", "left"), options, models=models(no_finder())).hips
    assert (hip.sphere.centre_ras_mm, hip.sphere.radius_mm) == (centre, 22.0)
    assert hip.status == "graded"


def test_the_finder_adds_the_head_that_the_reader_did_not_give():
    options = AnalysisOptions(heads=(HeadSeed("left", CENTRES["left"], 21.0),))
    right, left = analyse(study("right", "left"), options, models=models()).hips
    assert left.sphere.radius_mm == 21.0
    assert right.sphere.radius_mm == pytest.approx(RADIUS_MM, abs=0.7)


def test_a_head_that_the_reader_has_named_is_not_graded_as_the_other_one_too():
    options = AnalysisOptions(heads=(HeadSeed("left", CENTRES["right"]),))
    right, left = analyse(study("right"), options, models=models()).hips
    assert (right.status, left.status) == ("not graded", "graded")
    assert np.linalg.norm(np.subtract(left.sphere.centre_ras_mm, CENTRES["right"])) < 0.7


def test_a_given_centre_without_a_head_is_not_graded_and_the_other_hip_is():
    options = AnalysisOptions(heads=(HeadSeed("right", (60.0, 0.0, 0.0)), HeadSeed("left", CENTRES["left"])))
    right, left = analyse(study("left"), options, models=models(no_finder())).hips
    assert (right.status, left.status) == ("not graded", "graded")
    assert "no femoral head" in right.reason and "give its centre" in right.reason


def test_when_no_given_centre_has_a_head_the_study_is_refused():
    options = AnalysisOptions(sides=("right",), heads=(HeadSeed("right", (60.0, 0.0, 0.0)),))
    with pytest.raises(InputError, match="No right femoral head was found"):
        analyse(study("left"), options, models=models(no_finder()))


def test_metal_in_the_head_is_the_reason_why_it_is_not_graded():
    seen = study("right")
    screw = np.linalg.norm(seen.volume.grid_ras() - np.array(CENTRES["right"]), axis=-1) < 5
    seen.volume.array[screw] = 3000
    result = analyse(seen, AnalysisOptions(sides=("right",)), models=models())
    (hip,) = result.hips
    assert hip.status == "not graded" and "metal" in hip.reason
    assert result.masks == () and "metal" in [notice.code for notice in result.warnings]


def test_a_given_centre_outside_of_the_image_is_refused():
    options = AnalysisOptions(sides=("right",), heads=(HeadSeed("right", (900.0, 0.0, 0.0)),))
    with pytest.raises(InputError, match="outside the image"):
        analyse(study("right"), options, models=models())


def test_what_is_outside_of_training_is_among_the_warnings():
    seen = study("right", modality="MR", sequence="STIR")
    assert "sequence-outside-training" in [n.code for n in analyse_right(seen).warnings]


def analyse_right(seen):
    return analyse(seen, AnalysisOptions(sides=("right",)), models=models())


@pytest.mark.parametrize("last", ["Checking", "Loading", "Finding", "Segmenting the right", "Grading the right"])
def test_a_cancelled_run_stops_before_the_next_stage(last):
    stages = []
    with pytest.raises(Cancelled):
        analyse(
            study("right"),
            progress=lambda fraction, stage: stages.append(stage),
            cancelled=lambda: bool(stages) and stages[-1].startswith(last),
            models=models(),
        )
    assert stages[-1].startswith(last)


def test_edited_masks_are_graded_like_the_first_ones():
    result = analyse_right(study("right"))
    (masks,), (hip,) = result.masks, result.hips
    assert grade(masks) == hip


def calibrated(*sequences):
    known = {"certain": 0.8, "possible": 0.2, "head_mm": 0.0, "sequences": list(sequences), "measured_on": "solids"}
    return Models.of(finder_network(), anatomy_network(), necrosis_network(calibration=known))


def test_a_calibrated_network_gives_the_ratio_with_its_interval_until_a_reader_edits_the_mask():
    result = analyse(study("right"), AnalysisOptions(sides=("right",)), models=calibrated("CT"))
    (masks,), (hip,) = result.masks, result.hips
    low, high = hip.ratio_interval
    assert 0 < low < hip.volume_ratio < high < 2 * hip.volume_ratio
    assert hip.grades["steinberg"].interval == hip.ratio_interval
    assert 1 <= len(hip.look_first) <= 3 and set(hip.look_first) <= {s.index for s in hip.slices}
    assert not masks.probability.array[~masks.head.array].any()

    edited = masks.necrosis.array & (np.arange(masks.necrosis.array.shape[0])[:, None, None] % 2 == 0)
    assert grade(replace(masks, necrosis=masks.necrosis.like(edited))).ratio_interval is None


def test_for_images_that_the_calibration_has_not_seen_no_interval_is_given():
    (hip,) = analyse(study("right"), AnalysisOptions(sides=("right",)), models=calibrated("T1")).hips
    assert hip.ratio_interval is None and hip.look_first == ()
    assert hip.grades["steinberg"].interval is None and hip.volume_ratio == pytest.approx(RATIO, abs=0.01)


def notices(result):
    return [notice.code for notice in result.warnings if notice.code in GIVEN]


GIVEN = ("head-given", "head-not-confirmed", "side-doubtful", "sphere-differs")


@pytest.mark.parametrize(
    ("seed", "codes"),
    [
        (HeadSeed("left", CENTRES["left"]), ["head-given"]),
        (HeadSeed("left", CENTRES["left"], RADIUS_MM), ["head-given"]),
        (HeadSeed("left", CENTRES["left"], RADIUS_MM + 5), ["head-given", "sphere-differs"]),
        (HeadSeed("right", CENTRES["left"], RADIUS_MM), ["head-given", "side-doubtful"]),
    ],
)
def test_a_head_given_by_hand_is_told_with_what_speaks_against_it(seed, codes):
    options = AnalysisOptions(sides=(seed.side,), heads=(seed,))
    assert notices(analyse(study("right", "left"), options, models=models())) == codes


def test_a_sphere_placed_where_no_hip_is_seen_is_not_confirmed():
    place = np.add(CENTRES["left"], (60.0, 0.0, 0.0))
    options = AnalysisOptions(sides=("left",), heads=(HeadSeed("left", tuple(place), RADIUS_MM),))
    assert notices(analyse(study("left"), options, models=models())) == ["head-given", "head-not-confirmed"]


def test_without_a_head_given_nothing_is_said_of_one():
    assert notices(analyse(study("left"), models=models())) == []


def test_on_ct_the_head_is_outlined_and_no_number_is_made_of_its_necrosis():
    result = analyse(study("right", "left"), models=models(necrosis=necrosis_network(modalities=["T1"])))
    for hip, masks in zip(result.hips, result.masks, strict=True):
        assert hip.status == "not graded" and "not sought on CT" in hip.reason
        assert hip.head_volume_ml == pytest.approx(head_ml(), rel=0.04)
        assert hip.volume_ratio is hip.necrosis_volume_ml is hip.ratio_interval is None
        assert hip.grades == {} and hip.slices == ()
        assert masks.head.array.any() and not masks.necrosis.array.any() and masks.probability is None
    page = report_html(result)
    assert "not sought on CT" in page and "without ONFH" not in page


def test_a_necrosis_that_a_reader_draws_on_ct_is_graded():
    result = analyse(study("right", "left"), models=models(necrosis=necrosis_network(modalities=["T1"])))
    left = result.masks[1]
    offset = left.head.grid_ras() - np.array(left.sphere.centre_ras_mm)
    drawn = (np.linalg.norm(offset, axis=-1) < 10) & left.head.array
    hip = grade(replace(left, necrosis=left.head.like(drawn)))
    assert hip.status == "graded" and hip.volume_ratio == pytest.approx(drawn.sum() / left.head.array.sum())


def test_a_place_that_must_not_be_graded_is_shown_in_the_report():
    volume = study("left").volume
    cut = volume.cropped((slice(0, 40), slice(0, 84), slice(0, 166)))
    result = analyse(replace(study("left"), volume=cut), AnalysisOptions(sides=("left",)), models=models())
    (hip,) = result.hips
    assert hip.status == "not graded" and "cut off" in hip.reason and not result.masks
    assert math.dist(hip.sphere.centre_ras_mm, CENTRES["left"]) < 3
    assert 'aria-label="Mid-coronal slice of the left hip' in report_html(result)


def test_a_file_is_graded_in_another_process_and_comes_back():
    path = resource_path("SampleData", "procedural_t1.nii.gz")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        result = pool.submit(grade_file, path, AnalysisOptions(sides=("left",))).result()
    (hip,) = result.hips
    assert hip.grades["steinberg"].grade == "moderate" and hip == grade(result.masks[0])
