"""Statistics of diagnosis, of agreement and of prediction models (docs/clinical.md, section 4).

Arguments are sequences of one number per case. A figure without a meaning (0 / 0, only one class) is NaN.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A figure and its confidence interval, from ``low`` to ``high``."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How two methods differ: mean difference (first minus second), and the limits that hold 95 % of differences."""

    bias: float
    lower_limit: float
    upper_limit: float


@dataclass(frozen=True)
class Calibration:
    """Groups of cases by predicted risk, shape (groups,): mean prediction, fraction with the outcome, cases."""

    predicted: np.ndarray
    observed: np.ndarray
    count: np.ndarray


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit at each threshold, shape (thresholds,): of the model, and of treating all; treating none has 0."""

    threshold: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray


@dataclass(frozen=True)
class Optimism:
    """A score on the data that the model was fitted to, how much of it is optimism, and the score without it."""

    apparent: float
    optimism: float
    corrected: float


def roc_auc(outcome: ArrayLike, score: ArrayLike, level: float = 0.95) -> Estimate:
    """Return the area under the ROC curve with DeLong's confidence interval, clipped to 0 and 1.

    The area is the Mann-Whitney statistic: the chance that a case with the outcome scores higher than one without,
    ties counting one half. Its variance comes from each case's own share in it (DeLong et al., Biometrics 1988;44:837),
    computed from midranks (Sun & Xu, IEEE Signal Process Lett 2014;21:1389). Where both classes are separated
    perfectly the interval has no width, which says nothing; take `bootstrap` over a larger sample then.

    Args:
        outcome: true or 1 for a case with the outcome.
        score: higher for more likely cases; any scale.
        level: of the interval.

    Returns:
        NaN where all cases are of one class; an interval of NaN with fewer than two cases of a class.
    """
    outcome, score = _pair(outcome, score)
    with_it, without = score[outcome > 0], score[outcome <= 0]
    m, n = len(with_it), len(without)
    if m == 0 or n == 0:
        return Estimate(np.nan, np.nan, np.nan)
    rank = stats.rankdata(np.concatenate([with_it, without]))
    share_with = (rank[:m] - stats.rankdata(with_it)) / n
    share_without = 1 - (rank[m:] - stats.rankdata(without)) / m
    area = float(share_with.mean())
    if m < 2 or n < 2:
        return Estimate(area, np.nan, np.nan)
    error = np.sqrt(share_with.var(ddof=1) / m + share_without.var(ddof=1) / n)
    reach = stats.norm.ppf((1 + level) / 2) * error
    return Estimate(area, float(max(0.0, area - reach)), float(min(1.0, area + reach)))


def macro_auc(truth: ArrayLike, scores: np.ndarray, classes: Sequence) -> float:
    """Return the mean over the classes of the ROC AUC of that class against all others.

    Args:
        truth: the class of each case.
        scores: shape (cases, classes), in the order of ``classes``.
        classes: all of them; one that ``truth`` lacks makes the figure NaN.
    """
    truth = np.asarray(truth)
    return float(np.mean([roc_auc(truth == name, scores[:, n]).value for n, name in enumerate(classes)]))


def bland_altman(first: ArrayLike, second: ArrayLike) -> Agreement:
    """Return bias and 95 % limits of agreement, bias ± 1.96 standard deviations (Bland & Altman, Lancet 1986;1:307)."""
    first, second = _pair(first, second)
    difference = first - second
    bias = float(difference.mean())
    reach = 1.96 * float(difference.std(ddof=1)) if len(difference) > 1 else np.nan
    return Agreement(bias, bias - reach, bias + reach)


def icc_2_1(ratings: np.ndarray, level: float = 0.95) -> Estimate:
    """Return ICC(2,1): two-way random effects, absolute agreement, a single rater.

    Formula: Shrout & Fleiss, Psychol Bull 1979;86:420; interval: McGraw & Wong, Psychol Methods 1996;1:30, where it
    is called ICC(A,1).

    Args:
        ratings: shape (cases, raters), at least two of each.
        level: of the interval.

    Raises:
        ValueError: too few cases or raters.
    """
    ratings = np.asarray(ratings, dtype=float)
    if ratings.ndim != 2 or min(ratings.shape) < 2:
        raise ValueError(f"ICC needs at least two cases and two raters; the ratings have the shape {ratings.shape}.")
    n, k = ratings.shape
    rows, columns, mean = ratings.mean(axis=1), ratings.mean(axis=0), ratings.mean()
    cases = k * float(((rows - mean) ** 2).sum()) / (n - 1)
    raters = n * float(((columns - mean) ** 2).sum()) / (k - 1)
    rest = float(((ratings - rows[:, None] - columns + mean) ** 2).sum()) / ((n - 1) * (k - 1))
    whole = cases + (k - 1) * rest + k * (raters - rest) / n
    if whole == 0:
        return Estimate(np.nan, np.nan, np.nan)
    icc = (cases - rest) / whole
    if np.isclose(raters + rest, 0, atol=1e-12 * cases):
        return Estimate(icc, icc, icc)
    # The raters' and the residual mean square, weighted as in the variance of a single rating.
    a = k * icc / (n * (1 - icc))
    b = 1 + k * icc * (n - 1) / (n * (1 - icc))
    if a * raters + b * rest == 0:  # all cases alike, the raters apart: there is nothing to draw an interval from
        return Estimate(icc, np.nan, np.nan)
    freedom = (a * raters + b * rest) ** 2 / ((a * raters) ** 2 / (k - 1) + (b * rest) ** 2 / ((n - 1) * (k - 1)))
    within = k * raters + (k * n - k - n) * rest
    f_low = stats.f.ppf((1 + level) / 2, n - 1, freedom)
    f_high = stats.f.ppf((1 + level) / 2, freedom, n - 1)
    low = n * (cases - f_low * rest) / (f_low * within + n * cases)
    high = n * (f_high * cases - rest) / (within + n * f_high * cases)
    return Estimate(icc, float(low), float(high))


def brier_score(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean squared difference of probability and outcome, 0 at best (Brier, Mon Weather Rev 1950;78:1)."""
    outcome, probability = _pair(outcome, probability)
    return float(((probability - outcome) ** 2).mean())


