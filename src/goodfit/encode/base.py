"""`Encoder`: raw rows to arrays, fitted on development rows only, saved with the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from scipy.sparse import csr_array

Encoded: TypeAlias = np.ndarray | csr_array
"""float32 rows: dense, or sparse with sorted int32 indices for texts."""


class Encoder(ABC):
    """Raw rows in, float32 rows out; what was unseen or missing when it was fitted is harmless.

    Subclasses are final. Rows may be a Polars or pandas frame, a list of records, a list of texts, or an array.
    """

    kind: ClassVar[str]
    """The dataset kind it is for, and its name in the saved form."""

    notes: tuple[str, ...] = ()
    """What fitting left out, in plain sentences."""

    @abstractmethod
    def fit(self, rows: Any) -> Self:
        """Learn vocabulary, scales and categories from development rows; gives itself back."""

    @abstractmethod
    def transform(self, rows: Any) -> Encoded:
        """Encode rows, shape `(rows, features)`."""

    def fit_transform(self, rows: Any) -> Encoded:
        """`fit` and `transform` of the same rows; may be cheaper than both."""
        return self.fit(rows).transform(rows)

    @property
    @abstractmethod
    def feature_names(self) -> list[str]:
        """What each feature is."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON types only, `kind` among them."""

    @classmethod
    @abstractmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`: it encodes to the same bits."""
