"""The one look at the test set."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from goodfit.data.dataset import Dataset
from goodfit.study.proportions import accuracy_interval, mcnemar

SHOWN = 30
"""The most confident errors that are kept for the report."""


def look(dataset: Dataset, chosen: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    """Accuracy of the chosen network and of the untreated base, and where the chosen one errs.

    Args:
        dataset: The data; its test rows were predicted.
        chosen: Probabilities of the chosen network, calibrated, `(test rows, classes)`.
        base: Probabilities of the base.

    Returns:
        What `study.json` holds under `test`, without `looks`.
    """
    rows = np.flatnonzero(dataset.test)
    truth = dataset.labels[rows]
    right, base_right = chosen.argmax(1) == truth, base.argmax(1) == truth
    classes = len(dataset.classes)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (truth, chosen.argmax(1)), 1)
    wrong = np.flatnonzero(~right)
    worst = wrong[np.argsort(-chosen[wrong].max(1), kind="stable")[:SHOWN]]
    return {
        **_accuracy(right, chosen, truth),
        "rows": len(rows),
        "base": _accuracy(base_right, base, truth),
        "difference": asdict(mcnemar(base_right, right)),
        "confusion": confusion.tolist(),
        "errors": [
            {
                "row": int(rows[i]),
                "text": dataset.shown(int(rows[i])),
                "image": dataset.picture(int(rows[i])),
                "truth": dataset.classes[truth[i]],
                "predicted": dataset.classes[int(chosen[i].argmax())],
                "probability": float(chosen[i].max()),
            }
            for i in worst
        ],
    }


def _accuracy(right: np.ndarray, probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    low, high = accuracy_interval(int(right.sum()), len(right))
    likelihood = np.clip(probabilities[np.arange(len(truth)), truth], 1e-7, 1)
    return {"accuracy": float(right.mean()), "low": low, "high": high, "loss": float(-np.log(likelihood).mean())}
