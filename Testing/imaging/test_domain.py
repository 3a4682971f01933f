import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.geometry import Sphere
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.imaging.domain import check_hip, check_image, check_pair
from ONFHAssistLib.imaging.read import Study, read_study

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("ONFH_DATA", ROOT.parent / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.exists(), reason="needs the real data in ../shared/data")


def study(spacing=(0.9, 0.9, 5.0), extent_mm=120.0, **source):
    shape = [round(extent_mm / s) for s in spacing[::-1]]
    known = {"modality": "MR", "sequence": "T1", "sequence_from": "tags", "fat_suppressed": False, "body_part": "hip"}
    known["contrast_agent"] = None
    return Study(Volume(np.zeros(shape, np.uint8), np.diag([*spacing, 1.0])), known | source)


def codes(notices):
    return [notice.code for notice in notices]


@pytest.mark.parametrize("spacing", [(0.4, 0.4, 3.0), (1.2, 1.2, 6.0), (0.8, 0.8, 0.8)])
def test_a_t1_series_of_the_trained_spacing_passes_without_a_word(spacing):
    assert check_image(study(spacing)) == ()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({"sequence": "GRE"}, "sequence-outside-training"),
        ({"sequence": "unknown"}, "sequence-outside-training"),
        ({"sequence": "STIR"}, "sequence-outside-training"),
        ({"modality": "unknown", "sequence": "unknown"}, "modality-unknown"),
        ({"sequence_from": "image"}, "sequence-guessed"),
        ({"fat_suppressed": True}, "fat-suppressed"),
        ({"contrast_agent": True}, "contrast-agent"),
        ({"body_part": "knee"}, "body-part"),
        ({"body_part": "head"}, "body-part"),
        ({"spacing": (1.3, 1.3, 5.0)}, "spacing-outside-training"),
        ({"spacing": (0.3, 0.3, 5.0)}, "spacing-outside-training"),
        ({"spacing": (0.9, 0.9, 7.0)}, "spacing-outside-training"),
    ],
)
def test_what_the_models_do_not_know_is_named(source, code):
    assert codes(check_image(study(**source))) == [code]


@pytest.mark.parametrize("body_part", ["pelvis", "femoral head", "prostate", "", "hip", "other"])
def test_body_parts_around_the_hip_are_not_remarked_on(body_part):
    assert check_image(study(body_part=body_part)) == ()


@pytest.mark.parametrize("known", [False, None])
def test_without_a_word_of_a_contrast_agent_nothing_is_said_about_it(known):
    assert check_image(study(contrast_agent=known)) == ()


def test_ct_of_three_millimetres_is_within_what_the_models_know():
    seen = check_image(study((3, 3, 3), modality="CT", sequence="CT", sequence_from="image"))
    assert codes(seen) == []
    thick = check_image(study((0.8, 0.8, 4.0), modality="CT", sequence="CT"))
    assert codes(thick) == ["spacing-outside-training"]


@pytest.mark.parametrize("spacing", [(0.9, 0.9, 12.0), (3.5, 3.5, 5.0)])
def test_an_image_too_coarse_for_a_head_is_refused(spacing):
    with pytest.raises(InputError, match="too coarse"):
        check_image(study(spacing))


def test_an_image_smaller_than_a_head_is_refused():
    with pytest.raises(InputError, match="covers only"):
        check_image(study(extent_mm=30))


SPHERE = Sphere((0.0, 0.0, 0.0), 24.0)


def hip_image(spacing=(1.0, 1.0, 4.0), low_mm=(-70, -70, -70), high_mm=(70, 70, 70), value=400):
    """Even tissue; the head's centre is the origin of RAS, and the image's edges lie at low and high."""
    shape = [round((h - low) / s) for s, low, h in zip(spacing, low_mm, high_mm, strict=True)]
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = np.array(low_mm) + np.array(spacing) / 2
    return Volume(np.full(shape[::-1], value, np.int16), matrix)


def with_ball(volume, centre, radius_mm, value):
    array = volume.array.copy()
    array[np.linalg.norm(volume.grid_ras() - np.array(centre), axis=-1) <= radius_mm] = value
    return volume.like(array)


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_a_whole_head_without_metal_passes_without_a_word(modality):
    assert check_hip(hip_image(), modality, SPHERE, "right") == ((), None)


@pytest.mark.parametrize(
    ("edge_mm", "share"),
    # The part of a ball beyond a plane at distance d is a cap: h^2 (3 r - h) / (4 r^3) of it, h = r - d.
    [(h, 1 - (24 - h) ** 2 * (72 - (24 - h)) / (4 * 24**3)) for h in (22, 16, 12, 2, -10)],
)
def test_a_head_cut_off_by_the_field_of_view_is_warned_of_or_refused(edge_mm, share):
    notices, refusal = check_hip(hip_image(high_mm=(edge_mm, 70, 70)), "MR", SPHERE, "left")
    if share >= 0.98:
        assert (notices, refusal) == ((), None)
        return
    (notice,) = notices
    assert notice.code == "head-cut-off" and "left" in notice.message
    stated = int(notice.message.split("%")[0].split()[-1])
    assert stated == pytest.approx(share * 100, abs=1.5)
    assert (refusal is not None) == (share < 0.92)


