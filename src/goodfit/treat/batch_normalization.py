"""`batch_normalization`: hidden layers normalised over the batch."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment


@final
class BatchNormalization(Treatment):
    """Batch normalisation between each hidden layer's product and its activation."""

    stem = "batch_normalization"
    codes = ("underfitting", "vanishing_gradient", "exploding_gradient", "dying_relu")

    def apply(self, recipe: Recipe) -> Recipe:
        """Switch it on; without a hidden layer there is nothing to normalise."""
        return recipe.but(batch_normalization=True) if recipe.widest else recipe

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """Where it is off."""
        return cls() if recipe.widest and not recipe.batch_normalization else None
