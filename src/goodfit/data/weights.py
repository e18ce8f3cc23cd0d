"""How much each row counts in training: a column of weights, weights of classes, or both."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import polars as pl

from goodfit.data import inputs
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError, UsageError, near

BALANCED = "balanced"
"""Weights that make all classes count alike: rows / (classes * rows of the class)."""


def taken(raw: Raw, column: str, *, needed: bool = True) -> Raw:
    """Take the column of weights out of a source's rows; `needed` tells whether it must be there."""
    rows: Any = raw.rows
    arrays = inputs.names(rows)
    if not isinstance(rows, pl.DataFrame) and not arrays:
        raise UsageError(f"there is no column {column!r}: the rows are arrays", fix="Give (x, y, sample_weight).")
    there = arrays or rows.columns
    if column in there and arrays and rows[column].ndim > 1:
        raise DataError(f"{column!r} is not one weight a row", received=f"an array of shape {rows[column].shape}")
    if column in there:
        raw.weights = of_column(pl.Series(rows[column]))
        raw.rows = inputs.without(rows, [column]) if arrays else rows.drop(column)
    elif needed:
        raise DataError(f"there is no column of weights {column!r}", fix=near(column, there))
    return raw


def of_column(column: pl.Series) -> np.ndarray:
    """A column's numbers, float64 `(rows,)`; NaN where a cell holds none."""
    return column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def combined(
    rows: np.ndarray | None,
    of_class: Mapping[Any, float] | str | None,
    labels: np.ndarray,
    classes: tuple[str, ...],
    test: np.ndarray,
) -> np.ndarray | None:
    """The weight of every row, float32 `(rows,)`; None where all count alike.

    Args:
        rows: Weights of rows, `(rows,)`, if any; those of test rows say nothing. Their scale does not count: those
            above 0 are divided by their mean, so that amounts in the thousands are no learning rate in the thousands.
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
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    counting = ~test & (weights > 0)
    if not len(bad) and counting.any():
        weights[counting] /= weights[counting].mean()
    if of_class == BALANCED:
        counts = np.bincount(labels[~test], minlength=len(classes))
        weights = weights * (len(labels[~test]) / (len(classes) * np.maximum(counts, 1)))[labels]
    elif of_class is not None:
        weights = weights * of_classes(of_class, len(classes), classes)[labels]
    if len(bad) or not weights[~test].any():
        received = f"{weights[bad[0]]} in row {bad[0] + 1}" if len(bad) else "0 everywhere"
        raise DataError("bad weights of rows", expected="numbers of 0 or more", received=received)
    return weights.astype(np.float32)


def of_classes(given: Any, count: int, names: tuple[str, ...] = ()) -> np.ndarray:
    """The weight of each class, `(count,)`.

    Args:
        given: Weights of classes by index, or by name where there are names; others count 1.
        count: How many classes there are.
        names: Their names.

    Raises:
        UsageError: It is no such thing, names no class, or holds a weight that is none.
    """
    if not isinstance(given, Mapping):
        expected = f"{f'{BALANCED!r} or ' if names else ''}a weight by class"
        fix = "Only the data tell how to balance: --class-weight balanced, or job.fit(..., class_weight='balanced')."
        balances = isinstance(given, str) and given == BALANCED
        raise UsageError("bad class_weight", expected=expected, received=repr(given), fix=fix if balances else "")
    out = np.ones(count)
    for key, value in given.items():
        known = str(key) in names
        if not known and not (isinstance(key, (int, np.integer)) and 0 <= key < count):
            expected = "" if names else f"an index from 0 to {count - 1}"
            raise UsageError(f"class_weight names no class: {key!r}", expected=expected, fix=near(str(key), names))
        if not (isinstance(value, Real) and 0 <= float(value) < np.inf):
            raise UsageError("bad class_weight", expected="numbers of 0 or more", received=f"{value!r} for {key!r}")
        out[names.index(str(key)) if known else key] = value
    if not out.any():
        raise UsageError("bad class_weight", expected="a class of a weight above 0", received="0 for every class")
    return out
