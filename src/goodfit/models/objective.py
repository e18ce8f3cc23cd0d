"""What a lane minimises: Keras's losses for classification, given class indices, over a lane's own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from goodfit.errors import ModelError, first_line

_L = keras.losses
_LABELS = tuple(c for c in (getattr(_L, "CategoricalGeneralizedCrossEntropy", None),) if c)
"""Losses that take class indices themselves."""
_BINARY = (_L.BinaryCrossentropy, _L.BinaryFocalCrossentropy)
_HINGE = (_L.Hinge, _L.SquaredHinge)
_SUMS = (_L.Dice, _L.Tversky)
"""Losses that may be one number for a whole batch, to which a row of zeros adds nothing."""
_DISTANCES = (
    _L.MeanSquaredError,
    _L.MeanAbsoluteError,
    _L.MeanAbsolutePercentageError,
    _L.MeanSquaredLogarithmicError,
    _L.CosineSimilarity,
    _L.Huber,
    _L.LogCosh,
)
"""Losses for regression; with a sigmoid or softmax output they tell classes apart all the same."""
_UNSUITED = tuple(getattr(_L, name) for name in ("CTC", "Circle") if hasattr(_L, name))


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss and how it is computed from class indices.

    Attributes:
        loss: A Keras loss without label smoothing.
        units: Units of the model's output.
        threshold: With one unit, the output above which the second class is meant.
        kind: `rows`: a number for each row; `sums`: one for the batch, to which rows of zeros add nothing; `across`: a
            number for each row that depends on other rows; `batch`: one for the batch, otherwise.
        takes: What the loss is given: `indices`, or `targets` of the output's shape.
        activation: Keras's name of the output's activation.
    """

    loss: keras.losses.Loss
    units: int
    threshold: float
    kind: str
    takes: str
    activation: str = "linear"

    @property
    def logits(self) -> bool:
        """Whether the model's output takes a sigmoid or softmax to become probabilities: logits, margins."""
        margins = isinstance(self.loss, (*_HINGE, _L.CategoricalHinge)) and self.activation not in (
            "sigmoid",
            "softmax",
        )
        return bool(margins or settings(self.loss).get("from_logits"))

    def targets(self, y: jax.Array, smoothing: Any) -> jax.Array:
        """What the loss is given for class indices `y`, with a share of each target spread over all classes."""
        if self.takes == "indices":
            return y
        if self.units == 1:
            return y[:, None].astype(jnp.float32) * (1 - smoothing) + 0.5 * smoothing
        spread = 0.5 if isinstance(self.loss, _BINARY) else 1 / self.units
        return jax.nn.one_hot(y, self.units, dtype=jnp.float32) * (1 - smoothing) + spread * smoothing

    def rows(self, out: jax.Array, y: jax.Array, smoothing: Any) -> jax.Array:
        """Loss of each row, float32 `(batch,)`."""
        return self.loss.call(self.targets(y, smoothing), out.astype(jnp.float32))

    def batch(self, out: jax.Array, y: jax.Array, smoothing: Any, own: jax.Array) -> jax.Array:
        """Loss of the rows where `own` is true, one number, of a loss of the kind `sums`."""
        zeroed = jnp.where(own[:, None], self.targets(y, smoothing), 0)
        return self.loss.call(zeroed, jnp.where(own[:, None], out.astype(jnp.float32), 0))

    def total(
        self, out: jax.Array, y: jax.Array, smoothing: Any, own: jax.Array, weight: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """What is minimised, and the sum of losses over a lane's own rows.

        Args:
            out: The model's output, `(batch, units)`.
            y: Class indices, `(batch,)`.
            smoothing: The lane's label smoothing.
            own: Bool `(batch,)`: the lane's own rows.
            weight: Weights of the rows, `(batch,)`, or None.
        """
        count = own.sum()
        weight = own.astype(jnp.float32) if weight is None else jnp.where(own, weight, 0)
        if self.kind == "rows":
            total = jnp.where(own, self.rows(out, y, smoothing) * weight, 0).sum()
        else:
            total = self.batch(out, y, smoothing, own) * weight.sum()
        if self.loss.reduction == "sum":
            return total, total
        by = weight.sum() if self.loss.reduction == "mean_with_sample_weight" else count
        return jnp.where(by > 0, total / jnp.where(by > 0, by, 1), 0), total

    def right(self, out: jax.Array, y: jax.Array) -> jax.Array:
        """Whether the likeliest class is the right one, bool `(batch,)`."""
        if self.units == 1:
            return (out[:, 0] > self.threshold) == (y > 0)
        return jnp.argmax(out, -1) == y


def prepared(loss: Any, units: int) -> tuple[keras.losses.Loss, float]:
    """A loss as the engine wants it, and its label smoothing.

    A sparse categorical cross-entropy becomes a categorical one, so that label smoothing can differ between lanes: the
    two are the same number.

    Args:
        loss: Anything that `compile` takes as the loss of one output.
        units: Units of the output.

    Raises:
        ModelError: It is no loss, or none for classes.
    """
    if str(loss).lower() in {"crossentropy", "ce"}:
        loss = "binary_crossentropy" if units == 1 else "categorical_crossentropy"
    try:
        loss = keras.losses.get(loss)
    except (ValueError, TypeError):
        loss = None
    if loss is None:
        raise ModelError("the model has no loss that goodfit knows", expected="a Keras loss for classification")
    loss = _object(loss)
    if isinstance(loss, _UNSUITED):
        raise ModelError(
            f"{type(loss).__name__} is no loss for classes",
            expected="a loss for classification",
            fix="Compile the model with a cross-entropy.",
        )
    config = settings(loss)
    if config.get("axis", -1) not in (None, -1, 1) or config.get("ignore_class") is not None:
        raise ModelError(
            f"{type(loss).__name__} has an axis or a class to ignore",
            expected="a loss over the last axis and all classes",
            fix="Leave these arguments out; rows to be ignored can be left out of the data.",
        )
    if loss.reduction in (None, "none"):
        raise ModelError("the loss has no reduction", expected="reduction='sum_over_batch_size'")
    if isinstance(loss, _L.SparseCategoricalCrossentropy):
        kept = {k: config[k] for k in ("from_logits", "reduction")}
        return _L.CategoricalCrossentropy(**kept), 0.0
    smoothing = float(config.get("label_smoothing") or 0.0)
    return (type(loss).from_config({**config, "label_smoothing": 0.0}), smoothing) if smoothing else (loss, 0.0)


def smooths(loss: keras.losses.Loss) -> bool:
    """Whether a prepared loss can have label smoothing."""
    return "label_smoothing" in settings(loss)


def settings(loss: keras.losses.Loss) -> dict[str, Any]:
    """A loss's config; one of a function of the user's own is that function itself, which need not be serialisable."""
    return {"fn": loss.fn, "reduction": loss.reduction} if type(loss) is _wrapper() else loss.get_config()


def of(loss: keras.losses.Loss, units: int, activation: str, threshold: float | None = None) -> Objective:
    """The objective of a prepared loss.

    Args:
        loss: As `prepared` gives it.
        units: Units of the model's output.
        activation: Keras's name of the output's activation.
        threshold: The user's own threshold of a single unit, if any.

    Raises:
        ModelError: The loss cannot be computed for such an output, or is one for regression.
    """
    name = type(loss).__name__
    if isinstance(loss, _DISTANCES) and activation not in ("sigmoid", "softmax"):
        raise ModelError(
            f"{name} on a {activation} output is regression",
            expected="a network that tells classes apart",
            fix="End the model with sigmoid or softmax, and compile it with a cross-entropy.",
        )
    if threshold is None:
        margin = isinstance(loss, _HINGE) and activation != "sigmoid"
        threshold = 0.0 if margin or settings(loss).get("from_logits") else 0.5
    indices = isinstance(loss, _LABELS) or "sparse" in str(getattr(loss, "name", "")).lower()
    shape = (2,) if indices else (2, units)
    dtypes = jnp.int32 if indices else jnp.float32
    try:
        like = jax.eval_shape(
            loss.call, jax.ShapeDtypeStruct(shape, dtypes), jax.ShapeDtypeStruct((2, units), np.float32)
        )
    except Exception as error:
        raise ModelError(
            f"the loss {name} fails on class targets and {units} outputs",
            received=first_line(error),
            fix="Compile the model with a loss for classification.",
        ) from None
    if like.shape not in ((), (2,)):
        raise ModelError(f"the loss {name} gives an array of shape {like.shape[1:]} a row", expected="one number a row")
    kind = "rows" if like.shape else "sums" if isinstance(loss, _SUMS) else "batch"
    aim = Objective(loss, units, float(threshold), kind, "indices" if indices else "targets", activation)
    return replace(aim, kind="across") if kind == "rows" and not _stock(loss) and _across(aim) else aim


def _across(aim: Objective) -> bool:
    """Whether a loss gives some random rows other numbers when others in their batch change, or are not there."""
    rng = np.random.default_rng(0)
    classes = max(aim.units, 2)
    y, out = np.arange(8) % classes, rng.dirichlet(np.ones(classes), 8)[:, -aim.units :]
    last = np.arange(8) >= 5
    other = np.where(last, (y + 1) % classes, y), np.where(last[:, None], rng.permuted(out, axis=0), out)
    (first, *others) = [
        np.asarray(aim.rows(jnp.asarray(o, jnp.float32), jnp.asarray(t, jnp.int32), 0.0))[:5]
        for t, o in ((y, out), other, (y[:5], out[:5]))
    ]
    return not all(np.allclose(first, o, rtol=1e-4, atol=1e-6, equal_nan=True) for o in others)


def _stock(loss: keras.losses.Loss) -> bool:
    return str(getattr(function(loss), "__module__", "")).startswith("keras.")


def function(loss: keras.losses.Loss) -> Any:
    """The function that Keras made a loss of; any other loss itself."""
    return loss.fn if type(loss) is _wrapper() else loss


def _object(loss: Any) -> keras.losses.Loss:
    """A loss object of a function or object; Keras's own functions become their classes."""
    wrapped = type(loss) is _wrapper()
    kind = _classes().get(loss.fn if wrapped else loss)
    if kind is not None:
        return kind(reduction=loss.reduction) if wrapped else kind()
    return loss if isinstance(loss, _L.Loss) else _wrapper()(loss, name=getattr(loss, "__name__", "loss"))


@cache
def _wrapper() -> Any:
    """The class that Keras makes a loss of a function with."""
    return next(c for c in _L.MeanSquaredError.__mro__ if c.__name__ == "LossFunctionWrapper")


@cache
def _classes() -> dict[Callable[..., Any], type]:
    """Keras's loss classes by the function they wrap."""
    found = {}
    for kind in vars(_L).values():
        if isinstance(kind, type) and issubclass(kind, _L.Loss) and kind is not _L.Loss:
            try:
                found[kind().fn] = kind
            except (TypeError, AttributeError):  # it needs arguments
                continue
    return found
