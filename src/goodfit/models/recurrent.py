"""LSTM and GRU layers of many lanes by C++ kernels: all steps of a row in one go, the rows of a batch apart.

Keras asks its backend for a fast way through the steps of these layers (`backend.lstm`, `backend.gru`: cuDNN on GPUs).
`quick` answers on the CPU, wherever in a model the layer stands, and lets Keras take its own way where it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import Array
from keras.src import backend

from goodfit.models import products
from goodfit.models.native import call, native

# Whether a layer of the model that is called gives zeros for masked steps: the backend is not told. None: Keras's way.
_zeros: ContextVar[bool | None] = ContextVar("goodfit_recurrent", default=None)


@contextmanager
def quick(model: keras.Model) -> Iterator[None]:
    """While this is open, recurrent layers of a model that is called go by the kernels where they can."""
    layers = model._flatten_layers()
    _install()
    token = _zeros.set(any(getattr(x, "zero_output_for_mask", False) and not x.return_sequences for x in layers))
    try:
        yield
    finally:
        _zeros.reset(token)


@cache
def _install() -> None:
    """Answer where Keras asks; outside of `quick` as before, and nowhere if this Keras does not ask."""
    for name, layer in (("lstm", _lstm), ("gru", _gru)):
        theirs = getattr(backend, name, None)
        if theirs is not None:
            setattr(backend, name, _answer(layer, theirs))


def _answer(layer: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    def asked(sequences: Any, *args: Any, **kwargs: Any) -> Any:
        zeros = _zeros.get()
        arrays = [a for a in (sequences, *args, *kwargs.values()) if isinstance(a, Array) and a.dtype != bool]
        known = kwargs.keys() >= _KEYWORDS and native("goodfit_recurrent") and products.usable(*arrays)
        if zeros is None or not known or 0 in sequences.shape:
            return theirs(sequences, *args, **kwargs)
        return layer(sequences, *args, zeros=zeros, **kwargs)

    return asked


_KEYWORDS = {
    "kernel", "recurrent_kernel", "bias", "activation", "recurrent_activation", "return_sequences", "go_backwards",
}  # fmt: skip


def _lstm(
    sequences: Array, h: Array, c: Array, mask: Any, *, kernel: Any, recurrent_kernel: Any, bias: Any, **how: Any
) -> tuple[Array, Array, list[Array]]:
    _require_plain(mask, **how)
    sequences, mask = _in_order(sequences, mask, how["go_backwards"])
    x = products.dense(sequences, _value(kernel), None if bias is None else _value(bias))
    shape = (len(x), x.shape[2] // 4)
    h, c = (jnp.broadcast_to(a, shape) for a in (h, c))
    nothing = jnp.zeros(0, jnp.float32)
    outputs, last_c = _layer(False)(x, _value(recurrent_kernel), nothing, h, c, mask)
    return outputs[:, -1], outputs, [outputs[:, -1], last_c]


def _gru(
    sequences: Array,
    h: Array,
    mask: Any,
    *,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    reset_after: bool,
    **how: Any,
) -> tuple[Array, Array, list[Array]]:
    _require_plain(mask, **how)
    if not reset_after:
        raise NotImplementedError
    sequences, mask = _in_order(sequences, mask, how["go_backwards"])
    own = _value(kernel)
    biases = jnp.zeros((2, own.shape[1]), jnp.float32) if bias is None else _value(bias)
    x = products.dense(sequences, own, biases[0])
    h = jnp.broadcast_to(h, (len(x), x.shape[2] // 3))
    nothing = jnp.zeros((len(x), 0), jnp.float32)
    outputs, _ = _layer(True)(x, _value(recurrent_kernel), biases[1], h, nothing, mask)
    return outputs[:, -1], outputs, [outputs[:, -1]]


def _require_plain(
    mask: Any, *, activation: Any, recurrent_activation: Any, return_sequences: bool, zeros: bool, **_: Any
) -> None:
    """Leave other activations to Keras, and masks where what comes out at masked steps depends on the layer.

    Raises:
        NotImplementedError: For Keras to go its own way.
    """
    plain = activation is keras.activations.tanh and recurrent_activation is keras.activations.sigmoid
    if not plain or (mask is not None and (zeros or return_sequences)):
        raise NotImplementedError


def _in_order(sequences: Array, mask: Any, backwards: bool) -> tuple[Array, Array]:
    """The steps in the order that they are taken, and the mask `(rows, steps)` or nothing `(0,)`, int8."""
    mask = jnp.zeros(0, jnp.int8) if mask is None else jnp.asarray(mask).astype(bool).astype(jnp.int8)
    mask = mask[..., 0] if mask.ndim == 3 else mask
    if backwards:
        sequences, mask = jnp.flip(sequences, 1), jnp.flip(mask, 1) if mask.ndim == 2 else mask
    return sequences, mask


def _value(variable: Any) -> Array:
    return variable.value if isinstance(variable, keras.Variable) else variable


@cache
def _layer(gru: bool) -> Callable[..., tuple[Array, Array]]:
    """A layer as a function of arrays.

    They are what goes into the gates from outside `(rows, steps, gates * units)`, the recurrent kernel `(units,
    gates * units)`, its bias `(gates * units,)` (GRU), the first states `(rows, units)` twice, and the mask `(rows,
    steps)`, int8, or `(0,)`. It gives the states after each step `(rows, steps, units)` and the last of the second kind
    `(rows, units)`.
    """

    @products.laned
    def forward(x: Array, kernel: Array, bias: Array, h: Array, c: Array, mask: Array) -> tuple[Array, Array, Array]:
        x, kernel, bias, h, c = products.alike(x, kernel, bias, h, c)
        states = (*x.shape[:3], kernel.shape[1])
        shapes = states, (len(x), 0) if gru else states, (*states[:3], 4 * states[3])
        return call("goodfit_recurrent", *shapes)(x, kernel, bias, h, c, mask, gru=gru)

    @products.laned
    def back(
        grad: Array, grad_c: Array, states: Array, cs: Array, saved: Array, x: Array, kernel: Array, bias: Array,
        h: Array, c: Array, mask: Array,
    ) -> tuple[Array, ...]:  # fmt: skip
        grad, grad_c, states, cs, saved, x, kernel, bias, h, c = products.alike(
            grad, grad_c, states, cs, saved, x, kernel, bias, h, c
        )
        shapes = x.shape, x.shape if gru else (len(x), 0), h.shape, c.shape
        of_x, inner, of_h, of_c = call("goodfit_recurrent_gradients", *shapes)(
            grad, grad_c, states, cs, saved, kernel, h, c, mask, gru=gru
        )
        inner = inner if gru else of_x
        before = jnp.concatenate([h[:, :, None], states[:, :, :-1]], 2)
        lines = [a.reshape(len(x), 1, 1, -1, a.shape[-1]) for a in (before, inner)]
        none = jnp.zeros((len(x), 0), jnp.float32), jnp.zeros((len(x), 0), jnp.int8)
        product = call("goodfit_convolution_kernel", (len(x), 1, 1, *kernel.shape[1:]), bias.shape)
        of_kernel, of_bias = product(*lines, *none, down=np.int64(1), across=np.int64(1), rectify=False)
        return of_x, of_kernel[:, 0, 0], of_bias, of_h, of_c

    @jax.custom_vjp
    def layer(*arrays: Array) -> tuple[Array, Array]:
        states, cs, _ = forward(*arrays)
        return states, _last(cs, arrays[4])

    def saving(*arrays: Array) -> Any:
        states, cs, saved = forward(*arrays)
        return (states, _last(cs, arrays[4])), (states, cs, saved, *arrays)

    def backward(kept: Any, grads: tuple[Array, Array]) -> tuple[Any, ...]:
        return (*back(*grads, *kept), None)

    layer.defvjp(saving, backward)
    return layer


def _last(cs: Array, first: Array) -> Array:
    """The last state of the second kind; a GRU has none."""
    return cs[:, -1] if cs.ndim == 3 else first
