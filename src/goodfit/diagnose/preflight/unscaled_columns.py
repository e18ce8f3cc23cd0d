"""Unscaled columns: raw columns of very different scale, and columns that never change."""

from __future__ import annotations

from typing import Any

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.rows import Rows, some
from goodfit.diagnose.preflight.target_leak import identifies

APART = 100.0
"""Ratio of the largest to the smallest standard deviation from which it is told. Chosen: the steps of one learning
rate then differ ten thousandfold between columns."""

LARGE = 30.0
"""Root mean square above which numbers are large for a network whose weights begin near 0.1. Chosen: digits from 0
to 16 train well, pixels from 0 to 255 do not."""


def check(rows: Rows) -> list[Finding]:
    """Scales of the columns that are numbers; `info`, since raw rows are usually scaled on their way."""
    numbers = {n: c for n, c in rows.columns.items() if n not in rows.names and c.dtype.kind == "f"}
    constant = [n for n, c in rows.columns.items() if _constant(c)]
    spread = {
        n: float(np.nanstd(c)) for n, c in numbers.items() if n not in constant and not identifies(n, c, words=False)
    }
    size = {n: float(np.sqrt(np.nanmean(numbers[n] ** 2))) for n in spread}
    told: list[str] = []
    evidence: dict[str, Any] = {}
    if spread:
        high, low = max(spread, key=lambda n: spread[n]), min(spread, key=lambda n: spread[n])
        large = max(size, key=lambda n: size[n])
        if size[large] > LARGE and (spread[high] / spread[low] > APART or len(spread) == 1):
            told.append(
                f"Columns have scales of their own: {high!r} has a standard deviation of {spread[high]:.3g}, {low!r} "
                f"one of {spread[low]:.3g}. Scale them before they go into a network (goodfit fit does)"
            )
            evidence |= {"largest": high, "largest_std": spread[high], "smallest": low, "smallest_std": spread[low]}
    if constant:
        told.append(f"{some(constant)} {'have' if constant[1:] else 'has'} one value in every row and can be left out")
        evidence |= {"constant": constant}
    if not told:
        return []
    return [Finding(code="unscaled_input", severity="info", message=f"{'. '.join(told)}.", evidence=evidence)]


def _constant(column: np.ndarray) -> bool:
    """Whether all cells are equal; missing ones count as a value of their own."""
    missing = np.isnan(column) if column.dtype.kind == "f" else column < 0
    if missing.any():
        return bool(missing.all())
    return bool(np.all(column == column[0]))
