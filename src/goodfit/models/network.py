"""`Network`: a stock Keras model with its training settings, and which numbers of it may differ between lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras

from goodfit.errors import ModelError
from goodfit.models import copies, draws, objective
from goodfit.models.canonical import canonical, text
from goodfit.models.keras_recipe import KerasRecipe
from goodfit.models.objective import Objective
from goodfit.models.recipe import Recipe
from goodfit.models.stack import hidden
from goodfit.models.swap import swapped_rate, varied
from goodfit.models.walk import output_activation, output_shape
from goodfit.settings import require_jax

require_jax()


@dataclass(frozen=True, eq=False)
class Network:
    """A built stock model, how it is trained, and its place among the lanes.

    Attributes:
        model: The stock model, built; its weights are only a pattern.
        optimizer: A stock optimizer, not built.
        objective: The loss and how it is computed.
        classes: Number of classes.
        batch_size: A run's own training rows in a step.
        epochs: Epochs at most.
        patience: Epochs without a better `val_loss` before it stops with its best weights; None never stops.
        label_smoothing: Share of the target spread over all classes.
        class_weight: Weight of each class in the training loss; None weighs all alike.
        metrics: Keras metrics besides loss and accuracy, measured after each epoch.
        rates: The numbers of its dropout and noise layers, in the order of its graph.
        eager: Whether Keras does not compile its steps where it is no lane.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    objective: Objective
    classes: int
    batch_size: int
    epochs: int
    patience: int | None = None
    label_smoothing: float = 0.0
    class_weight: tuple[float, ...] | None = None
    metrics: tuple[keras.metrics.Metric, ...] = ()
    rates: dict[str, float] = field(default_factory=dict)
    eager: bool = False

    @property
    def loss(self) -> keras.losses.Loss:
        """The loss, without label smoothing."""
        return self.objective.loss

    @cached_property
    def structure(self) -> str:
        """Equal for networks that can share one compiled program: everything but the numbers that lanes may vary."""
        optimizer = self.optimizer.get_config()
        for name in ("learning_rate", "weight_decay", "name"):
            if not isinstance(optimizer.get(name), dict):  # a schedule is part of the program
                optimizer.pop(name, None)
        optimizer["excluded"] = copies.excluded(self.optimizer)
        optimizer["decays"] = getattr(self.optimizer, "weight_decay", None) is not None
        loss = {k: v for k, v in objective.settings(self.loss).items() if k not in {"label_smoothing", "name"}}
        what = [
            canonical(self.model),
            [type(self.optimizer).__name__, optimizer],
            [type(self.loss).__name__, loss, self.objective.threshold],
            [[type(m).__name__, m.get_config()] for m in self.metrics],
            self.batch_size,
        ]
        return text(what)


OWN = "goodfit"
"""The name of models that are made of recipes, whose layers all have names of their own."""

_OPTIMIZERS = {
    "sgd": lambda r: keras.optimizers.SGD(r.learning_rate),
    "momentum": lambda r: keras.optimizers.SGD(r.learning_rate, momentum=0.9),
    "rmsprop": lambda r: keras.optimizers.RMSprop(r.learning_rate),
    "adam": lambda r: keras.optimizers.Adam(r.learning_rate),
    "adamw": lambda r: keras.optimizers.AdamW(r.learning_rate, weight_decay=r.weight_decay),
    "nadam": lambda r: keras.optimizers.Nadam(r.learning_rate),
}


