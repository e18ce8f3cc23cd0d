"""How numbers look, in the page and in the terminal alike. A missing number is a dash, never `nan` or `None`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

MISSING = "–"
SHARES = ("accuracy", "auc", "precision", "recall", "f1")
"""What a metric's name holds if it lies between 0 and 1."""


def known(x: Any) -> bool:
    """Whether this is a finite number (a bool is none)."""
    return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)


def accuracy(x: Any) -> str:
    """A share with three decimals: `0.883`."""
    return f"{x:.3f}" if known(x) else MISSING


def loss(x: Any) -> str:
    """Three decimals below 100 (`0.287`), three figures above (`1.2e+06`)."""
    if not known(x):
        return MISSING
    return f"{x:.3f}" if abs(x) < 100 else f"{x:.3g}"


def points(x: Any) -> str:
    """A difference of shares in percentage points with its sign: `+1.2`, `−0.3`, `0.0`."""
    if not known(x):
        return MISSING
    text = f"{100 * x:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def interval(low: Any, high: Any, form: Callable[[Any], str] = accuracy) -> str:
    """`[0.879, 0.887]`, or a dash where an end is missing."""
    return f"[{form(low)}, {form(high)}]" if known(low) and known(high) else MISSING


def around(metric: dict[str, Any], key: str, form: Callable[[Any], str]) -> str:
    """The interval of a metric's mean, `mean` to `low` and `high`, but no wider than what the metric can be."""
    ends: list[Any] = [metric.get(k) for k in ("mean", "low", "high")]
    mean, low, high = ends
    if not (known(low) and known(high)):
        return MISSING
    share = any(word in key for word in SHARES)
    if share or ("loss" in key and known(mean) and mean >= 0):  # a loss of one's own may be below 0
        low = max(low, 0.0)
    return interval(low, min(high, 1.0) if share else high, form)


def probability(x: Any) -> str:
    """A p value: `0.031`, or `< 0.001`, its space unbreakable."""
    if not known(x):
        return MISSING
    return "<\u00a00.001" if x < 0.001 else f"{x:.3f}"


def percent(x: Any) -> str:
    """A share as a whole percentage: `97%`; only 1 is `100%`, only 0 is `0%`."""
    if not known(x):
        return MISSING
    whole = round(100 * x)
    if whole == 100 and x < 1:
        return "> 99%"
    return "< 1%" if whole == 0 and x > 0 else f"{whole}%"


def count(n: Any, separator: str = ",") -> str:
    """A whole number, thousands set apart: `25,000`."""
    return f"{round(n):,}".replace(",", separator) if known(n) else MISSING


def duration(seconds: Any) -> str:
    """`42 s`, `1 min 23 s`, `2 h 05 min`."""
    if not known(seconds) or seconds < 0:
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def clock(seconds: Any) -> str:
    """A short time for a narrow column: `0:42`, `12:05`, `2h05`."""
    if not known(seconds) or seconds < 0:
        return ""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02d}"


def value(x: Any, yes: str = "yes", no: str = "no") -> str:
    """Anything of a recipe or of evidence: four figures at most, lists with commas, dicts as `key value`."""
    if isinstance(x, bool):
        return yes if x else no
    if known(x):
        return f"{x:.4g}" if isinstance(x, float) else f"{x}"
    if x is None or isinstance(x, float):
        return MISSING
    if isinstance(x, dict):
        return ", ".join(f"{k} {value(v, yes, no)}" for k, v in x.items()) or MISSING
    if isinstance(x, list | tuple):
        return ", ".join(value(v, yes, no) for v in x) or MISSING
    return str(x)
