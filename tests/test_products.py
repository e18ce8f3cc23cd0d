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
    (5, 4, 4, 57, 1, 1, 70, (1, 1)),  # by matrix registers, where there are any: no size fills their tiles
    (1, 1, 300, 32, 1, 1, 1060, (1, 1)),  # more columns than are packed at once; in the gradients more terms
    (23, 10, 10, 5, 3, 3, 32, (1, 1)),  # the gradient of the kernel adds up several blocks of images
]
TILES = [  # 3x3 kernels that are taken by tiles: odd sizes, channels that fill no vector, more tiles than one block
    (2, 6, 9, 16, 3, 3, 16, (1, 1)),
    (3, 7, 7, 17, 3, 3, 37, (1, 1)),
    (19, 9, 12, 33, 3, 3, 16, (1, 1)),
    (1, 5, 203, 20, 3, 3, 16, (1, 1)),
]
LANES = 3


def xla_convolution(x, kernel, bias, strides, *, relu=False, pooled=False):
    numbers = ("NHWC", "HWIO", "NHWC")
    out = lax.conv_general_dilated(x, kernel, strides, "VALID", dimension_numbers=numbers, precision="highest")
    out = out if bias is None else out + bias
    out = jax.nn.relu(out) if relu else out
    return xla_pool(out, (2, 2)) if pooled else out


def xla_pool(x, size):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, *size, 1), (1, *size, 1), "VALID")


def with_gradients(function, *arrays, weight):
    """A function's value, and the gradients of its sum times `weight`."""
    return jax.value_and_grad(lambda *a: (function(*a) * weight).sum(), argnums=tuple(range(len(arrays))))(*arrays)


def close(there, here):
    scale = max(float(jnp.abs(a).max()) for a in jax.tree.leaves(there))
    for a, b in zip(jax.tree.leaves(there), jax.tree.leaves(here), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(scale, 1))


