"""Matrix products, convolutions and pooling of small arrays, for many lanes at once, by C++ kernels on the CPU.

XLA's own are made for one large array: its products of many small matrices run far below the machine's rate, and its
convolutions do not use its fast road inside `scan`, nor once `vmap` has made them grouped ones. These functions are
those of Keras on one lane; `vmap` over lanes makes one call of them all. They need `native()`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from goodfit.models.native import call, native

__all__ = ["alike", "batched", "convolve", "dense", "laned", "max_pool", "usable"]

FEWEST_CHANNELS = 16
"""In a kernel that is taken by tiles."""

LARGEST_KERNEL = 1 << 16
"""Channels in times channels out of such a kernel: each thread holds it several times over."""


def usable(*arrays: Any) -> bool:
    """Whether these functions can be used on some arrays: plain float32 ones, with the C++ kernels at hand."""
    return native("goodfit_convolution") and all(isinstance(a, Array) and a.dtype == jnp.float32 for a in arrays)


def dense(x: Array, kernel: Array, bias: Array | None = None, *, relu: bool = False) -> Array:
    """`x (..., in)` times `kernel (in, out)`, plus `bias (out,)`, and then ReLU."""
    if 0 in (x.size, kernel.size):
        out = x @ kernel if bias is None else x @ kernel + bias
        return jax.nn.relu(out) if relu else out
    rows = x.reshape(1, 1, -1, x.shape[-1])
    out = convolve(rows, kernel[None, None], bias, relu=relu)
    return out.reshape(*x.shape[:-1], kernel.shape[1])


def batched(x: Array, kernel: Array) -> Array:
    """Each of `x (n, rows, in)` times its own of `kernel (n, in, out)`: `(n, rows, out)`."""
    if 0 in (x.size, kernel.size):
        return x @ kernel
    return jax.vmap(dense)(x, kernel)


def convolve(
    x: Array,
    kernel: Array,
    bias: Array | None = None,
    strides: tuple[int, int] = (1, 1),
    *,
    relu: bool = False,
    pooled: bool = False,
) -> Array:
    """`x (n, height, width, in)` with `kernel (down, across, in, out)`, without padding: `(n, rows, columns, out)`.

    `bias (out,)` is added, then the maximum of windows of 2x2 pixels taken if wanted, and then ReLU.
    """
    tiles = _tiles_pay(x.shape, kernel.shape, strides, pooled)
    function = _convolution(strides, relu, pooled, tiles)
    return function(x, kernel, jnp.zeros(0, jnp.float32) if bias is None else bias)


def max_pool(x: Array, size: tuple[int, int]) -> Array:
    """The maximum of each window of `size` of `x (n, height, width, channels)`; windows lie side by side."""
    return _max_pool(size)(x)


@cache
def _convolution(
    strides: tuple[int, int], relu: bool, pooled: bool, tiles: bool
) -> Callable[[Array, Array, Array], Array]:
    """`convolve` as a function of its arrays, by tiles of 2x2 pixels (native/winograd.cpp) or directly."""
    sizes = {} if tiles else {"down": np.int64(strides[0]), "across": np.int64(strides[1])}
    attributes = {**sizes, "rectify": relu}

    @laned
    def forward(x: Array, kernel: Array, bias: Array) -> tuple[Array, Array]:
        lanes, window = max(len(x), len(kernel), len(bias)), 2 if pooled else 1
        size = (((n - k) // s + 1) // window for n, k, s in zip(x.shape[2:4], kernel.shape[1:3], strides, strict=True))
        shape = (lanes, x.shape[1], *size, kernel.shape[-1])
        if len(bias) > max(len(x), len(kernel)):
            x = jnp.broadcast_to(x, (len(bias), *x.shape[1:]))
        winners = jax.ShapeDtypeStruct(shape if pooled else (lanes, 0), jnp.int8)
        return call(f"goodfit_{'winograd' if tiles else 'convolution'}", shape, winners)(x, kernel, bias, **attributes)

    @laned
    def of_input(grad: Array, out: Array, winners: Array, x: Array, kernel: Array) -> Array:
        grad, out, winners = alike(grad, out, winners)
        shape = (max(len(grad), len(kernel)), *x.shape[1:])
        return call("goodfit_convolution_input", shape)(grad, out, winners, kernel, **attributes)

    @laned
    def of_kernel(grad: Array, out: Array, winners: Array, x: Array, kernel: Array, bias: Array) -> tuple[Array, Array]:
        grad, out, winners = alike(grad, out, winners)
        shapes = [(max(len(grad), len(x)), *a.shape[1:]) for a in (kernel, bias)]
        return call("goodfit_convolution_kernel", *shapes)(x, grad, out, winners, **attributes)

    @laned
    def of_all(grad: Array, out: Array, winners: Array, x: Array, kernel: Array, bias: Array) -> tuple[Array, ...]:
        grad, out, winners = alike(grad, out, winners)
        shapes = [(max(len(grad), len(x), len(kernel)), *a.shape[1:]) for a in (x, kernel, bias)]
        return call("goodfit_winograd_gradients", *shapes)(x, kernel, grad, out, winners, **attributes)

    def saving(x: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, ...]]:
        out, winners = forward(x, kernel, bias)
        return out, (out, winners, x, kernel, bias)

    def backward(saved: tuple[Array, ...], grad: Array) -> tuple[Array, ...]:
        if tiles:
            return of_all(grad, *saved)
        return (of_input(grad, *saved[:4]), *of_kernel(grad, *saved))

    function = jax.custom_vjp(lambda *arrays: forward(*arrays)[0])
    function.defvjp(saving, backward)
    return function


def _tiles_pay(x: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, int], pooled: bool) -> bool:
    """Whether tiles take clearly fewer multiplications: of each tile of 2x2 pixels 16, not 36, and what makes them."""
    rows, columns = (n - 2 for n in x[-3:-1])
    if kernel[:2] != (3, 3) or strides != (1, 1) or min(rows, columns) < 2:
        return False
    if min(kernel[2:]) < FEWEST_CHANNELS or kernel[2] * kernel[3] > LARGEST_KERNEL:
        return False
    return pooled or 16 * -(-rows // 2) * -(-columns // 2) < 0.75 * 9 * rows * columns


def alike(*arrays: Array) -> list[Array]:
    """Arrays with as many lanes each as any of them has."""
    lanes = max(len(a) for a in arrays)
    return [jnp.broadcast_to(a, (lanes, *a.shape[1:])) for a in arrays]


@cache
def _max_pool(size: tuple[int, int]) -> Callable[[Array], Array]:
    attributes = {"down": np.int64(size[0]), "across": np.int64(size[1])}

    @laned
    def forward(x: Array) -> Array:
        shape = (*x.shape[:2], x.shape[2] // size[0], x.shape[3] // size[1], x.shape[4])
        return call("goodfit_max_pool", shape)(x, **attributes)

    @laned
    def backward(x: Array, grad: Array) -> Array:
        x, grad = alike(x, grad)
        return call("goodfit_max_pool_gradient", x.shape)(x, grad, **attributes)

    function = jax.custom_vjp(forward)
    function.defvjp(lambda x: (forward(x), x), lambda x, grad: (backward(x, grad),))
    return function


def laned(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays with lanes in front (or one for all lanes) as a function of single lanes.

    Lanes of lanes are folded into one axis.
    """
    lanes = jax.custom_batching.custom_vmap(function)

    @lanes.def_vmap
    def fold(size: int, batched: list[bool], *arrays: Array) -> tuple[Any, Any]:
        outer = [a if b else a[None] for a, b in zip(arrays, batched, strict=True)]
        inner = max(a.shape[1] for a in outer)

        def flat(a: Array) -> Array:
            shape = (1, 1) if a.shape[:2] == (1, 1) else (size, inner)
            return jnp.broadcast_to(a, (*shape, *a.shape[2:])).reshape(prod(shape), *a.shape[2:])

        out = jax.tree.map(lambda a: a.reshape(size, inner, *a.shape[1:]), lanes(*map(flat, outer)))
        return out, jax.tree.map(lambda a: True, out)

    return lambda *arrays: jax.tree.map(lambda a: a[0], lanes(*(a[None] for a in arrays)))
