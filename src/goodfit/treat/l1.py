"""`l1`: an L1 penalty on the hidden kernels."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment


@final
class L1(Treatment):
    """Adds `strength * sum |w|` over every hidden kernel to the loss: few weights stay away from 0."""

    stem = "l1"
    codes = ("overfitting",)
    ladder = (0.0001, 0.001)
    takes = "a factor above 0"

    def apply(self, recipe: Recipe) -> Recipe:
        """Set the factor; without a hidden layer there is no kernel to penalise."""
        return recipe.but(l1=self.strength) if recipe.widest else recipe

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """A rung above the recipe's own factor."""
        return cls.above(recipe.l1) if recipe.widest else None
