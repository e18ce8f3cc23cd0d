"""Counter-based random numbers: a value is a hash of (seed, step, layer, position), so no state is kept.

The mixer is Chris Wellons's `lowbias32` ("Prospecting for Hash Functions", nullprogram.com, 2018): over the parts of a
key, and twice over each position. Far cheaper than threefry, and good enough for dropout and augmentation.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def _mix(x: jax.Array) -> jax.Array:
    x = x ^ (x >> 16)
    x = x * jnp.uint32(0x7FEB352D)
    x = x ^ (x >> 15)
    x = x * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


def key(*parts: Any) -> jax.Array:
    """One uint32 key of several whole numbers (seed, step, layer, ...)."""
    out = jnp.uint32(0x9E3779B9)
    for part in parts:
        out = _mix(out * jnp.uint32(0x85EBCA6B) ^ jnp.asarray(part).astype(jnp.uint32))
    return out


def bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uint32 noise of `shape`; rows come first, so that more rows leave the earlier ones as they were."""
    position = jax.lax.iota(jnp.uint32, int(np.prod(shape))).reshape(shape)
    return _mix(_mix(position ^ key) + key * jnp.uint32(0xC2B2AE35))


def at_least(key: jax.Array, shape: tuple[int, ...], rate: jax.Array) -> jax.Array:
    """True with probability `1 - rate`, shape `shape`."""
    return (bits(key, shape) >> 8) >= (rate * 2.0**24).astype(jnp.uint32)


def uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Float32 in [0, 1), 24 bits of resolution."""
    return (bits(key, shape) >> 8).astype(jnp.float32) * jnp.float32(2.0**-24)


def normal(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Float32 standard normal, by Box and Muller (1958)."""
    u = uniform(key, shape) + jnp.float32(2.0**-25)
    v = uniform(key ^ jnp.uint32(0x5BD1E995), shape)
    return jnp.sqrt(-2 * jnp.log(u)) * jnp.cos(2 * jnp.pi * v)
