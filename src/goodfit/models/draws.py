"""Initial values as Keras and JAX make them, without compiling a program for every shape.

JAX compiles a program for each shape that it fills or draws random numbers of, up to a quarter of a second each: a
study of a small table spent more time on these than on training. Inside `quick` Keras gets the same values, bit for
bit, without.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from keras.src import backend

from goodfit.models.native import native

_inside, _lock = 0, threading.Lock()


@contextmanager
def quick() -> Iterator[None]:
    """While it lasts, Keras fills arrays by NumPy and draws uniform numbers by the C++ extension, on CPUs."""
    global _inside
    with _lock:
        _inside += 1
        if native():
            backend.numpy.zeros, backend.numpy.ones, backend.random.uniform = _zeros, _ones, _uniform
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                backend.numpy.zeros, backend.numpy.ones, backend.random.uniform = _of_keras


_of_keras = _keras_zeros, _keras_ones, _keras_uniform = backend.numpy.zeros, backend.numpy.ones, backend.random.uniform


def _zeros(shape: Any, dtype: Any = None) -> Any:
    dtype = dtype or backend.floatx()
    return jax.device_put(np.zeros(shape, dtype)) if _known(shape, dtype) else _keras_zeros(shape, dtype)


def _ones(shape: Any, dtype: Any = None) -> Any:
    dtype = dtype or backend.floatx()
    return jax.device_put(np.ones(shape, dtype)) if _known(shape, dtype) else _keras_ones(shape, dtype)


def _uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    stock = jax.config.jax_default_prng_impl == "threefry2x32" and jax.config.jax_threefry_partitionable
    limits = all(isinstance(limit, (int, float)) for limit in (minval, maxval))
    key = isinstance(seed, int) and 0 <= seed < 2**32
    if not (stock and limits and key and _known(shape, dtype or backend.floatx(), "float32")):
        return _keras_uniform(shape, minval, maxval, dtype, seed)
    from goodfit import _native

    out = np.empty(shape, np.float32)
    _native.uniform(seed, 0, minval, maxval, out)
    return jax.device_put(out)


def _known(shape: Any, dtype: Any, *kinds: str) -> bool:
    """Whether NumPy can make it; Keras infers shapes with symbols in place of numbers, too."""
    numbers = isinstance(shape, (tuple, list)) and all(isinstance(n, int) for n in shape)
    return numbers and dtype in (kinds or ("float32", "int32", "uint32"))
