"""Probabilities of models whatever they end in."""

import keras
import numpy as np
import pytest

from goodfit.models import predict

L = keras.layers
X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
BINARY, MANY = keras.losses.BinaryCrossentropy, keras.losses.CategoricalCrossentropy


@pytest.mark.parametrize(
    ("units", "activation", "loss", "expected"),
    [
        (1, "sigmoid", BINARY(), lambda z: 1 / (1 + np.exp(-z))),
        (1, None, BINARY(from_logits=True), lambda z: 1 / (1 + np.exp(-z))),
        (1, None, keras.losses.Hinge(), lambda z: 1 / (1 + np.exp(-z))),
        (1, None, BINARY(), lambda z: np.clip(z, 0, 1)),
        (3, "softmax", MANY(), lambda z: np.exp(z) / np.exp(z).sum(1, keepdims=True)),
        (3, None, MANY(from_logits=True), lambda z: np.exp(z) / np.exp(z).sum(1, keepdims=True)),
        (3, "sigmoid", BINARY(), lambda z: 1 / (1 + np.exp(-z)) / (1 / (1 + np.exp(-z))).sum(1, keepdims=True)),
    ],
)
def test_probabilities_sum_to_one_and_follow_from_the_output(units, activation, loss, expected):
    inner = keras.Sequential([keras.Input((4,)), L.Dense(units, activation=activation)])
    x = keras.Input((4,))
    model = keras.Model(x, inner(x))
    model.compile("sgd", loss)
    z = X @ np.asarray(inner.layers[0].kernel) * 1.0
    p = predict.probabilities(model, X, batch=16)
    assert np.allclose(p.sum(1), 1)
    wanted = expected(z.astype(np.float64))
    assert np.allclose(p[:, -units:], wanted, atol=1e-5)


def test_several_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"a": a, "b": b}, L.Dense(3, activation="softmax")(L.Concatenate()([a, b])))
    p = predict.probabilities(model, (X, X[:, :2]), batch=16)
    whole = model.predict_on_batch({"a": X, "b": X[:, :2]})
    assert np.allclose(p, whole, atol=1e-6)