def calibration_curve(outcome: ArrayLike, probability: ArrayLike, groups: int = 10) -> Calibration:
    """Compare predicted and observed risk in groups of about equal size, from low to high prediction.

    Equal predictions stay in one group, so there may be fewer groups. See Steyerberg et al., Epidemiology 2010;21:128.
    """
    outcome, probability = _pair(outcome, probability)
    borders = np.quantile(probability, np.arange(1, groups) / groups)
    _, group, count = np.unique(np.searchsorted(borders, probability), return_inverse=True, return_counts=True)
    return Calibration(np.bincount(group, probability) / count, np.bincount(group, outcome) / count, count)


def decision_curve(outcome: ArrayLike, probability: ArrayLike, thresholds: ArrayLike) -> DecisionCurve:
    """Return the net benefit, TP / n - FP / n · t / (1 - t), of treating from each threshold probability t on.

    Source: Vickers & Elkin, Med Decis Making 2006;26:565.

    Raises:
        ValueError: a threshold is not within 0 (included) and 1 (excluded).
    """
    outcome, probability = _pair(outcome, probability)
    t = np.asarray(thresholds, dtype=float)
    if ((t < 0) | (t >= 1)).any():
        raise ValueError("A threshold probability lies from 0 to below 1.")
    treated = probability[None, :] >= t[:, None]
    odds = t / (1 - t)
    hit, false = (treated & (outcome > 0)).mean(axis=1), (treated & (outcome <= 0)).mean(axis=1)
    prevalence = float((outcome > 0).mean())
    return DecisionCurve(t, hit - false * odds, prevalence - (1 - prevalence) * odds)


def bootstrap(
    statistic: Callable[..., float],
    patients: Sequence,
    *data: np.ndarray,
    repeats: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return a statistic with its percentile interval from resampling patients, not slices or hips.

    All cases of a patient are drawn together (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13;
    Field & Welsh, J R Stat Soc B 2007;69:369). Samples where the statistic is NaN do not count.

    Args:
        statistic: called with ``data`` or resampled rows of it.
        patients: the patient of each row.
        data: arrays with one row for each case.
        repeats: how many samples.
        level: of the interval.
        seed: the same seed gives the same interval.
    """
    rows = [np.asarray(x) for x in data]
    drawn = np.array([statistic(*(x[sample] for x in rows)) for sample in _samples(patients, repeats, seed)], float)
    value = float(statistic(*rows))
    if np.isnan(drawn).all():
        return Estimate(value, np.nan, np.nan)
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def optimism_corrected(
    x: np.ndarray,
    y: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], Any],
    score: Callable[[Any, np.ndarray, np.ndarray], float],
    patients: Sequence | None = None,
    repeats: int = 200,
    seed: int = 0,
) -> Optimism:
    """Correct the score of a model on its own training data (Harrell, Lee & Mark, Stat Med 1996;15:361).

    The optimism is the mean, over bootstrap samples, of the score of a model fitted to the sample there less its
    score on all data. ``fit`` must hold every step that looked at the outcome, selection of variables included.

    Args:
        x: one row for each case.
        y: its outcome.
        fit: makes a model of (x, y).
        score: rates a model on (x, y); samples where it is NaN do not count.
        patients: the patient of each row; None where each row is one.
        repeats: how many samples.
        seed: of the samples.
    """
    x, y = np.asarray(x), np.asarray(y)
    apparent = float(score(fit(x, y), x, y))
    differences = []
    for sample in _samples(range(len(y)) if patients is None else patients, repeats, seed):
        model = fit(x[sample], y[sample])
        differences.append(score(model, x[sample], y[sample]) - score(model, x, y))
    optimism = float(np.nanmean(differences))
    return Optimism(apparent, optimism, apparent - optimism)


def _samples(patients: Sequence, repeats: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the rows of as many patients as there are, drawn with replacement."""
    names, patient = np.unique(np.asarray(patients), return_inverse=True)
    rows = [np.flatnonzero(patient == n) for n in range(len(names))]
    random = np.random.default_rng(seed)
    for _ in range(repeats):
        yield np.concatenate([rows[n] for n in random.integers(len(names), size=len(names))])


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape or first.ndim != 1 or len(first) == 0:
        raise ValueError(f"One number for each case is needed on both sides; {first.shape} and {second.shape} given.")
    return first, second
