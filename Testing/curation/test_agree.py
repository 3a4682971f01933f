"""How readers agree, against masks whose overlap is known."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from reviewed_hip import Hip

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.grade import grade
from ONFHAssistLib.core.nifti import nifti_bytes
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.curation.case import layout
from ONFHAssistLib.curation.case.nifti import read_nifti
from ONFHAssistLib.curation.reports.agree import agree, agreement_json, agreement_page, rows, title
from ONFHAssistLib.curation.reports.bland_altman import bland_altman_svg


def read_by(store, hip: Hip, reader: str, lesion_mm: float, patient: str, **more):
    """Let a reader draw the lesion as high as he sees it."""
    image = hip.image()
    masks = hip.masks(image, lesion_mm)
    store.save(replace(hip.case(patient, reader, **more), masks=masks, result=grade(masks), provenance={}))


@pytest.fixture
def two_readers(store):
    """Reader b sees each lesion 2 mm higher than reader a; the same patient's hip in each fold."""
    for n, height in enumerate((10, 14, 18, 22)):
        hip = Hip(seed=n, spacing_mm=(2.0, 2.0, 4.0))
        read_by(store, hip, "a", height, f"patient{n}")
        read_by(store, hip, "b", height + 2, f"patient{n}")
    return store


def ratio_of(height: float) -> float:
    hip = Hip(spacing_mm=(2.0, 2.0, 4.0))
    masks = hip.masks(hip.image(), height)
    return 100 * masks.necrosis.array.sum() / masks.head.array.sum()


def test_two_readers_are_compared_hip_by_hip(two_readers):
    (found,) = agree(two_readers)
    assert title(found) == "a and b" and len(found.pairs) == 4
    assert found.dice["head"].value == 1.0 and found.hd95_mm["head"].value == 0.0
    hip = Hip(spacing_mm=(2.0, 2.0, 4.0))
    expected = []
    for height in (10, 14, 18, 22):
        small, large = (hip.masks(hip.image(), h).necrosis.array for h in (height, height + 2))
        expected.append(2 * (small & large).sum() / (small.sum() + large.sum()))
    assert found.dice["necrosis"].value == pytest.approx(np.mean(expected))
    differences = [ratio_of(h) - ratio_of(h + 2) for h in (10, 14, 18, 22)]
    assert found.ratio.bias == pytest.approx(np.mean(differences), abs=0.3)
    assert found.ratio.lower_limit == pytest.approx(found.ratio.bias - 1.96 * np.std(differences, ddof=1), abs=0.3)
    assert 0.5 < found.icc.value < 1.0 and found.kappa["steinberg"].value <= 1.0


def test_readers_who_draw_the_same_agree_perfectly(store):
    for n, height in enumerate((4, 12, 20, 30)):
        for reader in ("a", "b"):
            read_by(store, Hip(seed=n), reader, height, f"p{n}")
    (found,) = agree(store)
    assert found.dice["necrosis"].value == 1.0 and found.hd95_mm["necrosis"].value == 0.0
    assert (found.ratio.bias, found.ratio.upper_limit) == (0.0, 0.0)
    assert found.icc.value == pytest.approx(1.0) and found.kappa["steinberg"].value == 1.0


def test_a_reader_is_compared_with_himself(store):
    read_by(store, Hip(), "a", 10, "p")
    read_by(store, Hip(), "a", 12, "p")
    read_by(store, Hip(), "a", 16, "p")
    (found,) = agree(store)
    assert title(found) == "a, first and last reading" and len(found.pairs) == 1
    small, large = (Hip().masks(Hip().image(), h).necrosis.array.sum() for h in (10, 16))
    assert found.dice["necrosis"].value == pytest.approx(2 * small / (small + large))
    assert np.isnan(found.icc.value) and ("Ratio, ICC(2,1)", "inconclusive") in rows(found)


def test_drafts_flags_and_who_adjudicates_do_not_count(store):
    read_by(store, Hip(), "a", 10, "p")
    read_by(store, Hip(), "b", 12, "p", status="draft")
    read_by(store, Hip(), "c", 12, "p", adjudicates=True)
    with pytest.raises(InputError, match="No hip of Dataset101_Heads was approved by two readers"):
        agree(store)


def test_only_slices_that_both_have_reviewed_count(store):
    hip = Hip()
    image = hip.image()
    masks = hip.masks(image).whole()
    other = replace(masks, necrosis=image.like(masks.necrosis.array.copy()))
    other.necrosis.array[:10] = False
    store.save(hip.case("p", "a"))
    seen = hip.case("p", "b", reviewed_slices=tuple(range(10, 20)))
    store.save(replace(seen, masks=other, result=grade(other), provenance={}))
    (found,) = agree(store)
    assert found.dice["necrosis"].value == 1.0


