"""Texts to sequences of word numbers, for networks that begin with an `Embedding`."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np

from goodfit.encode import ngrams
from goodfit.encode.base import Encoder
from goodfit.encode.text import texts_of
from goodfit.errors import DataError, UsageError

PADDING, UNKNOWN = 0, 1
"""Numbers that are no words, as in Keras's `TextVectorization(output_mode="int")`."""


@final
class SequenceEncoder(Encoder):
    """The numbers of a text's first words in their order, filled up with 0; 1 is a word outside the vocabulary.

    Args:
        columns: The text columns of a frame, read as one text; any single column will do where there is one.
        max_features: Numbers there are at most, 0 and 1 included: the `input_dim` of the embedding.
        output_sequence_length: Words of a text that are read; None takes what holds 9 of 10 development texts whole.
    """

    kind = "sequence"

    def __init__(
        self,
        columns: tuple[str, ...] = ("text",),
        *,
        max_features: int = 10_000,
        output_sequence_length: int | None = None,
    ):
        if max_features < 3:
            raise UsageError("bad max_features", expected="3 or more", received=str(max_features))
        self.columns, self.max_features, self.length = tuple(columns), max_features, output_sequence_length
        self.vocabulary: list[str] = []

    def fit(self, rows: Any) -> Self:
        """Choose the vocabulary, and the length where none was given."""
        texts = texts_of(rows, self.columns)
        self.vocabulary, _ = ngrams.fit(texts, (1, 1), self.max_features - 2)
        if not self.vocabulary:
            raise DataError("no word of the texts is left to learn from", expected="texts with words")
        if self.length is None:
            self.length = max(1, int(np.quantile([len(ngrams.tokens(t or "")) for t in texts], 0.9)))
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Word numbers, int32 `(rows, length)`."""
        texts = texts_of(rows, self.columns)
        number = {word: i for i, word in enumerate(self.vocabulary, start=2)}
        out = np.full((len(texts), self.length or 1), PADDING, np.int32)
        for row, text in zip(out, texts, strict=True):
            words = ngrams.tokens(text or "")[: self.length]
            row[: len(words)] = [number.get(word, UNKNOWN) for word in words]
        return out

    @property
    def feature_names(self) -> list[str]:
        """`word 1`, `word 2`, ..."""
        return [f"word {i + 1}" for i in range(self.length or 0)]

    def to_dict(self) -> dict[str, Any]:
        """Vocabulary and length."""
        return {
            "kind": self.kind,
            "columns": list(self.columns),
            "max_features": self.max_features,
            "length": self.length,
            "vocabulary": self.vocabulary,
        }

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        encoder = cls(tuple(d["columns"]), max_features=d["max_features"], output_sequence_length=d["length"])
        encoder.vocabulary = list(d["vocabulary"])
        return encoder
