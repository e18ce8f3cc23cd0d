"""Shares of right answers on one test set, and two fixed models compared on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from goodfit.errors import UsageError

_EXACT_BELOW = 25  # disagreements below which McNemar's test is the exact binomial one


def wilson(share: float, n: float, alpha: float = 0.05) -> tuple[float, float]:
    """Wilson's score interval of a share seen in `n` trials (J. of the American Statistical Ass. 1927)."""
    z = float(stats.norm.ppf(1 - alpha / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(min(middle - half, share), 0.0), min(max(middle + half, share), 1.0)  # rounding may pass the share


def accuracy_interval(correct: int, total: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Ends of Wilson's interval of an accuracy: `correct` of `total` test rows.

    Raises:
        UsageError: No rows, or more right ones than rows.
    """
    if not 0 <= correct <= total or total < 1:
        raise UsageError(
            "an accuracy needs test rows", expected="0 <= correct <= total", received=f"{correct} of {total}"
        )
    return wilson(correct / total, total, alpha)


@dataclass(frozen=True)
class PairedAccuracies:
    """Two fixed models on the same test rows.

    Attributes:
        effect: Accuracy of the other minus accuracy of the base.
        low: Lower end of the interval of the effect.
        high: Its upper end.
        p: Two-sided p of McNemar's test.
        test: `mcnemar`.
        exact: Whether p is the exact binomial one (under 25 disagreements).
        only_base: Rows that only the base gets right.
        only_other: Rows that only the other gets right.
        rows: Test rows.
    """

    effect: float
    low: float
    high: float
    p: float
    test: str
    exact: bool
    only_base: int
    only_other: int
    rows: int


def mcnemar(base_correct: Any, other_correct: Any, *, alpha: float = 0.05) -> PairedAccuracies:
    """McNemar's test of two fixed models on one test set; it knows nothing of the noise between trainings.

    The p is the exact binomial one under 25 disagreements, else that of chi-squared with Edwards's continuity
    correction. The interval is the adjusted Wald interval of Bonett and Price, "Adjusted Wald Confidence
    Interval for a Difference of Binomial Proportions Based on Paired Data" (2012).

    Args:
        base_correct: Which rows the base gets right, bool `(rows,)`.
        other_correct: Which rows the other gets right, bool `(rows,)`.
        alpha: Level of the interval.

    Raises:
        UsageError: The two are not about the same rows.
    """
    a, b = np.asarray(base_correct, dtype=bool), np.asarray(other_correct, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise UsageError(
            "two models need the same test rows",
            expected="two lists of equal length, one entry a row",
            received=f"shapes {a.shape} and {b.shape}",
        )
    rows, lost, won = len(a), int(np.sum(a & ~b)), int(np.sum(b & ~a))
    exact = lost + won < _EXACT_BELOW
    if exact:
        p = float(stats.binomtest(won, lost + won).pvalue) if lost + won else 1.0
    else:
        p = float(stats.chi2.sf(max(abs(won - lost) - 1, 0) ** 2 / (won + lost), 1))
    up, down = (won + 1) / (rows + 2), (lost + 1) / (rows + 2)
    half = float(stats.norm.ppf(1 - alpha / 2)) * math.sqrt((up + down - (up - down) ** 2) / (rows + 2))
    return PairedAccuracies(
        effect=(won - lost) / rows,
        low=max(up - down - half, -1.0),
        high=min(up - down + half, 1.0),
        p=p,
        test="mcnemar",
        exact=exact,
        only_base=lost,
        only_other=won,
        rows=rows,
    )
