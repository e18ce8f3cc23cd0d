"""Shares with their intervals, for people and scripts."""

from __future__ import annotations

from typing import Any

from goodfit.study.proportions import wilson


def interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; anything where nothing was counted."""
    return wilson(hits / of, of) if of else (0.0, 1.0)


def share_of(hits: int, of: int) -> str:
    """A share with its interval, for the table."""
    low, high = interval(hits, of)
    return f"{hits:4d} of {of:4d}  {hits / of if of else 0:6.1%}  [{low:.1%}, {high:.1%}]"


class Table:
    """Lines for people, figures for scripts."""

    def __init__(self) -> None:
        self.figures: list[dict[str, Any]] = []

    def row(self, name: str, what: str, hits: int, of: int) -> None:
        low, high = interval(hits, of)
        self.figures.append({"set": name, "what": what, "hits": hits, "of": of, "low": low, "high": high})
        print(f"  {what:44s} {share_of(hits, of)}")

    def number(self, name: str, what: str, value: float) -> None:
        self.figures.append({"set": name, "what": what, "value": value})
        print(f"  {what:44s} {value:.3f}")
