"""Numbers: the median where missing, skew tamed, scaled to standard deviations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np
import polars as pl

from goodfit.data.columns import plain
from goodfit.encode.array import CLIP
from goodfit.encode.codec import Codec

SKEWED = 2.0
"""Skewness from which a column goes through a signed logarithm (an exponential distribution has 2)."""

FEW = 10
"""Different values up to which a column is no continuous one."""


@final
@dataclass(frozen=True)
class Number(Codec):
    """`(f(x) - center) * inverse`, clipped, f being the identity or sign(x - median) * ln(1 + |x - median| / spread).

    Attributes:
        median: Stands in for a missing cell.
        spread: Median distance of the cells that differ from the median; 0 where f is the identity.
        center: Mean of f.
        inverse: 1 / standard deviation of f; 0 where it is constant.
        missing: Whether a feature says that the cell is missing.
        mass: The one value that more than half of a skewed column has (no capital gain, say), which then has its
            own feature; None where there is none.
    """

    median: float
    spread: float
    center: float
    inverse: float
    missing: bool
    mass: float | None = None

    kind = "number"

    @classmethod
    def learn(cls, column: pl.Series) -> Self | None:
        """Median, skewness, centre and scale of a column."""
        return cls.of(floats(column))

    @classmethod
    def of(cls, values: np.ndarray) -> Self | None:
        """`learn` from float64 values, NaN where missing."""
        gone = np.isnan(values)
        there = values[~gone]
        if not there.size or (not gone.any() and (there == there[0]).all()):
            return None
        median = float(np.median(there))
        different, counts = np.unique(there, return_counts=True)
        deviation = there.std()
        skewed = len(different) > 2 and abs(np.mean(((there - there.mean()) / deviation) ** 3)) > SKEWED
        distance = np.abs(there - median)
        spread = float(np.median(distance[distance > 0])) if skewed else 0.0
        massive = skewed and len(different) > FEW and counts.max() * 2 > len(there)
        codec = cls(median, spread, 0.0, 1.0, bool(gone.any()), float(different[counts.argmax()]) if massive else None)
        curved = codec._curved(np.where(gone, median, values))
        deviation = curved.std()
        return cls(
            codec.median,
            codec.spread,
            float(curved.mean()),
            float(1 / deviation) if deviation > 1e-12 * max(abs(curved.mean()), 1e-300) else 0.0,
            codec.missing,
            codec.mass,
        )

    def _curved(self, values: np.ndarray) -> np.ndarray:
        if not self.spread:
            return values
        away = values - self.median
        return np.sign(away) * np.log1p(np.abs(away) / self.spread)

    def encode(self, column: pl.Series) -> np.ndarray:
        """The scaled number; then whether it is missing; then whether it is the mass value."""
        return self.encode_values(floats(column))

    def encode_values(self, values: np.ndarray) -> np.ndarray:
        """`encode` of float64 values, NaN where missing."""
        gone = np.isnan(values)
        curved = self._curved(np.where(gone, self.median, values))
        features = [np.clip((curved - self.center) * self.inverse, -CLIP, CLIP)]
        if self.missing:
            features.append(gone)
        if self.mass is not None:
            features.append(values == self.mass)
        return np.stack(features, 1).astype(np.float32)

    def names(self, column: str) -> list[str]:
        """As `encode` orders them."""
        missing = [f"{column} is missing"] if self.missing else []
        return [column, *missing, *([f"{column} = {self.mass:g}"] if self.mass is not None else [])]


def floats(column: pl.Series) -> np.ndarray:
    """A column of any type as finite float64; what is no number is NaN, what is absurdly large is cut."""
    if column.dtype in (pl.Categorical, pl.Enum, pl.Duration, pl.Time):
        column = plain(column)
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    if column.dtype.is_temporal():
        column = column.to_physical()
    try:
        values = column.cast(pl.Float64, strict=False).to_numpy()
    except pl.exceptions.PolarsError:
        values = np.full(len(column), np.nan)
    return np.clip(np.where(np.isfinite(values), values, np.nan), -1e100, 1e100)
