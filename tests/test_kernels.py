import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from goodfit.train import kernels

KERAS = {
    "sgd": lambda rate, decay: keras.optimizers.SGD(rate, weight_decay=decay),
    "momentum": lambda rate, decay: keras.optimizers.SGD(rate, momentum=0.9, weight_decay=decay),
    "rmsprop": lambda rate, decay: keras.optimizers.RMSprop(rate, weight_decay=decay),
    "adam": lambda rate, decay: keras.optimizers.Adam(rate, weight_decay=decay),
    "adamw": lambda rate, decay: keras.optimizers.AdamW(rate, weight_decay=decay),
    "nadam": lambda rate, decay: keras.optimizers.Nadam(rate, weight_decay=decay),
}
HAVE_NATIVE = kernels.native()
WAYS = [pytest.param("1", marks=pytest.mark.skipif(not HAVE_NATIVE, reason="extension not built")), "0"]


@pytest.fixture(params=WAYS, ids=["native", "xla"])
def way(request, monkeypatch):
    monkeypatch.setenv("GOODFIT_NATIVE", request.param)
    return request.param


def hyper(columns, **given):
    plain = {"learning_rate": 0.01, "l1": 0.0, "l2": 0.0, "weight_decay": 0.0, "active": 1.0}
    return {k: jnp.broadcast_to(jnp.float32(given.get(k, v)), (columns,)) for k, v in plain.items()}


def rows_of(matrix):
    """`SparseRows` of a dense matrix, entry by entry, with every feature above 1 standing twice in its row."""
    indptr, indices, values = [0], [], []
    for row in matrix:
        for j in np.flatnonzero(row):
            parts = [1.0, row[j] - 1.0] if row[j] > 1 else [row[j]]
            indices += [j] * len(parts)
            values += parts
        indptr.append(len(indices))
    a = (np.asarray(indptr, np.int32), np.asarray(indices, np.int32), np.asarray(values, np.float32))
    return kernels.SparseRows(*map(jnp.asarray, a), matrix.shape[1], int(np.diff(indptr).max(initial=0)))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rule", kernels.SLOTS)
def test_update_is_keras_step_by_step(rule, packed, way):
    rng = np.random.default_rng(1)
    x = random_array((20, 30), density=0.2, rng=rng, dtype=np.float32).tocsr()
    sparse = kernels.SparseRows.from_scipy(x)
    w = rng.normal(size=(30, 22)).astype(np.float32)
    l1, l2, decay, rate = 0.01, 0.02, 0.03, 0.05
    variable = keras.Variable(w)
    optimizer = KERAS[rule](rate, decay)
    optimizer.build([variable])
    weights = kernels.pack(jnp.asarray(w.reshape(30, 2, 11).transpose(1, 0, 2))) if packed else jnp.asarray(w)
    slots = tuple(jnp.zeros_like(weights) for _ in range(kernels.SLOTS[rule]))
    options = hyper(22, learning_rate=rate, l1=l1, l2=l2, weight_decay=decay)
    for step in range(20):
        rows = rng.permutation(20)[:8].astype(np.int32)
        grad = rng.normal(size=(8, 22)).astype(np.float32)
        value = np.asarray(variable.value)
        full = x[rows].T @ grad + l1 * np.sign(value) + 2 * l2 * value
        optimizer.apply([jnp.asarray(full)], [variable])
        weights, slots = kernels.update(
            sparse, jnp.asarray(rows), jnp.asarray(grad), weights, slots, rule, options, jnp.int32(step)
        )
    got = kernels.unpack(weights, 2, 11).transpose(1, 0, 2).reshape(30, 22) if packed else weights
    np.testing.assert_allclose(got, variable.value, rtol=2e-4, atol=2e-5)


SHAPES = [(5, 17, 1, 1), (6, 40, 3, 16), (1, 3, 2, 5), (4, 30, 9, 11)]


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(SHAPES), st.booleans(), st.integers(0, 10**6))
def test_native_is_xla_is_numpy(shape, ones, seed):
    n, features, lanes, units = shape
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 3, (n, features)) * (rng.random((n, features)) < 0.4)
    matrix = (matrix > 0).astype(np.float32) if ones else matrix * np.float32(1.5)
    x = kernels.SparseRows.from_scipy(csr_array(matrix)) if ones else rows_of(matrix)
    rows = rng.integers(-1, n, 7).astype(np.int32)
    dense = matrix[rows] * (rows >= 0)[:, None]
    w = rng.normal(size=(lanes, features, units)).astype(np.float32)
    g = rng.normal(size=(lanes, len(rows), units)).astype(np.float32)
    weights = {
        "matrix": jnp.asarray(w.transpose(1, 0, 2).reshape(features, -1)),
        "packed": kernels.pack(jnp.asarray(w)),
    }
    np.testing.assert_array_equal(kernels.unpack(weights["packed"], lanes, units), w)
    options = hyper(lanes * units, l2=0.1, active=np.repeat(rng.integers(0, 2, lanes), units))
    for layout, at in weights.items():
        width = at.shape[2] if layout == "packed" else None
        results = []
        for use in [w for w in ("1", "0") if w == "0" or HAVE_NATIVE]:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("GOODFIT_NATIVE", use)
                p = kernels.product(x, rows, at, (lanes, units))
                flat = kernels.product(x, rows, at)[:, : lanes * units]
                d = kernels.gradient(x, rows, jnp.asarray(g), width)
                u, (s,) = kernels.update(x, rows, g, at, (at**2,), "rmsprop", options, jnp.int32(3))
            np.testing.assert_allclose(p, dense @ w, rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(np.asarray(p).transpose(1, 0, 2).reshape(len(rows), -1), flat)
            full = d if width is None else kernels.unpack(d, lanes, units).transpose(1, 0, 2).reshape(features, -1)
            np.testing.assert_allclose(
                full, dense.T @ g.transpose(1, 0, 2).reshape(len(rows), -1), rtol=1e-5, atol=1e-5
            )
            results.append((p, d, u, s))
        for a, b in zip(results[0], results[-1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
