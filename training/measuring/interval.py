"""The interval of the necrotic ratio: which two probabilities hold enough true ratios, with the narrowest intervals.

The ratio of what is more probable than the one and that of what is more probable than the other shall hold the true
ratio between them in 90 % of hips (``core/necrosis.py``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ONFHAssistLib.core.errors import InputError
from ONFHAssistLib.core.necrosis import COVERAGE

LOGITS = np.linspace(0, 12, 41)
"""How far from even odds the two probabilities are sought."""


@dataclass(frozen=True)
class Case:
    """One hip that was graded: its true ratio, and its ratio at each of LOGITS on either side.

    Attributes:
        group: a patient's hips on a sequence, or of a data set hips of a sequence with or without necrosis; 90 % are
            held of each group.
        truth: fraction of the head.
        certain: shape (len(LOGITS),), ratio of what is more probable than ``expit(LOGITS)``.
        possible: the same for ``expit(-LOGITS)``.
        patient: groups of one patient are left out together; "" where a group is not of one patient.
    """

    group: str
    truth: float
    certain: np.ndarray
    possible: np.ndarray
    patient: str = ""

    @property
    def whose(self) -> str:
        """What is left out together."""
        return self.patient or self.group


@dataclass(frozen=True)
class Fit:
    """The probabilities sought, and what they come to on the cases that they were sought with.

    Attributes:
        inner, outer: which of LOGITS.
        held: part of each group's hips whose true ratio is held.
        width: mean width of the interval, as a fraction of the head.
    """

    inner: int
    outer: int
    held: dict[str, float]
    width: float

    @property
    def certain(self) -> float:
        """The higher probability, see `Calibration`."""
        return float(expit(LOGITS[self.inner]))

    @property
    def possible(self) -> float:
        """The lower one."""
        return float(expit(-LOGITS[self.outer]))

    def holds(self, case: Case) -> bool:
        """Whether a hip's interval holds its true ratio."""
        return bool(case.certain[self.inner] <= case.truth <= case.possible[self.outer])


def fit(cases: Sequence[Case], coverage: float = COVERAGE, even: bool = False) -> Fit:
    """Find the two probabilities with the narrowest intervals on average that hold enough true ratios.

    Enough is ``ceil((n + 1) * coverage)`` of the n hips of each group: one more than that part, because the hips of
    tomorrow are not among them (split conformal prediction, Lei et al., J Am Stat Assoc 2018;113:1094), and of each
    group, because the hips of one are alike.

    Args:
        cases: graded hips.
        coverage: part of the hips of tomorrow that is to be held.
        even: whether both probabilities lie equally far from even odds. Then one number is sought, and what is proven
            holds for few hips, too. The narrowest of all pairs is chosen by the hips that it has to hold: of tomorrow's
            it holds 81 % after 9 of them, 87 % after 49, 89 % after 99 where errors are normal (the other way 90 to
            91 %, with intervals that are wider by a fifth, a tenth, a twentieth).

    Raises:
        InputError: no case, or even the widest outlines hold too few.
    """
    if not cases:
        raise InputError("No hip was graded, so there is nothing to calibrate with.")
    true = np.array([case.truth for case in cases])
    groups = np.array([case.group for case in cases])
    above = np.stack([case.certain for case in cases]) <= true[:, None]  # (hip, logit)
    below = np.stack([case.possible for case in cases]) >= true[:, None]
    held = {
        str(group): (above[own].T.astype(int) @ below[own].astype(int), int(own.sum()))
        for group in np.unique(groups)
        for own in [groups == group]
    }
    enough = np.all([count >= math.ceil((n + 1) * coverage) for count, n in held.values()], axis=0)
    if even:
        enough &= np.eye(len(LOGITS), dtype=bool)
    if not enough.any():
        worst, group = min((count.max() / n, group) for group, (count, n) in held.items())
        raise InputError(
            f"Even the widest outlines hold the true ratio of {100 * worst:.0f} % of the hips only ({group}): the "
            "network errs too much there to be calibrated, or there are too few; train it on, add hips, or leave these "
            "out."
        )
    certain, possible = (np.mean([getattr(case, name) for case in cases], axis=0) for name in ("certain", "possible"))
    width = np.where(enough, possible[None, :] - certain[:, None], np.inf)
    inner, outer = (int(n) for n in np.unravel_index(int(width.argmin()), width.shape))
    shares = {group: float(count[inner, outer] / n) for group, (count, n) in held.items()}
    return Fit(inner, outer, shares, float(width[inner, outer]))


def calibrate(cases: Sequence[Case]) -> tuple[Fit, float]:
    """Fit to as much more than COVERAGE as it takes to hold COVERAGE of the hips of a patient (group) who is left out.

    Patients differ more than the hips of one: probabilities that hold nine of ten hips of those seen hold fewer of the
    next patient's. So the part of the hips to be held is raised from COVERAGE in steps of 1 % until the calibration on
    the other patients holds COVERAGE of each patient's hips, or until no outlines hold more. With one patient it stays.

    Returns:
        the fit to all cases, and the part that it was fitted to.

    Raises:
        InputError: see `fit`.
    """
    found, level = fit(cases), COVERAGE
    while len({case.whose for case in cases}) > 1 and min(held_out(cases, level).values()) < COVERAGE:
        higher = round(level + 0.01, 2)
        try:
            held_out(cases, higher)
            found, level = fit(cases, higher), higher
        except InputError:
            break
    return found, level


def held_out(cases: Sequence[Case], coverage: float = COVERAGE) -> dict[str, float]:
    """Return the part of each group's hips that a calibration on the other patients (groups) holds."""
    shares = {}
    for patient in sorted({case.whose for case in cases}):
        own = [case for case in cases if case.whose == patient]
        found = fit([case for case in cases if case.whose != patient], coverage)
        for group in sorted({case.group for case in own}):
            shares[group] = float(np.mean([found.holds(case) for case in own if case.group == group]))
    return shares
