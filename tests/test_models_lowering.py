"""Products and convolutions inside a function are taken to the kernels, and nothing else changes."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax import lax

from goodfit.models.lowering import by_kernels
from goodfit.models.native import native

pytestmark = pytest.mark.skipif(not native("goodfit_convolution"), reason="the C++ extension is not built")

L = keras.layers
LANES = 3
RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.normal(size=(LANES, *shape)).astype(np.float32)


def loop(x, w, u):
    """A recurrence: `x @ w` needs no earlier step, `h @ u` does."""

    def step(h, row):
        h = jnp.tanh(row @ w + h @ u)
        return h, h.sum(1)

    return lax.scan(step, jnp.zeros((x.shape[1], u.shape[0])), x, reverse=True)


FUNCTIONS = {
    "product": (lambda x, w: x @ w, numbers(4, 6), numbers(6, 5)),
    "of three axes": (lambda x, w: jnp.einsum("abc,cde->abde", x, w), numbers(4, 3, 6), numbers(6, 2, 5)),
    "over two axes": (lambda x, w: jnp.einsum("abcd,cde->abe", x, w), numbers(4, 3, 2, 5), numbers(2, 5, 7)),
    "the kernel first": (lambda w, x: jnp.einsum("ij,bj->ib", w, x), numbers(3, 6), numbers(40, 6)),
    "compiled apart": (lambda x, w: jax.jit(lambda a: jax.nn.relu(a @ w))(x), numbers(4, 6), numbers(6, 5)),
    "loop": (loop, numbers(7, 4, 6), numbers(6, 5), numbers(5, 5)),
    "a vector": (lambda x, w: x @ w, numbers(6), numbers(6, 5)),
}
LAYERS = {
    "Conv1D": (lambda: L.Conv1D(4, 3), (9, 5)),
    "Conv1D same": (lambda: L.Conv1D(4, 4, strides=2, padding="same"), (9, 5)),
    "Conv1D causal": (lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2), (9, 5)),
    "Conv2D dilated": (lambda: L.Conv2D(4, 3, dilation_rate=(2, 1)), (9, 8, 2)),
    "Conv2D of one channel": (lambda: L.Conv2D(4, 3), (9, 8, 1)),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3, strides=2, padding="same"), (9, 8, 5)),
    "DepthwiseConv2D of two": (lambda: L.DepthwiseConv2D(2, depth_multiplier=2), (9, 8, 3)),
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(3), (9, 3)),
    "SeparableConv2D": (lambda: L.SeparableConv2D(6, 3, activation="relu"), (9, 8, 3)),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(4)), (5, 3)),
    "EinsumDense": (lambda: L.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"), (5, 3)),
    "SimpleRNN": (lambda: L.SimpleRNN(4), (5, 3)),
}


def primitives(jaxpr, into=()):
    for eqn in jaxpr.eqns:
        yield eqn.primitive.name
        for value in eqn.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns") and eqn.primitive.name not in into:
                yield from primitives(inner, into)


def compare(function, *arrays):
    def run(function):
        def loss(*arrays):
            out = jax.tree.leaves(function(*arrays))
            return sum((jnp.sin(a) * a).sum() for a in out), out

        return jax.vmap(jax.value_and_grad(loss, tuple(range(len(arrays))), has_aux=True))(*arrays)

    there, here = run(function), run(by_kernels(function))
    for a, b in zip(jax.tree.leaves(there), jax.tree.leaves(here), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5 * max(1, float(np.abs(a).max())))
    traced = jax.make_jaxpr(by_kernels(function))(*(a[0] for a in arrays))
    found = set(primitives(traced.jaxpr))
    assert not found & {"dot_general", "conv_general_dilated"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_products_go_by_the_kernels(name):
    function, *arrays = FUNCTIONS[name]
    compare(function, *arrays)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_go_by_the_kernels(name):
    make, shape = LAYERS[name]
    x = keras.Input(shape)
    model = keras.Model(x, make()(x))
    fixed = [v.value for v in model.non_trainable_variables]
    compare(
        lambda x, *weights: model.stateless_call(list(weights), fixed, x)[0],
        numbers(4, *shape),
        *(numbers(*v.shape) for v in model.trainable_variables),
    )


def test_a_loop_multiplies_its_inputs_once():
    function, *arrays = FUNCTIONS["loop"]
    traced = jax.make_jaxpr(by_kernels(function))(*(a[0] for a in arrays))
    steps = next(e for e in traced.jaxpr.eqns if e.primitive.name == "scan").params["jaxpr"]
    assert sum(name == "custom_vjp_call" for name in primitives(steps.jaxpr)) == 1


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (lambda x, w: jnp.einsum("bij,bjk->bik", x, w), (numbers(4, 3, 6), numbers(4, 6, 5))),  # a batch of products
        (lambda x, w: x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16), (numbers(4, 6), numbers(6, 5))),
        (
            lambda x, w: lax.conv_general_dilated(
                x, w, (1, 1), "VALID", feature_group_count=2, dimension_numbers=("NHWC", "HWIO", "NHWC")
            ),
            (numbers(2, 6, 6, 4), numbers(3, 3, 2, 6)),
        ),
        (
            lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "VALID"),  # channels first
            (numbers(2, 3, 6, 6), numbers(4, 3, 2, 2)),
        ),
        (lambda x, w: x @ w, (numbers(0, 3), numbers(3, 4))),
        (lambda x, w: x @ w, (numbers(2, 0), numbers(0, 4))),
        (lambda x, w: jnp.matmul(x, w, preferred_element_type=jnp.bfloat16), (numbers(2, 3), numbers(3, 4))),
        (lambda x: lax.while_loop(lambda a: a.sum() < 9, lambda a: a * 2, jnp.abs(x)), (numbers(3),)),
        (lambda x: lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x), (numbers(3),)),
    ],
)
def test_other_things_stay_as_they_are(function, arrays):
    for lane in range(LANES):
        given = [jnp.asarray(a[lane]) for a in arrays]
        np.testing.assert_array_equal(function(*given), by_kernels(function)(*given))
