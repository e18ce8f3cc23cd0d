"""`Probe`: looks inside a Keras model on a few rows, in inference mode, and leaves everything as it was.

Nothing is trained, no weight is written, no random number is drawn: the network is called with `training=False`, and
gradients are taken beside the training, never through the optimizer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import keras
import numpy as np

from goodfit.diagnose.internals import layers
from goodfit.diagnose.internals.record import change, dead_units, saturated_units
from goodfit.diagnose.preflight.network import Network, Part, array

Array = np.ndarray

ROWS = 128
"""Rows of the probe."""

LARGEST = 50_000_000
"""Weights above which gradients and weight changes are not measured: they would cost as much as training."""


class Probe:
    """Measures of one model on fixed rows.

    Args:
        model: A built model.
        x: Rows as `fit` takes them; None measures weights only.
        y: Their labels; None leaves gradients out.
    """

    def __init__(self, model: Any, x: Any, y: Array | None):
        self.model, self.x, self.y = model, x, y
        self._small = model.count_params() <= LARGEST
        self._kernels = layers.kernels(model) if self._small else {}
        self._before = {name: array(v).copy() for name, v in self._kernels.items()}
        self._look = self._looker() if x is not None else None
        self._norms = self._gradient() if x is not None and y is not None and self._small else None
        self.failed: list[str] = []

    def output(self) -> Array | None:
        """What the model gives for the rows, in inference mode; None for several outputs."""
        out = self.model(self.x, training=False) if self.x is not None else None
        return None if out is None or isinstance(out, dict | list | tuple) else array(out)

    def measure(self, epochs: int = 1) -> dict[str, float]:
        """All measures of now, by `<measure>/<layer>`; one that fails is left out from then on.

        Args:
            epochs: Epochs since the last time; what weights moved is told for one of them, and not for none.
        """
        out: dict[str, float] = {}
        changes = partial(self._changes, epochs)
        for name, look in (("gradients", self._gradients), ("weights", changes), ("units", self._units)):
            if name not in self.failed:
                try:
                    out |= look()
                except Exception:  # a layer or backend that cannot be looked into is no reason to stop looking
                    self.failed.append(name)
        return out

    def _changes(self, epochs: int) -> dict[str, float]:
        before, now = self._before, {name: array(v).copy() for name, v in self._kernels.items()}
        self._before = now
        return {f"weight_change/{name}": change(before[name], now[name]) / epochs for name in now} if epochs else {}

    def _units(self) -> dict[str, float]:
        if self._look is None:
            return {}
        out = {}
        for part, value in self._look():
            if part.activation in layers.RELU:
                out[f"dead_units/{part.name}"] = dead_units(array(value), layers.units_axis(part))
            else:
                out[f"saturated_units/{part.name}"] = saturated_units(array(value), str(part.activation))
        return out

    def _gradients(self) -> dict[str, float]:
        if self._norms is None:
            return {}
        norms = [float(n) for n in self._norms()]
        # NaN stands for "not measured" in what is recorded, so a gradient that is NaN is told as infinite.
        return {
            f"gradient_norm/{name}": n if np.isfinite(n) else float("inf")
            for name, n in zip(self._kernels, norms, strict=True)
        }

    def _looker(self) -> Callable[[], Iterable[tuple[Part, Any]]] | None:
        """A function that gives hidden layers worth looking at with their outputs; None where there are none."""
        seen = layers.hidden(self.model)
        if not seen:
            return None
        try:
            inputs = self.model.inputs
            one = not isinstance(self.x, dict | list | tuple)
            # A name of its own: an automatic one would change the names of models that people build later.
            look = keras.Model(inputs[0] if one else inputs, [p.layer.output for p in seen], name="goodfit_probe")
        except (AttributeError, ValueError, TypeError):  # a model of one's own has no graph
            return lambda: self._called(seen)

        def outputs() -> Iterable[tuple[Part, Any]]:
            given = look(self.x, training=False)
            return zip(seen, given if isinstance(given, list | tuple) else [given], strict=True)

        return outputs

    def _called(self, seen: list[Part]) -> Iterable[tuple[Part, Any]]:
        """Outputs of layers as a call of the model makes them; those of a ReLU only, for the rest may be the output."""
        wanted = {id(p.layer): p for p in seen if p.activation in layers.RELU}
        found: dict[int, Any] = {}
        call = keras.layers.Layer.__call__

        def watched(layer: Any, *args: Any, **kwargs: Any) -> Any:
            out = call(layer, *args, **kwargs)
            if id(layer) in wanted:
                found[id(layer)] = out
            return out

        keras.layers.Layer.__call__ = watched
        try:
            output = self.model(self.x, training=False)
        finally:
            keras.layers.Layer.__call__ = call
        return [(wanted[i], value) for i, value in found.items() if value is not output]

    def _gradient(self) -> Callable[[], list[Any]] | None:
        """A function that gives the norm of the mean loss's gradient by each kernel; None for a loss of one's own."""
        if Network.of(self.model).loss is None or not self._kernels:
            return None
        loss = keras.losses.get(self.model.loss)
        labels = np.asarray(self.y)
        kernels, model, x = list(self._kernels.values()), self.model, self.x

        def mean_loss(output: Any) -> Any:
            one = labels.ndim == 1 and output.shape[-1] == 1
            return keras.ops.mean(loss(keras.ops.convert_to_tensor(labels[:, None] if one else labels), output))

        backends = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
        make = backends.get(keras.backend.backend())
        return make(model, kernels, x, mean_loss) if make else None


def _jax(model: Any, kernels: list[Any], x: Any, mean_loss: Any) -> Callable[[], list[Any]]:
    import jax
    import jax.numpy as jnp

    # `stateless_call` hands on its arguments as they are, and a model of one's own need not take `training`.
    mode = {"training": False} if "training" in inspect.signature(model.call).parameters else {}
    place = {id(v): i for i, v in enumerate(model.trainable_variables)}
    at = [place[id(v)] for v in kernels]

    def of_kernels(some: list[Any], trainable: list[Any], rest: list[Any]) -> Any:
        trainable = list(trainable)
        for i, value in zip(at, some, strict=True):
            trainable[i] = value
        output, _ = model.stateless_call(trainable, rest, x, **mode)
        return mean_loss(output)

    @jax.jit
    def norms(trainable: list[Any], rest: list[Any]) -> list[Any]:
        grads = jax.grad(of_kernels)([trainable[i] for i in at], trainable, rest)
        return [jnp.sqrt(jnp.sum(jnp.square(g.astype(jnp.float32)))) for g in grads]

    def measure() -> list[Any]:
        return norms([v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables])

    return measure


def _tensorflow(model: Any, kernels: list[Any], x: Any, mean_loss: Any) -> Callable[[], list[Any]]:
    import tensorflow as tf  # type: ignore[import-untyped,import-not-found,unused-ignore]

    def measure() -> list[Any]:
        values = [v.value for v in kernels]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for value in values:
                tape.watch(value)
            loss = mean_loss(model(x, training=False))
        return [0.0 if g is None else tf.linalg.global_norm([g]) for g in tape.gradient(loss, values)]

    return measure


def _torch(model: Any, kernels: list[Any], x: Any, mean_loss: Any) -> Callable[[], list[Any]]:
    import torch  # type: ignore[import-not-found,unused-ignore]

    def measure() -> list[Any]:
        values = [v.value for v in kernels]
        with torch.enable_grad():
            loss = mean_loss(model(x, training=False))
            # Not `backward`: that would add to the gradients that the training keeps in `.grad`.
            grads = torch.autograd.grad(loss, values, allow_unused=True)
        return [0.0 if g is None else torch.linalg.vector_norm(g.detach()).cpu() for g in grads]

    return measure
