"""`Recipe`: all that makes one network and its training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from math import inf
from typing import Any, Self

from goodfit.errors import UsageError, near

OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "adamw", "nadam")
"""Optimizer names; `momentum` is SGD with momentum 0.9."""


@dataclass(frozen=True)
class Recipe:
    """A dense network and its training. Frozen, hashable, JSON round trip.

    Attributes:
        units: Units of each hidden layer; `()` is a linear model.
        activation: Keras's name of the hidden layers' activation.
        l1: Factor of the L1 penalty on every hidden kernel.
        l2: Factor of the L2 penalty on every hidden kernel.
        dropout: Share of inputs dropped after each hidden layer, in [0, 1).
        batch_normalization: Whether each hidden layer is dense, batch normalisation, activation.
        optimizer: One of `OPTIMIZERS`.
        learning_rate: The optimizer's learning rate.
        weight_decay: Decoupled weight decay (`adamw` only).
        label_smoothing: Share of the target spread over all classes, in [0, 1).
        batch_size: Rows of a step that are a run's own training rows.
        epochs: Epochs at most.
        patience: Epochs without a better `val_loss` before training stops and the best weights come back; None never
            stops.
    """

    units: tuple[int, ...] = (16, 16)
    activation: str = "relu"
    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    batch_normalization: bool = False
    optimizer: str = "rmsprop"
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    batch_size: int = 512
    epochs: int = 20
    patience: int | None = None

    def __post_init__(self) -> None:
        """Check every field, so that a wrong one is told before anything is built."""
        object.__setattr__(self, "units", tuple(int(u) for u in self.units))
        checks: dict[str, tuple[bool, str]] = {
            "units": (all(u >= 1 for u in self.units), "whole numbers of 1 or more"),
            "l1": (0 <= self.l1 < inf, "a number of 0 or more"),
            "l2": (0 <= self.l2 < inf, "a number of 0 or more"),
            "dropout": (0 <= self.dropout < 1, "a share in [0, 1)"),
            "learning_rate": (0 < self.learning_rate < inf, "a number above 0"),
            "weight_decay": (0 <= self.weight_decay < inf, "a number of 0 or more"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "a share in [0, 1)"),
            "batch_size": (self.batch_size >= 1, "a whole number of 1 or more"),
            "epochs": (self.epochs >= 1, "a whole number of 1 or more"),
            "patience": (self.patience is None or self.patience >= 1, "None or a whole number of 1 or more"),
            "optimizer": (
                self.optimizer in self.allowed_optimizers(),
                "one of " + ", ".join(self.allowed_optimizers()),
            ),
        }
        for name, (good, expected) in checks.items():
            if not good:
                raise UsageError(f"recipe: bad {name}", expected=expected, received=repr(getattr(self, name)))

    def allowed_optimizers(self) -> tuple[str, ...]:
        """What `optimizer` may be."""
        return OPTIMIZERS

    def but(self, **changes: Any) -> Self:
        """This recipe with some fields changed."""
        names = [f.name for f in fields(self)]
        unknown = [k for k in changes if k not in names]
        if unknown:
            raise UsageError(f"recipe: unknown field {unknown[0]!r}", fix=near(unknown[0], names))
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {**asdict(self), "units": list(self.units)}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Recipe:
        """Back from `to_dict`; fields left out keep their defaults."""
        if "model" in d and cls is Recipe:
            from goodfit.models.keras_recipe import KerasRecipe

            return KerasRecipe.from_dict(d)
        return cls().but(**d)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it this recipe and no other, JSON types only."""
        return self.to_dict()

    def weights(self, inputs: int, outputs: int) -> int:
        """Weights of the network for so many input columns and output units, as Keras's `count_params`."""
        dense = sum((a + 1) * b for a, b in pairwise((inputs, *self.units, outputs)))
        return dense + (4 * sum(self.units) if self.batch_normalization else 0)

    @property
    def key(self) -> str:
        """A short hash of all fields."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]

    def diff(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Fields in which `other` differs: name to (here, there)."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return {f: (a, b) for f, (a, b) in pairs.items() if a != b}
