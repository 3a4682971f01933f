"""Metrics of segmentation and grading against cases worked out by hand."""

import math

import numpy as np
import pytest
from core_phantoms import CENTRE, CORONAL, grid

from ONFHAssistLib.core.metrics import classification_metrics, confusion_matrix, segmentation_metrics, weighted_kappa
from ONFHAssistLib.core.volume import Volume


def _volume(array, spacing=(1.0, 1.0, 1.0)):
    return Volume(array, np.diag([*spacing, 1.0]))


def test_overlap_figures_of_a_known_case():
    truth = np.zeros((4, 5, 5), dtype=bool)
    truth.flat[:40] = True
    predicted = np.zeros_like(truth)
    predicted.flat[10:60] = True
    m = segmentation_metrics(_volume(predicted), _volume(truth))
    assert (m.accuracy, m.sensitivity, m.specificity) == pytest.approx((0.70, 0.75, 40 / 60))
    assert (m.ppv, m.npv, m.dice) == pytest.approx((0.6, 0.8, 60 / 90))


def test_distances_are_in_millimetres_along_every_axis():
    """Two single voxels, (1, 2, 3) voxels apart along (k, j, i): all surface distances are equal."""
    a, b = np.zeros((2, 8, 8, 8), dtype=bool)
    a[2, 2, 2] = b[3, 4, 5] = True
    m = segmentation_metrics(_volume(a, (0.5, 0.9, 5.2)), _volume(b, (0.5, 0.9, 5.2)))
    expected = math.hypot(5.2, 2 * 0.9, 3 * 0.5)
    assert (m.hd95_mm, m.assd_mm) == pytest.approx((expected,) * 2)
    assert m.signed_bias_mm == 0  # elsewhere, but neither too large nor too small


@pytest.mark.parametrize("change_mm", [-2.0, 2.0])
def test_surface_distances_of_concentric_spheres(change_mm):
    volume = grid((0.8, 0.8, 0.8), CORONAL, (10, 20, 30), half_mm=30)
    distance = np.linalg.norm(volume.grid_ras() - CENTRE, axis=-1)
    m = segmentation_metrics(volume.like(distance <= 24 + change_mm), volume.like(distance <= 24))
    assert m.assd_mm == pytest.approx(2, abs=0.25)
    assert 2 <= m.hd95_mm + 0.5 <= 3.5


@pytest.mark.parametrize("change_mm", [-2.0, -1.0, -0.4, 0.4, 1.0, 2.0])
@pytest.mark.parametrize("spacing", [(0.8, 0.8, 0.8), (0.911, 0.911, 5.2), (0.5, 0.5, 3.0), (1.0, 1.0, 6.0)])
def test_the_signed_bias_is_the_difference_of_the_radii_also_on_thick_slices(spacing, change_mm):
    volume = grid(spacing, CORONAL, (10, 20, 30), shift=(0.3, 0.1, 0.4), half_mm=36)
    distance = np.linalg.norm(volume.grid_ras() - CENTRE, axis=-1)
    m = segmentation_metrics(volume.like(distance <= 23 + change_mm), volume.like(distance <= 23))
    assert m.signed_bias_mm == pytest.approx(change_mm, rel=0.1, abs=0.1)


def test_a_shifted_mask_has_no_signed_bias_and_a_surface_distance():
    volume = grid((0.911, 0.911, 5.2), CORONAL, half_mm=36)
    distance = [np.linalg.norm(volume.grid_ras() - CENTRE - shift, axis=-1) for shift in ([0, 0, 0], [2, 0, 0])]
    m = segmentation_metrics(*(volume.like(d <= 23) for d in distance))
    assert abs(m.signed_bias_mm) < 0.05 and m.assd_mm > 0.3


def test_a_mask_touching_the_border_of_the_image_has_its_surface_there():
    full = np.ones((5, 5, 5), dtype=bool)
    half = full.copy()
    half[:, :, 3:] = False
    m = segmentation_metrics(_volume(half), _volume(full))
    assert m.hd95_mm == pytest.approx(2)


def test_perfect_agreement_and_empty_masks():
    some, none = np.zeros((2, 4, 4, 4), dtype=bool)
    some[1:3, 1:3, 1:3] = True
    m = segmentation_metrics(_volume(some), _volume(some))
    assert (m.dice, m.hd95_mm, m.assd_mm, m.signed_bias_mm) == (1, 0, 0, 0)
    missed = segmentation_metrics(_volume(none), _volume(some))
    assert missed.dice == 0 and math.isnan(missed.hd95_mm) and math.isnan(missed.ppv)
    assert math.isnan(segmentation_metrics(_volume(none), _volume(none)).dice)


def test_masks_on_different_grids_are_refused():
    some = np.ones((3, 3, 3), dtype=bool)
    with pytest.raises(ValueError, match="different grids"):
        segmentation_metrics(_volume(some), _volume(some, (1.0, 1.0, 2.0)))


def test_confusion_and_kappa_of_a_known_case():
    """Rows 10 0 0 / 2 6 2 / 0 0 10: observed weight 4, by chance 2 (.) as below; kappa = 1 - 4 / by chance."""
    truth = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    predicted = ["a"] * 10 + ["a"] * 2 + ["b"] * 6 + ["c"] * 2 + ["c"] * 10
    matrix = confusion_matrix(truth, predicted, ["a", "b", "c"])
    assert matrix.tolist() == [[10, 0, 0], [2, 6, 2], [0, 0, 10]]
    # Expected counts: rows of 10, columns 12, 6, 12 of 30 -> 4, 2, 4 in each row. Weighted by squared distance:
    # row a 2 + 16, row b 4 + 4, row c 16 + 2 = 44.
    assert weighted_kappa(truth, predicted, ["a", "b", "c"]) == pytest.approx(1 - 4 / 44)
    assert weighted_kappa(truth, truth, ["a", "b", "c"]) == 1
    assert weighted_kappa(truth, truth[::-1], ["a", "b", "c"]) == pytest.approx(-1)
    assert math.isnan(weighted_kappa(["a"], ["a"], ["a", "b"]))


def test_macro_figures_of_a_known_case():
    """Rows 10 0 0 / 2 6 2 / 0 0 10: precision 10/12, 1, 10/12; recall 1, 0.6, 1; F 20/22, 12/16, 20/22."""
    truth = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    predicted = ["a"] * 10 + ["a"] * 2 + ["b"] * 6 + ["c"] * 2 + ["c"] * 10
    m = classification_metrics(truth, predicted, ["a", "b", "c", "never seen"])
    assert m.accuracy == pytest.approx(26 / 30)
    assert m.precision == pytest.approx((10 / 12 + 1 + 10 / 12) / 3)
    assert m.recall == pytest.approx(2.6 / 3)
    assert m.f == pytest.approx((20 / 22 + 12 / 16 + 20 / 22) / 3)


def test_a_class_that_is_never_predicted_counts_as_missed():
    m = classification_metrics(["a", "a", "b", "b"], ["a"] * 4, ["a", "b"])
    assert (m.accuracy, m.precision, m.recall, m.f) == pytest.approx((0.5, 0.25, 0.5, 1 / 3))
    assert math.isnan(classification_metrics([], [], ["a"]).accuracy)