def test_hips_without_necrosis_have_no_dice_of_it(store):
    for reader in ("a", "b"):
        read_by(store, Hip(), reader, 0, "p")
    (found,) = agree(store)
    assert found.pairs[0].dice == {"head": 1.0, "necrosis": None}
    assert ("Dice, necrosis", "inconclusive") in rows(found)


def test_three_readers_make_three_pairs(store):
    for n in range(2):
        for reader, height in (("a", 10), ("b", 12), ("c", 14)):
            read_by(store, Hip(seed=n), reader, height, f"p{n}")
    assert [title(one) for one in agree(store)] == ["a and b", "a and c", "b and c"]


def test_the_page_and_the_numbers_can_be_written(two_readers):
    found = agree(two_readers)
    content = json.loads(agreement_json("Dataset101_Heads", found))
    assert content["readers"][0]["pairs"][0]["dice"]["head"] == 1.0
    page = agreement_page("Dataset101_Heads", found)
    assert page.count("<svg") == 1 and page.count("<circle") == 4 and "nan" not in page
    assert "patient0" not in page


def test_a_point_of_the_plot_lies_where_its_numbers_say():
    first, second = [10.0, 20.0, 30.0], [12.0, 20.0, 25.0]
    plot = bland_altman_svg(first, second, "Ratio <of> x", "points", ("a", "b"))
    points = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', plot)]
    (x0, y0), (x1, y1), (x2, y2) = points
    # x: means 11, 20, 27.5; y: differences -2, 0, 5, upwards
    assert (x2 - x0) / (x1 - x0) == pytest.approx(16.5 / 9, abs=0.01)
    assert (y2 - y0) / (y1 - y0) == pytest.approx(7 / 2, abs=0.02) and y2 < y1 < y0
    assert "mean 1.00" in plot and "&lt;of&gt;" in plot


def test_one_case_and_equal_cases_can_be_plotted():
    assert "nan" not in bland_altman_svg([1.0], [1.0], "x", "y") + bland_altman_svg([2.0] * 3, [2.0] * 3, "x", "y")


def test_slices_that_one_reader_has_not_reviewed_count_for_nothing_in_the_ratio_either(store):
    """Both drew the same on the slices that both stand for; elsewhere the second drew nothing."""
    hip = Hip()
    image = hip.image()
    mine = hip.masks(image).whole()
    filled = np.flatnonzero(mine.necrosis.array.any(axis=(1, 2)))
    middle = int(filled[len(filled) // 2])
    only = np.zeros(mine.necrosis.array.shape, bool)
    only[middle] = mine.necrosis.array[middle]
    theirs = replace(mine, necrosis=image.like(only))
    store.save(hip.case())
    second = hip.case(reviewer="reader2", reviewed_slices=(middle,))
    store.save(replace(second, masks=theirs, result=grade(theirs), provenance={}))
    (found,) = agree(store)
    (pair,) = found.pairs
    true = 100 * only[middle].sum() / mine.head.array[middle].sum()
    assert pair.ratios == pytest.approx((true, true)) and pair.grades["steinberg"][0] == pair.grades["steinberg"][1]
    assert pair.grades["jic"] is None and "nan" not in " ".join(text for _, text in rows(found))


@pytest.mark.parametrize("what", ["no image", "other values", "other shape", "folder", "gone"])
def test_a_mask_that_is_spoilt_costs_its_own_comparison_and_is_named(two_readers, what):
    (whole,) = agree(two_readers)
    lost = whole.pairs[1]
    number = two_readers.record(lost.case).versions[-1].number
    path = two_readers.folder / layout.kept_file(number, layout.MASK)
    sound = read_nifti(path)
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what != "gone":
        spoilt = {
            "no image": b"x",
            "other values": nifti_bytes(sound.like(sound.array.astype(np.float32) + 0.5)),
            "other shape": nifti_bytes(Volume(sound.array[1:], sound.ijk_to_ras)),
        }
        path.write_bytes(spoilt[what])
    (found,) = agree(two_readers)
    assert found.pairs == tuple(pair for pair in whole.pairs if pair is not lost) and found.left_out == (lost.case,)
    assert ("Left out, as they can't be read", lost.case) in rows(found) and lost.case in agreement_page("x", [found])
    assert json.loads(agreement_json("x", [found]))["readers"][0]["left_out"] == [lost.case]
    for pair in found.pairs:
        (two_readers.folder / layout.kept_file(two_readers.record(pair.case).numbers[0], layout.MASK)).unlink()
    (nothing,) = agree(two_readers)
    assert len(nothing.left_out) == 4 and ("Hips", "0 of 0 patients") in rows(nothing)
    assert agreement_page("x", [nothing]) and "NaN" not in agreement_json("x", [nothing]).decode()
