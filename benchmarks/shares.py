"""Shares with their intervals, for people and scripts."""

from __future__ import annotations

import math
from typing import Any


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if of == 0:
        return 0.0, 1.0
    p, n = hits / of, of
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def share_of(hits: int, of: int) -> str:
    """A share with its interval, for the table."""
    low, high = wilson(hits, of)
    return f"{hits:4d} of {of:4d}  {hits / of if of else 0:6.1%}  [{low:.1%}, {high:.1%}]"


class Table:
    """Lines for people, figures for scripts."""

    def __init__(self) -> None:
        self.figures: list[dict[str, Any]] = []

    def row(self, name: str, what: str, hits: int, of: int) -> None:
        low, high = wilson(hits, of)
        self.figures.append({"set": name, "what": what, "hits": hits, "of": of, "low": low, "high": high})
        print(f"  {what:44s} {share_of(hits, of)}")

    def number(self, name: str, what: str, value: float) -> None:
        self.figures.append({"set": name, "what": what, "value": value})
        print(f"  {what:44s} {value:.3f}")
