"""Base against treatment over paired seeds: effect, interval, p, verdict.

A positive effect always means that the treatment is better, for accuracies and for losses.
What each figure means and what was measured about it stands in `docs/statistics.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from goodfit.errors import UsageError
from goodfit.study.comparison import FEWEST, Comparison, judged
from goodfit.study.proportions import accuracy_interval, mcnemar, wilson

Array = np.ndarray

__all__ = [
    "Comparison",
    "accuracy_interval",
    "aligned",
    "compare",
    "compare_all",
    "holm",
    "mcnemar",
    "mean_interval",
]

BOOTSTRAP_FROM = 10
"""Paired seeds from which a bootstrap interval says anything."""

_SIGN_FLIPS = 2**13  # exact up to 13 pairs; above, as many random ones: standard error 0.0024 at p = 0.05
_RESAMPLES = 9_999
_ROUNDING = 2.0**-22  # of the largest score: scores are measured in single precision


def compare(
    base: Sequence[float] | Array,
    other: Sequence[float] | Array,
    *,
    higher_is_better: bool = True,
    rope: float = 0.01,
    resampled: tuple[int, int] | None = None,
    alpha: float = 0.05,
    worst: float | None = None,
    names: tuple[str, str] = ("base", "other"),
    metric: str = "accuracy",
) -> Comparison:
    """Compare two variants over paired seeds.

    The paired t interval is primary. Where runs resample one data set, its variance carries the correction of
    Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003):
    `(1/n + n_val/n_train) * var(d)` instead of `var(d)/n`.

    Args:
        base: Scores of the base, shape `(n,)`, one a seed. A score that is not finite is a diverged run.
        other: Scores of the other for the same seeds, shape `(n,)`.
        higher_is_better: False for losses.
        rope: Half the width of the zone in which a difference does not matter, in the unit of the scores.
        resampled: `(training rows, validation rows)` of a run where each seed draws its own split; None where
            all seeds share one split.
        alpha: Level: intervals hold `1 - alpha`, and a verdict is wrong in at most this share.
        worst: The score of a diverged run unless a finite one is worse, say the accuracy of guessing; by
            default one spread of all finite scores (at least `rope`) below the worst of them.
        names: Names of base and other, for the message.
        metric: Name of the score, for the message; accuracies are told in points.

    Raises:
        UsageError: Scores that cannot be paired, or an option out of range.
    """
    _check(rope, resampled, alpha)
    table, diverged = aligned([base, other], higher_is_better=higher_is_better, worst=worst, margin=rope)
    d, sign = _canonical(table[1] - table[0], scale=float(np.max(np.abs(table))))
    n = len(d)
    ratio = resampled[1] / resampled[0] if resampled else 0.0
    effect, sd = float(np.mean(d)), float(np.std(d, ddof=1)) if n > 1 else math.inf
    # Few seeds that agree by luck, as accuracies of few rows do, tell nothing of the spread.
    half = _quantile(1 - alpha / 2, n) * sd * math.sqrt(1 / n + ratio) if sd or n >= FEWEST else math.inf
    p_permutation = _sign_flip(d)
    wins, wins_low, wins_high = _wins(d, alpha, math.sqrt(1 + n * ratio))
    bootstrap = _bca(d, alpha, math.sqrt(1 + n * ratio)) if n >= BOOTSTRAP_FROM else None
    wins_low, wins_high = _turned((wins_low, wins_high), 0.5, sign)
    wins = 0.5 + sign * (wins - 0.5)
    bootstrap = _turned(bootstrap, 0.0, sign) if bootstrap else None
    effect = sign * effect + 0.0  # no -0.0
    c = Comparison(
        names=(str(names[0]), str(names[1])),
        metric=metric,
        n=n,
        effect=effect,
        low=effect - half,
        high=effect + half,
        p=_t_test(effect, sd * math.sqrt(1 / n + ratio), n, p_permutation),
        p_holm=1.0,
        p_permutation=p_permutation,
        bootstrap_low=bootstrap[0] if bootstrap else None,
        bootstrap_high=bootstrap[1] if bootstrap else None,
        wins=wins,
        wins_low=wins_low,
        wins_high=wins_high,
        sd=sd,
        diverged=(int(diverged[0]), int(diverged[1])),
        rope=rope,
        alpha=alpha,
        split="resampled" if resampled else "fixed",
        resampled=(int(resampled[0]), int(resampled[1])) if resampled else None,
    )
    return judged(c, c.p, alpha)


def compare_all(
    base: Sequence[float] | Array,
    others: Mapping[str, Sequence[float] | Array],
    *,
    base_name: str = "base",
    **options: Any,
) -> dict[str, Comparison]:
    """Compare several treatments with one base; verdicts after Holm's correction over all of them.

    Args:
        base: Scores of the base, shape `(n,)`.
        others: Scores of each treatment for the same seeds, by name.
        base_name: The base's name, for the messages.
        **options: As for `compare`.
    """
    alone = {name: compare(base, scores, names=(base_name, name), **options) for name, scores in others.items()}
    p = np.array([c.p for c in alone.values()])
    factors = np.empty(len(p))
    factors[np.argsort(p, kind="stable")] = np.arange(len(p), 0, -1)
    return {
        name: judged(c, float(adjusted), c.alpha / float(factor))
        for (name, c), adjusted, factor in zip(alone.items(), holm(p), factors, strict=True)
    }


def holm(p: Sequence[float] | Array) -> Array:
    """Holm's step-down adjusted p-values, shape as `p` (Scandinavian Journal of Statistics 6, 1979)."""
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]), 1.0)
    return adjusted


