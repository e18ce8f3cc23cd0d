"""LSTM and GRU layers by the kernels are Keras's own, on lanes of rows, with masks, backwards and in wrappers."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from goodfit.models import recurrent
from goodfit.models.native import native

pytestmark = pytest.mark.skipif(not native("goodfit_recurrent"), reason="the C++ extension is not built")

L = keras.layers
ROWS, STEPS, NUMBERS, LANES = 30, 7, 5, 3

CASES = [
    # layer, whether the rows are words with a mask, whether the kernels do it
    (lambda: L.LSTM(6), False, True),
    (lambda: L.LSTM(16, return_sequences=True), False, True),
    (lambda: L.LSTM(33, go_backwards=True, use_bias=False), False, True),
    (lambda: L.LSTM(6), True, True),
    (lambda: L.GRU(6), False, True),
    (lambda: L.GRU(33, return_sequences=True), False, True),
    (lambda: L.GRU(16, go_backwards=True, use_bias=False), False, True),
    (lambda: L.GRU(6), True, True),
    (lambda: L.Bidirectional(L.LSTM(4, return_sequences=True)), False, True),
    (lambda: L.Bidirectional(L.GRU(4)), True, True),
    (lambda: L.LSTM(6, return_sequences=True), True, False),
    (lambda: L.LSTM(6, zero_output_for_mask=True), True, False),
    (lambda: L.LSTM(4, activation="relu"), False, False),
    (lambda: L.LSTM(4, recurrent_dropout=0.5), False, False),
    (lambda: L.GRU(4, reset_after=False), False, False),
]


def stacked():
    x = keras.Input((STEPS, NUMBERS))
    out, h, c = L.LSTM(6, return_sequences=True, return_state=True)(x)
    return keras.Model(x, L.Concatenate()([L.LSTM(6)(out, initial_state=[h, c]), c]))


def lane(model, rows, weight, training):
    fixed = [v.value for v in model.non_trainable_variables]

    def loss(weights, rows):
        out = model.stateless_call(weights, fixed, rows, training=training)[0]
        return (out * weight).sum(), out

    argnums = (0, 1) if rows.dtype == np.float32 else 0
    return jax.vmap(jax.value_and_grad(loss, argnums, has_aux=True), (0, None))


def compare(model, rows, expected):
    rng = np.random.default_rng(1)
    weights = [rng.normal(0, 0.5, (LANES, *v.shape)).astype(np.float32) for v in model.trainable_variables]
    run = lane(model, rows, rng.normal(size=model(rows).shape).astype(np.float32), training=False)
    there = run(weights, rows)
    with recurrent.quick(model):
        assert ("goodfit_recurrent" in str(jax.make_jaxpr(run)(weights, rows))) == expected
        here = run(weights, rows)
    for a, b in zip(jax.tree.leaves(there), jax.tree.leaves(here), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * max(1, float(jnp.abs(a).max())))


@pytest.mark.parametrize(("make", "masked", "expected"), CASES)
def test_recurrent_layers_are_kerass(make, masked, expected):
    rng = np.random.default_rng(0)
    if masked:
        x = keras.Input((STEPS,), dtype="int32")
        h = L.Embedding(9, NUMBERS, mask_zero=True)(x)
        rows = rng.integers(0, 9, (ROWS, STEPS)).astype(np.int32)
        rows[3] = 0
    else:
        x = h = keras.Input((STEPS, NUMBERS))
        rows = rng.normal(size=(ROWS, STEPS, NUMBERS)).astype(np.float32)
    compare(keras.Model(x, make()(h)), rows, expected)


def test_states_are_handed_on():
    rows = np.random.default_rng(0).normal(size=(ROWS, STEPS, NUMBERS)).astype(np.float32)
    compare(stacked(), rows, expected=True)


def test_keras_goes_its_own_way_outside():
    model, rows = stacked(), np.zeros((ROWS, STEPS, NUMBERS), np.float32)
    run = lane(model, rows, np.ones(model(rows).shape, np.float32), training=False)
    weights = [np.zeros((LANES, *v.shape), np.float32) for v in model.trainable_variables]
    with recurrent.quick(model), recurrent.quick(model):
        pass
    assert "goodfit_recurrent" not in str(jax.make_jaxpr(run)(weights, rows))


def test_no_rows_give_nothing():
    model = stacked()
    with recurrent.quick(model):
        assert model(np.zeros((0, STEPS, NUMBERS), np.float32)).shape == (0, 12)


def test_what_is_not_finite_stays_with_its_row():
    model = keras.Sequential([keras.Input((STEPS, NUMBERS)), L.LSTM(17), L.Dense(1)])
    rows = np.zeros((ROWS, STEPS, NUMBERS), np.float32)
    rows[5, 2, 1] = np.nan
    with recurrent.quick(model):
        out = np.asarray(model(rows))
    assert np.isnan(out[5]).all()
    assert np.isfinite(np.delete(out, 5, 0)).all()
