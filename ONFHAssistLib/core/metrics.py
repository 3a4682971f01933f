"""Figures of merit of segmentations and grades (docs/clinical.md, section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ONFHAssistLib.core.volume import Volume


@dataclass(frozen=True)
class SegmentationMetrics:
    """How well a mask agrees with the truth. A figure without a meaning (0 / 0, an empty mask's surface) is NaN.

    Attributes:
        accuracy, sensitivity, specificity, ppv, npv, dice: fractions from 0 to 1, over all voxels of the grid.
        hd95_mm: the larger of both directed 95th percentiles of the distances between the surfaces.
        assd_mm: mean distance between the surfaces, over the surface voxels of both masks.
        signed_bias_mm: mean signed distance of the predicted surface from the true one; positive: predicted too large.
            It is the difference of the volumes over the mean area of the surfaces, exact for parallel surfaces. A mean
            over surface voxels would be too small where slices are thick, as the flat rims of the steps coincide (for
            spheres of 22 mm that differ by 1 mm, on voxels of 0.9 x 0.9 x 5.2 mm: 0.4 mm). The other distances are
            measured on those voxels, as is usual.
    """

    accuracy: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    dice: float
    hd95_mm: float
    assd_mm: float
    signed_bias_mm: float


@dataclass(frozen=True)
class ClassificationMetrics:
    """How well classes were told apart; fractions from 0 to 1.

    Attributes:
        accuracy: correct cases of all.
        precision, recall, f: macro means, each class counting the same, over the classes that the truth or the
            prediction holds; a class that is never predicted has a precision of 0, one that never occurs a recall of 0.
    """

    accuracy: float
    precision: float
    recall: float
    f: float


def segmentation_metrics(predicted: Volume, truth: Volume) -> SegmentationMetrics:
    """Compare two boolean masks on one grid, distances in mm between the centres of surface voxels.

    Raises:
        ValueError: the grids differ.
    """
    if predicted.shape != truth.shape or not np.allclose(predicted.ijk_to_ras, truth.ijk_to_ras):
        raise ValueError("The masks to compare lie on different grids.")
    p, t = predicted.array.astype(bool), truth.array.astype(bool)
    tp, fp, fn, tn = (int((a & b).sum()) for a, b in ((p, t), (p, ~t), (~p, t), (~p, ~t)))
    distances = (np.nan, np.nan, np.nan)
    if tp + fp and tp + fn:
        distances = _surface_distances(p, t, predicted.spacing_mm[::-1])
    return SegmentationMetrics(
        _ratio(tp + tn, tp + tn + fp + fn),
        _ratio(tp, tp + fn),
        _ratio(tn, tn + fp),
        _ratio(tp, tp + fp),
        _ratio(tn, tn + fn),
        _ratio(2 * tp, 2 * tp + fp + fn),
        *distances,
    )


def confusion_matrix(truth: Sequence, predicted: Sequence, classes: Sequence) -> np.ndarray:
    """Count cases: shape (n, n), rows are the truth, columns the prediction, in the order of ``classes``."""
    place = {name: n for n, name in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    for t, p in zip(truth, predicted, strict=True):
        matrix[place[t], place[p]] += 1
    return matrix


def classification_metrics(truth: Sequence, predicted: Sequence, classes: Sequence) -> ClassificationMetrics:
    """Return accuracy and macro precision, recall and F, the mean of each class's F.

    Macro means: Sokolova & Lapalme, Inf Process Manag 2009;45:427.
    """
    matrix = confusion_matrix(truth, predicted, classes)
    right, true, called = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    seen = true + called > 0
    if not seen.any():
        return ClassificationMetrics(*[float("nan")] * 4)
    macro = [(right[seen] / np.maximum(1, whole[seen])).mean() for whole in (called, true)]
    f = (2 * right[seen] / (true + called)[seen]).mean()
    return ClassificationMetrics(float(right.sum() / matrix.sum()), float(macro[0]), float(macro[1]), float(f))


def weighted_kappa(truth: Sequence, predicted: Sequence, classes: Sequence) -> float:
    """Return the quadratic-weighted kappa of ordered classes (Cohen, Psychol Bull 1968;70:213).

    Returns:
        1 for perfect, 0 for chance agreement; NaN where chance alone would agree perfectly.
    """
    observed = confusion_matrix(truth, predicted, classes)
    n = np.arange(len(classes))
    weights = (n[:, None] - n[None, :]) ** 2
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / max(1, observed.sum())
    by_chance = float((weights * expected).sum())
    return 1 - float((weights * observed).sum()) / by_chance if by_chance else float("nan")


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _surface_distances(
    p: np.ndarray, t: np.ndarray, spacing_kji_mm: tuple[float, float, float]
) -> tuple[float, float, float]:
    p, t = _common_box(p, t)
    p_surface, t_surface = (m & ~ndimage.binary_erosion(m) for m in (p, t))
    to_t = ndimage.distance_transform_edt(~t_surface, sampling=spacing_kji_mm)[p_surface]
    to_p = ndimage.distance_transform_edt(~p_surface, sampling=spacing_kji_mm)[t_surface]
    hd95 = max(np.percentile(to_t, 95), np.percentile(to_p, 95))
    assd = (to_t.sum() + to_p.sum()) / (to_t.size + to_p.size)
    voxel_mm3 = np.prod(spacing_kji_mm)
    areas = _surface_mm2(p, spacing_kji_mm) + _surface_mm2(t, spacing_kji_mm)
    signed = 2 * voxel_mm3 * (int(p.sum()) - int(t.sum())) / areas
    return float(hd95), float(assd), float(signed)


def _surface_mm2(mask: np.ndarray, spacing_kji_mm: tuple[float, float, float]) -> float:
    """Area of a mask's surface without the steps of thick slices: the integral of the blurred mask's gradient.

    The blur is half of the largest spacing: enough to level the steps, and little beside the size of a head (spheres
    of 12 mm radius and more come out within 4 % on voxels of up to 1 x 1 x 6 mm).
    """
    spacing = np.array(spacing_kji_mm)
    sigma = 0.5 * spacing.max() / spacing
    blurred = ndimage.gaussian_filter(
        np.pad(mask.astype(float), [(int(3 * s) + 2,) * 2 for s in sigma]), sigma, truncate=3
    )
    slope = np.gradient(blurred, *spacing)
    return float(np.sqrt(sum(part**2 for part in slope)).sum() * spacing.prod())


def _common_box(p: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Crop both masks to the box that holds them and one voxel around it."""
    p, t = np.pad(p, 1), np.pad(t, 1)
    filled = np.argwhere(p | t)
    box = tuple(slice(a - 1, b + 2) for a, b in zip(filled.min(axis=0), filled.max(axis=0), strict=True))
    return p[box], t[box]