def aligned(
    scores: Sequence[Sequence[float] | Array],
    *,
    higher_is_better: bool = True,
    worst: float | None = None,
    margin: float = 0.0,
) -> tuple[Array, Array]:
    """Scores of several variants where higher is better and a diverged run has the worst score of all.

    Args:
        scores: One list of scores a variant, each `(n,)`.
        higher_is_better: False for losses.
        worst: As for `compare`.
        margin: How far below the worst finite score a diverged run lies at least, where `worst` is None.

    Returns:
        The scores, shape `(variants, n)`, and how many runs of each variant diverged, shape `(variants,)`.

    Raises:
        UsageError: Lists of different lengths, or empty ones.
    """
    rows = [np.asarray(row, dtype=np.float64) for row in scores]
    if rows[0].ndim != 1 or not len(rows[0]) or any(row.shape != rows[0].shape for row in rows):
        raise UsageError(
            "scores cannot be paired",
            expected="lists of equal length, one score a seed",
            received="shapes " + ", ".join(str(row.shape) for row in rows),
        )
    table = np.stack(rows) * (1 if higher_is_better else -1)
    bad = ~np.isfinite(table)
    finite = table[~bad]
    if worst is not None:
        bottom = min([worst if higher_is_better else -worst, *finite])
    elif len(finite):
        bottom = np.min(finite) - (max(np.ptp(finite), margin) or 1.0)
    else:
        bottom = 0.0  # nothing but diverged runs: all tie
    return np.where(bad, bottom, table), bad.sum(axis=1)


def mean_interval(scores: Sequence[float] | Array, *, alpha: float = 0.05) -> tuple[float, float, float]:
    """Mean of one variant's finite scores and the ends of its t interval over seeds; NaN for none."""
    x = np.asarray(scores, dtype=np.float64)
    x = x[np.isfinite(x)]
    if len(x) < 2:
        return (float(x[0]) if len(x) else math.nan), math.nan, math.nan
    half = _quantile(1 - alpha / 2, len(x)) * float(np.std(x, ddof=1)) / math.sqrt(len(x))
    return float(np.mean(x)), float(np.mean(x)) - half, float(np.mean(x)) + half


