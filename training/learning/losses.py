"""Losses that are blind to pixels without a known truth."""

import torch
from torch.nn import functional as F

from training.real.labelled import IGNORE


def segmentation_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus soft Dice over the batch, both blind to IGNORE.

    Args:
        logits: (n, classes, h, w); one class means a single foreground with a sigmoid.
        target: (n, h, w), int64.
    """
    known = target != IGNORE
    if logits.shape[1] == 1:
        probability = torch.sigmoid(logits)
        truth = ((target == 1) & known)[:, None].float()
        entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")[:, 0] * known
    else:
        probability = torch.softmax(logits, 1)[:, 1:]
        truth = F.one_hot(torch.where(known, target, 0), logits.shape[1]).movedim(-1, 1)[:, 1:].float()
        entropy = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
    probability, truth = probability * known[:, None], truth * known[:, None]
    axes = (0, 2, 3)
    dice = (2 * (probability * truth).sum(axes) + 1) / (probability.sum(axes) + truth.sum(axes) + 1)
    return entropy.sum() / known.sum().clamp(min=1) + (1 - dice).mean()


def heatmap_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with soft targets, in which the voxel at a head's centre counts 61 times, as heads are small.

    Args:
        logits: (n, 1, d, h, w).
        target: the same shape, 0 to 1.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (entropy * (1 + 60 * target)).mean()
