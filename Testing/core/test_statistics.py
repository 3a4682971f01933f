"""Statistics against published examples, closed forms and cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from ONFHAssistLib.core.statistics import (
    bland_altman,
    bootstrap,
    brier_score,
    calibration_curve,
    decision_curve,
    icc_2_1,
    macro_auc,
    optimism_corrected,
    roc_auc,
)

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
"""The ratings of six targets by four judges of Shrout & Fleiss 1979, table 2."""


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=12), st.lists(st.integers(0, 6), min_size=2, max_size=12))
def test_the_auc_is_the_mann_whitney_statistic(with_it, without):
    found = roc_auc([1] * len(with_it) + [0] * len(without), with_it + without)
    u = mannwhitneyu(with_it, without).statistic
    assert found.value == pytest.approx(u / (len(with_it) * len(without)))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_delong_of_a_case_worked_out_by_hand():
    """Cases 3, 2 against 1, 2.5: shares (1, 1/2) and (1, 1/2), variances 1/8 each, so that of the area is 1/8.

    The interval is 0.75 ± z / sqrt(8); at 50 % z = 0.67449, at 95 % it passes 1.
    """
    found = roc_auc([1, 1, 0, 0], [3, 2, 1, 2.5], level=0.5)
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.75, 0.75 - 0.674490 / math.sqrt(8), 0.75 + 0.674490 / math.sqrt(8)), abs=1e-6
    )
    assert roc_auc([1, 1, 0, 0], [3, 2, 1, 2.5]).high == 1


def test_delong_covers_the_true_area_as_often_as_it_says():
    """Normal scores one standard deviation apart: the true area is Phi(1 / sqrt(2))."""
    random = np.random.default_rng(5)
    outcome = np.repeat([1, 0], 60)
    found = [roc_auc(outcome, random.normal(size=120) + outcome) for _ in range(600)]
    share = np.mean([e.low <= 0.760250 <= e.high for e in found])
    assert share == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / 600))


def test_the_auc_of_one_class_has_no_meaning():
    assert math.isnan(roc_auc([1, 1], [0.2, 0.3]).value)
    assert math.isnan(roc_auc([1, 0], [0.2, 0.3]).low)
    with pytest.raises(ValueError, match="each case"):
        roc_auc([1, 0], [0.1])


def test_the_macro_auc_is_the_mean_over_the_classes():
    scores = np.array([[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    # a: 0.8, 0.5 against 0.3, 0.1 -> 1; b: 0.4 against 0.1, 0.3, 0.2 -> 1 with truth b at case 2; c: 0.7 -> 1.
    assert macro_auc(["a", "b", "a", "c"], scores, ["a", "b", "c"]) == 1
    # c now holds case 2 (0.3): above 0.1 and 0.2, below 0.7 -> 2 / 3; b holds case 4 (0.2): above 0.1 only -> 1 / 3.
    assert macro_auc(["a", "c", "a", "b"], scores, ["a", "b", "c"]) == pytest.approx((1 + 1 / 3 + 2 / 3) / 3)


def test_bland_altman_of_a_known_case():
    found = bland_altman([1, 2, 3, 4], [0, 2, 2, 6])  # differences 1, 0, 1, -2: mean 0, variance 6 / 3
    assert (found.bias, found.lower_limit, found.upper_limit) == pytest.approx(
        (0, -1.96 * math.sqrt(2), 1.96 * math.sqrt(2))
    )
    assert bland_altman([3, 5], [1, 3]).bias == 2


def test_the_icc_of_shrout_and_fleiss():
    found = icc_2_1(SHROUT_FLEISS)
    assert (found.value, found.low, found.high) == pytest.approx((0.29, 0.02, 0.76), abs=0.005)


def test_the_icc_counts_a_constant_difference_as_disagreement():
    """Case means 0, 2, 4 of two raters 2 apart: mean squares 8 (cases), 6 (raters), 0: 8 / (8 + 2 * 6 / 3) = 2/3."""
    assert icc_2_1(np.array([[-1, 1], [1, 3], [3, 5]])).value == pytest.approx(2 / 3)
    same = icc_2_1(np.array([[1.1, 1.1], [2.3, 2.3], [5.7, 5.7]]))
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1))
    assert math.isnan(icc_2_1(np.ones((3, 2))).value)
    with pytest.raises(ValueError, match="two raters"):
        icc_2_1(np.ones((3, 1)))


def test_the_icc_interval_covers_the_true_value():
    """Variances 4 (cases), 1 (raters), 1 (rest) and 30 raters: the true value is 4 / 6."""
    random = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        effects = 2 * random.normal(size=(15, 1)) + random.normal(size=(1, 30)) + random.normal(size=(15, 30))
        found = icc_2_1(effects)
        inside += found.low <= 4 / 6 <= found.high
    assert inside / 200 == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / 200))


def test_the_brier_score_of_a_constant_prediction():
    """Prevalence q, prediction p: q (1 - p)^2 + (1 - q) p^2."""
    outcome = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert brier_score(outcome, [0.5] * 10) == pytest.approx(0.25)
    assert brier_score(outcome, [0.3] * 10) == pytest.approx(0.3 * 0.7)
    assert brier_score(outcome, outcome) == 0


def test_calibration_groups_hold_their_cases():
    found = calibration_curve([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8], groups=2)
    assert found.predicted == pytest.approx([0.2, 0.7])
    assert found.observed == pytest.approx([1 / 3, 2 / 3])
    assert found.count.tolist() == [3, 3]


def test_equal_predictions_stay_in_one_calibration_group_in_any_order():
    probability = np.array([0.2] * 7 + [0.9] * 3)
    outcome = np.array([0, 1, 0, 0, 0, 1, 0, 1, 1, 0])
    for order in (np.arange(10), np.arange(10)[::-1]):
        found = calibration_curve(outcome[order], probability[order], groups=5)
        assert found.predicted == pytest.approx([0.2, 0.9])
        assert found.observed == pytest.approx([2 / 7, 2 / 3])
        assert found.count.tolist() == [7, 3]


def test_net_benefit_by_its_formula():
    outcome, probability = [1, 1, 0, 0, 0], [0.9, 0.4, 0.5, 0.2, 0.1]
    found = decision_curve(outcome, probability, [0.0, 0.25, 0.5])
    # Treated from 0.25 on: 2 hits, 1 false, odds 1/3; from 0.5 on: 1 hit, 1 false (a probability of 0.5), odds 1.
    assert found.model == pytest.approx([0.4, 0.4 - 0.2 / 3, 0.2 - 0.2])
    assert found.treat_all == pytest.approx([0.4, 0.4 - 0.6 / 3, 0.4 - 0.6])
    everyone = decision_curve(outcome, [1.0] * 5, [0.1, 0.3, 0.7])
    assert everyone.model == pytest.approx(everyone.treat_all)
    for wrong in (1.0, -0.1):
        with pytest.raises(ValueError, match="threshold"):
            decision_curve(outcome, probability, [wrong])


def test_the_bootstrap_interval_of_a_mean_is_that_of_theory():
    """Of 400 independent cases with standard deviation s the mean has the standard error s / 20."""
    x = np.random.default_rng(1).normal(size=400)
    found = bootstrap(np.mean, range(400), x)
    reach = 1.96 * x.std() / 20
    assert (found.value, found.low, found.high) == pytest.approx(
        (x.mean(), x.mean() - reach, x.mean() + reach), abs=0.01
    )
    assert found == bootstrap(np.mean, range(400), x)


def test_the_bootstrap_draws_patients_not_slices():
    """Ten equal slices of each patient tell no more than one, so the interval is as wide as with one."""
    x = np.random.default_rng(1).normal(size=40)
    one, ten = bootstrap(np.mean, range(40), x), bootstrap(np.mean, np.repeat(np.arange(40), 10), np.repeat(x, 10))
    assert (ten.value, ten.low, ten.high) == pytest.approx((one.value, one.low, one.high))


def test_samples_without_a_meaning_do_not_count():
    found = bootstrap(lambda y, s: roc_auc(y, s).value, range(4), np.array([1, 1, 0, 0]), np.array([3, 2, 1, 2.5]))
    assert 0 <= found.low < found.value < found.high <= 1
    assert math.isnan(bootstrap(lambda y: math.nan, range(4), np.arange(4)).low)


def _least_squares(x, y):
    return np.linalg.lstsq(x, y, rcond=None)[0]


def _mean_square(model, x, y):
    return float(((x @ model - y) ** 2).mean())


def test_the_optimism_of_noise_fitted_to_noise_is_found():
    """p noise variables in n cases: the error is 1 - p/n on the training data, about 1 + p/n on new ones."""
    random = np.random.default_rng(3)
    n, p = 200, 20
    x, y = random.normal(size=(n, p)), random.normal(size=n)
    found = optimism_corrected(x, y, _least_squares, _mean_square)
    assert found.corrected == found.apparent - found.optimism
    assert found.optimism == pytest.approx(-2 * p / n * y.var(), rel=0.35)


def test_a_model_that_learns_nothing_has_no_optimism():
    random = np.random.default_rng(4)
    x, y = random.normal(size=(100, 2)), random.normal(size=100)
    found = optimism_corrected(x, y, lambda x, y: np.zeros(2), _mean_square, patients=np.arange(100) // 2)
    assert found.optimism == pytest.approx(0, abs=4 * (y**2).std() / math.sqrt(50 * 200))


def test_icc_of_equal_cases_and_raters_that_differ_is_zero_without_an_interval():
    found = icc_2_1(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]))
    assert found.value == 0 and np.isnan(found.low) and np.isnan(found.high)
