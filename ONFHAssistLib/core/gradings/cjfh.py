"""CJFH type: which pillars of the mid-coronal head are involved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ONFHAssistLib.core.gradings.grading import NO_NECROSIS, NOT_REACHED, Grading, margin_to, percent
from ONFHAssistLib.core.results import Grade

if TYPE_CHECKING:
    from ONFHAssistLib.core.measure import HipMeasurement

CJFH_OUTER_PILLAR = 0.30
"""Lateral and medial pillar are 30 % of the head's width each: Li Zirong et al. 2012."""
CJFH_UNTOUCHED_TO = 0.01
CJFH_WHOLE_FROM = 0.95
CJFH_THRESHOLDS = (CJFH_UNTOUCHED_TO, CJFH_WHOLE_FROM)
"""A pillar is untouched up to 1 % of its area and wholly involved from 95 %: pixels on the borders of a mask decide
nothing (convention of this project)."""


def grade_cjfh(measurement: HipMeasurement) -> Grade:
    """Class the pillars that are involved on the mid-coronal head (China-Japan Friendship Hospital)."""
    if measurement.coronal is None:
        return Grade(None, NOT_REACHED)
    pillars = measurement.pillars
    if pillars is None:
        return Grade(None, "A pillar of the mid-coronal head shows no bone.")
    fractions = {"lateral": pillars.lateral, "central": pillars.central, "medial": pillars.medial}
    if not measurement.coronal.necrosis.any():
        return Grade(None, NO_NECROSIS)
    if max(fractions.values()) <= CJFH_UNTOUCHED_TO:
        return Grade(None, "Necrosis takes up no more than 1 % of any pillar of the mid-coronal head.")
    others = (pillars.central, pillars.medial)
    if pillars.lateral <= CJFH_UNTOUCHED_TO and pillars.central <= CJFH_UNTOUCHED_TO:
        grade, reason = "M", "only the medial pillar is involved"
        margin = CJFH_UNTOUCHED_TO - max(pillars.lateral, pillars.central)
    elif pillars.lateral <= CJFH_UNTOUCHED_TO:
        grade, reason = "C", "the central pillar is involved, the lateral one untouched"
        margin = min(CJFH_UNTOUCHED_TO - pillars.lateral, pillars.central - CJFH_UNTOUCHED_TO)
    elif pillars.lateral < CJFH_WHOLE_FROM:
        grade, reason = "L1", "the lateral pillar is partly spared"
        margin = margin_to(pillars.lateral, CJFH_THRESHOLDS)
    elif min(others) < CJFH_WHOLE_FROM:
        grade, reason = "L2", "the lateral pillar is wholly involved, the others are not"
        margin = min(pillars.lateral - CJFH_WHOLE_FROM, CJFH_WHOLE_FROM - min(others))
    else:
        grade, reason = "L3", "all three pillars are wholly involved"
        margin = min(fractions.values()) - CJFH_WHOLE_FROM
    shares = ", ".join(f"{name} {percent(share, CJFH_THRESHOLDS)}" for name, share in fractions.items())
    return Grade(grade, f"Pillars: {shares}; {reason}: {grade}", pillars.lateral, margin, details=fractions)


CJFH = Grading(
    "cjfh",
    "CJFH type",
    "CJFH",
    "Li Zirong et al., 2012",
    grade_cjfh,
    classes=("M", "C", "L1", "L2", "L3"),
    thresholds=CJFH_THRESHOLDS,
    unit="fraction of pillar",
    margin_words="{:.1f} % of the pillar",
    borderline_within=0.03,
    borderline_words="{:.0f} % of a pillar",
    limits=f"outer pillars {100 * CJFH_OUTER_PILLAR:.0f} % of the head's width",
)
