"""Keras's optimizers as formulas on arrays, with the defaults of Keras 3.15 (keras/src/optimizers)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

SLOTS = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2, "adamw": 2, "nadam": 2}
"""Optimizer rules and how many slots of the weights' shape each keeps, in Keras's order (momentum, velocity)."""

NATIVE = {"sgd": 1, "momentum": 2, "rmsprop": 3, "adam": 4, "adamw": 4, "nadam": 5}
"""What native/kernels.h calls them."""

HYPER = ("learning_rate", "l1", "l2", "weight_decay", "active")
"""What may differ between columns: see `kernels.update`."""

COEFFICIENTS = ("rate", "l1", "l2", "decay", "active", "nadam_m", "nadam_g", "nadam_v")
"""What `coefficients` gives; the order is that of native/kernels.h."""


def coefficients(rule: str, hyper: dict[str, Array], step: Array) -> dict[str, Array]:
    """All that a step needs besides gradient, weights and slots.

    Args:
        rule: One of `SLOTS`.
        hyper: `HYPER`, float32 (columns,) each.
        step: int32, () or (columns,): updates done before this one.

    Returns:
        `COEFFICIENTS`, float32 (columns,) each.
    """
    rate = hyper["learning_rate"]
    t = (step + 1).astype(jnp.float32)
    c = {k: hyper[k] for k in ("l1", "l2", "active")} | {"rate": rate, "decay": hyper["weight_decay"] * rate}
    if rule in ("adam", "adamw"):
        c["rate"] = rate * jnp.sqrt(1 - jnp.float32(0.999) ** t) / (1 - jnp.float32(0.9) ** t)
    nadam = [jnp.float32(0)] * 3
    if rule == "nadam":
        u, u_next = (0.9 * (1 - 0.5 * jnp.float32(0.96) ** i) for i in (t, t + 1))
        done = jnp.asarray(_nadam_products())[jnp.minimum(step, 255)]
        nadam = [u_next / (1 - done * u_next), (1 - u) / (1 - done), 1 / (1 - jnp.float32(0.999) ** t)]
    c |= {k: jnp.broadcast_to(v, rate.shape) for k, v in zip(COEFFICIENTS[-3:], nadam, strict=True)}
    return c


def apply(
    rule: str, weights: Array, gradient: Array, slots: tuple[Array, ...], c: dict[str, Array]
) -> tuple[Array, tuple[Array, ...]]:
    """One step on weights, gradient and slots of one shape; `coefficients` must broadcast to it.

    Returns:
        The new weights and slots; the old where `active` is 0.
    """
    g = gradient + c["l1"] * jnp.sign(weights) + 2 * c["l2"] * weights
    w = weights - weights * c["decay"]
    new: tuple[Array, ...]
    if rule == "sgd":
        w, new = w - g * c["rate"], ()
    elif rule == "momentum":
        new = (slots[0] * 0.9 - g * c["rate"],)
        w = w + new[0]
    elif rule == "rmsprop":
        new = (0.9 * slots[0] + (1 - 0.9) * (g * g),)
        w = w - c["rate"] * g / jnp.sqrt(new[0] + 1e-7)
    else:
        m, v = new = slots[0] + (g - slots[0]) * (1 - 0.9), slots[1] + (g * g - slots[1]) * (1 - 0.999)
        if rule == "nadam":
            m, v = c["nadam_m"] * m + c["nadam_g"] * g, c["nadam_v"] * v
        w = w - m * c["rate"] / (jnp.sqrt(v) + 1e-7)
    active = c["active"] != 0
    return jnp.where(active, w, weights), tuple(jnp.where(active, n, s) for n, s in zip(new, slots, strict=True))


def _nadam_products() -> np.ndarray:
    """Nadam's running product of u_t; after 256 steps 1 - product is 1 in float32."""
    t = np.arange(1, 257)
    return np.cumprod((0.9 * (1 - 0.5 * 0.96**t)).astype(np.float32), dtype=np.float32)
