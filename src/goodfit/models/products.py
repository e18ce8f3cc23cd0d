"""Matrix products, convolutions and pooling of small arrays, for many lanes at once, by C++ kernels on the CPU.

XLA's own are made for one large array: its products of many small matrices run far below the machine's rate, and its
convolutions do not use its fast road inside `scan`, nor once `vmap` has made them grouped ones. These functions are
those of Keras on one lane; `vmap` over lanes makes one call of them all. They need `native()`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from goodfit.models.native import call, native

__all__ = ["convolve", "dense", "max_pool", "usable"]


def usable(*arrays: Any) -> bool:
    """Whether these functions can be used on some arrays: plain float32 ones, with the C++ kernels at hand."""
    return native("goodfit_convolution") and all(isinstance(a, Array) and a.dtype == jnp.float32 for a in arrays)


def dense(x: Array, kernel: Array, bias: Array | None = None, *, relu: bool = False) -> Array:
    """`x (..., in)` times `kernel (in, out)`, plus `bias (out,)`, and then ReLU."""
    rows = x.reshape(1, 1, -1, x.shape[-1])
    out = convolve(rows, kernel[None, None], bias, (1, 1), relu=relu)
    return out.reshape(*x.shape[:-1], kernel.shape[1])


def convolve(
    x: Array, kernel: Array, bias: Array | None = None, strides: tuple[int, int] = (1, 1), *, relu: bool = False
) -> Array:
    """`x (n, height, width, in)` with `kernel (down, across, in, out)`, without padding: `(n, rows, columns, out)`.

    `bias (out,)` is added, and then ReLU taken.
    """
    return _convolution(strides, relu)(x, kernel, jnp.zeros(0, jnp.float32) if bias is None else bias)


def max_pool(x: Array, size: tuple[int, int]) -> Array:
    """The maximum of each window of `size` of `x (n, height, width, channels)`; windows lie side by side."""
    return _max_pool(size)(x)


@cache
def _convolution(strides: tuple[int, int], relu: bool) -> Callable[[Array, Array, Array], Array]:
    attributes = {"down": np.int64(strides[0]), "across": np.int64(strides[1]), "rectify": relu}

    @_laned
    def forward(x: Array, kernel: Array, bias: Array) -> Array:
        size = ((n - k) // s + 1 for n, k, s in zip(x.shape[2:4], kernel.shape[1:3], strides, strict=True))
        shape = (max(len(x), len(kernel), len(bias)), x.shape[1], *size, kernel.shape[-1])
        if len(bias) > max(len(x), len(kernel)):
            x = jnp.broadcast_to(x, (len(bias), *x.shape[1:]))
        return call("goodfit_convolution", shape)(x, kernel, bias, **attributes)

    def backward(saved: tuple[Array, ...], grad: Array) -> tuple[Array, ...]:
        x, kernel, bias, out = saved

        @_laned
        def of_input(grad: Array, out: Array, kernel: Array) -> Array:
            shape = (max(len(grad), len(kernel)), *x.shape)
            return call("goodfit_convolution_input", shape)(grad, out, kernel, **attributes)

        @_laned
        def of_kernel(x: Array, grad: Array, out: Array) -> tuple[Array, Array]:
            lanes = max(len(grad), len(x))
            shapes = (lanes, *kernel.shape), (lanes, *bias.shape)
            return call("goodfit_convolution_kernel", *shapes)(x, grad, out, **attributes)

        return (of_input(grad, out, kernel), *of_kernel(x, grad, out))

    def saving(x: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, ...]]:
        out = forward(x, kernel, bias)
        return out, (x, kernel, bias, out)

    function = jax.custom_vjp(forward)
    function.defvjp(saving, backward)
    return function


@cache
def _max_pool(size: tuple[int, int]) -> Callable[[Array], Array]:
    attributes = {"down": np.int64(size[0]), "across": np.int64(size[1])}

    @_laned
    def forward(x: Array) -> Array:
        shape = (*x.shape[:2], x.shape[2] // size[0], x.shape[3] // size[1], x.shape[4])
        return call("goodfit_max_pool", shape)(x, **attributes)

    @_laned
    def backward(x: Array, grad: Array) -> Array:
        x = jnp.broadcast_to(x, (max(len(x), len(grad)), *x.shape[1:]))
        return call("goodfit_max_pool_gradient", x.shape)(
            x, jnp.broadcast_to(grad, (len(x), *grad.shape[1:])), **attributes
        )

    function = jax.custom_vjp(forward)
    function.defvjp(lambda x: (forward(x), x), lambda x, grad: (backward(x, grad),))
    return function


def _laned(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays with lanes in front (or one for all lanes) as a function of single lanes."""

    @jax.custom_batching.custom_vmap
    def one(*arrays: Array) -> Any:
        return jax.tree.map(lambda a: a[0], function(*(a[None] for a in arrays)))

    @one.def_vmap
    def many(lanes: int, batched: list[bool], *arrays: Array) -> tuple[Any, Any]:
        del lanes
        out = function(*(a if b else a[None] for a, b in zip(arrays, batched, strict=True)))
        return out, jax.tree.map(lambda a: True, out)

    return one
