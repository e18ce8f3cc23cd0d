"""`Network`: a stock Keras model with its training settings, and which numbers of it may differ between lanes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import keras

from goodfit.errors import ModelError
from goodfit.models.recipe import Recipe
from goodfit.settings import require_jax

require_jax()


@dataclass(frozen=True, eq=False)
class Network:
    """A built stock model, how it is trained, and its place among the lanes.

    Attributes:
        model: The stock model, built; its weights are only a pattern.
        optimizer: A stock optimizer, not built.
        loss: A Keras loss; `None` picks by output (see `Network.of`).
        label_smoothing: Share of the target spread over all classes.
        classes: Number of classes.
        batch_size: A run's own training rows in a step.
        epochs: Epochs at most.
        patience: Epochs without a better `val_loss` before it stops with its best weights; None never stops.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: keras.losses.Loss
    classes: int
    batch_size: int
    epochs: int
    patience: int | None = None
    label_smoothing: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def structure(self) -> str:
        """Equal for networks that can share one compiled program: everything but the numbers that lanes may vary."""
        optimizer = self.optimizer.get_config()
        for name in ("learning_rate", "weight_decay", "name"):
            if not isinstance(optimizer.get(name), dict):  # a schedule is part of the program
                optimizer.pop(name, None)
        loss = {k: v for k, v in self.loss.get_config().items() if k not in {"label_smoothing", "name"}}
        what = [_blank(self.model.get_config()), type(self.optimizer).__name__, optimizer]
        return json.dumps([what, type(self.loss).__name__, loss, self.batch_size], sort_keys=True, default=str)


def _blank(config: Any) -> Any:
    """A model's config without names and without the numbers that lanes may vary."""
    if isinstance(config, dict):
        out = {}
        for k, v in config.items():
            if k in {"name", "rate", "stddev", "seed", "build_config", "registered_name"}:
                continue
            out[k] = None if k.endswith("_regularizer") and _is_l1l2(v) else _blank(v)
        return out
    if isinstance(config, (list, tuple)):
        return [_blank(v) for v in config]
    return config


def _is_l1l2(config: Any) -> bool:
    return config is None or (isinstance(config, dict) and config.get("class_name") in {"L1", "L2", "L1L2"})


_OPTIMIZERS = {
    "sgd": lambda r: keras.optimizers.SGD(r.learning_rate),
    "momentum": lambda r: keras.optimizers.SGD(r.learning_rate, momentum=0.9),
    "rmsprop": lambda r: keras.optimizers.RMSprop(r.learning_rate),
    "adam": lambda r: keras.optimizers.Adam(r.learning_rate),
    "adamw": lambda r: keras.optimizers.AdamW(r.learning_rate, weight_decay=r.weight_decay),
    "nadam": lambda r: keras.optimizers.Nadam(r.learning_rate),
}


def from_recipe(recipe: Recipe, features: int, classes: int, *, dropout_layers: bool | None = None) -> Network:
    """The dense network of a recipe.

    Args:
        recipe: What to build.
        features: Columns of the input.
        classes: Number of classes; 2 gives one sigmoid unit, more a softmax.
        dropout_layers: Whether hidden layers are followed by a Dropout layer; by default where `recipe.dropout` is
            above 0. With True, recipes that differ in their rate only, 0 included, share one compiled program.
    """
    layers = keras.layers
    dropout = recipe.dropout > 0 if dropout_layers is None else dropout_layers
    penalty = keras.regularizers.L1L2(recipe.l1, recipe.l2) if recipe.l1 or recipe.l2 else None
    stack: list[keras.layers.Layer] = []
    for i, units in enumerate(recipe.units, start=1):
        plain = not recipe.batch_normalization
        stack.append(
            layers.Dense(
                units,
                activation=recipe.activation if plain else None,
                use_bias=plain,
                kernel_regularizer=penalty,
                name=f"hidden_{i}",
            )
        )
        if not plain:
            stack += [
                layers.BatchNormalization(name=f"normalization_{i}"),
                layers.Activation(recipe.activation, name=f"activation_{i}"),
            ]
        if dropout:
            stack.append(layers.Dropout(recipe.dropout, name=f"dropout_{i}"))
    if classes == 2:
        stack.append(layers.Dense(1, activation="sigmoid", name="output"))
        loss: keras.losses.Loss = keras.losses.BinaryCrossentropy(label_smoothing=recipe.label_smoothing)
    else:
        stack.append(layers.Dense(classes, activation="softmax", name="output"))
        loss = (
            keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
            if recipe.label_smoothing
            else keras.losses.SparseCategoricalCrossentropy()
        )
    model = keras.Sequential([layers.Input((features,), name="features"), *stack], name="goodfit")
    return of(
        model,
        _OPTIMIZERS[recipe.optimizer](recipe),
        loss,
        classes,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        patience=recipe.patience,
    )


def of(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: keras.losses.Loss,
    classes: int,
    *,
    batch_size: int = 32,
    epochs: int = 20,
    patience: int | None = None,
) -> Network:
    """A network of any built Keras model; what lanes may vary is read off its layers.

    A sparse categorical cross-entropy becomes a categorical one, so that label smoothing can differ between lanes:
    the two are the same number.
    """
    smoothing = float(getattr(loss, "label_smoothing", 0.0) or loss.get_config().get("label_smoothing", 0.0) or 0.0)
    config = loss.get_config()
    from_logits = bool(config.get("from_logits", False))
    if isinstance(loss, (keras.losses.SparseCategoricalCrossentropy, keras.losses.CategoricalCrossentropy)):
        loss = keras.losses.CategoricalCrossentropy(from_logits=from_logits)
    elif isinstance(loss, keras.losses.BinaryCrossentropy):
        loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)
    rates: dict[str, float] = {}
    for layer in flat_layers(model):
        for attribute in ("rate", "stddev"):
            value = getattr(layer, attribute, None)
            if isinstance(value, (int, float)):
                rates[layer.name] = float(value)
    if len(model.outputs) != 1:
        raise ModelError("the model has several outputs", expected="one output", received=f"{len(model.outputs)}")
    return Network(model, optimizer, loss, classes, batch_size, epochs, patience, smoothing, rates)


def flat_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """All layers that hold no other, nested models and wrappers opened."""
    return [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]
