"""Tables of mixed columns to scaled rows."""

from __future__ import annotations

import re
from typing import Any, Self, final

import numpy as np
import polars as pl

from goodfit import memory
from goodfit.data.columns import free_texts, plain
from goodfit.data.disk import OnDisk
from goodfit.data.sources.memory import as_rows
from goodfit.encode.base import Encoder
from goodfit.encode.category import Category
from goodfit.encode.codec import Codec
from goodfit.encode.date import Date, is_date
from goodfit.encode.number import FEW, Number, floats
from goodfit.encode.words import Words
from goodfit.errors import DataError, near

CODECS: dict[str, type[Codec]] = {c.kind: c for c in (Number, Category, Date, Words)}
"""Saved name to codec."""

IDENTIFIER = re.compile(r"(^|[^a-z])(id|uuid|guid|index|idx|key|no|nr|row|rownum\w*)$|ID$|Id$", re.IGNORECASE)
"""Column names that number the rows."""

MIXED = 0.5
"""Share of numbers from which a text column is read as numbers beside its words."""


@final
class TableEncoder(Encoder):
    """Each column by its own codecs, side by side; columns that say nothing are left out and named in `notes`.

    Args:
        words: Whether a column of free text gives word features.
    """

    kind = "table"

    def __init__(self, *, words: bool = True):
        self.words = words
        self.codecs: dict[str, list[Codec]] = {}
        self.columns: list[str] = []

    def fit(self, rows: Any) -> Self:
        """Choose and learn the codecs of each column."""
        frame = rows if isinstance(rows, OnDisk) else as_rows(rows)
        if isinstance(frame, np.ndarray):
            raise DataError("the rows are no table", expected="named columns")
        texts = free_texts(frame) if self.words else []
        self.columns, self.codecs = frame.columns, {}
        numbering, constant = [], []
        for column in map(plain, frame.iter_columns()):
            if column.name not in texts and _numbers_rows(column):
                numbering.append(column.name)
                continue
            found = [Words.learn(column)] if column.name in texts else _codecs(column)
            self.codecs[column.name] = [c for c in found if c is not None]
            if not self.codecs[column.name]:
                constant.append(column.name)
                del self.codecs[column.name]
        notes = []
        if numbering:
            notes.append(f"Left out because they only tell rows apart: {', '.join(numbering)}.")
        if constant:
            notes.append(f"Left out because they are constant, or hardly repeat a value: {', '.join(constant)}.")
        self.notes = tuple(notes)
        if not self.codecs:
            raise DataError("no column says anything", expected="columns whose values repeat or are numbers")
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Encode rows, shape `(rows, features)`; cells that a record lacks are missing."""
        frame = rows if isinstance(rows, OnDisk) else as_rows(rows)
        frame = frame if len(rows) else pl.DataFrame({c: [] for c in self.columns})
        if isinstance(frame, np.ndarray):
            if frame.shape[1:] != (len(self.columns),):
                raise DataError("the rows are no table", expected=f"the columns {', '.join(self.columns[:8])}")
            frame = pl.DataFrame(frame, schema=self.columns)
        lacking = [c for c in self.codecs if c not in frame.columns]
        if (lacking and not isinstance(rows, (list, tuple, dict))) or len(lacking) == len(self.codecs):
            raise DataError(
                f"the rows lack the column {lacking[0]!r}" + (f" and {len(lacking) - 1} more" if lacking[1:] else ""),
                expected="the columns that the model was fitted on",
                fix=near(lacking[0], frame.columns),
            )
        missing = pl.Series([None] * len(frame), dtype=pl.String)
        out, at = _room(len(frame), len(self.feature_names)), 0
        for name, codecs in self.codecs.items():
            column = frame[name] if name in frame.columns else missing.alias(name)
            for codec in codecs:
                part = codec.encode(column)
                out[:, at : at + part.shape[1]] = part
                at += part.shape[1]
        return out

    @property
    def feature_names(self) -> list[str]:
        """`age`, `workclass = Private`, `age is missing`, ..."""
        return [name for column, codecs in self.codecs.items() for codec in codecs for name in codec.names(column)]

    def to_dict(self) -> dict[str, Any]:
        """Columns and their codecs."""
        codecs = {column: [c.to_dict() for c in found] for column, found in self.codecs.items()}
        return {"kind": self.kind, "words": self.words, "columns": self.columns, "codecs": codecs}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        encoder = cls(words=d["words"])
        encoder.columns = list(d["columns"])
        encoder.codecs = {
            column: [CODECS[c["kind"]].from_dict(c) for c in found] for column, found in d["codecs"].items()
        }
        return encoder


def _room(rows: int, features: int) -> np.ndarray:
    """An array for encoded rows, where memory has room for it and for the trainer's copy."""
    need, there = 2 * 4 * rows * features, memory.available()
    if need > there:
        raise DataError(
            f"{rows:,} encoded rows of {features:,} features do not fit into memory",
            expected=f"{memory.shown(need)} beside the program",
            received=memory.shown(there),
            fix="Leave out columns (--drop) or rows, or give more memory (--memory).",
        )
    return np.empty((rows, features), np.float32)


def _codecs(column: pl.Series) -> list[Codec | None]:
    if column.dtype == pl.Boolean:
        return [Category.learn(column)]
    if column.dtype.is_numeric():
        return [Number.learn(column)]
    if is_date(column):
        return [Date.learn(column)]
    values = floats(column)
    there = values[~np.isnan(values)]
    if len(there) > MIXED * (len(column) - column.null_count()) and len(np.unique(there)) > FEW:
        return [Number.of(values), Category.learn(column, words=True)]
    return [Category.learn(column)]


def _numbers_rows(column: pl.Series) -> bool:
    """Whether a column only tells rows apart: all different, and counted through or named like an identifier."""
    if column.dtype not in (pl.Int64, pl.String) or len(column) < 10 or column.n_unique() < 0.99 * len(column):
        return False
    if IDENTIFIER.search(column.name):
        return True
    if column.dtype != pl.Int64 or column.null_count():
        return False
    return bool(column.sort().diff().drop_nulls().eq(1).all())
