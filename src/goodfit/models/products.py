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

__all__ = ["convolve", "matmul", "max_pool", "usable"]


def usable(*arrays: Any) -> bool:
    """Whether these functions can be used on some arrays: plain float32 ones, with the C++ kernels at hand."""
    return native("goodfit_convolution") and all(isinstance(a, Array) and a.dtype == jnp.float32 for a in arrays)


def matmul(x: Array, kernel: Array) -> Array:
    """`x (..., in)` times `kernel (in, out)`."""
    rows = x.reshape(1, 1, -1, x.shape[-1])
    return _convolution((1, 1))(rows, kernel[None, None]).reshape(*x.shape[:-1], kernel.shape[1])


def convolve(x: Array, kernel: Array, strides: tuple[int, int]) -> Array:
    """`x (n, height, width, in)`, without padding, with `kernel (down, across, in, out)`: (n, rows, columns, out)."""
    return _convolution(strides)(x, kernel)


def max_pool(x: Array, size: tuple[int, int]) -> Array:
    """The maximum of each window of `size` of `x (n, height, width, channels)`; windows lie side by side."""
    return _max_pool(size)(x)


@cache
def _convolution(strides: tuple[int, int]) -> Callable[[Array, Array], Array]:
    attributes = {"down": np.int64(strides[0]), "across": np.int64(strides[1])}

    @_laned
    def forward(x: Array, kernel: Array) -> Array:
        size = ((n - k) // s + 1 for n, k, s in zip(x.shape[2:4], kernel.shape[1:3], strides, strict=True))
        shape = (max(x.shape[0], kernel.shape[0]), x.shape[1], *size, kernel.shape[-1])
        return call("goodfit_convolution", shape)(x, kernel, **attributes)

    def backward(saved: tuple[Array, Array], grad: Array) -> tuple[Array, Array]:
        x, kernel = saved

        @_laned
        def input_gradient(grad: Array, kernel: Array) -> Array:
            shape = (max(grad.shape[0], kernel.shape[0]), *x.shape)
            return call("goodfit_convolution_input", shape)(grad, kernel, **attributes)

        @_laned
        def kernel_gradient(x: Array, grad: Array) -> Array:
            shape = (max(grad.shape[0], x.shape[0]), *kernel.shape)
            return call("goodfit_convolution_kernel", shape)(x, grad, **attributes)

        return input_gradient(grad, kernel), kernel_gradient(x, grad)

    function = jax.custom_vjp(forward)
    function.defvjp(lambda x, kernel: (forward(x, kernel), (x, kernel)), backward)
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


def _laned(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of arrays with lanes in front (or one for all lanes) as a function of single lanes."""

    @jax.custom_batching.custom_vmap
    def one(*arrays: Array) -> Array:
        return function(*(a[None] for a in arrays))[0]

    @one.def_vmap
    def many(lanes: int, batched: list[bool], *arrays: Array) -> tuple[Array, bool]:
        del lanes
        return function(*(a if b else a[None] for a, b in zip(arrays, batched, strict=True))), True

    return one
