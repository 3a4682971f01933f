"""What the two stages find on slices, and how good that is: of slices, of hips, and of real sound heads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ONFHAssistLib.core.metrics import segmentation_metrics
from ONFHAssistLib.core.statistics import bootstrap, roc_auc
from ONFHAssistLib.core.volume import Volume
from ONFHAssistLib.systems.coronal_ct.pooling import RULES, Decision, pool
from training.coronal_ct.slices import NECROSIS, POSITIVE_MM2, Slices
from training.coronal_ct.task import plain

Predict = Callable[[np.ndarray], np.ndarray]
"""Float32 (n, 3, s, s) in; of stage 1 maps (n, 1, h, w) out, of stage 2 logits (n, 1, s, s)."""
SENSITIVITY = 0.98
"""Wanted of slices and of hips where thresholds are chosen, on validation patients."""
RUN_FROM = (0.3, 0.5, 0.7)
"""Probabilities that are tried as the one from which a slice belongs to a run."""
SURE = 0.9
"""Of hips that are not near the threshold so many are told right."""
RESAMPLED = 500
"""Bootstrap samples of patients, for intervals."""
CHUNK = 64


@dataclass(frozen=True)
class Found:
    """What the networks say of the graded slices of some scans.

    Attributes:
        probability: (n,) of necrosis on the slice, by stage 1; without one, by the segmentation alone.
        marked: bool (n, s, s), what stage 2 marks inside the head, on every slice.
        head, truth: bool (n, s, s).
        area_mm2: (n,) of the truth.
        scan, patient: int (n,).
        pitch_mm: (n,).
        pixel_mm: of the masks.
    """

    probability: np.ndarray
    marked: np.ndarray
    head: np.ndarray
    truth: np.ndarray
    area_mm2: np.ndarray
    scan: np.ndarray
    patient: np.ndarray
    pitch_mm: np.ndarray
    pixel_mm: float

    @property
    def scored(self) -> np.ndarray:
        """Slices that are with or without necrosis; those with traces are neither."""
        return (self.area_mm2 == 0) | (self.area_mm2 >= POSITIVE_MM2)

    @property
    def positive(self) -> np.ndarray:
        """Slices with necrosis."""
        return self.area_mm2 >= POSITIVE_MM2


def find(slices: Slices, stage1: Predict | None, stage2: Predict, size_px: int, pixel_mm: float) -> Found:
    """Run both stages on the graded slices; without stage 1 the segmentation says how probable necrosis is."""
    index = np.flatnonzero(slices.graded)
    probability, marked, labels = [], [], []
    for start in range(0, len(index), CHUNK):
        images, truth = plain(slices, index[start : start + CHUNK], size_px)
        segmented = sigmoid(stage2(images)[:, 0]) * (truth > 0)
        marked.append(segmented > 0.5)
        labels.append(truth)
        probability.append(slice_probability(stage1(images)) if stage1 else by_area(segmented, pixel_mm))
    truth = np.concatenate(labels)
    return Found(
        np.concatenate(probability),
        np.concatenate(marked),
        truth > 0,
        truth == NECROSIS,
        (truth == NECROSIS).sum((1, 2)) * pixel_mm**2,
        slices.scan[index],
        slices.patient[index],
        slices.pitch_mm[index],
        pixel_mm,
    )


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits."""
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))


def slice_probability(maps: np.ndarray) -> np.ndarray:
    """Return the probabilities (n,) of class maps (n, 1, h, w): their means are the logits."""
    return sigmoid(maps.mean((1, 2, 3)))


def by_area(segmented: np.ndarray, pixel_mm: float) -> np.ndarray:
    """How probable necrosis of POSITIVE_MM2 is by a segmentation alone: the least probable of its best pixels."""
    count = round(POSITIVE_MM2 / pixel_mm**2)
    flat = segmented.reshape(len(segmented), -1)
    return -np.partition(-flat, count - 1, axis=1)[:, count - 1]


