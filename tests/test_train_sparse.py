"""Sparse rows go sparse into the first layer, whatever the optimizer and whatever else moves its kernel."""

import keras
import numpy as np
import pytest
import scipy.sparse as sp

from goodfit.models import network
from goodfit.train import kernels
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine

ROWS, FEATURES, CLASSES = 120, 30, 3
layers, optimizers = keras.layers, keras.optimizers
RULES = {
    "max-norm": {"kernel_constraint": keras.constraints.MaxNorm(0.5)},
    "another penalty": {"kernel_regularizer": keras.regularizers.OrthogonalRegularizer(0.1, mode="columns")},
    "penalties of weight and bias": {"kernel_regularizer": "l1l2", "bias_regularizer": keras.regularizers.L2(0.1)},
    "a bias that must not be negative": {"bias_constraint": "non_neg"},
    "frozen": {"trainable": False},
}
OPTIMIZERS = {
    "lion": lambda: optimizers.Lion(0.003),
    "clipnorm": lambda: optimizers.Adam(0.02, clipnorm=0.1),
    "global clipnorm": lambda: optimizers.SGD(0.1, global_clipnorm=0.1),
    "other momentum": lambda: optimizers.SGD(0.05, momentum=0.8, nesterov=True),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adafactor": lambda: optimizers.Adafactor(0.05),
    "averaged": lambda: optimizers.RMSprop(0.01, use_ema=True, ema_momentum=0.8),
    "accumulated": lambda: optimizers.Adam(0.02, gradient_accumulation_steps=3),
    "decay": lambda: optimizers.Adamax(0.02, weight_decay=0.05),
}


@pytest.fixture(scope="module")
def rows():
    x = sp.random(ROWS, FEATURES, 0.2, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
    return sp.csr_array(x), np.random.default_rng(1).integers(0, CLASSES, ROWS)


def lanes_of(model, optimizer, patience=None) -> list[Lane]:
    net = network.of(
        model, optimizer, "sparse_categorical_crossentropy", CLASSES, batch_size=16, epochs=3, patience=patience
    )
    roles = [np.where(np.random.default_rng(s).random(ROWS) < 0.25, VALIDATION, TRAIN).astype(np.uint8) for s in (1, 2)]
    return [Lane("v", seed, net, member) for seed, member in enumerate(roles)]


def assert_sparse_equals_dense(lanes, x, y, monkeypatch, head: str | None):
    dense = Engine(x.toarray(), y).train(lanes, keep=lambda lane: True, look=True)
    engine, made = Engine(x, y), []
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "dense", lambda x, rows, real=kernels.dense: made.append(len(rows)) or real(x, rows))
        sparse = engine.train(lanes, keep=lambda lane: True, look=True)
    (program,) = engine.programs.values()
    assert (program.form.head or [None])[0] == head
    if kernels.native():
        assert len(made) == 1  # the products of the probe's rows with each other
    for a, b in zip(sparse, dense, strict=True):
        for v, w in zip(a.weights, b.weights, strict=True):
            np.testing.assert_allclose(v, w, rtol=1e-4, atol=2e-5)
        assert a.curves.keys() == b.curves.keys()
        for name, curve in a.curves.items():
            np.testing.assert_allclose(curve, b.curves[name], rtol=2e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_any_optimizer_moves_the_kernel_of_sparse_rows(kind, rows, monkeypatch):
    model = keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(6, "relu", kernel_regularizer="l2"), layers.Dense(CLASSES, "softmax")]
    )
    assert_sparse_equals_dense(lanes_of(model, OPTIMIZERS[kind]()), *rows, monkeypatch, "trainable")


@pytest.mark.parametrize("kind", RULES)
def test_what_else_moves_or_holds_the_kernel_of_sparse_rows(kind, rows, monkeypatch):
    first = layers.Dense(6, "relu", **RULES[kind])
    model = keras.Sequential([keras.Input((FEATURES,)), first, layers.Dense(CLASSES, "softmax")])
    heads = {"max-norm": "trainable", "another penalty": "trainable", "frozen": "non_trainable"}
    lanes = lanes_of(model, optimizers.RMSprop(0.01), patience=1)
    assert_sparse_equals_dense(lanes, *rows, monkeypatch, heads.get(kind))