@pytest.mark.parametrize("case", TILES)
def test_tiles_are_taken_where_they_pay(case):
    images, height, width, inputs, down, across, out, strides = case
    kernel = (down, across, inputs, out)
    assert products._tiles_pay((images, height, width, inputs), kernel, strides, False)
    assert not products._tiles_pay((images, height, width, inputs), kernel, (1, 2), False)
    assert not products._tiles_pay((images, 3, 5, inputs), kernel, strides, False)  # half of the tiles would be empty
    assert not products._tiles_pay((images, height, width, 15), (down, across, 15, out), strides, False)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize(
    ("case", "shared"),
    [
        *((case, None) for case in CONVOLUTIONS + TILES),
        (CONVOLUTIONS[0], 0),
        (CONVOLUTIONS[3], 1),
        (TILES[1], 0),
        (TILES[2], 1),
    ],
)
def test_convolution_of_lanes_is_xlas(case, shared, pooled):
    """Lanes with rows and kernels of their own, or that share the rows (0) or the kernel (1)."""
    images, height, width, inputs, down, across, out, strides = case
    rng = np.random.default_rng(0)
    x = rng.normal(size=(LANES, images, height, width, inputs)).astype(np.float32)
    kernel = rng.normal(size=(LANES, down, across, inputs, out)).astype(np.float32)
    size = ((height - down) // strides[0] + 1, (width - across) // strides[1] + 1)
    if pooled:
        size = (size[0] // 2, size[1] // 2)
        if not all(size):
            pytest.skip("no window of 2x2 pixels")
    weight = rng.normal(size=(LANES, images, *size, out)).astype(np.float32)
    bias = rng.normal(size=(LANES, out)).astype(np.float32)
    axes = (None if shared == 0 else 0, None if shared == 1 else 0, 0, 0)
    x, kernel = x[0] if shared == 0 else x, kernel[0] if shared == 1 else kernel

    def plain(function):
        return lambda a, k, c, w: with_gradients(
            lambda a, k: function(a, k, None, strides, pooled=pooled), a, k, weight=w
        )

    def biased(function):
        both = {"relu": True, "pooled": pooled}
        return lambda a, k, c, w: with_gradients(lambda *p: function(*p, strides, **both), a, k, c, weight=w)

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


def test_product_is_as_exact_as_single_precision():
    """By matrix registers too, which multiply numbers of 8 bits; and what is no number stays none."""
    rng = np.random.default_rng(3)
    x, kernel = rng.normal(size=(96, 200)), rng.normal(size=(200, 80))
    x *= 10.0 ** rng.integers(-8, 8, (1, 200))
    kernel *= 10.0 ** rng.integers(-8, 8, (200, 1))
    x, kernel = x.astype(np.float32), kernel.astype(np.float32)
    exact, size = x.astype(float) @ kernel.astype(float), abs(x).astype(float) @ abs(kernel).astype(float)
    assert (abs(products.dense(x, kernel) - exact) / size).max() < 5e-7
    # Alone, without other terms to hide behind: bits that parts of 8 could lose, and the largest number.
    one = np.uint32(0x3F80FFFF).view(np.float32)
    for value, other in [(one, one), (np.finfo(np.float32).max, np.float32(0.01))]:
        alone = np.asarray(products.dense(np.diag(np.full(64, value)), np.full((64, 64), other)))
        np.testing.assert_allclose(alone, float(value) * float(other), rtol=1.3e-7)
    x[3, 5], x[4, 6] = np.nan, np.inf
    out = np.asarray(products.dense(x, kernel, relu=True))
    assert np.isnan(out[3]).all()
    assert not np.isfinite(out[4]).all()
    assert np.isfinite(np.delete(out, [3, 4], axis=0)).all()


@pytest.mark.parametrize("shared", [None, 0, 1])
@pytest.mark.parametrize(("rows", "inner", "columns"), [(7, 5, 9), (1, 40, 3), (70, 63, 65)])
def test_batched_products_are_numpys_with_lanes(rows, inner, columns, shared):
    rng = np.random.default_rng(4)
    x, kernel = rng.normal(size=(LANES, 2, rows, inner)), rng.normal(size=(LANES, 2, inner, columns))
    x, kernel = x[0] if shared == 0 else x, kernel[0] if shared == 1 else kernel
    arrays = x.astype(np.float32), kernel.astype(np.float32), rng.normal(size=(LANES, 2, rows, columns))

    def lane(function):
        axes = (None if shared == 0 else 0, None if shared == 1 else 0, 0)
        return jax.vmap(lambda a, k, w: with_gradients(function, a, k, weight=w), axes)

    close(lane(lambda a, k: jnp.matmul(a, k, precision="highest"))(*arrays), lane(products.batched)(*arrays))
    assert products.batched(jnp.ones((2, 3, 0)), jnp.ones((2, 0, 4))).shape == (2, 3, 4)


@pytest.mark.parametrize("channels", [1, 16, 21])
@pytest.mark.parametrize("size", [(2, 2), (3, 1), (1, 2)])
def test_pooling_is_xlas_where_values_are_equal_too(channels, size):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 3, (LANES, 2, 6, 5, channels)).astype(np.float32)
    weight = rng.normal(size=(LANES, 2, 6 // size[0], 5 // size[1], channels)).astype(np.float32)

    def lane(function):
        return jax.vmap(lambda a, w: with_gradients(lambda a: function(a, size), a, weight=w))

    close(lane(xla_pool)(x, weight), lane(products.max_pool)(x, weight))


@pytest.mark.parametrize("channels", [3, 16])  # directly, and by tiles
def test_convolution_gives_the_gradient_to_the_first_of_equal_pixels(channels):
    x = np.zeros((1, 4, 4, channels), np.float32)
    kernel = np.ones((3, 3, channels, 32), np.float32)
    weight = np.ones((1, 1, 1, 32), np.float32)

    def gradients(function):
        return with_gradients(
            lambda x, b: function(x, kernel, b, pooled=True, relu=True), x, np.ones(32), weight=weight
        )

    close(gradients(lambda x, k, b, **how: xla_convolution(x, k, b, (1, 1), **how)), gradients(products.convolve))


def test_lanes_may_share_what_comes_back():
    """The gradient of a result may be one for all lanes, where the results are not."""
    rng = np.random.default_rng(3)
    x, kernel = rng.normal(size=(LANES, 2, 8, 8, 16)), rng.normal(size=(LANES, 3, 3, 16, 16))
    for pooled in (False, True):

        def lane(function, pooled=pooled):
            return jax.vmap(jax.grad(lambda x, k: function(x, k, None, (1, 1), relu=True, pooled=pooled).sum(), (0, 1)))

        arrays = x.astype(np.float32), kernel.astype(np.float32)
        close(lane(xla_convolution)(*arrays), lane(products.convolve)(*arrays))
        direct = tuple(a[..., :5, :] if a is arrays[1] else a[..., :5] for a in arrays)
        close(lane(xla_convolution)(*direct), lane(products.convolve)(*direct))


@pytest.mark.parametrize("channels", [3, 16])
def test_no_images_give_no_gradient(channels):
    x, kernel = jnp.zeros((0, 8, 8, channels)), jnp.ones((3, 3, channels, 16))
    for pooled in (False, True):
        value, (of_x, of_kernel) = with_gradients(
            lambda x, k, pooled=pooled: products.convolve(x, k, relu=True, pooled=pooled), x, kernel, weight=2.0
        )
        assert value == 0
        assert of_x.shape == x.shape
        assert not np.asarray(of_kernel).any()


def test_what_is_not_finite_stays_so():
    x = jnp.ones((1, 2, 2, 1)).at[0, 1, 0, 0].set(jnp.nan)
    assert np.isnan(products.max_pool(x, (2, 2))).all()
    assert np.isnan(products.dense(x[0, :, :, 0], jnp.ones((2, 3)))).tolist() == [[False] * 3, [True] * 3]
    for channels in (3, 16):  # directly, and by tiles
        x = jnp.ones((2, 4, 4, channels)).at[0, 1, 1, 0].set(jnp.nan)
        for pooled in (False, True):
            out = np.isnan(products.convolve(x, jnp.ones((3, 3, channels, 16)), relu=True, pooled=pooled))
            assert out[0].all()
            assert not out[1].any()


PROGRAM = """
import hashlib, jax, numpy as np
from goodfit import _native
from goodfit.models import products
rng = np.random.default_rng(4)

def lanes(*shape):
    return rng.normal(size=(5, *shape)).astype(np.float32)

def square(convolve):
    both = jax.vmap(jax.value_and_grad(lambda x, k: (convolve(x, k) ** 2).sum(), argnums=(0, 1)))
    return [both(*arrays) for arrays in cases]

cases = [
    (lanes(3, 9, 150, 7), lanes(3, 2, 7, 70)),
    (lanes(11, 9, 8, 18), lanes(3, 3, 18, 20)),  # by tiles
    (lanes(3, 9, 9, 70), lanes(1, 1, 70, 40)),  # by matrix registers, where there are any
]

def xla(x, k):
    return jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

out = jax.tree.leaves(square(products.convolve))
for a, b in zip(out, jax.tree.leaves(square(xla))):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())
out += jax.tree.leaves(square(lambda x, k: products.convolve(x, k, pooled=True)))
out += [jax.vmap(jax.grad(lambda x: (products.max_pool(x, (2, 2)) ** 2).sum()))(cases[0][0])]
print(_native.instructions(), hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in out)).hexdigest())
"""


@pytest.mark.parametrize("instructions", ["amx", "avx512", "avx2", "baseline"])
def test_threads_change_no_bit(instructions):
    def run(threads):
        path = os.pathsep.join(p for p in sys.path if p)
        env = {**os.environ, "PYTHONPATH": path, "NPROC": threads, "GOODFIT_SIMD": instructions}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    once = run("1")  # XLA's threads
    used, digest = once.split()
    if used != instructions:
        pytest.skip(f"this machine, or the compiler, has no {instructions}")
    assert len(digest) == 64
    assert run("5") == once
