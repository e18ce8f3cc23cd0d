"""Rows that Python already holds: data frames, arrays, lists of texts, and pairs of rows and labels."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from goodfit.data import inputs
from goodfit.data.dataset import describe
from goodfit.data.sources.jsonl import column, of_records
from goodfit.data.sources.raw import Raw, joined
from goodfit.errors import DataError, UsageError, near

EXPECTED = (
    "a path, a built-in name, a data frame, (x, y), (x, y, sample_weight), or ((x_train, y_train), (x_test, y_test))"
)
SEVERAL = "Give several inputs as a dict of arrays by their names."


def read(source: Any) -> Raw:
    """A frame, a list of records, `(x, y)`, or Keras's `((x_train, y_train), (x_test, y_test))`.

    A third part beside x and y is the weight of each row in training. For networks of several inputs x is a dict of
    arrays by name (or a tuple of them), or all is a dict of arrays, labels among them.
    """
    if isinstance(source, Mapping) and (arrays := inputs.given(source)) is not None:
        return Raw(inputs.of(arrays), name="arrays")
    frame = as_frame(source)
    if frame is not None:
        return Raw(frame, name="data frame")
    if isinstance(source, tuple) and len(source) == 3:
        return _pair(*source)
    if not isinstance(source, (tuple, list)) or len(source) != 2:
        raise UsageError("the data cannot be understood", expected=EXPECTED, received=describe(source))
    if all(isinstance(part, (tuple, list)) and len(part) in (2, 3) and not _scalar(part[0]) for part in source):
        train, test = (_pair(*part) for part in source)
        return joined(train, test)
    return _pair(*source)


def as_frame(source: Any) -> pl.DataFrame | None:
    """Polars and pandas frames, a mapping of columns, a list of records; None for anything else."""
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, dict):
        if all(_scalar(v) for v in source.values()):
            return of_records([source])
        lengths = {k: 1 if _scalar(v) else len(v) for k, v in source.items()}
        if len(set(lengths.values())) > 1:
            raise DataError("columns of different lengths", received=str(lengths))
        return pl.DataFrame([column(str(k), _listed(v)) for k, v in source.items()])
    if hasattr(source, "columns") and hasattr(source, "iloc"):  # pandas, without needing it
        return pl.DataFrame([column(str(c), _listed(source[c])) for c in source.columns])
    if isinstance(source, Sequence) and source and all(isinstance(r, dict) for r in source):
        return of_records(list(source))
    return None


def as_rows(x: Any) -> pl.DataFrame | np.ndarray:
    """Feature rows: a frame, a float or integer array, or a frame with the one column `text` for a list of texts.

    Several arrays, in a dict or a tuple, become a structured array, as they are if they are one already.
    """
    if inputs.names(x):
        return x
    if (arrays := inputs.given(x)) is not None:
        return inputs.of(arrays)
    frame = as_frame(x)
    if frame is not None:
        return frame
    if hasattr(x, "toarray"):
        raise DataError("x is a sparse matrix", expected="raw rows: texts, columns or a dense array")
    if isinstance(x, pl.Series):
        x = x.to_list() if x.dtype == pl.String else x.to_numpy()
    try:  # a list of long texts as a NumPy array would take the longest one's room for each
        listed = isinstance(x, (list, tuple)) and any(isinstance(v, (str, bytes)) for v in x)
        array = np.asarray(x, dtype=object) if listed else np.asarray(x)
    except ValueError:
        raise DataError(
            "x is ragged", expected="rows of one shape", received="rows of several shapes", fix=SEVERAL
        ) from None
    if array.dtype.kind in "US" or (array.dtype == object and array.ndim == 1):
        if array.ndim != 1 or not all(v is None or isinstance(v, (str, bytes)) for v in array.tolist()):
            raise DataError("x mixes texts and other things", expected="a list of texts or a data frame")
        texts = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in array.tolist()]
        return pl.DataFrame({"text": column("text", texts)})
    if array.dtype == object:
        return pl.DataFrame([column(f"column_{i}", array[:, i].tolist()) for i in range(array.shape[1])])
    if array.dtype.kind not in "biuf" or array.ndim < 1:
        raise DataError("x is no array of numbers", received=f"dtype {array.dtype}, shape {array.shape}")
    return array[:, None] if array.ndim == 1 else array


def parted(rows: np.ndarray, target: str | None) -> tuple[np.ndarray, pl.Series]:
    """Several arrays without the one of labels, and the labels.

    Raises:
        UsageError: The target is not named.
        DataError: There is no such array, nothing beside it, or it is not one label a row.
    """
    known = inputs.names(rows)
    if target is None:
        raise UsageError(
            "no array of labels is named",
            expected="x and y, or x_train, y_train, x_test and y_test, or the name of another one",
            received=", ".join(known),
            fix=f"Name it, e.g. --target {next((n for n in known if rows[n].ndim == 1), known[-1])!r}.",
        )
    if target not in known:
        raise DataError(f"there is no array {target!r}", fix=near(target, known))
    if len(known) == 1:
        raise DataError(f"{target!r} is the only array", expected="a target and something to predict it from")
    return inputs.without(rows, [target]), _labels(rows[target])


def _pair(x: Any, y: Any, sample_weight: Any = None) -> Raw:
    rows = as_rows(x)
    labels = _labels(y)
    if len(labels) != len(rows):
        fix = SEVERAL if isinstance(x, (list, tuple)) else ""
        received = f"{len(rows):,} rows and {len(labels):,} labels"
        raise DataError("x and y differ in length", received=received, fix=fix)
    text = "text" if isinstance(rows, pl.DataFrame) and rows.columns == ["text"] else None
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights is not None and weights.shape != (len(rows),):
        raise DataError("sample_weight is not one number a row", received=f"shape {weights.shape}")
    return Raw(rows, labels, "label", text, weights=weights, name="arrays")


def _labels(y: Any) -> pl.Series:
    """One label a row of whatever holds them."""
    if isinstance(y, pl.DataFrame) or hasattr(y, "iloc"):
        values = np.asarray(y)
    elif isinstance(y, pl.Series):
        values = np.asarray(y.to_list(), dtype=object)
    else:
        values = np.asarray(y, dtype=object) if isinstance(y, (list, tuple)) else np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    elif values.ndim == 2 and np.isin(values, (0, 1)).all() and (values.sum(1) == 1).all():
        values = values.argmax(1)  # one-hot, as Keras's to_categorical gives it
    if values.ndim != 1:
        raise DataError("y is not one label a row", received=f"shape {values.shape}")
    return column("label", _listed(values))


def _listed(values: Any) -> list[Any]:
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    return [None if type(v).__name__ in ("NaTType", "NAType") or v != v else v for v in listed]


def _scalar(value: Any) -> bool:
    return value is None or isinstance(value, (str, bytes, numbers.Number, np.generic))
