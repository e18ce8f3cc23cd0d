"""Which Keras metrics can be measured on lanes, and what each is given as truth."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import keras
import numpy as np

from goodfit.errors import first_line


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of Keras's metrics, which are about the types of whole numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def truth(metric: keras.metrics.Metric, y: jax.Array, units: int) -> jax.Array:
    """What a metric is given for class indices `y`: the indices themselves, or targets of the output's shape."""
    wrapped = metric._fn.__name__ if type(metric) is keras.metrics.MeanMetricWrapper else type(metric).__name__
    if getattr(metric, "sparse_y_true", wrapped.lower().startswith("sparse")):
        return y
    return y[:, None].astype(jnp.float32) if units == 1 else jax.nn.one_hot(y, units, dtype=jnp.float32)


def weight(metric: keras.metrics.Metric, mask: jax.Array) -> jax.Array:
    """The rows that a metric is to see, as weights of the type that it takes."""
    return mask.astype(jnp.int32 if "int" in str(metric.dtype) else jnp.float32)


def copied(metric: keras.metrics.Metric) -> keras.metrics.Metric:
    """A fresh metric like a given one."""
    return type(metric).from_config(metric.get_config())


def trouble(metric: keras.metrics.Metric, units: int) -> str | None:
    """Why a metric cannot be measured for an output of so many units, in a few words; None where it can.

    A few rows are tried: rows of weight 0 must not count, for in a lane these are the rows of others.
    """
    classes, rng = max(units, 2), np.random.default_rng(0)
    y = jnp.asarray(np.arange(8) % classes)
    out = rng.uniform(0.1, 0.9, (8, units)).astype(np.float32)
    own = np.arange(8) < 6
    found: list[np.ndarray] = []
    try:
        with quietly():
            for rows in (np.arange(8), np.flatnonzero(own)):
                made = copied(metric)
                seen = weight(made, jnp.asarray(own[rows]))
                made.update_state(truth(made, y[rows], units), jnp.asarray(out[rows]), sample_weight=seen)
                found.append(np.asarray(made.result(), np.float64))
    except Exception as error:
        return first_line(error, 100)
    same = np.allclose(found[0], found[1], rtol=1e-4, equal_nan=True)
    return None if same else "it counts rows of weight 0"