def test_a_head_outside_the_image_is_refused():
    notices, refusal = check_hip(hip_image(), "MR", Sphere((300.0, 0, 0), 24.0), "right")
    assert codes(notices) == ["head-cut-off"] and "0%" in refusal


@pytest.mark.parametrize(
    ("slice_mm", "expected", "refused"), [(7.9, [], False), (10, ["few-slices"], False), (28, ["few-slices"], True)]
)
def test_too_few_slices_over_the_head_are_warned_of_or_refused(slice_mm, expected, refused):
    half = slice_mm * 4
    volume = hip_image((1, 1, slice_mm), (-70, -70, -half), (70, 70, half))
    notices, refusal = check_hip(volume, "MR", SPHERE, "right")
    assert codes(notices) == expected
    assert (refusal is not None) == refused


def test_metal_in_a_ct_head_is_refused_and_near_it_warned_of():
    assert check_hip(with_ball(hip_image(), (5, 0, 0), 4, 3000), "CT", SPHERE, "left")[1].startswith(
        "There is metal at the left femoral head"
    )
    notices, refusal = check_hip(with_ball(hip_image(), (45, 0, 0), 4, 3000), "CT", SPHERE, "left")
    assert codes(notices) == ["metal-near-head"] and refusal is None
    assert check_hip(with_ball(hip_image(), (5, 0, 0), 4, 1900), "CT", SPHERE, "left") == ((), None)


def test_one_hot_voxel_is_not_metal():
    volume = hip_image()
    volume.array[17, 70, 70] = 3000
    assert check_hip(volume, "CT", SPHERE, "right") == ((), None)


def test_a_signal_void_as_around_metal_is_noticed_in_mr_and_a_prosthesis_refused():
    notices, refusal = check_hip(with_ball(hip_image(), (20, 0, 0), 12, 3), "MR", SPHERE, "right")
    assert codes(notices) == ["signal-void"] and refusal is None
    notices, refusal = check_hip(with_ball(hip_image(), (0, 0, 0), 22, 3), "MR", SPHERE, "right")
    assert codes(notices) == ["signal-void"] and "no signal" in refusal


def test_a_dark_lesion_is_not_taken_for_metal():
    assert check_hip(with_ball(hip_image(), (0, 0, 8), 14, 80), "MR", SPHERE, "right") == ((), None)


@real_data
def test_the_implant_of_the_left_hip_is_noticed_and_the_right_hip_is_not_accused():
    volume = read_study(DATA / "ct" / "pelvis_ct.nii.gz").volume
    # Head centres by eye: the deepest points of the femur labels 75 and 76.
    notices, refusal = check_hip(volume, "CT", Sphere((-85.0, 140.0, 127.0), 24.0), "left")
    assert codes(notices) == ["metal"] and "metal" in refusal
    assert check_hip(volume, "CT", Sphere((83.0, 146.0, 124.0), 24.0), "right") == ((), None)


@real_data
def test_the_vibe_series_gets_a_domain_warning():
    notices = check_image(read_study(DATA / "axial_vibe_dicom"))
    assert codes(notices) == ["sequence-outside-training", "spacing-outside-training"]
    assert "GRE" in notices[0].message


@real_data
def test_the_ct_and_mr_of_one_hip_are_told_apart():
    mr, ct = (read_study(DATA / "ct_mr_pair" / name) for name in ("hip_t1.nii.gz", "hip_ct.nii.gz"))
    assert (mr.source["sequence"], mr.source["plane"]) == ("T1", "axial")
    assert (ct.source["modality"], ct.source["plane"]) == ("CT", "axial")
    assert codes(check_image(mr)) == ["sequence-guessed"]


@real_data
def test_normal_heads_of_real_t1_studies_pass_without_a_word():
    heads = json.loads((ROOT / "training" / "real" / "labels.json").read_text())["heads"]
    for head in heads[:6]:
        study = read_study(DATA / "t1_coronal" / f"case_{head['case']}_t1.nii.gz")
        assert codes(check_image(study)) == ["sequence-guessed"]
        sphere = Sphere(tuple(head["centre_ras_mm"]), head["radius_mm"])
        assert check_hip(study.volume, "MR", sphere, head["side"]) == ((), None)


@pytest.mark.parametrize(("radius_mm", "refused"), [(14, True), (17, False), (29, False), (33, True)])
def test_a_head_of_a_size_that_no_adult_has_is_refused_with_a_hint_at_the_pixel_size(radius_mm, refused):
    notices, refusal = check_hip(hip_image(), "MR", Sphere((0.0, 0.0, 0.0), radius_mm), "left")
    assert codes(notices) == ["head-size"] * refused
    assert not refused or (f"{radius_mm} mm" in refusal and "pixel size" in refusal)


