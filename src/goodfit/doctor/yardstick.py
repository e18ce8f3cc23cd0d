"""What a linear model reaches on the rows that `fit` was given: a network should do better. NumPy only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from goodfit.doctor.arguments import is_array, taken

Array = np.ndarray

ROWS, COLUMNS = 500, 10_000
"""Rows of each side that are looked at, and columns above which nothing is: so it takes a twentieth of a second."""

RIDGES = (1e-3, 1e-1, 10.0)
"""Penalties that are tried, times the mean square of a row."""


def linear(x: Any, y: Array, held_x: Any, held_y: Array) -> float | None:
    """Validation accuracy of ridge regression on one-hot labels, the best of three penalties.

    Columns are brought to one scale. It solves for one coefficient a row, so that columns cost little.

    Args:
        x: Training rows, `(rows, ...)`, an array of any library.
        y: Their classes, int `(rows,)`.
        held_x: Validation rows.
        held_y: Their classes.

    Returns:
        The accuracy; None for rows that are too wide, not finite, of one class or differently shaped.
    """
    if not (is_array(x) and is_array(held_x)):
        return None
    few, held = _some(x, y), _some(held_x, held_y)
    if few is None or held is None or few[0].shape[1] != held[0].shape[1] or len(np.unique(few[1])) < 2:
        return None
    (a, labels), (b, truth) = few, held
    center, scale = a.mean(axis=0), a.std(axis=0)
    scale[scale == 0] = np.inf  # a constant column says nothing
    a, b = (a - center) / scale, (b - center) / scale
    classes = np.unique(labels)
    targets = (labels[:, None] == classes).astype(np.float64)
    mean = targets.mean(axis=0)
    values, vectors = np.linalg.eigh((a @ a.T).astype(np.float64))
    turned, across = vectors.T @ (targets - mean), (b @ a.T).astype(np.float64) @ vectors
    size = max(float(values.mean()), 1e-12)
    scores = [across @ (turned / (np.maximum(values, 0)[:, None] + ridge * size)) + mean for ridge in RIDGES]
    return max(float(np.mean(classes[s.argmax(axis=1)] == truth)) for s in scores)


def _some(x: Any, y: Array) -> tuple[Array, Array] | None:
    """Up to `ROWS` rows, evenly spread, flat, and their labels."""
    if len(x.shape) < 2 or not 2 <= len(x) == len(y) or math.prod(x.shape[1:]) > COLUMNS:
        return None
    at = np.unique(np.linspace(0, len(x) - 1, min(ROWS, len(x))).astype(int))
    rows = taken(x, at)
    if rows.dtype.kind not in "iufb":
        return None
    rows = rows.astype(np.float32).reshape(len(at), -1)
    return (rows, y[at]) if np.all(np.isfinite(rows)) else None
