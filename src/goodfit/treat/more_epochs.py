"""`more_epochs`: longer training."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment, whole


@final
class MoreEpochs(Treatment):
    """At least `strength` epochs; without one, twice the recipe's."""

    stem = "more_epochs"
    codes = ("too_few_epochs", "underfitting")
    takes = "a whole number of epochs, 1 or more"

    def apply(self, recipe: Recipe) -> Recipe:
        """Raise the number of epochs if it is lower."""
        return recipe.but(epochs=max(recipe.epochs, int(self.strength or 2 * recipe.epochs)))

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """Twice the recipe's epochs."""
        return cls(2 * recipe.epochs)

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """Epochs are counted."""
        return whole(strength)