@pytest.mark.parametrize(
    ("noise", "expected", "refused"), [(0.02, [], False), (0.09, ["noise"], False), (0.25, ["noise"], True)]
)
def test_noise_that_may_pass_for_a_lesion_is_warned_of_and_an_image_of_mostly_noise_refused(noise, expected, refused):
    """The head lies at 1000 and what is about it at 300: noise is measured as a part of that range."""
    volume = with_ball(hip_image(value=300), (0, 0, 0), 24, 1000)
    rng = np.random.default_rng(3)
    grainy = np.abs(volume.array + rng.normal(0, noise * 700, volume.array.shape))
    notices, refusal = check_hip(volume.like(grainy.astype(np.float32)), "MR", SPHERE, "right")
    assert codes(notices) == expected and (refusal is not None) == refused


def test_an_image_with_bright_air_is_refused_as_inverted():
    volume = study(extent_mm=150.0).volume
    distance = np.linalg.norm(volume.grid_ras() - volume.grid_ras().mean(axis=(0, 1, 2)), axis=-1)
    rng = np.random.default_rng(4)
    body = np.where(distance < 60, rng.normal(500, 80, distance.shape), rng.normal(0, 4, distance.shape))
    assert check_image(replace(study(), volume=volume.like(np.abs(body)))) == ()
    with pytest.raises(InputError, match="inverted"):
        check_image(replace(study(), volume=volume.like(np.abs(body).max() - np.abs(body))))


SAMPLE = read_study(ROOT / "Resources" / "SampleData" / "procedural_t1.nii.gz")


def orders(count):
    yield [*range(0, count, 2), *range(1, count, 2)]
    yield [*range(1, count, 2), *range(0, count, 2)]
    yield [*range(0, count, 3), *range(1, count, 3), *range(2, count, 3)]
    yield [n ^ 1 if n ^ 1 < count else n for n in range(count)]


@pytest.mark.parametrize("number", range(4))
def test_slices_in_the_order_in_which_they_were_taken_are_refused(number):
    array = SAMPLE.volume.array
    scrambled = array[list(orders(len(array)))[number]]
    with pytest.raises(InputError, match="not in their order"):
        check_image(replace(SAMPLE, volume=SAMPLE.volume.like(scrambled)))


def test_two_echoes_one_after_the_other_in_one_file_are_refused():
    array = SAMPLE.volume.array
    both = Volume(np.concatenate([array, (array * 0.6).astype(array.dtype)]), SAMPLE.volume.ijk_to_ras)
    with pytest.raises(InputError, match="not in their order"):
        check_image(replace(SAMPLE, volume=both))


def test_slices_in_order_pass_with_noise_empty_ends_and_changing_brightness():
    array = SAMPLE.volume.array.astype(np.float32)
    rng = np.random.default_rng(5)
    changed = np.abs(array + rng.normal(0, 60, array.shape))
    changed[::2] *= 0.6
    changed[:4] = 0
    for volume in (SAMPLE.volume, SAMPLE.volume.like(changed), SAMPLE.volume.like(rng.normal(500, 90, array.shape))):
        check_image(replace(SAMPLE, volume=volume))


@pytest.mark.parametrize(("left", "soft_mm"), [(0.5, 0.1), (0.5, 5.0), (0.25, 5.0)])
def test_a_saturation_band_across_the_heads_is_warned_of(left, soft_mm):
    """Version 0.1.0 took the dark half of two sound heads for necrosis, 30 and 34 %, without a word."""
    volume = SAMPLE.volume
    rows_mm = volume.ras(np.array([[0, j, 0] for j in range(volume.array.shape[1])], float))[:, 2]
    band = np.abs(rows_mm - 12) < 9
    level = ndimage.gaussian_filter1d(np.where(band, left, 1.0), soft_mm / volume.spacing_mm[1])
    banded = volume.like((volume.array * level[:, None]).astype(np.float32))
    sphere = Sphere((79.0, 0.0, 0.0), 24.8)
    assert "signal-band" in codes(check_hip(banded, "MR", sphere, "right")[0])
    assert check_hip(volume, "MR", sphere, "right") == ((), None)


@pytest.mark.parametrize(
    ("radius_mm", "said"), [(23.0, []), (26.0, []), (19.0, ["heads-unlike"]), (27.0, ["heads-unlike"])]
)
def test_heads_of_very_different_size_are_looked_at_again(radius_mm, said):
    """One of 19 mm beside one of 23 mm: half an outline, or slices that lie farther apart than the file says."""
    notices = check_pair(Sphere((80, 0, 0), 23.0), Sphere((-80, 0, 0), radius_mm))
    assert codes(notices) == said
    assert all("23.0" in notice.message and f"{radius_mm:.1f}" in notice.message for notice in notices)
