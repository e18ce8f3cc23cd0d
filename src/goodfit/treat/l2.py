"""`l2`: an L2 penalty on the hidden kernels."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment


@final
class L2(Treatment):
    """Adds `strength * sum w^2` over every hidden kernel to the loss: weights stay small."""

    stem = "l2"
    codes = ("overfitting",)
    ladder = (0.001, 0.01)
    takes = "a factor above 0"

    def apply(self, recipe: Recipe) -> Recipe:
        """Set the factor; without a hidden layer there is no kernel to penalise."""
        return recipe.but(l2=self.strength) if recipe.widest else recipe

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """A rung above the recipe's own factor."""
        return cls.above(recipe.l2) if recipe.widest else None
