"""`check`: any data or any Keras model to findings, before any training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.data import BUILT_IN, columns, labels
from goodfit.data.dataset import row_groups
from goodfit.data.files import open_path
from goodfit.data.sources import memory
from goodfit.data.sources.raw import Raw, joined
from goodfit.diagnose import preflight
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.rows import TEST, Rows
from goodfit.errors import DataError, UsageError, near


def check_data(
    source: Any,
    target: str | None = None,
    *,
    text: str | None = None,
    test: Any = None,
    difference: float | None = None,
    encoding: str | None = None,
) -> list[Finding]:
    """Say what is wrong with labelled rows, as they are: nothing is repaired or left out first.

    Args:
        source: Anything `goodfit.data.load` reads.
        target: The column to predict; not needed where the source knows it.
        text: The column that holds the texts; found by itself where None, `""` for none.
        test: A test set like `source`.
        difference: Difference in accuracy that one hopes to see between two networks.
        encoding: The text encoding of files that are not UTF-8.

    Returns:
        Findings, the gravest first; none for healthy data.

    Raises:
        DataError: The rows, columns or labels cannot be used.
        UsageError: An option that cannot be meant.
    """
    if difference is not None and not 0 < difference < 1:
        raise UsageError("bad difference", expected="a share between 0 and 1, such as 0.01", received=str(difference))
    return preflight.data(rows(source, target, text=text, test=test, encoding=encoding), difference)


def rows(source: Any, target: str | None, *, text: str | None, test: Any, encoding: str | None) -> Rows:
    """Labelled rows of any source, in their order, every one of them."""
    raw = _opened(source, encoding)
    given = raw.target if target is None else target
    if test is not None:
        raw = joined(raw, _opened(test, encoding), given)
    side = np.zeros(len(raw.rows), np.int8)
    if raw.test is not None:
        side[raw.test] = TEST
    features, values = _parted(raw, given)
    there = values.is_not_null().to_numpy()
    if isinstance(features, pl.DataFrame):
        features = columns.tidy(features.filter(pl.Series(there)))
    else:
        features = features[there]
    side, values = side[there], values.filter(pl.Series(there))
    if raw.test is not None:
        values = labels.aligned(values, side == TEST, [])
    classes = _classes(values, raw.classes)
    index = {name: i for i, name in enumerate(classes)}
    numbers = np.array([index[v] for v in values.to_list()], np.int64)
    texts = None
    cells: dict[str, np.ndarray] = {}
    names: frozenset[str] = frozenset()
    if isinstance(features, pl.DataFrame):
        wanted = raw.text if text is None else text
        if wanted and wanted not in features.columns:
            raise DataError(f"there is no text column {wanted!r}", fix=near(wanted, features.columns))
        read = [wanted] if wanted else columns.free_texts(features) if wanted is None else []
        if read:
            # What stands beside the texts is not read, so it can do no harm.
            features = features.select(pl.col(c).cast(pl.String) for c in read)
            texts = features.select(pl.concat_str(pl.all().fill_null(""), separator="\n")).to_series().to_list()
        else:
            cells = {c.name: _cells(c) for c in features.iter_columns()}
            names = frozenset(c.name for c in features.iter_columns() if c.dtype == pl.String)
    elif features.ndim == 2 and features.shape[1] <= 100:
        cells = {f"column {i}": features[:, i].astype(np.float64) for i in range(features.shape[1])}
    return Rows(numbers, classes, row_groups(features), side, cells, names, texts)


def _opened(source: Any, encoding: str | None) -> Raw:
    if not isinstance(source, (str, os.PathLike)):
        return memory.read(source)
    if str(source) in BUILT_IN:
        return BUILT_IN[str(source)]()
    return open_path(Path(source).expanduser(), encoding)


def _parted(raw: Raw, target: str | None) -> tuple[pl.DataFrame | np.ndarray, pl.Series]:
    """Feature rows, and class names (null where missing)."""
    if raw.labels is not None:
        return raw.rows, labels.names(raw.labels)
    frame = raw.rows
    assert isinstance(frame, pl.DataFrame)
    if target is None:
        raise UsageError(
            "which column is the target?",
            expected="one of " + ", ".join(map(repr, frame.columns[:8])) + (", ..." if frame.width > 8 else ""),
            fix="Name it with --target.",
        )
    if target not in frame.columns:
        raise DataError(f"there is no column {target!r}", fix=near(target, frame.columns))
    if frame.width == 1:
        raise DataError(f"{target!r} is the only column", expected="a target and something to predict it from")
    return frame.drop(target), labels.names(frame[target])


def _classes(values: pl.Series, order: tuple[str, ...]) -> tuple[str, ...]:
    """Class names; a class of one row is a finding here, not a mistake."""
    lonely = values.is_unique()
    kept = values.filter(~lonely) if 2 * int(lonely.sum()) < len(values) else values
    classes = labels.numbered(kept, order=order)[1]
    return classes + tuple(sorted(set(values.to_list()) - set(classes)))


def _cells(column: pl.Series) -> np.ndarray:
    """A column as the checks see it: numbers as float64 with NaN, anything else as codes with -1."""
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return column.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
