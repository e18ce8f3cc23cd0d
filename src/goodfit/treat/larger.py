"""`larger`: more units in the hidden layers."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment, whole

_FIRST = 16  # units of the hidden layer that a linear model gets


@final
class Larger(Treatment):
    """Hidden layers of at least `strength` units, one where there was none; without one, four times the widest's.

    With convolutions among them, layers keep their proportions, and it is twice the widest's: time grows as the square.
    """

    stem = "larger"
    codes = ("underfitting",)
    takes = "a whole number of units, 1 or more"

    def apply(self, recipe: Recipe) -> Recipe:
        """Widen the layers that are narrower."""
        least = int(self.strength or _more(recipe))
        if recipe.filters:
            return recipe.scaled(max(least, recipe.widest))
        return recipe.but(units=tuple(max(u, least) for u in recipe.units) or (least,))

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """Four times the widest layer's units, or twice its filters."""
        return cls(_more(recipe))

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """Units are counted."""
        return whole(strength)


def _more(recipe: Recipe) -> int:
    return (2 if recipe.filters else 4) * recipe.widest or _FIRST
