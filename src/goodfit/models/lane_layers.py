"""Layers of the lane form: they take from the current `Scope` what stock layers keep in Python numbers.

A scope is open while a lane's step is traced. It carries the lane's own hyperparameters, the 0/1 weights of its
rows and the key of its noise, all of which may be tracers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import keras

from goodfit.models import noise, products


@dataclass(frozen=True)
class Scope:
    """What one lane knows during one step.

    Attributes:
        rates: A rate by layer name, scalars.
        row_weights: 0/1 for each row of the batch, shape `(batch,)`; 1 is a training row of this lane.
        key: The lane's noise key for this step, a uint32 scalar (`noise.key`).
        calls: How often each layer, by its salts, has drawn noise so far.
    """

    rates: dict[str, Any]
    row_weights: Any
    key: Any
    calls: dict[tuple[int, ...], int] = field(default_factory=dict)

    def drawn(self, *salts: int) -> Any:
        """The key of a layer's noise, another one at each call."""
        call = self.calls[salts] = self.calls.get(salts, -1) + 1
        key = noise.key(self.key, *salts)
        return noise.key(key, call) if call else key


_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)


@contextmanager
def open_scope(scope: Scope) -> Iterator[None]:
    """Make `scope` the one that lane layers read."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def current() -> Scope:
    """The open scope."""
    scope = _scope.get()
    if scope is None:
        raise RuntimeError("a lane layer was called in training mode outside a lane")
    return scope


class _Random(keras.layers.Layer):
    """A layer that does nothing in inference mode and draws the lane's own noise in training."""

    def __init__(self, salt: int, rate_name: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.salt = salt
        self.rate_name = rate_name
        self.supports_masking = True

    def draw(self, x: jax.Array) -> jax.Array:
        """The layer's output in training."""
        raise NotImplementedError

    def rate(self) -> Any:
        """The lane's rate of this layer."""
        return current().rates[self.rate_name]

    def uniform(self, shape: tuple[int, ...]) -> jax.Array:
        """The lane's uniform noise in [0, 1)."""
        return noise.uniform(current().drawn(self.salt), shape)

    def call(self, inputs: jax.Array, training: bool = False) -> jax.Array:
        """Noise in training, the inputs themselves otherwise."""
        return self.draw(inputs) if training else inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


class LaneDropout(_Random):
    """`Dropout`, `SpatialDropout*D` with the lane's rate; axes in `shared` (counted from 0) share one draw."""

    def __init__(self, salt: int, rate_name: str, shared: tuple[int, ...] = (), **kwargs: Any):
        super().__init__(salt, rate_name, **kwargs)
        self.shared = shared

    def draw(self, x: jax.Array) -> jax.Array:
        """Zero with probability `rate`, else times `1 / (1 - rate)`."""
        shape = tuple(1 if axis in self.shared else n for axis, n in enumerate(x.shape))
        rate = jnp.asarray(self.rate(), jnp.float32)
        keep = noise.at_least(current().drawn(self.salt), shape, rate)
        return jnp.where(keep, x / (1 - rate).astype(x.dtype), jnp.zeros((), x.dtype))


class LaneGaussianDropout(_Random):
    """`GaussianDropout` with the lane's rate."""

    def draw(self, x: jax.Array) -> jax.Array:
        """Times a normal of mean 1 and variance `rate / (1 - rate)`."""
        rate = jnp.asarray(self.rate(), jnp.float32)
        z = noise.normal(current().drawn(self.salt), x.shape)
        return x * (1 + z * jnp.sqrt(rate / (1 - rate))).astype(x.dtype)


class LaneGaussianNoise(_Random):
    """`GaussianNoise` with the lane's standard deviation."""

    def draw(self, x: jax.Array) -> jax.Array:
        """Plus a normal of mean 0 and that standard deviation."""
        z = noise.normal(current().drawn(self.salt), x.shape)
        return x + (z * self.rate()).astype(x.dtype)


class LaneAlphaDropout(_Random):
    """`AlphaDropout` with the lane's rate (Klambauer et al. 2017, section 3)."""

    def draw(self, x: jax.Array) -> jax.Array:
        """Set to the negative saturation value with probability `rate`, then bring mean and variance back."""
        rate = jnp.asarray(self.rate(), jnp.float32)
        low = -1.6732632423543772 * 1.0507009873554805
        keep = noise.at_least(current().drawn(self.salt), x.shape, rate)
        a = ((1 - rate) * (1 + rate * low**2)) ** -0.5
        return (a * jnp.where(keep, x, low) - a * low * rate).astype(x.dtype)


@keras.saving.register_keras_serializable("goodfit")
class LaneBatchNormalization(keras.layers.BatchNormalization):
    """`BatchNormalization` whose batch statistics see the lane's own training rows only."""

    def call(self, inputs: jax.Array, training: bool | None = None, mask: Any = None) -> Any:
        """As the stock layer, with the rows that the lane trains on as mask; `mask` itself narrows it further."""
        if training:
            own = current().row_weights > 0
            own = own.reshape(own.shape + (1,) * (inputs.ndim - 2))
            mask = own if mask is None else own & mask
        return super().call(inputs, training=training, mask=mask)


class LaneDense(keras.layers.Dense):
    """`Dense` by the kernels where they can be used."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """As the stock layer."""
        kernel, bias = self.kernel.value, None if self.bias is None else self.bias.value
        if not products.usable(inputs, kernel):
            return super().call(inputs, training=training)
        relu = self.activation is keras.activations.relu
        x = products.dense(inputs, kernel, bias, relu=relu)
        return x if relu else self.activation(x)


class LaneConv2D(keras.layers.Conv2D):
    """`Conv2D` without dilation or groups, channels last, by the kernels where they can be used.

    Attributes:
        pooled: Whether the maximum of windows of 2x2 pixels is taken too; the activation is then ReLU or none.
    """

    pooled = False

    def call(self, inputs: Any) -> Any:
        """As the stock layer, and the stock `MaxPooling2D` behind it where it is `pooled`."""
        kernel, bias = self.kernel.value, self.bias.value if self.use_bias else None
        if not products.usable(inputs, kernel):
            x = super().call(inputs)
            return keras.ops.max_pool(x, (2, 2), (2, 2), data_format=self.data_format) if self.pooled else x
        pads = jax.lax.padtype_to_pads(inputs.shape[1:3], self.kernel_size, self.strides, self.padding.upper())
        relu = self.activation is keras.activations.relu
        padded = jnp.pad(inputs, ((0, 0), *pads, (0, 0)))
        x = products.convolve(padded, kernel, bias, self.strides, relu=relu, pooled=self.pooled)
        return x if relu or self.activation is None else self.activation(x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the stock layers."""
        shape = super().compute_output_shape(input_shape)
        return (shape[0], shape[1] // 2, shape[2] // 2, shape[3]) if self.pooled else shape


class LaneMaxPooling2D(keras.layers.MaxPooling2D):
    """`MaxPooling2D` over windows that lie side by side, channels last, by the kernels where they can be used."""

    def call(self, inputs: Any) -> Any:
        """As the stock layer."""
        return products.max_pool(inputs, self.pool_size) if products.usable(inputs) else super().call(inputs)


class OwnRows:
    """An activity regularizer that sees the lane's own rows only; Keras divides what it gives by all rows.

    Args:
        regularizer: A sum over rows to which rows of zeros add nothing.
    """

    def __init__(self, regularizer: Any):
        self.regularizer = regularizer

    def __call__(self, output: jax.Array) -> Any:
        """The penalty of an output `(batch, ...)`, a scalar; 0 in inference mode."""
        scope = _scope.get()
        if scope is None:
            return jnp.zeros((), output.dtype)
        own = (scope.row_weights > 0).reshape(-1, *(1,) * (output.ndim - 1))
        share = own.mean(dtype=output.dtype)
        penalty = self.regularizer(jnp.where(own, output, 0))
        return jnp.where(share > 0, penalty / jnp.where(share > 0, share, 1), 0)


class LaneHead(keras.layers.Layer):
    """What is left of a `Dense` layer once its product with the kernel has been taken: bias and activation.

    Args:
        dense: The stock layer, built.
        keep: Whether the kernel stays a variable of this layer, for Keras's own step.
    """

    def __init__(self, dense: keras.layers.Dense, keep: bool, **kwargs: Any):
        super().__init__(name=dense.name, trainable=dense.trainable, dtype=dense.dtype_policy, **kwargs)
        own = ([dense.kernel] if keep else []) + ([dense.bias] if dense.use_bias else [])
        self.likes = [(v.name, {k: getattr(v, k) for k in ("shape", "regularizer", "constraint")}) for v in own]
        self.dense_bias = dense.use_bias
        self.units = dense.units
        self.activation = dense.activation

    def build(self, input_shape: Any) -> None:
        """Create the variables."""
        for name, like in self.likes:
            setattr(self, name, self.add_weight(name=name, initializer="zeros", **like))

    def call(self, product: jax.Array) -> Any:
        """`activation(product + bias)`, shape `(batch, units)`."""
        return self.activation(product + self.bias if self.dense_bias else product)
