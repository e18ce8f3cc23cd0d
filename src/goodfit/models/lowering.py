"""Any function's dense products and convolutions by the kernels of `products`, wherever in it they stand.

Lane layers take the layers of a model's graph to the kernels. What recurrent layers, attention, wrappers and models
with a class of their own compute inside is reached here: the function is traced and read back one operation after the
other. Once `vmap` has given it lanes it would be too late: XLA's batched products of small matrices run far below the
machine's rate on CPUs, and its grouped convolutions hundreds of times below.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import Array, lax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from goodfit.models import products, recurrent

Rule = Callable[[Any, list[Any]], list[Any]]
"""An operation of a traced function, and the arrays that it is given, to what it gives."""

FEWEST = 8
"""Rows and columns of matrices in a batch: XLA is faster with vectors."""


def by_kernels(function: Callable[..., Any], model: keras.Model | None = None) -> Callable[..., Any]:
    """The same function of arrays, to be traced before `vmap` gives it lanes and before its gradient is taken.

    Args:
        function: What calls a model, or any other function.
        model: The model; its recurrent layers are then taken to their kernels too.
    """

    def lowered(*arrays: Any) -> Any:
        if not products.usable():
            return function(*arrays)
        with recurrent.quick(model) if model else nullcontext():
            traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arrays)
        out = _evaluated(traced, jax.tree.leaves(arrays))
        return jax.tree.unflatten(jax.tree.structure(shapes), out)

    return lowered


def _evaluated(
    closed: ClosedJaxpr, arrays: list[Any], known: dict[Any, Any] | None = None, rules: dict[str, Rule] | None = None
) -> list[Any]:
    """What a traced function gives for arrays, by the rules of some operations; some values are `known`."""
    jaxpr: Jaxpr = closed.jaxpr
    values: dict[Any, Any] = {**(known or {}), **dict(zip(jaxpr.constvars, closed.consts, strict=True))}
    values.update(zip(jaxpr.invars, arrays, strict=True))
    for eqn in jaxpr.eqns:
        if known and eqn.outvars and eqn.outvars[0] in known:
            continue
        given = [v.val if isinstance(v, Literal) else values[v] for v in eqn.invars]
        out = (_RULES if rules is None else rules).get(eqn.primitive.name, _as_it_is)(eqn, given)
        values.update(zip(eqn.outvars, out, strict=True))
    return [v.val if isinstance(v, Literal) else values[v] for v in jaxpr.outvars]


def _as_it_is(eqn: Any, given: list[Any]) -> list[Any]:
    params = eqn.primitive.get_bind_params(eqn.params)
    functions, params = params if isinstance(params, tuple) else ((), params)  # a pair before JAX 0.8
    out = eqn.primitive.bind(*functions, *given, **params)
    return list(out) if eqn.primitive.multiple_results else [out]


def _inlined(eqn: Any, given: list[Any]) -> list[Any]:
    return _evaluated(eqn.params["jaxpr"], given)


def _scan(eqn: Any, given: list[Any]) -> list[Any]:
    """A loop; what it multiplies by the same kernel in each step, and needs no earlier step for, is taken out."""
    p = eqn.params
    first, second = p["num_consts"], p["num_consts"] + p["num_carry"]
    consts, init, xs = given[:first], given[first:second], given[second:]
    flat = _flat(p["jaxpr"])
    fixed, each = (
        dict(zip(v, a, strict=True)) for v, a in ((flat.jaxpr.invars[:first], consts), (flat.jaxpr.invars[second:], xs))
    )
    found = [e for e in flat.jaxpr.eqns if e.primitive.name == "dot_general" and _outside(e, fixed, each)]
    made = []
    for e in found:
        (over_left, over_right), none = e.params["dimension_numbers"]
        numbers = ((tuple(i + 1 for i in over_left), over_right), none)
        made += _dot(e, [each[e.invars[0]], fixed[e.invars[1]]], numbers)

    def body(carried: list[Any], xs: tuple[list[Any], list[Any]]) -> tuple[list[Any], list[Any]]:
        known = {e.outvars[0]: x for e, x in zip(found, xs[1], strict=True)}
        out = _evaluated(flat, [*consts, *carried, *xs[0]], known)
        return out[: len(init)], out[len(init) :]

    carried, ys = lax.scan(body, init, (xs, made), p["length"], p["reverse"], p["unroll"])
    return [*carried, *ys]


def _outside(eqn: Any, fixed: dict[Any, Any], each: dict[Any, Any]) -> bool:
    """Whether it multiplies a step's own input by something that is the same in all steps."""
    left, right = eqn.invars
    if any(isinstance(v, Literal) for v in eqn.invars) or eqn.params["dimension_numbers"][1][0]:
        return False
    return left in each and right in fixed and _single(eqn, each[left], fixed[right])


