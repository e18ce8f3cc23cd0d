import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from goodfit.train import kernels

RATE, L1, L2, DECAY = 0.05, 0.01, 0.02, 0.03
KERAS = {
    "sgd": keras.optimizers.SGD(RATE, weight_decay=DECAY),
    "momentum": keras.optimizers.SGD(RATE, momentum=0.9, weight_decay=DECAY),
    "rmsprop": keras.optimizers.RMSprop(RATE, weight_decay=DECAY),
    "adam": keras.optimizers.Adam(RATE, weight_decay=DECAY),
    "adamw": keras.optimizers.AdamW(RATE, weight_decay=DECAY),
    "nadam": keras.optimizers.Nadam(RATE, weight_decay=DECAY),
}
HAVE_NATIVE = kernels.native()
needs_native = pytest.mark.skipif(not HAVE_NATIVE, reason="extension not built")


@pytest.fixture(params=[pytest.param("1", marks=needs_native), "0"], ids=["native", "xla"])
def way(request, monkeypatch):
    monkeypatch.setenv("GOODFIT_NATIVE", request.param)
    return request.param


def hyper(columns, **given):
    plain = {"learning_rate": RATE, "l1": 0.0, "l2": 0.0, "weight_decay": 0.0, "active": 1.0}
    return {k: jnp.asarray(np.broadcast_to(np.float32(given.get(k, v)), (columns,))) for k, v in plain.items()}


def rows_of(matrix):
    """`SparseRows` of a dense matrix; every number above 1 is split over two entries of one row, and out of order."""
    indptr, indices, values = [0], [], []
    for row in matrix:
        for j in np.flatnonzero(row)[::-1]:
            parts = [1.0, row[j] - 1.0] if row[j] > 1 else [row[j]]
            indices += [j] * len(parts)
            values += parts
        indptr.append(len(indices))
    longest = int(np.diff(indptr).max(initial=0))
    arrays = np.asarray(indptr, np.int32), np.asarray(indices, np.int32), np.asarray(values, np.float32)
    return kernels.SparseRows(*map(jnp.asarray, arrays), matrix.shape[1], longest)


def matrix_of(rng, n, features, ones):
    counts = rng.integers(1, 4, (n, features)) * (rng.random((n, features)) < 0.3)
    return (counts > 0).astype(np.float32) if ones else counts * np.float32(0.75)


def flat(lanes_first):
    """(lanes, n, units) as (n, lanes * units)."""
    return np.moveaxis(np.asarray(lanes_first), 0, 1).reshape(np.shape(lanes_first)[1], -1)


SHAPES = [(5, 17, 1, 1), (6, 40, 3, 16), (1, 3, 2, 5), (4, 30, 9, 11), (3, 21, 1, 100)]
"""Rows, features, lanes, units: whole and broken tiles of every width."""


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SHAPES), st.booleans(), st.integers(0, 10**6))
@needs_native
def test_native_product_and_gradient_are_numpys(shape, ones, seed):
    n, features, lanes, units = shape
    rng = np.random.default_rng(seed)
    matrix = matrix_of(rng, n, features, ones)
    x = kernels.SparseRows.from_scipy(csr_array(matrix)) if ones else rows_of(matrix)
    rows = rng.integers(-1, n, 7).astype(np.int32)
    dense = matrix[rows] * (rows >= 0)[:, None]
    w = rng.normal(size=(lanes, features, units)).astype(np.float32)
    g = rng.normal(size=(lanes, 7, units)).astype(np.float32)
    packed = kernels.pack(jnp.asarray(w))
    np.testing.assert_array_equal(kernels.unpack(packed, lanes), w)
    np.testing.assert_allclose(kernels.product(x, rows, packed, lanes), dense @ w, rtol=1e-5, atol=1e-5)
    got = kernels.unpack(kernels.gradient(x, rows, jnp.asarray(g)), lanes)
    np.testing.assert_allclose(got, dense.T @ g, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("features", "dtype"), [(2**16, np.uint16), (2**16 + 1, np.int32)])
