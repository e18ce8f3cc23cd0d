"""How a Keras model was compiled: optimizer, loss, metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import keras

from goodfit.errors import ModelError, first_line
from goodfit.models import copies, measures
from goodfit.models.walk import output_activation, output_shape

_ACCURACIES = (
    keras.metrics.Accuracy,
    keras.metrics.CategoricalAccuracy,
    keras.metrics.SparseCategoricalAccuracy,
)
_TAKEN = ("loss", "accuracy", "learning_rate")
_COUNT = re.compile(r"_\d+$")


@dataclass(frozen=True, eq=False)
class Settings:
    """The compile settings of a model with one output.

    Attributes:
        optimizer: Its optimizer, not built.
        loss: Its loss, as it was given.
        metrics: Keras metrics besides accuracy; a `BinaryAccuracy` stays for its threshold.
        notes: What was chosen where nothing was said, and which metrics are not measured.
        eager: Whether Keras is not to compile the steps where it trains the model itself.
    """

    optimizer: keras.optimizers.Optimizer
    loss: Any
    metrics: tuple[keras.metrics.Metric, ...] = ()
    notes: tuple[str, ...] = ()
    eager: bool = False


def read(model: keras.Model) -> Settings:
    """The compile settings of a built model; sensible ones for a model that was not compiled.

    Raises:
        ModelError: They cannot be used.
    """
    notes: list[str] = []
    loss = _only(getattr(model, "loss", None), "losses") if model.compiled else None
    optimizer = model.optimizer if model.compiled else None
    if loss is None or loss == "":
        loss = default_loss(model)
        chosen = "binary" if isinstance(loss, keras.losses.BinaryCrossentropy) else "categorical"
        chosen += " cross-entropy" + (" on logits" if loss.from_logits else "")
        said = "compiled without a loss" if model.compiled else "not compiled"
        chosen += " was chosen" if optimizer is not None else " and RMSprop were chosen"
        notes.append(f"The model was {said}: {chosen}.")
    weight = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    if weight and set(keras.tree.flatten(weight)) != {1.0}:
        raise ModelError(
            "the model was compiled with loss_weights",
            expected="one loss of weight 1",
            fix="Leave loss_weights out; the learning rate scales the steps.",
        )
    return Settings(_optimizer(optimizer), loss, tuple(_metrics(model, notes)), tuple(notes), bool(model.run_eagerly))


def default_loss(model: keras.Model) -> keras.losses.Loss:
    """The cross-entropy for a model's output; on logits where it does not end in sigmoid or softmax."""
    units = keras.tree.flatten(model.outputs)[0].shape[-1] if getattr(model, "outputs", None) else 2
    activation = output_activation(model)
    if units == 1:
        return keras.losses.BinaryCrossentropy(from_logits=activation != "sigmoid")
    return keras.losses.SparseCategoricalCrossentropy(from_logits=activation != "softmax")


def _optimizer(optimizer: Any) -> keras.optimizers.Optimizer:
    """A fresh copy of an optimizer."""
    if optimizer is None:
        return keras.optimizers.RMSprop()
    rate = getattr(optimizer, "_learning_rate", None)
    schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
    if callable(rate) and not schedule and not isinstance(rate, keras.Variable):
        raise ModelError(
            "the learning rate is a Python function",
            expected="a number or a keras.optimizers.schedules.LearningRateSchedule",
        )
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise ModelError(
            "the optimizer spares single variables weight decay",
            expected="names of variables, which copies of the model have too",
            fix='Name them: optimizer.exclude_from_weight_decay(var_names=["bias"]).',
        )
    try:
        return copies.optimizer(optimizer)
    except (TypeError, NotImplementedError, ValueError) as error:
        what = f"the optimizer {type(optimizer).__name__} cannot be copied"
        raise ModelError(what, received=first_line(error)) from None


def _metrics(model: keras.Model, notes: list[str]) -> list[keras.metrics.Metric]:
    """The metrics that were asked for, accuracy left out: it is measured in any case."""
    asked = getattr(model, "_compile_metrics", None) if model.compiled else None
    found: dict[str, keras.metrics.Metric] = {}
    if weighted := keras.tree.flatten(getattr(asked, "_user_weighted_metrics", None) or []):
        names = ", ".join(_COUNT.sub("", str(getattr(m, "name", getattr(m, "__name__", m)))) for m in weighted)
        notes.append(f"Weighted metrics ({names}) are measured as all others: every row counts alike.")
    shape = output_shape(model)
    units = shape[-1] if isinstance(shape, tuple) and len(shape) == 2 and isinstance(shape[-1], int) else None
    for given in ("_user_metrics", "_user_weighted_metrics"):
        for metric in keras.tree.flatten(getattr(asked, given, None) or []):
            if metric is None or str(metric).lower() in {"accuracy", "acc", "crossentropy", "ce"}:
                continue
            name = metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", "metric"))
            try:
                metric = keras.metrics.get(metric)
            except ValueError:
                raise ModelError(f"metric {name!r} is unknown", expected="one of keras.metrics") from None
            if not isinstance(metric, keras.metrics.Metric):
                metric = keras.metrics.MeanMetricWrapper(metric, name=name)
            inner = metric._fn if isinstance(metric, keras.metrics.MeanMetricWrapper) else metric
            if not (getattr(inner, "__module__", "") or "").startswith("keras."):
                notes.append(f"The metric {name} is not measured: it is none of Keras's own.")
            elif not isinstance(metric, _ACCURACIES):
                base = _COUNT.sub("", metric.name)
                if base.replace("_", "") == type(metric).__name__.lower():  # Keras counts on from model to model
                    before = sum(_COUNT.sub("", name) == base for name in found)
                    named = {"name": f"{base}_{before}" if before else base}
                    metric = type(metric).from_config({**metric.get_config(), **named})
                if metric.name in _TAKEN and not (units == 1 and isinstance(metric, keras.metrics.BinaryAccuracy)):
                    kind = type(metric).__name__
                    notes.append(
                        f"The metric {metric.name} is called {kind} here: goodfit has a {metric.name} of its own."
                    )
                    metric = type(metric).from_config({**metric.get_config(), "name": kind})
                if units and (why := measures.trouble(metric, units)) is not None:
                    notes.append(f"The metric {metric.name} is not measured: {why.rstrip('.')}.")
                else:
                    found[metric.name] = metric
    return list(found.values())


def _only(value: Any, what: str) -> Any:
    """The one entry of a list or dict."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        if len(value) > 1:
            raise ModelError(f"the model was compiled with several {what}", expected="one", received=str(len(value)))
        return value[0] if value else None
    return value
