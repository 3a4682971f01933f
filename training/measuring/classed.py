"""The figures of a table of classes: accuracy, macro means, and the confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ONFHAssistLib.core.metrics import classification_metrics, confusion_matrix
from ONFHAssistLib.core.statistics import macro_auc


def summary(truth: Sequence[str], probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Return the row of a table: `called`, with the macro AUC.

    Args:
        truth: of ``classes``.
        probabilities: (cases, classes); the most probable class is taken.
        classes: all of them.
    """
    predicted = [classes[n] for n in probabilities.argmax(axis=1)]
    return called(truth, predicted, classes) | {"macro_auc": rounded(macro_auc(truth, probabilities, classes))}


def called(truth: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """Return count, accuracy, macro precision, recall and F, and the confusion matrix (rows: truth)."""
    metrics = classification_metrics(truth, predicted, classes)
    return {
        "n": len(truth),
        **{name: rounded(value) for name, value in vars(metrics).items()},
        "confusion": confusion_matrix(truth, predicted, classes).tolist(),
    }


def rounded(value: float) -> float:
    """Return a fraction with the digits that a table needs."""
    return round(float(value), 4)