def test_the_last_word_of_many_counts(features, dtype, way):
    matrix = csr_array(([1.0, 1.0, 2.0], [0, features - 1, features - 1], [0, 1, 3]), shape=(2, features))
    x = kernels.SparseRows.from_scipy(matrix.astype(np.float32))
    assert x.indices.dtype == dtype
    w = jnp.zeros((1, features, 3)).at[0, 0].set(1.0).at[0, -1].set(5.0)
    rows = np.array([1, 0], np.int32)
    np.testing.assert_array_equal(kernels.product(x, rows, w, 1)[0], [[15.0] * 3, [1.0] * 3])
    grad = np.asarray(kernels.gradient(x, rows, jnp.ones((1, 2, 3))))[0]
    np.testing.assert_array_equal(grad[[0, -1]], [[1.0] * 3, [3.0] * 3])
    assert not grad[1:-1].any()


@pytest.mark.parametrize("ones", [True, False])
@pytest.mark.parametrize("units", [7, 66])
def test_xla_is_numpy(monkeypatch, units, ones):
    monkeypatch.setenv("GOODFIT_NATIVE", "0")
    rng = np.random.default_rng(0)
    matrix = matrix_of(rng, 6, 20, ones)
    x = rows_of(matrix)
    rows = np.array([3, -1, 3, 0, 5], np.int32)
    dense = matrix[rows] * (rows >= 0)[:, None]
    w = rng.normal(size=(3, 20, units)).astype(np.float32)
    g = rng.normal(size=(3, 5, units)).astype(np.float32)
    product = kernels.product(x, rows, kernels.pack(jnp.asarray(w)), 3)
    np.testing.assert_allclose(product, dense @ w, rtol=1e-5, atol=1e-5)
    got = kernels.unpack(kernels.gradient(x, rows, jnp.asarray(g)), 3)
    np.testing.assert_allclose(got, dense.T @ g, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("units", [11, 40])
@pytest.mark.parametrize("rule", kernels.SLOTS)
def test_update_is_keras_step_by_step(rule, units, way):
    rng = np.random.default_rng(1)
    matrix = matrix_of(rng, 20, 30, False)
    x = rows_of(matrix)
    w = rng.normal(size=(2, 30, units)).astype(np.float32)
    variable = keras.Variable(flat(w))
    optimizer = type(KERAS[rule]).from_config(KERAS[rule].get_config())
    optimizer.build([variable])
    weights = kernels.pack(jnp.asarray(w))
    slots = tuple(jnp.zeros_like(weights) for _ in range(kernels.SLOTS[rule]))
    options = hyper(2 * units, l1=L1, l2=L2, weight_decay=DECAY)
    step = jax.jit(kernels.update, static_argnums=5)
    for i in range(6):
        rows = rng.permutation(20)[:8].astype(np.int32)
        grad = rng.normal(size=(2, 8, units)).astype(np.float32)
        value = np.asarray(variable.value)
        full = matrix[rows].T @ flat(grad) + L1 * np.sign(value) + 2 * L2 * value
        optimizer.apply([jnp.asarray(full)], [variable])
        weights, slots = step(x, rows, grad, weights, slots, rule, options, np.int32(i))
        np.testing.assert_allclose(flat(kernels.unpack(weights, 2)), variable.value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", kernels.SLOTS)
def test_a_frozen_column_stays_and_a_nan_stays_at_home(rule, way):
    rng = np.random.default_rng(2)
    x = rows_of(matrix_of(rng, 9, 25, False))
    lanes, units = 5, 6
    weights = kernels.pack(jnp.asarray(rng.normal(size=(lanes, 25, units)), jnp.float32))
    slots = tuple(jnp.abs(weights) + 1 for _ in range(kernels.SLOTS[rule]))
    rows = np.arange(9, dtype=np.int32)
    good = rng.normal(size=(lanes, 9, units)).astype(np.float32)
    bad = good.copy()
    bad[1], bad[3, 4, 0] = np.nan, np.inf
    active = np.repeat([1, 1, 0, 1, 1], units)
    plain = kernels.update(x, rows, good, weights, slots, rule, hyper(30, active=active), np.int32(2))
    spoilt = kernels.update(x, rows, bad, weights, slots, rule, hyper(30, active=active), np.int32(2))
    for new, other, old in zip(*map(jax.tree.leaves, (plain, spoilt, (weights, slots))), strict=True):
        new, other, old = (np.asarray(kernels.unpack(a, lanes)) for a in (new, other, old))
        np.testing.assert_array_equal(new[2], old[2])
        assert (new[0] != old[0]).any()
        np.testing.assert_array_equal(other[[0, 2, 4]], new[[0, 2, 4]])
        np.testing.assert_array_equal(other[3, :, 1:], new[3, :, 1:])


def test_gradient_is_the_slope_of_the_product(way):
    """Finite differences of sum(product * g) in single weights."""
    rng = np.random.default_rng(3)
    x = rows_of(matrix_of(rng, 6, 12, False))
    rows = np.array([0, 5, 5, 2, -1], np.int32)
    w, g = rng.normal(size=(1, 12, 9)).astype(np.float32), rng.normal(size=(1, 5, 9)).astype(np.float32)
    grad = np.asarray(kernels.gradient(x, rows, jnp.asarray(g)))[0]
    for feature, column in rng.integers(0, (12, 9), (10, 2)):
        slopes = []
        for d in (-0.5, 0.5):  # the product is linear: no need for a small step
            moved = w.copy()
            moved[0, feature, column] += d
            slopes.append(float((np.asarray(kernels.product(x, rows, jnp.asarray(moved), 1), np.float64) * g).sum()))
        np.testing.assert_allclose(slopes[1] - slopes[0], grad[feature, column], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("entries", [0, 3])
def test_empty_rows_and_batches_of_one(entries, way):
    x = kernels.SparseRows(
        jnp.asarray([0, 0, entries], jnp.int32), jnp.arange(entries, dtype=jnp.int32), jnp.zeros(0), 4, entries
    )
    w = jnp.ones((1, 4, 3))
    for row in (-1, 0, 1):
        rows = np.array([row], np.int32)
        filled = entries if row == 1 else 0
        np.testing.assert_array_equal(kernels.product(x, rows, w, 1), np.full((1, 1, 3), filled))
        grad = np.asarray(kernels.gradient(x, rows, jnp.ones((1, 1, 3))))[0]
        np.testing.assert_array_equal(grad, (np.arange(4) < filled)[:, None] * np.ones((1, 3)))


PROGRAM = """
import os, sys, hashlib, numpy as np, jax, jax.numpy as jnp
from scipy.sparse import random_array
from goodfit.train import kernels
rng = np.random.default_rng(4)
x = kernels.SparseRows.from_scipy(random_array((600, 3000), density=0.03, rng=rng, dtype=np.float32))
w = kernels.pack(jnp.asarray(rng.normal(size=(7, 3000, 10)), jnp.float32))
g = jnp.asarray(rng.normal(size=(7, 512, 10)), jnp.float32)
rows = rng.permutation(600)[:512].astype(np.int32)
hyper = {k: jnp.full(70, v, jnp.float32) for k, v in zip(kernels.HYPER, (0.01, 0.1, 0.1, 0.1, 1.0))}
def numbers():
    out = [kernels.product(x, rows, w, 7), kernels.gradient(x, rows, g)]
    for rule, slots in (("rmsprop", (w * w,)), ("nadam", (w, w * w))):
        out += jax.tree.leaves(kernels.update(x, rows, g, w, slots, rule, hyper, np.int32(1)))
    return [np.asarray(a) for a in out]
out = numbers()
os.environ["GOODFIT_NATIVE"] = "0"
for a, b in zip(out, numbers(), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
print(hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in out)).hexdigest())
"""


@pytest.mark.parametrize("instructions", ["avx512", "avx2", "baseline"])
@needs_native
def test_threads_change_no_bit(instructions):
    def run(threads):
        path = os.pathsep.join(p for p in sys.path if p)
        env = {**os.environ, "PYTHONPATH": path, "NPROC": threads, "GOODFIT_SIMD": instructions}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    once = run("1")  # XLA's threads
    assert len(once.strip()) == 64
    assert run("5") == once


@needs_native
def test_steps_inside_scan_reuse_the_weights_memory():
    x = rows_of(np.eye(8, dtype=np.float32))
    weights = jnp.ones((128, 8, 32))

    def epoch(weights, slot, order):
        def step(carry, rows):
            w, slots = carry
            g = kernels.product(x, rows, w, 1)
            return kernels.update(x, rows, g, w, slots, "rmsprop", hyper(4096), np.int32(0)), None

        return jax.lax.scan(step, (weights, (slot,)), order)[0]

    compiled = jax.jit(epoch, donate_argnums=(0, 1)).lower(weights, weights, jnp.zeros((3, 2), jnp.int32)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < weights.nbytes * 4
    assert not [line for line in compiled.as_text().splitlines() if "copy(" in line and "f32[128,8,32]" in line]
