"""`augmentation`: training images shifted, turned and scaled at random."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment


@final
class Augmentation(Treatment):
    """Training images shifted, scaled and turned by up to `strength` of their side, anew in each step.

    Those in colour are mirrored too.
    """

    stem = "augmentation"
    codes = ("overfitting",)
    ladder = (0.1, 0.2)
    takes = "a share between 0 and 1"

    def apply(self, recipe: Recipe) -> Recipe:
        """Set the strength; rows that are no images stay as they are."""
        return recipe.but(augmentation=self.strength) if recipe.augmentable else recipe

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """A rung above the recipe's own strength."""
        return cls.above(recipe.augmentation) if recipe.augmentable else None

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """A shift by the whole side would leave nothing."""
        return 0 < strength < 1
