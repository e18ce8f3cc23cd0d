"""`Treatment`: a named, pure change of a recipe."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from goodfit.errors import UsageError
from goodfit.models.recipe import Recipe


@dataclass(frozen=True)
class Treatment(ABC):
    """A change of a recipe that may help against what a diagnosis found; subclasses are final.

    Attributes:
        strength: The number in the name, as in `dropout 0.5`; None where a treatment has none, or where the recipe
            decides it (`smaller`: a quarter of its units).
        stem: The name without its strength.
        codes: Codes of the findings it is meant for.
        ladder: Strengths to try, the usual first; empty where there is none or the recipe decides it.
        takes: What a strength has to be, for people; empty where there is none.
    """

    strength: float | None = None

    stem: ClassVar[str]
    codes: ClassVar[tuple[str, ...]]
    ladder: ClassVar[tuple[float, ...]] = ()
    takes: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Take the usual strength where none is given, and refuse a bad one."""
        if self.strength is None:
            object.__setattr__(self, "strength", self.ladder[0] if self.ladder else None)
        elif not self.takes or not (math.isfinite(self.strength) and self.allowed(self.strength)):
            raise UsageError(
                f"treatment {self.stem!r}: bad strength",
                expected=self.takes or "none",
                received=f"{self.strength:g}",
            )

    @property
    def name(self) -> str:
        """Stem and strength, as `treat.get` reads them."""
        return self.stem if self.strength is None else f"{self.stem} {self.strength:.12g}"

    @abstractmethod
    def apply(self, recipe: Recipe) -> Recipe:
        """The treated recipe; the same one where the treatment does nothing."""

    @classmethod
    @abstractmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """The treatment in the strength to try first on this recipe; None where it has nothing to add."""

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """Whether a finite number may be the strength."""
        return strength > 0

    @classmethod
    def above(cls, strength: float) -> Self | None:
        """The first rung of the ladder that is stronger than this; None above the last."""
        return next((cls(rung) for rung in cls.ladder if rung > strength), None)


def whole(strength: float) -> bool:
    """Whether a strength is a whole number of 1 or more."""
    return strength >= 1 and strength == int(strength)
