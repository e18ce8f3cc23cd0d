"""What a network has to beat: the commonest class, and a linear model on the same features."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from goodfit.data import inputs

MOST_ROWS = 20_000
"""Rows that the linear model learns from and is judged by, each at the most: a yardstick, not a competitor."""


def measure(x: Any, y: np.ndarray, validation: np.ndarray) -> dict[str, float | None]:
    """Accuracies on the validation rows.

    Args:
        x: Encoded rows, sparse or dense; several inputs are put side by side.
        y: Class indices, `(rows,)`.
        validation: True for a validation row, `(rows,)`.

    Returns:
        `accuracy`, that of the class commonest in training; `linear`, that of a logistic regression, None where it
        cannot be fitted.
    """
    from sklearn.linear_model import LogisticRegression

    train, held = np.flatnonzero(~validation), np.flatnonzero(validation)
    commonest = np.bincount(y[train]).argmax()
    out: dict[str, float | None] = {"accuracy": float(np.mean(y[held] == commonest)), "linear": None}
    train, held = (_few(rows) for rows in (train, held))
    x = x[np.concatenate([train, held])]
    if inputs.names(x):
        x = np.concatenate([part.reshape(len(x), -1) for part in inputs.each(x)], axis=1)
    if isinstance(x, np.ndarray) and x.dtype.kind == "i":
        x = _bag(x)
    flat = x if hasattr(x, "tocsr") else np.asarray(x).reshape(len(x), -1)
    if len(np.unique(y[train])) > 1 and np.ndim(flat) == 2:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unfinished fit is good enough for a yardstick
            model = LogisticRegression(max_iter=50, tol=1e-2).fit(flat[: len(train)], y[train])
        out["linear"] = float(model.score(flat[len(train) :], y[held]))
    return out


def _few(rows: np.ndarray) -> np.ndarray:
    """Rows of which there are `MOST_ROWS` at most."""
    return np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False)) if len(rows) > MOST_ROWS else rows


def _bag(x: np.ndarray) -> Any:
    """Which of the whole numbers stand in each row, sparse: their sizes say nothing to a linear model."""
    rows = np.repeat(np.arange(len(x)), x[0].size)
    bag = csr_array((np.ones(x.size, np.float32), (rows, x.ravel() - min(int(x.min()), 0))))
    bag.data.fill(1)
    return bag
