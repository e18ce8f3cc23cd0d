"""Files that memory cannot hold: CSV, TSV and Parquet, read through once and kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from goodfit import memory
from goodfit.data import columns, weights
from goodfit.data.disk import OnDisk
from goodfit.data.sources import delimited, parquet
from goodfit.data.sources.quiet import quiet
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError, first_line

ROOM = {".csv": 4, ".tsv": 4, ".tab": 4, ".parquet": 8, ".pq": 8}
"""Bytes of memory that reading takes at the most, for each byte of a file."""


def read(path: Path, encoding: str | None) -> Raw | None:
    """The file's rows on disk, where memory has no room for them; else None, as for all that is no such table."""
    suffix = path.suffix.lower()
    if encoding is not None or not path.is_file() or path.stat().st_size * ROOM.get(suffix, 0) <= memory.available():
        return None
    if suffix in (".parquet", ".pq"):
        table, separator = pl.scan_parquet(path), ""
    elif (found := delimited.scanned(path)) is not None:
        table, separator = found
    else:
        return None
    try:
        with quiet():
            rows = OnDisk.written(table)
        if separator and len(rows) and rows[rows.columns[-1]].null_count():  # perhaps rows with too few fields
            delimited.require_even(path, separator)
    except parquet.UNREADABLE as error:
        if separator:
            delimited.require_even(path, separator)
        raise DataError(f"{path} cannot be read", received=first_line(error)) from None
    commas = separator not in ("", ",")
    return Raw(rows, name=path.name.split(".")[0], decimal_commas=commas) if len(rows) else None


def settled(raw: Raw, test: Raw | None, target: str | None, text: str | None, weight: str | None) -> Raw:
    """Target and weights in memory, texts or columns of a table on disk, test rows after the others.

    A table with a test set of its own, or with nested cells, is read into memory, and of what lacks a column the first
    rows, so that the ordinary way says so.
    """
    rows = raw.rows
    assert isinstance(rows, OnDisk)
    known = rows.columns
    wanted = [c for c in (target, text, weight) if c]
    there = [known] if test is None else [known, getattr(test.rows, "columns", [])]
    if target is None or any(c not in names for c in wanted for names in there):
        raw.rows = rows[:1000]
        return raw
    head = columns.tidy(rows[: min(len(rows), 10_000)].drop(target, *([weight] if weight else [])))
    texts = [text] if text else [] if text == "" else columns.free_texts(head)
    if not texts:
        if test is not None or not all(_flat(kind) for kind in rows.schema.values()):
            raw.rows = rows[:]
            return raw
        raw.labels, raw.target = rows[target], target
        raw.weights = weights.of_column(rows[weight]) if weight else None
        raw.rows = _typed(rows.select([c for c in known if c not in (target, weight)]), raw)
        return raw
    if text is None:
        raw.notes += columns.choice(texts, head.columns)
    if test is not None:
        cells = [pl.col(c).cast(pl.String) for c in dict.fromkeys([target, *texts, *wanted])]
        train, other = len(rows), test.rows.lazy()  # type: ignore[union-attr]
        rows = OnDisk.written(pl.concat([rows.table.select(cells), other.select(cells)]))
        raw.test = np.arange(len(rows)) >= train
        raw.notes += [f"Test set: {note}" for note in test.notes if note not in raw.notes]
    raw.labels, raw.target = rows[target], target
    if weight:
        raw.weights = weights.of_column(rows[weight])
    cells = [pl.col(name).cast(pl.String) for name in texts]
    if text is None:
        cells = [
            pl.when(columns.blank(cell)).then(None).otherwise(cell).alias(n)
            for n, cell in zip(texts, cells, strict=True)
        ]
    raw.rows, raw.text = rows.select(cells), texts[0]
    return raw


def _typed(rows: OnDisk, raw: Raw) -> OnDisk:
    """A table's columns in the plainest types, as `columns.tidy` has them; one of them is in memory at a time."""
    cells = []
    for name in rows.columns:
        column, cell = rows[name], pl.col(name)
        kind = columns.plain(column).dtype
        if column.dtype == pl.String:
            if raw.decimal_commas and kind == pl.String and (pointed := delimited.pointed(column)) is not column:
                kind, cell = columns.plain(pointed).dtype, cell.str.replace(",", ".", literal=True)
            if name == rows.columns[0] and rows.width > 1 and delimited.numbering(column):
                raw.notes.append(delimited.NUMBERING)
                continue
            if kind.is_numeric():
                cell = cell.str.strip_chars().cast(kind, strict=False)
            else:
                cell = pl.when(columns.blank(cell)).then(None).otherwise(cell)
        elif kind != column.dtype:
            cell = cell.cast(kind, strict=False)
        cells.append((cell.fill_nan(None) if kind.is_float() else cell).alias(name))
    return OnDisk.written(rows.table.select(cells))


def _flat(kind: pl.DataType) -> bool:
    """Whether cells of this type are cast as `columns.plain` has them."""
    return kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Date, pl.Datetime) or kind.is_numeric()
