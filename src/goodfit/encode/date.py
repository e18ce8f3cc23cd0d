"""Dates and times: the day as a number, scaled like any other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self, final

import numpy as np
import polars as pl

from goodfit.encode.codec import Codec
from goodfit.encode.number import Number, floats

CLOCK = r"(?:[T ]+(?<H>\d{1,2}):(?<M>\d{2})(?::(?<S>\d{2}(?:\.\d+)?))?)?"
YEAR_FIRST = r"^\s*(?<y>\d{4})[-/.](?<m>\d{1,2})[-/.](?<d>\d{1,2})" + CLOCK
YEAR_LAST = r"^\s*(?<d>\d{1,2})[-/.](?<m>\d{1,2})[-/.](?<y>\d{4})" + CLOCK


@final
@dataclass(frozen=True)
class Date(Codec):
    """Days since 1970 through a `Number`; a cell that is no date counts as missing.

    Attributes:
        number: The scaling of the days.
        month_first: Whether 03/04/2020 is the 4th of March.
    """

    number: Number
    month_first: bool

    kind = "date"

    @classmethod
    def learn(cls, column: pl.Series) -> Self | None:
        """The scale of the days; day or month first is told by numbers above 12."""
        month_first = False
        if column.dtype == pl.String:
            parts = column.str.extract_groups(YEAR_LAST).struct
            first, second = (np.nan_to_num(floats(parts.field(f))).max(initial=0) for f in ("d", "m"))
            slashes = bool(column.str.contains("/", literal=True).any())
            month_first = bool(second > 12 or (first <= 12 and slashes))
        number = Number.of(days(column, month_first))
        return None if number is None else cls(number, month_first)

    def encode(self, column: pl.Series) -> np.ndarray:
        """The scaled day, and whether it is missing."""
        return self.number.encode_values(days(column, self.month_first))

    def names(self, column: str) -> list[str]:
        """As `encode` orders them."""
        return self.number.names(column)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        return cls(Number(**d["number"]), d["month_first"])

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {"kind": self.kind, "number": asdict(self.number), "month_first": self.month_first}


def is_date(column: pl.Series) -> bool:
    """Whether a column holds dates: by type, or by what nearly all of its texts look like."""
    if column.dtype.is_temporal():
        return True
    if column.dtype != pl.String:
        return False
    filled = column.drop_nulls()
    looked_at = (filled.head(200), filled)  # most columns say no at once
    return len(filled) > 0 and all(np.isfinite(days(part, True)).mean() >= 0.95 for part in looked_at)


def days(column: pl.Series, month_first: bool) -> np.ndarray:
    """Days since 1970-01-01, NaN where there is no date; float64, shape `(rows,)`."""
    if column.dtype == pl.Date:
        return floats(column)
    if column.dtype == pl.Datetime:
        return floats(column.dt.timestamp("ms")) / 86_400_000
    if column.dtype != pl.String:
        return floats(column)
    found = np.full(len(column), np.nan)
    for pattern in (YEAR_FIRST, YEAR_LAST):
        parts = column.str.extract_groups(pattern).struct
        year, month, day, hour, minute, second = (floats(parts.field(f)) for f in "ymdHMS")
        if month_first and pattern == YEAR_LAST:
            day, month = month, day
        clock = (np.nan_to_num(hour) * 3600 + np.nan_to_num(minute) * 60 + np.nan_to_num(second)) / 86_400
        found = np.where(np.isnan(found), _since_1970(year, month, day) + clock, found)
    return found


def _since_1970(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Days of the Gregorian calendar; the year is counted from March, so that leap days come last."""
    year = year - (month <= 2)
    of_year = np.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
    return 365 * year + year // 4 - year // 100 + year // 400 + of_year - 719_468
