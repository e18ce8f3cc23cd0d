"""Categories: one feature each, rare ones pooled, a missing one by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import polars as pl

from goodfit.data.columns import NOTHING, plain
from goodfit.encode.codec import Codec

MOST = 100
"""Categories of a column that have their own feature at most."""


@final
@dataclass(frozen=True)
class Category(Codec):
    """One-hot features; a category that was rare or unknown when it was learned falls to `other`.

    Attributes:
        values: The categories with a feature of their own, the most frequent first.
        other: Whether rare ones were pooled; where not, an unknown category is all zeros.
        missing: Whether a missing cell has a feature.
        words: Numbers are passed over (another codec reads them): for columns that mix both.
    """

    values: tuple[str, ...]
    other: bool
    missing: bool
    words: bool = False

    kind = "category"

    @classmethod
    def learn(cls, column: pl.Series, words: bool = False) -> Self | None:
        """The frequent categories: of a thousand rows or more those with ten, of fewer rows one in a hundred."""
        text = canonical(column, words)
        counts = text.drop_nulls().value_counts(sort=False)
        pairs = sorted(zip(counts[text.name].to_list(), counts["count"].to_list(), strict=True), key=_rank)
        least = min(10, max(2, math.ceil(len(text) / 100)))
        kept = tuple(value for value, count in pairs[:MOST] if count >= least)
        pooled = len(pairs) > len(kept)
        missing = bool(text.null_count()) and not words
        if not kept or len(kept) + pooled + missing < (1 if words else 2):
            return None
        return cls(kept, pooled, missing, words)

    def encode(self, column: pl.Series) -> np.ndarray:
        """A 1 where the category stands; then `other`; then missing."""
        text = canonical(column, self.words)
        code = {value: i for i, value in enumerate(self.values)}
        position = text.replace_strict(code, default=len(code), return_dtype=pl.Int64).to_numpy().astype(np.int64)
        gone = text.is_null().to_numpy()
        features = np.zeros((len(text), len(code) + 2), np.float32)
        features[np.arange(len(text)), np.where(gone, len(code) + 1, position)] = 1
        keep = [True] * len(code) + [self.other, self.missing]
        return features[:, keep]

    def names(self, column: str) -> list[str]:
        """As `encode` orders them."""
        rest = [f"{column} = (other)"] * self.other + [f"{column} is missing"] * self.missing
        return [f"{column} = {v}" for v in self.values] + rest

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        return cls(tuple(d["values"]), d["other"], d["missing"], d["words"])


def canonical(column: pl.Series, words: bool = False) -> pl.Series:
    """Categories as text, one way to write each: `3` for 3.0, `True` for true; empty is missing."""
    column = plain(column) if column.dtype != pl.String else column
    if column.dtype == pl.Boolean:
        return column.cast(pl.String).str.to_titlecase()
    if column.dtype == pl.Float64:
        whole = column.cast(pl.Int64, strict=False)
        if whole.cast(pl.Float64).eq(column).fill_null(True).all():
            column = whole
    text = column.cast(pl.String).str.strip_chars()
    text = text.set(text.str.to_lowercase().is_in(NOTHING), None).replace(
        {"true": "True", "TRUE": "True", "false": "False", "FALSE": "False"}
    )
    return text.set(text.cast(pl.Float64, strict=False).is_not_null(), None) if words else text


def _rank(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]
