"""`Recipe`: all that makes one network and its training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from math import nan
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from goodfit.errors import UsageError, near

OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "adamw", "nadam")
"""Optimizer names; `momentum` is SGD with momentum 0.9."""

LARGEST = float(np.finfo(np.float32).max)
"""What a penalty or a rate is below: weights are in single precision."""


def pooled(height: int, width: int) -> tuple[int, int]:
    """Size of an image after a convolution and its maximum: half of it, unless it is too small for that."""
    return (height // 2, width // 2) if min(height, width) >= 4 else (height, width)


def number(value: Any) -> float:
    """A number as it is; anything else as not a number, which is in no range."""
    return float(value) if isinstance(value, Real) else nan


def whole(value: Any) -> float:
    """A whole number as it is; anything else as not a number, which is in no range."""
    return int(value) if isinstance(value, Integral) else nan


def _widths(value: Any) -> bool:
    return isinstance(value, tuple) and all(whole(v) >= 1 for v in value)


def plain(value: Any) -> Any:
    """A value with Python's numbers in place of NumPy's, in tuples, lists and dicts too: what JSON takes."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value))
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class Recipe:
    """A network and its training: convolutions of images, if any, then dense layers. Frozen, hashable, JSON round trip.

    Attributes:
        units: Units of each hidden layer; `()` is a linear model.
        filters: Filters of each 3x3 convolution with a 2x2 maximum after it, before the dense layers; `()` for rows
            that are no images.
        augmentation: How far training images are shifted, scaled and turned at random, a share of the side in [0, 1];
            those in colour are mirrored too.
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
    filters: tuple[int, ...] = ()
    augmentation: float = 0.0
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
        for name in ("units", "filters"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, Iterable) else value)
        for f in fields(self):
            object.__setattr__(self, f.name, plain(getattr(self, f.name)))
        checks: dict[str, tuple[bool, str]] = {
            "units": (_widths(self.units), "whole numbers of 1 or more"),
            "filters": (_widths(self.filters), "whole numbers of 1 or more"),
            "augmentation": (0 <= number(self.augmentation) <= 1, "a share in [0, 1]"),
            "l1": (0 <= number(self.l1) < LARGEST, "a number of 0 or more"),
            "l2": (0 <= number(self.l2) < LARGEST, "a number of 0 or more"),
            "dropout": (0 <= number(self.dropout) < 1, "a share in [0, 1)"),
            "learning_rate": (0 < number(self.learning_rate) < LARGEST, "a number above 0"),
            "weight_decay": (0 <= number(self.weight_decay) < LARGEST, "a number of 0 or more"),
            "label_smoothing": (0 <= number(self.label_smoothing) < 1, "a share in [0, 1)"),
            "batch_normalization": (isinstance(self.batch_normalization, bool), "True or False"),
            "batch_size": (whole(self.batch_size) >= 1, "a whole number of 1 or more"),
            "epochs": (whole(self.epochs) >= 1, "a whole number of 1 or more"),
            "patience": (self.patience is None or whole(self.patience) >= 1, "None or a whole number of 1 or more"),
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
        return {**asdict(self), "units": list(self.units), "filters": list(self.filters)}

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

    def weights(self, inputs: int | Sequence[int], outputs: int) -> int:
        """Weights of the network for rows of so many columns, or of this shape, as Keras's `count_params`."""
        shape = (inputs,) if isinstance(inputs, int) else tuple(inputs)
        count = 0
        for f in self.filters:
            height, width, channels = shape
            count += (9 * channels + 1) * f
            shape = (*pooled(height, width), f)
        columns = math.prod(shape)
        dense = sum((a + 1) * b for a, b in pairwise((columns, *self.units, outputs)))
        # a normalised layer has no bias, but four numbers a unit
        normalised = 3 * sum(self.filters) + 3 * sum(self.units) if self.batch_normalization else 0
        return count + dense + normalised

    def scaled(self, widest: int) -> Self:
        """This recipe with so many units or filters in its widest hidden layer, the others in proportion."""
        units, filters = (tuple(max(1, round(n * widest / self.widest)) for n in v) for v in (self.units, self.filters))
        return self.but(units=units, filters=filters) if widest != self.widest else self

    @property
    def augmentable(self) -> bool:
        """Whether its rows may be images that can be changed at random."""
        return bool(self.filters)

    @property
    def widest(self) -> int:
        """Units or filters of the widest hidden layer; 0 without any."""
        return max((*self.filters, *self.units), default=0)

    def diff(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Fields in which `other` differs: name to (here, there)."""
        pairs = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return {f: (a, b) for f, (a, b) in pairs.items() if a != b}
