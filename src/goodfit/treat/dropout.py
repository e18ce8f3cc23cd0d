"""`dropout`: hidden units left out at random in training."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment


@final
class Dropout(Treatment):
    """A dropout layer of rate `strength` after each hidden layer."""

    stem = "dropout"
    codes = ("overfitting",)
    ladder = (0.5, 0.7)
    takes = "a share between 0 and 1"

    def apply(self, recipe: Recipe) -> Recipe:
        """Set the rate; without a hidden layer there is nothing to drop."""
        return recipe.but(dropout=self.strength) if recipe.widest else recipe

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """A rung above the recipe's own rate."""
        return cls.above(recipe.dropout) if recipe.widest else None

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """A rate of 1 would leave nothing."""
        return 0 < strength < 1
