"""Initial values as Keras and JAX make them, without compiling a program for every shape.

JAX compiles a program for each shape that it fills or draws random numbers of, up to a quarter of a second each: a
study of a small table spent more time on these than on training. Inside `quick` Keras gets the same values, bit for
bit, without.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from keras.src import backend

from goodfit.models.native import native

_KNOWN = {"float32", "int32", "uint32"}


@contextmanager
def quick() -> Iterator[None]:
    """While it lasts, Keras fills arrays by NumPy and draws uniform numbers by the C++ extension, on CPUs."""
    swaps = [(backend.numpy, _zeros), (backend.numpy, _ones), (backend.random, _uniform)] if native() else []
    before = [(module, own.__name__[1:], getattr(module, own.__name__[1:])) for module, own in swaps]
    for module, own in swaps:
        setattr(module, own.__name__[1:], own)
    try:
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


_keras_zeros, _keras_ones, _keras_uniform = backend.numpy.zeros, backend.numpy.ones, backend.random.uniform


def _zeros(shape: Any, dtype: Any = None) -> Any:
    kind = _kind(dtype)
    return jax.device_put(np.zeros(shape, kind)) if kind in _KNOWN else _keras_zeros(shape, dtype)


def _ones(shape: Any, dtype: Any = None) -> Any:
    kind = _kind(dtype)
    return jax.device_put(np.ones(shape, kind)) if kind in _KNOWN else _keras_ones(shape, dtype)


def _uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    config = jax.config
    stock = config.jax_default_prng_impl == "threefry2x32" and config.jax_threefry_partitionable
    known = isinstance(minval, (int, float)) and isinstance(maxval, (int, float))
    known = known and isinstance(seed, int) and 0 <= seed < 2**32
    if not (stock and known) or _kind(dtype) != "float32":
        return _keras_uniform(shape, minval, maxval, dtype, seed)
    from goodfit import _native

    out = np.empty(shape, np.float32)
    _native.uniform(seed, 0, minval, maxval, out)
    return jax.device_put(out)


def _kind(dtype: Any) -> str:
    return str(backend.standardize_dtype(dtype or backend.floatx()))
