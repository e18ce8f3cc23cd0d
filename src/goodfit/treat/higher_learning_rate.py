"""`higher_learning_rate`: larger steps."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment


@final
class HigherLearningRate(Treatment):
    """A learning rate of at least `strength`; without one, ten times the recipe's."""

    stem = "higher_learning_rate"
    codes = ("learning_rate_too_low", "plateau", "underfitting")
    takes = "a learning rate above 0"

    def apply(self, recipe: Recipe) -> Recipe:
        """Raise the rate if it is lower."""
        return recipe.but(learning_rate=max(recipe.learning_rate, self.strength or _tenfold(recipe)))

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """Ten times the recipe's rate."""
        return cls(_tenfold(recipe))


def _tenfold(recipe: Recipe) -> float:
    return float(f"{recipe.learning_rate * 10:.6g}")  # 0.003, not 0.0030000000000000005
