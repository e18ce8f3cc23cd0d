"""The first layer of sparse rows: its product, gradient and optimizer step, for all lanes at once.

Weights are (features, columns), lane-major: lane `l`, unit `u` is column `l * units + u`. On a CPU the C++
kernels of `goodfit._native` do the work; elsewhere, or without that extension, XLA's own operations do. Both
give the same numbers to float32 rounding, and each the same numbers from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

SLOTS = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2, "adamw": 2, "nadam": 2}
"""Optimizer rules and how many slots of the weights' shape each keeps, in Keras's order (momentum, velocity)."""

HYPER = ("learning_rate", "l1", "l2", "weight_decay", "active")
"""What may differ between columns: see `update`."""


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
        indices: int32 (entries,): the features; a feature may stand twice in a row.
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
        values = np.asarray(x.data, np.float32)
        ones = bool((values == 1).all())
        return cls(
            jnp.asarray(x.indptr, jnp.int32),
            jnp.asarray(x.indices, jnp.int32),
            jnp.asarray(values[:0] if ones else values),
            int(x.shape[1]),
            int(np.diff(x.indptr).max(initial=0)),
        )


def product(x: SparseRows, rows: Array, weights: Array) -> Array:
    """The chosen rows times the weights.

    Args:
        x: All rows.
        rows: int32 (batch,): which; -1 is padding and gives zeros.
        weights: float32 (features, columns).

    Returns:
        float32 (batch, columns).
    """
    return dense(x, rows) @ weights


def gradient(x: SparseRows, rows: Array, grad: Array) -> Array:
    """The gradient of the weights, (features, columns), from that of the product, `grad` (batch, columns)."""
    return dense(x, rows).T @ grad


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
        grad: float32 (batch, columns): the gradient of the product.
        weights: float32 (features, columns).
        slots: `SLOTS[rule]` arrays of the weights' shape.
        rule: One of `SLOTS`; `momentum` is SGD with momentum 0.9.
        hyper: float32 (columns,) each: `learning_rate`, `weight_decay` (decoupled), `l1` and `l2` (factors of
            the penalties, whose gradient is added), `active` (0 leaves a column's weights and slots alone).
        step: int32: updates done before this one (Keras's `iterations`).

    Returns:
        The new weights and slots; inside `jit` with donated arguments they take the place of the old.
    """
    c = _coefficients(rule, hyper, step)
    g = gradient(x, rows, grad) + hyper["l1"] * jnp.sign(weights) + 2 * hyper["l2"] * weights
    decayed = weights - weights * c["decay"]
    new, new_slots = _rules[rule](decayed, g, slots, c)
    active = hyper["active"] != 0
    return jnp.where(active, new, weights), tuple(
        jnp.where(active, n, s) for n, s in zip(new_slots, slots, strict=True)
    )


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
    feature = jnp.where(there, x.indices[at], x.features)
    return blank.at[jnp.arange(rows.shape[0])[:, None], feature].add(values, mode="drop")


def _nadam_products() -> np.ndarray:
    """Nadam's running product of u_t; after 256 steps 1 - product is 1 in float32."""
    t = np.arange(1, 257)
    return np.cumprod((0.9 * (1 - 0.5 * 0.96**t)).astype(np.float32), dtype=np.float32)


def _coefficients(rule: str, hyper: dict[str, Array], step: Array) -> dict[str, Array]:
    """What a rule needs besides the gradient, per column."""
    rate = hyper["learning_rate"]
    t = (step + 1).astype(jnp.float32)
    c = {"decay": hyper["weight_decay"] * rate, "rate": rate}
    if rule in ("adam", "adamw"):
        c["rate"] = rate * jnp.sqrt(1 - jnp.float32(0.999) ** t) / (1 - jnp.float32(0.9) ** t)
    elif rule == "nadam":
        u, u_next = (0.9 * (1 - 0.5 * jnp.float32(0.96) ** i) for i in (t, t + 1))
        done = jnp.asarray(_nadam_products())[jnp.minimum(step, 255)]
        c["m"] = u_next / (1 - done * u_next)
        c["g"] = (1 - u) / (1 - done)
        c["v"] = 1 / (1 - jnp.float32(0.999) ** t)
    return c


def _sgd(w: Array, g: Array, slots: tuple, c: dict[str, Array]) -> tuple[Array, tuple]:
    return w - g * c["rate"], ()


def _momentum(w: Array, g: Array, slots: tuple, c: dict[str, Array]) -> tuple[Array, tuple]:
    m = slots[0] * 0.9 - g * c["rate"]
    return w + m, (m,)


def _rmsprop(w: Array, g: Array, slots: tuple, c: dict[str, Array]) -> tuple[Array, tuple]:
    v = 0.9 * slots[0] + (1 - 0.9) * g * g
    return w - c["rate"] * g / jnp.sqrt(v + 1e-7), (v,)


def _adam(w: Array, g: Array, slots: tuple, c: dict[str, Array]) -> tuple[Array, tuple]:
    m, v = slots[0] + (g - slots[0]) * (1 - 0.9), slots[1] + (g * g - slots[1]) * (1 - 0.999)
    return w - m * c["rate"] / (jnp.sqrt(v) + 1e-7), (m, v)


def _nadam(w: Array, g: Array, slots: tuple, c: dict[str, Array]) -> tuple[Array, tuple]:
    m, v = slots[0] + (g - slots[0]) * (1 - 0.9), slots[1] + (g * g - slots[1]) * (1 - 0.999)
    return w - (c["m"] * m + c["g"] * g) * c["rate"] / (jnp.sqrt(c["v"] * v) + 1e-7), (m, v)


_rules = {
    "sgd": _sgd,
    "momentum": _momentum,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adam,
    "nadam": _nadam,
}
