"""What a comparison of two variants says, and how its figures become a verdict and a sentence."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

VERDICTS = ("better", "worse", "equivalent", "undecided", "diverged")
"""What a comparison may end with; `diverged`: no run of the other has a score, whatever the base's have."""

FEWEST = 6
"""Paired seeds below which nothing is established: the sign-flip p of five is at least 2/2^5 = 0.0625."""

_MOST_SEEDS = 1_000  # nobody trains more: beyond, `more_seeds` is None
_POWER = 0.8


@dataclass(frozen=True)
class Comparison:
    """A treatment (`other`) against the base, over paired seeds.

    Attributes:
        names: Names of base and other.
        metric: What was compared.
        n: Paired seeds.
        effect: Mean paired difference; above 0 the other is better.
        low: Lower end of the t interval of the effect at level `1 - alpha`; `-inf` for one seed, and for fewer than
            `FEWEST` that all differ by the same.
        high: Its upper end.
        p: Two-sided p of the same t test: below `alpha` exactly where the interval excludes 0.
        p_holm: `p` after Holm's correction for all treatments that were compared together.
        p_permutation: Two-sided sign-flip p, exact up to 13 seeds. It knows no correction for overlapping
            training rows, so it can hold a verdict back but never makes one.
        bootstrap_low: Lower end of the BCa bootstrap interval; None below `BOOTSTRAP_FROM` seeds.
        bootstrap_high: Its upper end.
        wins: Share of seeds that the other wins, ties counted half.
        wins_low: Lower end of its bootstrap interval.
        wins_high: Its upper end.
        sd: Standard deviation of the paired differences.
        diverged: Runs without a finite score, of base and of other.
        rope: Differences up to this size do not matter in practice.
        alpha: Level of intervals and verdict.
        split: `resampled`: every seed drew its own training and validation rows from one data set, and
            intervals and p carry the correction of Nadeau and Bengio; `fixed`: all seeds share one split, and
            speak for it only.
        resampled: Training and validation rows of a run for a `resampled` split, else None.
        verdict: One of `VERDICTS`.
        more_seeds: For an undecided comparison about how many more seeds would decide it; None where none are
            needed or no affordable number would do.
        message: The verdict as one sentence.
    """

    names: tuple[str, str]
    metric: str
    n: int
    effect: float
    low: float
    high: float
    p: float
    p_holm: float
    p_permutation: float
    bootstrap_low: float | None
    bootstrap_high: float | None
    wins: float
    wins_low: float
    wins_high: float
    sd: float
    diverged: tuple[int, int]
    rope: float
    alpha: float
    split: str
    resampled: tuple[int, int] | None
    verdict: str = "undecided"
    more_seeds: int | None = None
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON types only; an end of an interval that is infinite (too few seeds) becomes None."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def too_few(n: int) -> str:
    """What to know of all comparisons over so many paired seeds; empty where they are enough for a verdict."""
    if n >= FEWEST:
        return ""
    seeds = "1 paired seed establishes" if n == 1 else f"{n} paired seeds establish"
    return f"{seeds} nothing, and an interval over so few is a first guess: a verdict takes {FEWEST} at least."


def held_back(comparison: dict[str, Any]) -> bool:
    """Whether interval and p would make a verdict that the sign-flip p holds back; of `Comparison.to_dict`."""
    found: list[Any] = [comparison.get(k) for k in ("p_holm", "alpha", "p_permutation")]
    if comparison.get("verdict") != "undecided" or comparison["n"] < FEWEST or None in found:
        return False
    p, alpha, flipped = found
    return bool(p <= alpha < flipped)