def _check(rope: float, resampled: tuple[int, int] | None, alpha: float) -> None:
    if not (math.isfinite(rope) and rope >= 0):
        raise UsageError("bad rope", expected="a difference of 0 or more", received=repr(rope))
    if not 0 < alpha < 1:
        raise UsageError("bad alpha", expected="a level between 0 and 1", received=repr(alpha))
    if resampled is not None and not (len(resampled) == 2 and min(resampled) > 0):
        raise UsageError("bad resampled", expected="(training rows, validation rows)", received=repr(resampled))


def _canonical(d: Array, scale: float) -> tuple[Array, int]:
    """The differences sorted and, maybe, mirrored, with the sign that takes them back; 0 if they are their mirror.

    So the order of seeds and the order of base and other change no figure, not even a random one.
    Differences that are rounding errors become ties.
    """
    d = np.where(np.abs(d) <= _ROUNDING * scale, 0.0, d)
    if np.ptp(d) <= _ROUNDING * scale:
        d = np.full_like(d, d[0])
    here, there = np.sort(d), np.sort(-d)
    if np.array_equal(here, there):
        return here, 0
    return (there, -1) if tuple(there) > tuple(here) else (here, 1)


def _turned(interval: tuple[float, float], centre: float, sign: int) -> tuple[float, float]:
    """An interval of canonical differences as one of the differences themselves."""
    low, high = interval
    if sign == 0:  # differences that are their own mirror: only the drawing made the ends uneven
        return centre - (high - low) / 2, centre + (high - low) / 2
    return (low, high) if sign > 0 else (2 * centre - high, 2 * centre - low)


def _quantile(level: float, n: int) -> float:
    return float(stats.t.ppf(level, n - 1)) if n > 1 else math.inf


def _t_test(effect: float, se: float, n: int, exact: float) -> float:
    """Two-sided p of the t test; where all differences are the same t is none, and the exact p stands in."""
    if n < 2 or effect == 0:
        return 1.0
    return float(2 * stats.t.sf(abs(effect) / se, n - 1)) if se > 0 else exact


def _sign_flip(d: Array) -> float:
    """Two-sided p of the mean under random signs, shape `(n,)` to a number."""
    if len(d) < 2 or not np.any(d):
        return 1.0
    test = stats.permutation_test(
        (d,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=_SIGN_FLIPS,
        random_state=np.random.default_rng(0),
    )
    return float(test.pvalue)


def _bca(d: Array, alpha: float, stretch: float) -> tuple[float, float]:
    """BCa interval of the mean, its ends moved from the mean by `stretch`, as the t interval's are."""
    mean = float(np.mean(d))
    if np.ptp(d) == 0:
        return mean, mean
    result = stats.bootstrap(
        (d,),
        np.mean,
        confidence_level=1 - alpha,
        n_resamples=_RESAMPLES,
        method="BCa",
        random_state=np.random.default_rng(0),
    )
    ends = result.confidence_interval
    return mean + stretch * (float(ends.low) - mean), mean + stretch * (float(ends.high) - mean)


def _wins(d: Array, alpha: float, stretch: float) -> tuple[float, float, float]:
    """Share of seeds above 0, ties half, with its percentile bootstrap interval, stretched like `_bca`'s.

    Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks" (2021), section 4. Where
    all seeds agree a bootstrap has no width, and Wilson's interval stands in.
    """
    n = len(d)
    counts = np.array([np.sum(d < 0), np.sum(d == 0), np.sum(d > 0)])
    share = float(counts @ [0.0, 0.5, 1.0] / n)
    if np.max(counts) == n:
        return share, *wilson(share, n / stretch**2, alpha)
    draws = np.random.default_rng(0).multinomial(n, counts / n, size=_RESAMPLES) @ [0.0, 0.5, 1.0] / n
    ends = share + stretch * (np.quantile(draws, [alpha / 2, 1 - alpha / 2]) - share)
    return share, max(float(ends[0]), 0.0), min(float(ends[1]), 1.0)
