import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
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


def hyper(columns, **given):
    plain = {"learning_rate": 0.01, "l1": 0.0, "l2": 0.0, "weight_decay": 0.0, "active": 1.0}
    return {k: jnp.broadcast_to(jnp.float32(given.get(k, v)), (columns,)) for k, v in plain.items()}


@pytest.mark.parametrize("rule", kernels.SLOTS)
def test_update_is_keras_step_by_step(rule):
    rng = np.random.default_rng(1)
    x = random_array((20, 30), density=0.2, rng=rng, dtype=np.float32).tocsr()
    sparse = kernels.SparseRows.from_scipy(x)
    w = rng.normal(size=(30, 6)).astype(np.float32)
    l1, l2, decay, rate = 0.01, 0.02, 0.03, 0.05
    variable = keras.Variable(w)
    optimizer = KERAS[rule](rate, decay)
    optimizer.build([variable])
    weights, slots = jnp.asarray(w), tuple(jnp.zeros((30, 6)) for _ in range(kernels.SLOTS[rule]))
    options = hyper(6, learning_rate=rate, l1=l1, l2=l2, weight_decay=decay)
    for step in range(20):
        rows = rng.permutation(20)[:8].astype(np.int32)
        grad = rng.normal(size=(8, 6)).astype(np.float32)
        value = np.asarray(variable.value)
        full = x[rows].T @ grad + l1 * np.sign(value) + 2 * l2 * value
        optimizer.apply([jnp.asarray(full)], [variable])
        weights, slots = jax.jit(kernels.update, static_argnums=5)(
            sparse, jnp.asarray(rows), jnp.asarray(grad), weights, slots, rule, options, jnp.int32(step)
        )
        np.testing.assert_allclose(weights, variable.value, rtol=2e-4, atol=2e-5)


def test_product_and_gradient_are_numpys():
    rng = np.random.default_rng(2)
    x = csr_array(rng.integers(0, 3, (9, 12)).astype(np.float32))
    sparse = kernels.SparseRows.from_scipy(x)
    rows = np.array([3, -1, 3, 0], np.int32)
    dense = x.toarray()[rows] * (rows >= 0)[:, None]
    w, g = rng.normal(size=(12, 5)).astype(np.float32), rng.normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_allclose(
        kernels.product(sparse, jnp.asarray(rows), jnp.asarray(w)), dense @ w, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        kernels.gradient(sparse, jnp.asarray(rows), jnp.asarray(g)), dense.T @ g, rtol=1e-5, atol=1e-5
    )
