"""A text column inside a table: whether each of its most frequent words stands there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import polars as pl

from goodfit.encode.codec import Codec
from goodfit.encode.text import TextEncoder

MOST = 300
"""Words of a column: a table is dense, so they are few."""


@final
@dataclass(frozen=True)
class Words(Codec):
    """Multi-hot words of one column.

    Attributes:
        encoder: The text encoder of that column.
    """

    encoder: TextEncoder

    kind = "words"

    @classmethod
    def learn(cls, column: pl.Series) -> Self | None:
        """The most frequent words."""
        return cls(TextEncoder((column.name,), max_features=MOST).fit(column.to_frame()))

    def encode(self, column: pl.Series) -> np.ndarray:
        """A 1 where the word stands."""
        return self.encoder.transform(column.to_frame()).toarray()

    def names(self, column: str) -> list[str]:
        """As `encode` orders them."""
        return [f"{column}: {word}" for word in self.encoder.vocabulary]

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {"kind": self.kind, "encoder": self.encoder.to_dict()}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        return cls(TextEncoder.from_dict(d["encoder"]))
