"""`lower_learning_rate`: smaller steps."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment


@final
class LowerLearningRate(Treatment):
    """A learning rate of at most `strength`; without one, a tenth of the recipe's."""

    stem = "lower_learning_rate"
    codes = (
        "learning_rate_too_high",
        "diverged",
        "oscillation",
        "noisy_validation",
        "exploding_gradient",
        "dying_relu",
    )
    takes = "a learning rate above 0"

    def apply(self, recipe: Recipe) -> Recipe:
        """Lower the rate if it is higher."""
        return recipe.but(learning_rate=min(recipe.learning_rate, self.strength or _tenth(recipe)))

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """A tenth of the recipe's rate."""
        return cls(_tenth(recipe))


def _tenth(recipe: Recipe) -> float:
    return float(f"{recipe.learning_rate / 10:.6g}")  # 0.0003, not 0.00030000000000000003