def judged(c: Comparison, p_holm: float, level: float) -> Comparison:
    """The comparison with its verdict, the seeds that are missing for one, and its sentence.

    Args:
        c: The figures.
        p_holm: Their p, corrected for all treatments compared together.
        level: What the uncorrected p has to stay under for that.
    """
    enough = c.n >= FEWEST
    inside = -c.rope <= c.low and c.high <= c.rope
    established = enough and p_holm <= c.alpha and c.p_permutation <= c.alpha
    if c.diverged[1] == c.n:
        verdict = "diverged"
    elif enough and inside:
        verdict = "equivalent"
    elif established:
        verdict = "better" if c.effect > 0 else "worse"
    else:
        verdict = "undecided"
    more = _more_seeds(c, level) if verdict == "undecided" else None
    c = replace(c, p_holm=p_holm, verdict=verdict, more_seeds=more)
    return replace(c, message=_sentence(c, established))


def _more_seeds(c: Comparison, level: float) -> int | None:
    """Seeds to add until a verdict comes in 80 % of cases, were effect and spread what they look like now."""
    if not math.isfinite(c.sd):
        return FEWEST - c.n
    n = np.arange(max(c.n + 1, FEWEST), _MOST_SEEDS + 1)
    ratio = c.resampled[1] / c.resampled[0] if c.resampled else 0.0
    reach = (stats.t.ppf(1 - level / 2, n - 1) + stats.t.ppf(_POWER, n - 1)) * c.sd * np.sqrt(1 / n + ratio)
    decided = (abs(c.effect) > reach) | (abs(c.effect) + reach <= c.rope)
    return int(n[np.argmax(decided)]) - c.n if decided.any() else None


def _sentence(c: Comparison, established: bool) -> str:
    base, other = (f"'{name}'" for name in c.names)
    if c.verdict == "diverged":
        too = f" (so did {c.diverged[0]} of {base})" if c.diverged[0] else ""
        return f"All {c.n} of {c.n} runs of {other} diverged{too}: it is rejected."
    seeds = f"{c.n} paired seed{'s' * (c.n != 1)}"
    split = "each with its own split" if c.split == "resampled" else "all on one split"
    p = "p < 0.0001" if c.p_holm < 1e-4 else f"p = {c.p_holm:.2g}"
    interval = f"{100 * (1 - c.alpha):.3g} % interval {_number(c, c.low)} to {_number(c, c.high)}"
    facts = ", ".join(([interval] if math.isfinite(c.low) else []) + ([p] if c.n >= FEWEST else []) + [seeds, split])
    facts = f"({facts})"
    unit = f"points of {c.metric}" if _points(c) else f"in {c.metric}"
    if c.verdict in ("better", "worse"):
        text = f"{other} is {c.verdict} than {base} by {_number(c, abs(c.effect))} {unit} {facts}"
        if abs(c.effect) <= c.rope:
            text += f", which may be too small to matter: {_number(c, c.rope)} would"
    elif c.verdict == "equivalent":
        real = "real but " if established else ""
        matters = f"{real}less than the {_number(c, c.rope)} that would matter"
        text = f"{other} is as good as {base}: {_number(c, c.effect, '+')} {unit} {facts}, {matters}"
    else:
        text = f"Whether {other} helps is undecided: {_number(c, c.effect, '+')} {unit} {facts}; {_missing(c)}"
    for name, runs in zip((base, other), c.diverged, strict=True):
        text += f"; {runs} of {c.n} runs of {name} diverged and count as worst" if runs else ""
    return text + "."


def _missing(c: Comparison) -> str:
    if c.more_seeds is None:
        return "more seeds would not decide it" + (", more rows might" if c.resampled else "")
    few = f"fewer than {FEWEST} paired seeds establish nothing, " if c.n < FEWEST else ""
    least = "at least" if c.n < 2 else "about"
    return f"{few}{least} {c.more_seeds} more would decide it, should the difference stay as it is"


def _points(c: Comparison) -> bool:
    return c.metric.endswith("accuracy")


def _number(c: Comparison, value: float, sign: str = "") -> str:
    return f"{round(100 * value, 2) + 0:{sign}.2f}" if _points(c) else f"{value:{sign}.3g}"  # no -0.00
