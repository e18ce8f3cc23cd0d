"""The C++ kernels of `goodfit._native` as XLA custom calls."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from goodfit import settings


def native(name: str = "goodfit_product") -> bool:
    """Whether a C++ kernel is used: it is built, wanted (`GOODFIT_NATIVE`), and JAX computes on the CPU."""
    return settings.native_wanted() and jax.default_backend() == "cpu" and name in _registered()


def call(name: str, *results: tuple[int, ...] | jax.ShapeDtypeStruct) -> Any:
    """A custom call by its name that gives arrays of these shapes, float32 where there is no more than a shape."""
    _registered()
    out = [r if isinstance(r, jax.ShapeDtypeStruct) else jax.ShapeDtypeStruct(r, jnp.float32) for r in results]
    return jax.ffi.ffi_call(name, out if len(out) > 1 else out[0], vmap_method="sequential")


@cache
def _registered() -> frozenset[str]:
    try:
        from goodfit import _native
    except ImportError:
        return frozenset()
    for name, capsule in _native.targets().items():
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    return frozenset(_native.targets())