def hip_values(found: Found, rule: str, run_from: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pool the slices of each scan.

    Returns:
        values, whether the hip has necrosis (on a positive slice), and the patient, each (scans,).
    """
    values, truth, patients = [], [], []
    for scan in np.unique(found.scan):
        own = found.scan == scan
        values.append(pool(found.probability[own], rule, float(found.pitch_mm[own][0]), run_from))
        truth.append(bool(found.positive[own].any()))
        patients.append(int(found.patient[own][0]))
    return np.array(values), np.array(truth), np.array(patients)


def decide(validation: Found, measured_on: str) -> tuple[Decision, dict[str, float]]:
    """Choose rule and thresholds on validation patients: the rule by AUC, thresholds by SENSITIVITY.

    Returns:
        The decision, and the AUC of each rule.
    """
    scored = validation.scored
    slice_from = threshold(validation.positive[scored], validation.probability[scored])
    tried = {
        (rule, t): hip_values(validation, rule, t) for rule in RULES for t in (RUN_FROM if "run" in rule else (0.5,))
    }
    auc = {key: roc_auc(truth, values).value for key, (values, truth, _) in tried.items()}
    rule, run_from = max(auc, key=lambda key: auc[key])
    best = {name: max(value for (own, _), value in auc.items() if own == name) for name in RULES}
    values, truth, _ = tried[rule, run_from]
    hip_from = threshold(truth, values)
    return Decision(rule, slice_from, hip_from, run_from, measured_on, unsure(truth, values, hip_from)), best


def threshold(truth: np.ndarray, values: np.ndarray) -> float:
    """Return the highest value from which SENSITIVITY of those with necrosis count, halfway to the next lower one."""
    positive, every = np.sort(values[truth]), np.unique(values)
    at = positive[int(np.floor((1 - SENSITIVITY) * len(positive)))]
    below = every[every < at]
    return float((at + below[-1]) / 2 if len(below) else at)


def unsure(truth: np.ndarray, values: np.ndarray, hip_from: float) -> tuple[float, float]:
    """Return the values between which hips are near the threshold.

    Of the hips below the lower one at least SURE are without necrosis, of those from the upper one on at least SURE are
    with it.
    """
    cuts = np.unique(values)
    low = [v for v in cuts if v <= hip_from and (values < v).any() and (~truth[values < v]).mean() >= SURE]
    high = [v for v in cuts if v >= hip_from and truth[values >= v].mean() >= SURE]
    return float(max(low, default=cuts[0])), float(min(high, default=cuts[-1]))


def slice_figures(found: Found, decision: Decision, two_stages: bool = True) -> dict[str, Any]:
    """Figures of slices: diagnosis, and the mask on those with necrosis.

    Dice and HD95 are means over slices with necrosis; a slice that stage 1 leaves out, or stage 2 leaves empty, has a
    Dice of 0 and no HD95, and is counted.
    """
    kept = found.scored
    truth, called = found.positive[kept], found.probability[kept] >= decision.slice_from
    passed = found.probability >= decision.slice_from if two_stages else np.ones(len(found.probability), bool)
    dice, hd95 = [], []
    for n in np.flatnonzero(found.positive):
        mask = found.marked[n] if passed[n] else np.zeros_like(found.marked[n])
        figure = segmentation_metrics(_volume(mask, found.pixel_mm), _volume(found.truth[n], found.pixel_mm))
        dice.append(figure.dice)
        hd95.append(figure.hd95_mm)
    return {
        "slices": int(kept.sum()),
        "prevalence": float(truth.mean()),
        "auc": _auc(truth, found.probability[kept], found.patient[kept]),
        **_called(truth, called),
        "dice": float(np.mean(dice)),
        "hd95_mm": float(np.nanmean(hd95)),
        "without_mask": float(np.mean(np.isnan(hd95))),
    }


def hip_figures(found: Found, decision: Decision) -> dict[str, Any]:
    """Figures of hips, one a patient, by the rule and threshold that were chosen; and the AUC by each rule."""
    values, truth, patients = hip_values(found, decision.rule, decision.run_from)
    others = {rule: hip_values(found, rule, decision.run_from) for rule in RULES}
    return {
        "hips": len(truth),
        "patients": len(set(patients.tolist())),
        "prevalence": float(truth.mean()),
        "auc": _auc(truth, values, patients),
        "auc_by_rule": {rule: roc_auc(own, value).value for rule, (value, own, _) in others.items()},
        **_called(truth, values >= decision.hip_from),
    }


def _called(truth: np.ndarray, called: np.ndarray) -> dict[str, float]:
    def part(of: np.ndarray, right: np.ndarray) -> float:
        return float(right[of].mean()) if of.any() else float("nan")

    return {
        "sensitivity": part(truth, called),
        "specificity": part(~truth, ~called),
        "ppv": part(called, truth),
        "npv": part(~called, ~truth),
    }


def _auc(truth: np.ndarray, values: np.ndarray, patients: np.ndarray) -> list[float]:
    """AUC and its 95 % interval by drawing patients anew."""
    found = bootstrap(lambda own, value: roc_auc(own, value).value, patients.tolist(), truth, values, repeats=RESAMPLED)
    return [found.value, found.low, found.high]


def _volume(mask: np.ndarray, pixel_mm: float) -> Volume:
    return Volume(mask[None], np.diag([pixel_mm, pixel_mm, 1.0, 1.0]))


def marked_share(found: Found, decision: Decision) -> float:
    """Part of the head that the two stages mark, over all slices of all scans together."""
    passed = found.probability >= decision.slice_from
    return float((found.marked & found.head)[passed].sum() / max(1, found.head.sum()))
