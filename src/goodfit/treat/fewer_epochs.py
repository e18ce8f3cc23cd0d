"""`fewer_epochs`: shorter training."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment, whole


@final
class FewerEpochs(Treatment):
    """At most `strength` epochs; without one, half of the recipe's."""

    stem = "fewer_epochs"
    codes = ("too_many_epochs",)
    takes = "a whole number of epochs, 1 or more"

    def apply(self, recipe: Recipe) -> Recipe:
        """Lower the number of epochs if it is higher."""
        return recipe.but(epochs=min(recipe.epochs, int(self.strength or max(recipe.epochs // 2, 1))))

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """Never: a study chooses the epochs of every variant from its curve, so that this one is always tried."""
        return None

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """Epochs are counted."""
        return whole(strength)
