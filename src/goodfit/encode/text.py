"""Texts to sparse n-gram features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self, final

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from goodfit.data import joined_texts
from goodfit.data.disk import OnDisk
from goodfit.data.sources.memory import as_rows
from goodfit.encode import ngrams
from goodfit.encode.base import Encoder
from goodfit.errors import DataError, UsageError, near

OUTPUT_MODES = ("multi_hot", "count", "tf_idf")
"""Keras's words for what stands in a row: 0/1, how often, or how often times how rare."""


@final
class TextEncoder(Encoder):
    """The most frequent words or n-grams of the development texts.

    Args:
        columns: The text columns of a frame, read as one text; any single column will do where there is one.
        output_mode: One of `OUTPUT_MODES`. `tf_idf` is scikit-learn's: count * (ln((1 + n) / (1 + df)) + 1) for n
            texts and an n-gram in df of them, each row scaled to length 1.
        max_features: N-grams kept at most; None is 10,000 words, or 50,000 where longer n-grams are among them.
        ngram_range: Words of the shortest and the longest n-gram.
        min_df: Texts an n-gram must stand in at least: a number, or a share if a float.
        max_df: Texts it may stand in at most, likewise.
        pad_to_max_tokens: Whether there are `max_features` columns even where there are fewer n-grams.
    """

    kind = "text"

    def __init__(
        self,
        columns: tuple[str, ...] = ("text",),
        *,
        output_mode: str = "multi_hot",
        max_features: int | None = None,
        ngram_range: tuple[int, int] = (1, 1),
        min_df: int | float = 1,
        max_df: int | float = 1.0,
        pad_to_max_tokens: bool = False,
    ):
        if output_mode not in OUTPUT_MODES:
            raise UsageError("bad output_mode", expected=" or ".join(OUTPUT_MODES), received=repr(output_mode))
        self.columns = tuple(columns)
        self.output_mode = output_mode
        self.ngram_range = (int(ngram_range[0]), int(ngram_range[1]))
        self.max_features = max_features or (10_000 if self.ngram_range == (1, 1) else 50_000)
        self.min_df, self.max_df = min_df, max_df
        self.pad_to_max_tokens = pad_to_max_tokens
        self.vocabulary: list[str] = []
        self.idf = np.empty(0, np.float32)

    def fit(self, rows: Any) -> Self:
        """Choose the vocabulary."""
        self.fit_transform(rows)
        return self

    def fit_transform(self, rows: Any) -> csr_array:
        """Choose the vocabulary and encode the same texts, tokenising them once."""
        texts = texts_of(rows, self.columns)
        self.vocabulary, counts = ngrams.fit(texts, self.ngram_range, self.max_features, self.min_df, self.max_df)
        if not self.vocabulary:
            raise DataError(
                "no word of the texts is left to learn from",
                expected="texts with words",
                received=f"{len(texts):,} texts",
                fix="Lower min_df or raise max_df." if (self.min_df, self.max_df) != (1, 1.0) else "",
            )
        found = np.bincount(counts.indices, minlength=len(self.vocabulary))
        self.idf = (np.log((1 + len(texts)) / (1 + found)) + 1).astype(np.float32)
        return self._weighed(counts)

    def transform(self, rows: Any) -> csr_array:
        """Encode texts; words outside the vocabulary are passed over."""
        return self._weighed(ngrams.transform(texts_of(rows, self.columns), self.vocabulary, self.ngram_range))

    def _weighed(self, counts: csr_array) -> csr_array:
        if self.pad_to_max_tokens:
            counts = csr_array((counts.data, counts.indices, counts.indptr), (counts.shape[0], self.max_features))
        if self.output_mode == "count":
            return counts
        if self.output_mode == "multi_hot":
            counts.data.fill(1)
            return counts
        counts.data *= self.idf[counts.indices]
        filled = np.diff(counts.indptr) > 0
        squares = np.zeros(counts.shape[0], np.float32)
        squares[filled] = np.add.reduceat(counts.data**2, counts.indptr[:-1][filled]) if filled.any() else 0
        counts.data /= np.repeat(np.sqrt(squares), np.diff(counts.indptr))
        return counts

    @property
    def feature_names(self) -> list[str]:
        """The vocabulary; the columns that only fill up are empty."""
        missing = self.max_features - len(self.vocabulary) if self.pad_to_max_tokens else 0
        return list(self.vocabulary) + [""] * missing

    def to_dict(self) -> dict[str, Any]:
        """Options, vocabulary and document weights."""
        return {
            "kind": self.kind,
            "columns": list(self.columns),
            "output_mode": self.output_mode,
            "max_features": self.max_features,
            "ngram_range": list(self.ngram_range),
            "min_df": self.min_df,
            "max_df": self.max_df,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary": self.vocabulary,
            "idf": self.idf.tolist() if self.output_mode == "tf_idf" else [],
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        options = {k: d[k] for k in ("output_mode", "max_features", "ngram_range", "min_df", "max_df")}
        encoder = cls(tuple(d["columns"]), pad_to_max_tokens=d.get("pad_to_max_tokens", False), **options)
        encoder.vocabulary = list(d["vocabulary"])
        encoder.idf = np.asarray(d["idf"], dtype=np.float32)
        return encoder


class Texts(Sequence[str]):
    """The texts of a frame's rows, made when they are asked for, so that a frame on disk stays there."""

    def __init__(self, frame: pl.DataFrame | OnDisk):
        self.frame = frame

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, at: Any) -> Any:
        return joined_texts(self.frame[at]) if isinstance(at, slice) else joined_texts(self.frame[at : at + 1])[0]

    def __iter__(self) -> Iterator[str]:
        for at in range(0, len(self), ngrams.BLOCK):
            yield from self[at : at + ngrams.BLOCK]


def texts_of(rows: Any, columns: tuple[str, ...]) -> Texts:
    """The text of each row: the named columns joined, or the only column there is."""
    if isinstance(rows, OnDisk):
        return Texts(rows.select(columns))
    frame = as_rows(rows) if len(rows) else pl.DataFrame({c: [] for c in columns})
    if not isinstance(frame, pl.DataFrame):
        raise DataError("the rows are no texts", expected="texts", received=f"numbers of shape {frame.shape}")
    known = [c for c in columns if c in frame.columns]
    if not known and frame.width == 1:
        known = frame.columns
    if not known:
        raise DataError(f"the rows have no text column {columns[0]!r}", fix=near(columns[0], frame.columns))
    return Texts(frame.select(known))
