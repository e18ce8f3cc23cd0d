"""What a study is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from goodfit.errors import UsageError
from goodfit.models.recipe import Recipe, number, plain, whole
from goodfit.train.membership import Validation

SEEDS = 29
"""Paired seeds by default: full power to see that one variant wins three of four (Bouthillier et al. 2021)."""

MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Options:
    """What a study is asked to do; everything here fixes its numbers.

    Attributes:
        seeds: Paired seeds of every variant.
        recipe: The base recipe; None takes the model's, or the tutorials' (`default_recipe`).
        model: A Keras model of the user's own as the base, whatever `models.source.load_model` takes.
        base: Fields of that recipe to change.
        epochs: Epochs of the base, in place of the recipe's.
        treatments: Names of the treatments to try; None tries what the findings call for.
        validation: Which development rows each seed validates on: `holdout` (by default a fifth, another one for each
            seed), `kfold:5`, `fixed` (the same rows for all seeds), or a hold-out's share.
        rope: A difference in accuracy that does not matter in practice.
        budget: Seconds to aim at, by fewer seeds (6 at least) and treatments (1 at least); None is no limit.
        encoder: Options of the encoder, by its names.
        memory: Bytes that the process may take; None takes half of what is free for lanes.
    """

    seeds: int = SEEDS
    recipe: Recipe | None = None
    model: Any = None
    base: dict[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    treatments: tuple[str, ...] | None = None
    validation: str | float = 0.2
    rope: float = 0.01
    budget: float | None = None
    encoder: dict[str, Any] = field(default_factory=dict)
    memory: int | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        for f in fields(self):
            object.__setattr__(self, f.name, plain(getattr(self, f.name)))
        if not 1 <= whole(self.seeds) <= MOST_SEEDS:
            raise UsageError("bad number of seeds", expected=f"1 to {MOST_SEEDS:,}", received=repr(self.seeds))
        if self.epochs is not None and not whole(self.epochs) >= 1:
            raise UsageError("bad epochs", expected="a whole number of 1 or more", received=repr(self.epochs))
        if self.recipe is not None and self.model is not None:
            raise UsageError("both a recipe and a model are given", expected="one of them")
        Validation.parse(self.validation)
        if not 0 <= number(self.rope) < 1:
            raise UsageError("bad rope", expected="a difference in accuracy, 0 or more", received=repr(self.rope))
        if self.memory is not None and not number(self.memory) > 0:
            raise UsageError("bad memory", expected="an amount above 0, such as 4GB", received=repr(self.memory))
        if self.budget is not None and not 0 < number(self.budget) < float("inf"):
            raise UsageError("bad budget", expected="a time above 0, such as 90s or 2m", received=repr(self.budget))

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold, for the folder's identity; a model is known by the base recipe made of it."""
        return {
            "seeds": self.seeds,
            "recipe": self.recipe.identity if self.recipe else None,
            "base": self.base,
            "epochs": self.epochs,
            "treatments": list(self.treatments) if self.treatments is not None else None,
            "validation": str(Validation.parse(self.validation)),
            "rope": self.rope,
            "budget": self.budget,
            "encoder": self.encoder,
        }


def default_recipe(classes: int, rows: int, image: tuple[int, int] | None = None) -> Recipe:
    """The tutorials' base network.

    Two hidden layers of 16 units, or 64 for 10 classes and more, RMSprop, batch 512. For images a small convolutional
    network, 32 and then 64 filters, halved in size until about 7 pixels a side are left, 64 units, Adam, batch 64.

    Args:
        classes: Number of classes.
        rows: Training rows; under 5,000 of them the batch is Keras's default of 32, and images are seen 25 times
            instead of 15.
        image: Height and width of the images, where rows are images.
    """
    if image is not None:
        filters = (32, 64, 64, 64)[: max(1, round(math.log2(max(min(image), 14) / 7)))]
        batch, epochs = (64, 15) if rows >= 5000 else (32, 25)
        return Recipe(units=(64,), filters=filters, optimizer="adam", batch_size=batch, epochs=epochs)
    units = 64 if classes >= 10 else 16
    return Recipe(units=(units, units), batch_size=512 if rows >= 5000 else 32)
