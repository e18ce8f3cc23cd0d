"""`Codec`: one column of a table to its features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Codec(ABC):
    """How one column becomes features; made by `learn`, then frozen. Subclasses are final."""

    kind: ClassVar[str]
    """Its name in the saved form."""

    @classmethod
    @abstractmethod
    def learn(cls, column: pl.Series) -> Self | None:
        """The codec for a development column; None where the column says nothing."""

    @abstractmethod
    def encode(self, column: pl.Series) -> np.ndarray:
        """float32 features, shape `(rows, features)`, of a column of whatever type."""

    @abstractmethod
    def names(self, column: str) -> list[str]:
        """What each feature is."""

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        return cls(**{k: v for k, v in d.items() if k != "kind"})
