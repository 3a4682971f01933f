"""Label values of the data set's files; never changed."""

from enum import IntEnum
from typing import Any

import numpy as np


class CaseLabel(IntEnum):
    """Values of ``labelsTr``; necrosis is written over head. ``IGNORE`` is nnU-Net's name for what no loss looks at."""

    BACKGROUND = 0
    HEAD = 1
    NECROSIS = 2
    IGNORE = 3


def label_array(head: np.ndarray, necrosis: np.ndarray) -> np.ndarray:
    """Join the masks: uint8 of the same shape."""
    labels = np.zeros(head.shape, np.uint8)
    labels[head] = CaseLabel.HEAD
    labels[necrosis] = CaseLabel.NECROSIS
    return labels


def changes(before: np.ndarray, after: np.ndarray, voxel_mm3: float) -> dict[str, Any]:
    """Return how masks differ: voxels and mm³ added and removed, of the head (with its necrosis) and of necrosis."""
    found = {}
    for name, values in (("head", (CaseLabel.HEAD, CaseLabel.NECROSIS)), ("necrosis", (CaseLabel.NECROSIS,))):
        was, now = np.isin(before, values), np.isin(after, values)
        added, removed = int((now & ~was).sum()), int((was & ~now).sum())
        found[name] = {
            "added_voxels": added,
            "removed_voxels": removed,
            "added_mm3": round(added * voxel_mm3, 3),
            "removed_mm3": round(removed * voxel_mm3, 3),
        }
    return found
