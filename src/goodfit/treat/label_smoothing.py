"""`label_smoothing`: targets that are a little unsure."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment


@final
class LabelSmoothing(Treatment):
    """Spreads the share `strength` of each target over all classes, so that the network gains less by being sure."""

    stem = "label_smoothing"
    codes = ("overfitting", "conflicting_labels")
    ladder = (0.1, 0.2)
    takes = "a share between 0 and 1"

    def apply(self, recipe: Recipe) -> Recipe:
        """Set the share."""
        return recipe.but(label_smoothing=self.strength)

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """A rung above the recipe's own share."""
        return cls.above(recipe.label_smoothing)

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """A share of 1 would tell the network nothing."""
        return 0 < strength < 1
