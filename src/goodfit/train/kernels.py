"""The first layer of sparse rows: its product, gradient and optimizer step, for all lanes at once.

Columns are lane-major: lane `l`, unit `u` is column `l * units + u`. Weights are *packed*: cut into tiles of columns,
(tiles, features, width), each of one lane. A tile stays in the processor's caches where a matrix of all columns does
not: see `pack`.

On a CPU the C++ kernels of `goodfit._native` do the work; elsewhere, or without that extension, XLA's own operations
do. Both give the same numbers to float32 rounding; the C++ kernels give the same bits with any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from goodfit.models.native import call, native
from goodfit.train import rules
from goodfit.train.rules import HYPER, SLOTS

__all__ = ["HYPER", "SLOTS", "SparseRows", "dense", "gradient", "native", "pack", "product", "unpack", "update"]


A = TypeVar("A", Array, np.ndarray)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["indptr", "indices", "values"],
    meta_fields=["features", "longest"],
)
@dataclass(frozen=True)
class SparseRows:
    """Rows of word counts in compressed form, a JAX pytree.

    Attributes:
        indptr: int32 (n + 1,): where each row starts in `indices`.
        indices: uint16 or int32 (entries,): the features, each below `features`; one may stand twice in a row.
        values: float32 (entries,), or (0,) if all are ones.
        features: The number of features.
        longest: Entries of the longest row.
    """

    indptr: Array
    indices: Array
    values: Array
    features: int
    longest: int

    @classmethod
    def from_scipy(cls, x: Any) -> SparseRows:
        """From a `scipy.sparse` array of shape (n, features) with fewer than 2**31 entries."""
        x = x.tocsr()
        x.check_format(full_check=True)  # the kernels trust the indices
        values = np.asarray(x.data, np.float32)
        ones = bool((values == 1).all())
        return cls(
            jnp.asarray(x.indptr, jnp.int32),
            jnp.asarray(x.indices.astype(np.uint16 if x.shape[1] <= 2**16 else np.int32)),
            jnp.asarray(values[:0] if ones else values),
            int(x.shape[1]),
            int(np.diff(x.indptr).max(initial=0)),
        )

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """`indptr`, `indices`, `values`."""
        return self.indptr, self.indices, self.values


def tile_width(units: int) -> int:
    """Columns of a tile: as many as one lane has, or a part of them that 10,000 features keep within 1.3 MB."""
    if units <= 32:
        return units
    return next((w for w in range(32, 7, -1) if units % w == 0), units)


def pack(kernels: A) -> A:
    """Kernels of lanes (lanes, features, units), of NumPy or JAX, as packed weights (tiles, features, width)."""
    lanes, features, units = kernels.shape
    width = tile_width(units)
    if width == units:
        return kernels
    parts = kernels.reshape(lanes, features, units // width, width)
    return parts.swapaxes(1, 2).reshape(-1, features, width)


def unpack(weights: A, lanes: int) -> A:
    """Packed weights, or a slot, as kernels of lanes (lanes, features, units)."""
    tiles, features, width = weights.shape
    if tiles == lanes:
        return weights
    parts = weights.reshape(lanes, tiles // lanes, features, width)
    return parts.swapaxes(1, 2).reshape(lanes, features, -1)


def product(x: SparseRows, rows: Array, weights: Array, lanes: int) -> Array:
    """The chosen rows times each lane's kernel.

    Args:
        x: All rows.
        rows: int32 (batch,): which; -1 is padding and gives zeros.
        weights: float32, packed.
        lanes: How many lanes the weights are of.

    Returns:
        float32 (lanes, batch, units).
    """
    tiles, _, width = weights.shape
    units = tiles // lanes * width
    if native():
        return call("goodfit_product", (lanes, rows.shape[0], units))(*x.arrays, rows, weights)
    return dense(x, rows) @ unpack(weights, lanes)


def gradient(x: SparseRows, rows: Array, grad: Array) -> Array:
    """The gradient of the weights.

    Args:
        x: All rows.
        rows: int32 (batch,): those of the product.
        grad: float32 (lanes, batch, units): the gradient of the product.

    Returns:
        float32, packed.
    """
    lanes, _, units = grad.shape
    width = tile_width(units)
    if native():
        return call("goodfit_gradient", (lanes * units // width, x.features, width))(*x.arrays, rows, grad)
    return pack(dense(x, rows).T @ grad)


def update(
    x: SparseRows,
    rows: Array,
    grad: Array,
    weights: Array,
    slots: tuple[Array, ...],
    rule: str,
    hyper: dict[str, Array],
    step: Array,
) -> tuple[Array, tuple[Array, ...]]:
    """`gradient` and one step of a Keras optimizer (its defaults, as of Keras 3.15) in one pass.

    Args:
        x: All rows.
        rows: int32 (batch,): those of this step.
        grad: float32 (lanes, batch, units): the gradient of the product.
        weights: float32, packed.
        slots: `SLOTS[rule]` arrays of the weights' shape.
        rule: One of `SLOTS`; `momentum` is SGD with momentum 0.9.
        hyper: float32 (columns,) each: `learning_rate`, `weight_decay` (decoupled), `l1` and `l2` (factors of
            the penalties, whose gradient is added), `active` (0 leaves a column's weights and slots alone).
        step: int32, () or (columns,): updates done before this one (Keras's `iterations`).

    Returns:
        The new weights and slots; inside `jit` with donated arguments they take the place of the old.
    """
    c = rules.coefficients(rule, hyper, step)
    if native():
        new = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (weights, *slots)]
        step_of = jax.ffi.ffi_call("goodfit_update", new, input_output_aliases={6 + i: i for i in range(len(new))})
        table = jnp.stack([c[k] for k in rules.COEFFICIENTS])
        weights, *slots_out = step_of(*x.arrays, rows, grad, table, weights, *slots, rule=np.int64(rules.NATIVE[rule]))
        return weights, tuple(slots_out)
    tiles, _, width = weights.shape
    c = {k: v.reshape(tiles, 1, width) for k, v in c.items()}
    return rules.apply(rule, weights, gradient(x, rows, grad), slots, c)


def dense(x: SparseRows, rows: Array) -> Array:
    """The chosen rows, dense (batch, features): each row's window of `indices`, scattered."""
    blank = jnp.zeros((rows.shape[0], x.features), jnp.float32)
    if x.indices.shape[0] == 0:
        return blank
    safe = jnp.maximum(rows, 0)
    start, stop = x.indptr[safe][:, None], x.indptr[safe + 1][:, None]
    at = start + jnp.arange(x.longest)
    there = (at < stop) & (rows >= 0)[:, None]
    at = jnp.where(there, at, 0)
    values = x.values[at] if x.values.shape[0] else jnp.float32(1)
    feature = jnp.where(there, x.indices[at].astype(jnp.int32), x.features)
    return blank.at[jnp.arange(rows.shape[0])[:, None], feature].add(values, mode="drop")
