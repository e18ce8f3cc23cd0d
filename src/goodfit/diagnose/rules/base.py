"""What every rule is. Standard library only."""

from __future__ import annotations

from abc import ABC, abstractmethod

from goodfit.diagnose.context import Context
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.view import View


class Rule(ABC):
    """One thing that can be wrong with a training, seen from its curves. Rules are final: none inherits from another.

    Attributes:
        code: The code of its findings.
        needs: The curves without which it stays silent: `train`, `val`.
    """

    code: str
    needs: tuple[str, ...]

    def applies(self, view: View) -> bool:
        """Whether the curves it needs are there and long enough to say anything (3 epochs)."""
        return view.epochs >= 3 and all(getattr(view, need) is not None for need in self.needs)

    @abstractmethod
    def check(self, view: View, context: Context) -> Finding | None:
        """What it finds, or None; only called where it applies."""


def confidence(strength: float) -> float:
    """From how many times the evidence passes its threshold to a confidence: 1 gives 0.5, 2 0.75, 4 0.94."""
    return float(1 - 0.5 ** max(0.0, strength))


def number(value: float) -> float:
    """Evidence with four significant digits."""
    return float(f"{value:.4g}")
