"""Arrays of numbers to scaled rows."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
import polars as pl

from goodfit.data.sources.memory import as_rows
from goodfit.encode.base import Encoder
from goodfit.errors import DataError

CLIP = 8.0
"""Standard deviations beyond which a value counts as that far out."""


@final
class ArrayEncoder(Encoder):
    """Each column to mean 0 and standard deviation 1; a constant column and a missing cell to 0.

    Args:
        scaled: Whether to scale; a model that scales by itself, or reads word numbers, takes the numbers as they are.
    """

    kind = "array"

    def __init__(self, *, scaled: bool = True) -> None:
        self.scaled = scaled
        self.mean = np.empty(0)
        self.inverse = np.empty(0)

    def fit(self, rows: Any) -> Self:
        """Learn each column's mean and standard deviation."""
        x = _finite(rows)
        missing = np.isnan(x)
        there = np.maximum((~missing).sum(0), 1)
        self.mean = np.nansum(x, 0) / there
        deviation = np.sqrt(np.nansum((x - self.mean) ** 2, 0) / there)
        varies = deviation > 1e-12 * np.maximum(np.abs(self.mean), 1e-300)
        self.inverse = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
        if self.scaled and not varies.any():
            raise DataError("every column is constant", expected="columns that differ from row to row")
        if count := int(missing.any(1).sum()):
            have, fill = "row has" if count == 1 else "rows have", "their column's mean" if self.scaled else "0"
            self.notes = (f"{count:,} {have} numbers that are missing or infinite: {fill} stands in their place.",)
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Scale rows, shape `(rows, columns)`."""
        x = _finite(rows)
        if x.shape[1] != len(self.mean):
            raise DataError(
                "the rows have another number of columns", expected=str(len(self.mean)), received=str(x.shape[1])
            )
        if not self.scaled:
            return np.nan_to_num(x, copy=False).astype(np.float32)
        scaled = np.clip((x - self.mean) * self.inverse, -CLIP, CLIP)
        return np.nan_to_num(scaled, copy=False).astype(np.float32)

    @property
    def feature_names(self) -> list[str]:
        """`column 0`, `column 1`, ..."""
        return [f"column {i}" for i in range(len(self.mean))]

    def to_dict(self) -> dict[str, Any]:
        """Means and inverse deviations."""
        scales = {"mean": self.mean.tolist(), "inverse": self.inverse.tolist()}
        return {"kind": self.kind, "scaled": self.scaled, **scales}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        encoder = cls(scaled=d.get("scaled", True))
        encoder.mean, encoder.inverse = np.array(d["mean"]), np.array(d["inverse"])
        return encoder


def _finite(rows: Any) -> np.ndarray:
    """Rows as float64 `(rows, columns)`; what is no finite number is NaN, what is absurdly large is cut."""
    x = as_rows(rows)
    if isinstance(x, pl.DataFrame):
        x = x.select(pl.all().cast(pl.Float64, strict=False)).to_numpy()
    x = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    return np.clip(np.where(np.isfinite(x), x, np.nan), -1e100, 1e100)
