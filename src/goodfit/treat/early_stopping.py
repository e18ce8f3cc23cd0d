"""`early_stopping`: each run ends when its validation loss has stopped falling."""

from __future__ import annotations

from typing import Self, final

from goodfit.models.recipe import Recipe
from goodfit.treat.base import Treatment, whole


@final
class EarlyStopping(Treatment):
    """Stops `strength` epochs after the best validation loss and takes the weights of that epoch back."""

    stem = "early_stopping"
    codes = ("overfitting", "too_many_epochs", "last_weights_kept")
    ladder = (3,)
    takes = "a whole number of epochs, 1 or more"

    def apply(self, recipe: Recipe) -> Recipe:
        """Set the patience; one that is no shorter than the training would never stop it."""
        patience = int(self.strength or 0)
        return recipe.but(patience=patience) if patience < recipe.epochs else recipe

    @classmethod
    def suited(cls, recipe: Recipe) -> Self | None:
        """Where the recipe has more patience, or never stops."""
        treatment = cls()
        longer = recipe.patience is None or recipe.patience > cls.ladder[0]
        return treatment if longer and treatment.apply(recipe) != recipe else None

    @classmethod
    def allowed(cls, strength: float) -> bool:
        """Epochs are counted."""
        return whole(strength)
