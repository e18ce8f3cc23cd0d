"""The kernels of small layers are XLA's operations, on one lane and on many, whatever the instructions."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from goodfit.models import products
from goodfit.models.native import native

pytestmark = pytest.mark.skipif(not native("goodfit_convolution"), reason="the C++ extension is not built")

CONVOLUTIONS = [
    # images, height, width, in, down, across, out, strides
    (3, 7, 9, 2, 3, 3, 5, (1, 1)),
    (2, 8, 131, 1, 2, 4, 33, (2, 3)),
    (4, 5, 5, 17, 1, 1, 16, (1, 1)),
    (1, 1, 70, 19, 1, 1, 70, (1, 1)),
    (2, 4, 6, 3, 4, 2, 1, (3, 1)),
    (1, 6, 5, 64, 2, 2, 48, (1, 2)),
    (23, 10, 10, 5, 3, 3, 32, (1, 1)),  # the gradient of the kernel adds up several blocks of images
]
LANES = 3


def xla_convolution(x, kernel, bias, strides, *, relu=False):
    numbers = ("NHWC", "HWIO", "NHWC")
    out = lax.conv_general_dilated(x, kernel, strides, "VALID", dimension_numbers=numbers, precision="highest")
    out = out if bias is None else out + bias
    return jax.nn.relu(out) if relu else out


def xla_pool(x, size):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, *size, 1), (1, *size, 1), "VALID")


def with_gradients(function, *arrays, weight):
    """A function's value, and the gradients of its sum times `weight`."""
    return jax.value_and_grad(lambda *a: (function(*a) * weight).sum(), argnums=tuple(range(len(arrays))))(*arrays)


def close(there, here):
    scale = max(float(jnp.abs(a).max()) for a in jax.tree.leaves(there))
    for a, b in zip(jax.tree.leaves(there), jax.tree.leaves(here), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(scale, 1))


@pytest.mark.parametrize(
    ("case", "shared"), [*((case, None) for case in CONVOLUTIONS), (CONVOLUTIONS[0], 0), (CONVOLUTIONS[3], 1)]
)
def test_convolution_of_lanes_is_xlas(case, shared):
    """Lanes with rows and kernels of their own, or that share the rows (0) or the kernel (1)."""
    images, height, width, inputs, down, across, out, strides = case
    rng = np.random.default_rng(0)
    x = rng.normal(size=(LANES, images, height, width, inputs)).astype(np.float32)
    kernel = rng.normal(size=(LANES, down, across, inputs, out)).astype(np.float32)
    size = ((height - down) // strides[0] + 1, (width - across) // strides[1] + 1)
    weight = rng.normal(size=(LANES, images, *size, out)).astype(np.float32)
    bias = rng.normal(size=(LANES, out)).astype(np.float32)
    axes = (None if shared == 0 else 0, None if shared == 1 else 0, 0, 0)
    x, kernel = x[0] if shared == 0 else x, kernel[0] if shared == 1 else kernel

    def plain(function):
        return lambda a, k, c, w: with_gradients(lambda a, k: function(a, k, None, strides), a, k, weight=w)

    def biased(function):
        return lambda a, k, c, w: with_gradients(lambda *p: function(*p, strides, relu=True), a, k, c, weight=w)

    arrays = (x, kernel, bias, weight)
    for lane in (plain, biased):
        there, here = (jax.vmap(lane(f), axes)(*arrays) for f in (xla_convolution, products.convolve))
        close(there, here)
        single = [a if axis is None else a[1] for a, axis in zip(arrays, axes, strict=True)]
        close(jax.tree.map(lambda a: a[1], here), lane(products.convolve)(*single))


@pytest.mark.parametrize("shape", [(5, 6), (40, 100), (2, 3, 6), (6,)])
def test_product_is_numpys(shape):
    rng = np.random.default_rng(1)
    x, kernel = rng.normal(size=shape).astype(np.float32), rng.normal(size=(shape[-1], 10)).astype(np.float32)
    np.testing.assert_allclose(products.dense(x, kernel), x @ kernel, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 16, 21])
@pytest.mark.parametrize("size", [(2, 2), (3, 1), (1, 2)])
def test_pooling_is_xlas_where_values_are_equal_too(channels, size):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 3, (LANES, 2, 6, 5, channels)).astype(np.float32)
    weight = rng.normal(size=(LANES, 2, 6 // size[0], 5 // size[1], channels)).astype(np.float32)

    def lane(function):
        return jax.vmap(lambda a, w: with_gradients(lambda a: function(a, size), a, weight=w))

    close(lane(xla_pool)(x, weight), lane(products.max_pool)(x, weight))


def test_what_is_not_finite_stays_so():
    x = jnp.ones((1, 2, 2, 1)).at[0, 1, 0, 0].set(jnp.nan)
    assert np.isnan(products.max_pool(x, (2, 2))).all()
    assert np.isnan(products.dense(x[0, :, :, 0], jnp.ones((2, 3)))).tolist() == [[False] * 3, [True] * 3]


PROGRAM = """
import hashlib, jax, numpy as np
from goodfit.models import products
rng = np.random.default_rng(4)
x = rng.normal(size=(5, 3, 9, 150, 7)).astype(np.float32)
kernel = rng.normal(size=(5, 3, 2, 7, 70)).astype(np.float32)

def square(convolve):
    return jax.vmap(jax.value_and_grad(lambda x, k: (convolve(x, k) ** 2).sum(), argnums=(0, 1)))(x, kernel)

def xla(x, k):
    return jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

out = jax.tree.leaves(square(products.convolve))
for a, b in zip(out, jax.tree.leaves(square(xla))):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())
out += [jax.vmap(jax.grad(lambda x: (products.max_pool(x, (2, 2)) ** 2).sum()))(x)]
print(hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in out)).hexdigest())
"""


@pytest.mark.parametrize("instructions", ["avx512", "avx2", "baseline"])
def test_threads_change_no_bit(instructions):
    def run(threads):
        path = os.pathsep.join(p for p in sys.path if p)
        env = {**os.environ, "PYTHONPATH": path, "NPROC": threads, "GOODFIT_SIMD": instructions}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    once = run("1")  # XLA's threads
    assert len(once.strip()) == 64
    assert run("5") == once
