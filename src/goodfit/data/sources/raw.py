"""`Raw`: what a source gives, before target, text and splits are settled."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from goodfit.data import inputs
from goodfit.data.disk import OnDisk
from goodfit.errors import DataError, near


@dataclass
class Raw:
    """Rows as they were found.

    Attributes:
        rows: A frame (the target may be one of its columns), or an array whose first axis is rows; a structured array
            holds several by name, the target may be one of them.
        labels: One value a row; None where the target is a column of `rows`.
        target: The target's column name, where the source knows it.
        text: The text column's name, where the source knows it.
        test: True for test rows, shape `(rows,)`; None where the source has no test set of its own.
        classes: Class names in the source's own order; empty where the labels' own order will do.
        weights: How much each row counts in training, shape `(rows,)`; None where all count alike.
        notes: What was left out or repaired, in plain sentences.
        name: A short name for people.
        decimal_commas: Whether numbers may be written with a comma.
    """

    rows: pl.DataFrame | np.ndarray | OnDisk
    labels: pl.Series | None = None
    target: str | None = None
    text: str | None = None
    test: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    weights: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    name: str = ""
    decimal_commas: bool = False

    def require_target(self, target: str | None) -> None:
        """Check that a target asked for is not another one than that of the labels beside the rows.

        Raises:
            DataError: It is.
        """
        if target is not None and self.labels is not None and target != self.target:
            raise DataError(
                f"there is no column {target!r}: the labels come with the data",
                expected=repr(self.target),
                fix="Leave --target out.",
            )


def joined(train: Raw, test: Raw, target: str | None = None) -> Raw:
    """Training rows and the rows of a given test set as one, with the mask that tells them apart.

    Raises:
        DataError: The test rows lack a column, the target included, or have another shape or kind.
    """
    a, b, notes = train.rows, test.rows, [*train.notes]
    notes += [f"Test set: {note}" for note in test.notes if note not in notes]
    if isinstance(a, pl.DataFrame) and isinstance(b, pl.DataFrame):
        rows: pl.DataFrame | np.ndarray = _stacked(a, b, target, notes)
    elif inputs.names(a) and inputs.names(b):
        rows = inputs.stacked(a, b)
    elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape[1:] == b.shape[1:]:
        rows = np.concatenate([a, b])
    else:
        raise DataError(
            "the test set does not look like the training set",
            expected=f"rows of shape {a.shape[1:]}" if isinstance(a, np.ndarray) else "a table",
            received=f"rows of shape {b.shape[1:]}" if isinstance(b, np.ndarray) else "a table",
        )
    labels = None
    if train.labels is not None and test.labels is not None:
        labels = pl.concat(_alike(train.labels, test.labels.rename(train.labels.name)))
    mask = np.r_[np.zeros(len(a), bool), np.ones(len(b), bool)]
    weights = None if train.weights is None else np.r_[train.weights, np.ones(len(b))]
    return Raw(rows, labels, train.target, train.text, mask, train.classes, weights, notes, train.name)


def _stacked(a: pl.DataFrame, b: pl.DataFrame, target: str | None, notes: list[str]) -> pl.DataFrame:
    lacking = [c for c in a.columns if c not in b.columns]
    if target in lacking:
        raise DataError(
            f"the test set has no target column {target!r}",
            expected="labelled test rows",
            fix=f"{near(str(target), b.columns)} Leave --test away and use `goodfit predict` for rows without labels.",
        )
    if lacking:
        raise DataError(
            f"the test set lacks the column {lacking[0]!r}" + (f" and {len(lacking) - 1} more" if lacking[1:] else ""),
            expected="the columns of the training rows",
            fix=near(lacking[0], b.columns),
        )
    extra = [c for c in b.columns if c not in a.columns]
    if extra:
        notes.append(f"Columns that only the test set has were left out: {', '.join(extra[:5])}.")
    pairs = [_alike(a[c], b[c]) for c in a.columns]
    return pl.DataFrame([x for x, _ in pairs]).vstack(pl.DataFrame([y for _, y in pairs]))


def _alike(a: pl.Series, b: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Two columns brought to one type."""
    if a.dtype == b.dtype and a.dtype not in (pl.Categorical, pl.Enum):
        return a, b
    kind = pl.Float64 if a.dtype.is_numeric() and b.dtype.is_numeric() else pl.String
    return a.cast(kind), b.cast(kind)
