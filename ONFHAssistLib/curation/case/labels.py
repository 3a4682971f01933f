"""Label values of the data set's files; never changed."""

from enum import IntEnum

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


def is_head(labels: np.ndarray) -> np.ndarray:
    """Return where the head is, its necrosis included (bool)."""
    return np.isin(labels, (CaseLabel.HEAD, CaseLabel.NECROSIS))