def _flat(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The same without functions in it that were compiled apart."""
    if not any(e.primitive.name in _WRAPPED for e in closed.jaxpr.eqns):
        return closed
    return jax.make_jaxpr(lambda *arrays: _evaluated(closed, list(arrays), rules=_OPENED))(*closed.in_avals)


def _opened(eqn: Any, given: list[Any]) -> list[Any]:
    return _evaluated(eqn.params["jaxpr"], given, rules=_OPENED)


def _dot(eqn: Any, given: list[Any], numbers: Any = None) -> list[Any]:
    """A product of a left array with a right one, summed over some axes of both, as rows times a kernel."""
    left, right = given
    (over_left, over_right), (batch_left, batch_right) = numbers or eqn.params["dimension_numbers"]
    if not over_left or not _single(eqn, left, right):
        return _as_it_is(eqn, given)
    free_left = [i for i in range(left.ndim) if i not in (*over_left, *batch_left)]
    free_right = [i for i in range(right.ndim) if i not in (*over_right, *batch_right)]
    rows, columns = ([a.shape[i] for i in free] for a, free in ((left, free_left), (right, free_right)))
    if batch_left and min(prod(rows), prod(columns)) < FEWEST:
        return _as_it_is(eqn, given)
    if batch_left:
        n, inner = prod(left.shape[i] for i in batch_left), prod(left.shape[i] for i in over_left)
        x = left.transpose(*batch_left, *free_left, *over_left).reshape(n, -1, inner)
        kernel = right.transpose(*batch_right, *over_right, *free_right).reshape(n, inner, -1)
        return [products.batched(x, kernel).reshape(eqn.outvars[0].aval.shape)]
    if prod(columns) > prod(rows):  # the kernel is on the left
        swapped = _rows_by_kernel(right, left, free_right, over_right, over_left, free_left)
        out = swapped.reshape(-1, prod(rows)).T
    else:
        out = _rows_by_kernel(left, right, free_left, over_left, over_right, free_right)
    return [out.reshape(*rows, *columns)]


def _single(eqn: Any, *arrays: Any) -> bool:
    """Whether arrays and result are of single precision, and none of them is empty."""
    (out,) = eqn.outvars
    return (
        products.usable(*arrays)
        and out.aval.dtype == jnp.float32
        and 0 not in (out.aval.size, *(a.size for a in arrays))
    )


def _rows_by_kernel(x: Array, kernel: Array, free_x: Any, over_x: Any, over_kernel: Any, free_kernel: Any) -> Array:
    inner = prod(x.shape[i] for i in over_x)
    rows = x.transpose(*free_x, *over_x).reshape(-1, inner)
    return products.dense(rows, kernel.transpose(*over_kernel, *free_kernel).reshape(inner, -1))


def _convolution(eqn: Any, given: list[Any]) -> list[Any]:
    """Convolutions over one or two axes with channels last; those of each channel alone too."""
    x, kernel = given
    p = eqn.params
    axes = x.ndim - 2
    last = (0, x.ndim - 1, *range(1, axes + 1))
    plain = (
        _single(eqn, x, kernel)
        and axes in (1, 2)
        and p["dimension_numbers"].lhs_spec == p["dimension_numbers"].out_spec == last
        and p["dimension_numbers"].rhs_spec == (axes + 1, axes, *range(axes))
        and set(p["lhs_dilation"]) == {1}
        and p["batch_group_count"] == 1
    )
    groups, strides, steps = p["feature_group_count"], p["window_strides"], p["rhs_dilation"]
    alone = groups == x.shape[-1] > 1
    if not plain or not (alone or groups == 1):
        return _as_it_is(eqn, given)
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*pads, 0) for pads in p["padding"]), (0, 0, 0)])
    if not alone and set(steps) == {1}:
        if axes == 1:
            return [products.convolve(x[:, None], kernel[None], strides=(1, strides[0]))[:, 0]]
        return [products.convolve(x, kernel, strides=tuple(strides))]
    # One shift of the pixels after the other.
    size = eqn.outvars[0].aval.shape[1:-1]
    if alone:
        x = jnp.repeat(x, kernel.shape[-1] // groups, axis=-1)
    out = 0.0
    for tap in product(*(range(n) for n in kernel.shape[:axes])):
        first = [t * step for t, step in zip(tap, steps, strict=True)]
        ends = [f + (n - 1) * s + 1 for f, n, s in zip(first, size, strides, strict=True)]
        shifted = lax.slice(x, (0, *first, 0), (len(x), *ends, x.shape[-1]), (1, *strides, 1))
        out = out + (shifted * kernel[tap][0] if alone else products.dense(shifted, kernel[tap]))
    return [out]


_WRAPPED = ("jit", "pjit")
_OPENED: dict[str, Rule] = dict.fromkeys(_WRAPPED, _opened)
_RULES: dict[str, Rule] = {
    "dot_general": _dot,
    "conv_general_dilated": _convolution,
    "scan": _scan,
    **dict.fromkeys(_WRAPPED, _inlined),
}
