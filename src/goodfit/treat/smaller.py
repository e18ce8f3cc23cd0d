"""`smaller`: fewer units in the hidden layers."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment, whole

_FEWEST = 2  # a layer of one ReLU unit dies with that unit


@final
class Smaller(Treatment):
    """Hidden layers of at most `strength` units; without one, a quarter of the widest's.

    With convolutions among them, layers keep their proportions.
    """

    stem = "smaller"
    codes = ("overfitting",)
    takes = "a whole number of units, 1 or more"

    def apply(self, recipe: Recipe) -> Recipe:
        """Narrow the layers that are wider."""
        most = int(self.strength or _quarter(recipe))
        if recipe.filters:
            return recipe.scaled(min(most, recipe.widest))
        return recipe.but(units=tuple(min(u, most) for u in recipe.units))

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """A quarter of the widest layer's units."""
        treatment = cls(_quarter(recipe))
        return treatment if treatment.apply(recipe) != recipe else None

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """Units are counted."""
        return whole(strength)


def _quarter(recipe: Recipe) -> int:
    return max(recipe.widest // 4, _FEWEST)
