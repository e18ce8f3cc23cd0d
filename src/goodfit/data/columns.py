"""What a column holds: numbers, texts, or anything else; one place that decides it."""

from __future__ import annotations

import numpy as np
import polars as pl

from goodfit.data.disk import OnDisk
from goodfit.data.sources.jsonl import column as of_values

NOTHING = ("", "nan", "na", "n/a", "#n/a", "null", "<na>")
"""Cells that are missing in any column, in lower case."""

MISSING = (*NOTHING, "none", "nil", "-", "?", "missing")
"""Cells that are missing in a column of numbers."""

WORDS = 6
"""Words of the median cell from which a column is free text (names and addresses have fewer)."""


def tidy(frame: pl.DataFrame) -> pl.DataFrame:
    """Each column in the plainest type that holds it: Int64, Float64, Boolean, a date, or String."""
    return pl.DataFrame([plain(c) for c in frame.iter_columns()])


def plain(column: pl.Series) -> pl.Series:
    """A column in the plainest type that holds it; not-a-number becomes missing."""
    kind = column.dtype
    if kind == pl.String:
        found = numbers(column)
        if found is not None:
            return found
        empty = column.to_frame().select(blank(pl.all()) & pl.all().is_not_null()).to_series()
        return column.set(empty, None) if empty.any() else column
    if kind in (pl.Categorical, pl.Enum) or kind == pl.Null:
        return column.cast(pl.String)
    if kind.is_decimal() or kind.is_float():
        return column.cast(pl.Float64).fill_nan(None)
    if kind.is_integer():
        return column.cast(pl.Float64 if kind in (pl.UInt64, pl.Int128) else pl.Int64)
    if kind == pl.Duration:
        return column.dt.total_microseconds() / 1e6
    if kind == pl.Time:
        return column.to_physical() / 1e9
    if kind == pl.Boolean or kind.is_temporal():
        return column
    return of_values(column.name, column.to_list()).cast(pl.String)


def blank(column: pl.Expr) -> pl.Expr:
    """True for a text cell with nothing in it, a missing one included; without a trimmed copy of the column."""
    return ~column.str.contains(r"\S").fill_null(value=False)


def texts(column: pl.Series) -> pl.Series:
    """A column of any type as text."""
    return column if column.dtype == pl.String else plain(column).cast(pl.String)


def numbers(column: pl.Series) -> pl.Series | None:
    """A text column as Int64 or Float64 where all that is there are numbers; else None."""
    sample = column.head(1000).drop_nulls().head(200).str.strip_chars()
    if len(sample) and _parsed(sample) is None:  # most text columns say so at once
        return None
    return _parsed(column.str.strip_chars())


def _parsed(text: pl.Series) -> pl.Series | None:
    values = text.cast(pl.Float64, strict=False)
    unread = text.filter(values.is_null() & text.is_not_null())
    if values.drop_nulls().fill_nan(None).null_count() == len(values) - values.null_count():
        return None
    if len(unread) and not unread.unique().str.to_lowercase().is_in(MISSING).all():
        return None
    whole = text.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == values.null_count() else values.fill_nan(None)


def cells(frame: pl.DataFrame) -> tuple[dict[str, np.ndarray], frozenset[str]]:
    """Columns as the checks of data see them, and which of them are codes of strings.

    Numbers are float64 with NaN where one is missing, anything else int64 codes with -1.
    """
    found = {}
    for c in frame.iter_columns():
        numeric = c.dtype.is_numeric()
        filled = c.cast(pl.Float64).fill_null(float("nan")) if numeric else c.rank("dense").cast(pl.Int64).fill_null(0)
        found[c.name] = filled.to_numpy() - (0 if numeric else 1)
    return found, frozenset(c.name for c in frame.iter_columns() if c.dtype == pl.String)


def free_texts(frame: pl.DataFrame | OnDisk) -> list[str]:
    """Columns of free text: mostly filled, mostly different, several words in the median cell."""
    texts = (name for name, kind in frame.schema.items() if kind == pl.String)
    return [name for name in texts if _free(frame[name], 1 if frame.width == 1 else WORDS)]


def choice(texts: list[str], all_columns: list[str]) -> list[str]:
    """What is said where only these columns of several are read."""
    rest = [c for c in all_columns if c not in texts]
    if not rest and len(texts) == 1:
        return []
    left = f" Left out: {', '.join(rest[:8])}{', ...' if rest[8:] else ''}." if rest else ""
    use = f"the text of {' and '.join(texts)}" if texts[1:] else f"the text column {texts[0]}"
    return [f"Only {use} is read (--text names another; --text '' takes all columns as a table).{left}"]


def _free(column: pl.Series, words: int) -> bool:
    filled = column.drop_nulls()
    filled = filled.filter(filled.str.len_bytes() > 0)
    if len(filled) < len(column) / 2 or filled.n_unique() <= len(filled) / 4:
        return False
    sample = filled.gather_every(max(1, len(filled) // 2000))
    median = sample.str.count_matches(r"\w+").median()
    return isinstance(median, (int, float)) and median >= words
