"""How much each row counts in training: a column of weights, weights of classes, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError, UsageError, near

BALANCED = "balanced"
"""Weights that make all classes count alike: rows / (classes * rows of the class)."""


def taken(raw: Raw, column: str, *, needed: bool = True) -> Raw:
    """Take the column of weights out of a source's rows; `needed` tells whether it must be there."""
    if not isinstance(raw.rows, pl.DataFrame):
        raise UsageError(f"there is no column {column!r}: the rows are arrays", fix="Give (x, y, sample_weight).")
    if column in raw.rows.columns:
        values = raw.rows[column].cast(pl.Float64, strict=False).fill_null(float("nan"))
        raw.weights = values.to_numpy()
        raw.rows = raw.rows.drop(column)
    elif needed:
        raise DataError(f"there is no column of weights {column!r}", fix=near(column, raw.rows.columns))
    return raw


def combined(
    rows: np.ndarray | None,
    of_class: Mapping[Any, float] | str | None,
    labels: np.ndarray,
    classes: tuple[str, ...],
    test: np.ndarray,
) -> np.ndarray | None:
    """The weight of every row, float32 `(rows,)`; None where all count alike.

    Args:
        rows: Weights of rows, `(rows,)`, if any; those of test rows say nothing.
        of_class: Weights of classes by name or by index, others count 1; or `BALANCED`.
        labels: Class indices, `(rows,)`.
        classes: Class names.
        test: True for a test row, `(rows,)`.

    Raises:
        DataError: A weight is missing or below 0, or all are 0.
        UsageError: A weight names no class.
    """
    if rows is None and of_class is None:
        return None
    weights = np.ones(len(labels)) if rows is None else np.where(test, 1.0, rows)
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights[~test].any():
        bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        received = f"{weights[bad[0]]} in row {bad[0] + 1}" if len(bad) else "0 everywhere"
        raise DataError("bad weights of rows", expected="numbers of 0 or more", received=received)
    if of_class is not None:
        weights = weights * _by_class(of_class, labels[~test], classes)[labels]
    return weights.astype(np.float32)


def _by_class(given: Mapping[Any, float] | str, labels: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    if isinstance(given, str):
        if given != BALANCED:
            raise UsageError("bad class_weight", expected=f"{BALANCED!r} or a weight by class", received=repr(given))
        counts = np.bincount(labels, minlength=len(classes))
        return len(labels) / (len(classes) * np.maximum(counts, 1))
    out = np.ones(len(classes))
    for key, value in given.items():
        known = str(key) in classes
        index = classes.index(str(key)) if known else key
        if not known and not (isinstance(key, (int, np.integer)) and 0 <= key < len(classes)):
            raise UsageError(f"class_weight names no class: {key!r}", fix=near(str(key), classes))
        if not (np.isfinite(value) and value >= 0):
            raise UsageError("bad class_weight", expected="numbers of 0 or more", received=f"{value} for {key!r}")
        out[index] = value
    return out