@draws.quick()
def from_recipe(
    recipe: Recipe, features: int | Sequence[int], classes: int, *, dropout_layers: bool | None = None
) -> Network:
    """The network of a recipe: convolutions and dense layers, or a Keras model of the user's own.

    Args:
        recipe: What to build.
        features: Columns of the input, or the shape of a row.
        classes: Number of classes; 2 gives one sigmoid unit, more a softmax.
        dropout_layers: Whether hidden layers are followed by a Dropout layer; by default where `recipe.dropout` is
            above 0. With True, recipes that differ in their rate only, 0 included, share one compiled program.

    Raises:
        ModelError: A model of the user's own does not fit the data, or convolutions get no images.
    """
    if isinstance(recipe, KerasRecipe):
        parts = recipe.build(features, dropout_layers=bool(dropout_layers))
        return of(
            parts.model,
            parts.optimizer,
            parts.loss,
            classes,
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            patience=recipe.patience,
            class_weight=recipe.class_weight,
            metrics=parts.metrics,
            eager=parts.eager,
        )
    layers = keras.layers
    shape = (features,) if isinstance(features, int) else tuple(features)
    stack = hidden(recipe, shape, recipe.dropout > 0 if dropout_layers is None else dropout_layers)
    if classes == 2:
        stack.append(layers.Dense(1, activation="sigmoid", name="output"))
        loss: keras.losses.Loss = keras.losses.BinaryCrossentropy(label_smoothing=recipe.label_smoothing)
    else:
        stack.append(layers.Dense(classes, activation="softmax", name="output"))
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    model = keras.Sequential([layers.Input(shape, name="features"), *stack], name=OWN)
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
    loss: Any,
    classes: int,
    *,
    batch_size: int = 32,
    epochs: int = 20,
    patience: int | None = None,
    class_weight: Sequence[float] | None = None,
    metrics: Sequence[keras.metrics.Metric] = (),
    eager: bool = False,
) -> Network:
    """A network of any built Keras model; what lanes may vary is read off its layers.

    Args:
        model: The model, with one output of one unit for two classes, or a unit for each class.
        optimizer: A stock optimizer.
        loss: Anything that `compile` takes.
        classes: Number of classes.
        batch_size: As in `Network`.
        epochs: As in `Network`.
        patience: As in `Network`.
        class_weight: As in `Network`.
        metrics: As in `Network`; one `BinaryAccuracy` sets the threshold of a single unit.
        eager: As in `Network`.

    Raises:
        ModelError: The model's output or its loss does not fit the classes.
    """
    units = output_units(model, classes)
    plain, smoothing = objective.prepared(loss, units)
    binary = keras.metrics.BinaryAccuracy
    thresholds = [m.threshold for m in metrics if units == 1 and isinstance(m, binary) and m.threshold != 0.5]
    aim = objective.of(plain, units, output_activation(model), next(iter(thresholds), None))
    rates = {key: float(getattr(layer, swapped_rate(layer) or "")) for key, layer in varied(model).items()}
    same = {aim.threshold} if thresholds else {aim.threshold, 0.5}  # then 0.5 is what nobody asked for
    return Network(
        model,
        optimizer,
        aim,
        classes,
        batch_size,
        epochs,
        patience,
        smoothing,
        None if class_weight is None else tuple(float(w) for w in class_weight),
        tuple(m for m in metrics if not (units == 1 and isinstance(m, binary) and m.threshold in same)),
        rates,
        eager,
    )


def output_units(model: keras.Model, classes: int) -> int:
    """Units of the model's only output.

    Raises:
        ModelError: It has several outputs, or units that do not fit the classes.
    """
    shape = output_shape(model)
    if isinstance(shape, (dict, list)) or (shape and isinstance(shape[0], (tuple, list))):
        raise ModelError(
            "the model has several outputs",
            expected="one output of classes",
            received=f"{len(model.outputs)}",
            fix="Give goodfit the part of it that tells the classes: keras.Model(model.inputs, model.outputs[0]).",
        )
    expected = f"one unit or {classes}" if classes == 2 else f"{classes} units, one for each class"
    if not shape or len(shape) != 2 or shape[-1] is None:
        raise ModelError("the model's output is no row of classes", expected=expected, received=f"shape {shape}")
    if shape[-1] != classes and not (shape[-1] == 1 and classes == 2):
        raise ModelError(
            "the model's output does not fit the data",
            expected=expected,
            received=f"{shape[-1]} unit{'s' * (shape[-1] != 1)} for {classes} classes",
        )
    return int(shape[-1])
