"""From the probabilities of a hip's coronal slices to one value of the hip, and of the patient.

The study behind the system (docs/clinical.md, S-CT) does not say how its slices become a patient's result. Three rules
are tried on validation patients (``training/coronal_ct/pooling.py``); which one is used, and from which value on a hip
counts as necrotic, stands in the metadata of the bundle ``ct_diagnosis`` as its ``decision``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ONFHAssistLib.core.plain import from_plain

RULES = ("maximum", "mean of the top three", "longest run")
TOP_MM = 9.0
"""What three slices cover that are 3 mm apart, as those that the networks were trained on: of thinner slices more count
among the top ones."""
WITHIN_RADII = 0.95
"""Slices are graded up to so many radii before and behind the head's centre; what lies beyond is a cap of cartilage."""


@dataclass(frozen=True)
class Decision:
    """When a slice, a hip and a patient count as necrotic.

    Attributes:
        rule: one of RULES.
        slice_from: probability from which a slice counts.
        hip_from: value of `pool` from which a hip counts, and with it the patient.
        run_from: probability from which a slice belongs to a run.
        measured_on: what they were chosen on, in words.
        unsure: values between which fewer than nine in ten hips were told right there; None where that is not known.
    """

    rule: str
    slice_from: float
    hip_from: float
    run_from: float
    measured_on: str
    unsure: tuple[float, float] | None = None


def decision_of(metadata: Mapping[str, Any]) -> Decision:
    """Return the ``decision`` of a bundle's ``onfh_assist``; KeyError where it has none."""
    return from_plain(Decision, metadata["decision"])


def pool(probabilities: ArrayLike, rule: str, spacing_mm: float, run_from: float = 0.5) -> float:
    """Return the value of a hip: a probability, or for the longest run a length in mm.

    Args:
        probabilities: of the hip's slices, in their order from front to back; at least one.
        rule: one of RULES.
        spacing_mm: from one slice to the next.
        run_from: for the longest run: the probability from which a slice belongs to a run.

    Raises:
        ValueError: no slice, or another rule.
    """
    values = np.asarray(probabilities, float)
    if not values.size:
        raise ValueError("A hip without slices has no value.")
    if rule == "maximum":
        return float(values.max())
    if rule == "mean of the top three":
        count = max(1, round(TOP_MM / spacing_mm))
        return float(np.sort(values)[-count:].mean())
    if rule == "longest run":
        longest = current = 0
        for inside in values >= run_from:
            current = current + 1 if inside else 0
            longest = max(longest, current)
        return longest * spacing_mm
    raise ValueError(f"The rule {rule!r} is not one of {', '.join(RULES)}.")


def pool_patient(hips: Iterable[float]) -> float:
    """Return the value of a patient: that of the worse hip."""
    return max(hips)
