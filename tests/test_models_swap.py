"""Which convolutions take the maximum behind them with them, and what spatial dropout drops."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from goodfit.models import lane_form, network
from goodfit.models import lane_layers as ll
from goodfit.models.native import native
from goodfit.models.swap import pooled

L = keras.layers
SHAPE = (9, 8, 2)


def chain(*layers):
    return keras.Sequential([keras.Input(SHAPE), *layers, L.Flatten(), L.Dense(3, activation="softmax")])


def one_by_one():
    model = keras.Sequential()
    for layer in (keras.Input(SHAPE), L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dense(3)):
        model.add(layer)
    return model


def read_twice():
    x = keras.Input(SHAPE)
    h = L.Conv2D(4, 3)(x)
    both = [L.Flatten()(L.MaxPooling2D()(h)), L.Flatten()(h)]
    return keras.Model(x, L.Dense(3)(L.Concatenate()(both)))


def given_too():
    start = keras.Input(SHAPE)
    inner = L.Conv2D(4, 3)(start)
    block = keras.Model(start, [inner, L.MaxPooling2D()(inner)])
    x = keras.Input(SHAPE)
    h, small = block(x)
    return keras.Model(x, L.Dense(3)(L.Concatenate()([L.Flatten()(h), L.Flatten()(small)])))


def nested():
    block = keras.Sequential([keras.Input(SHAPE), L.Conv2D(4, 3), L.MaxPooling2D()])
    x = keras.Input(SHAPE)
    return keras.Model(x, L.Dense(3)(L.Flatten()(block(x))))


CASES = [
    (chain(L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Conv2D(4, 2), L.MaxPooling2D(2)), 2),
    (chain(L.Conv2D(4, 3, strides=2, padding="same"), L.MaxPooling2D(padding="valid")), 1),
    (one_by_one(), 1),
    (nested(), 1),
    (chain(L.Conv2D(4, 3, activation="tanh"), L.MaxPooling2D()), 0),
    (chain(L.Conv2D(4, 3, activity_regularizer="l2"), L.MaxPooling2D()), 0),
    (chain(L.Conv2D(4, 3), L.MaxPooling2D(activity_regularizer="l2")), 0),
    (chain(L.Conv2D(4, 3, dilation_rate=2), L.MaxPooling2D()), 0),
    (chain(L.Conv2D(4, 3), L.MaxPooling2D(3)), 0),
    (chain(L.Conv2D(4, 3), L.MaxPooling2D(2, strides=1)), 0),
    (chain(L.Conv2D(4, 3), L.MaxPooling2D(padding="same")), 0),
    (chain(L.Conv2D(4, 3), L.AveragePooling2D(2)), 0),
    (chain(L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D()), 0),
    (read_twice(), 0),
    (given_too(), 0),
]


@pytest.mark.parametrize(("model", "count"), CASES)
def test_maximum_is_taken_with_a_convolution_that_nothing_else_reads(model, count):
    assert len(pooled(model)) == count
    form = lane_form.of(network.of(model, keras.optimizers.SGD(), "sparse_categorical_crossentropy", 3), sparse=False)
    convolutions = [x for x in form.model._flatten_layers() if isinstance(x, ll.LaneConv2D)]
    assert sum(x.pooled for x in convolutions) == count
    for ours, theirs in zip(form.model.weights, model.weights, strict=False):
        ours.assign(theirs)
    rows = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)
    np.testing.assert_allclose(form.model(rows), model(rows), atol=1e-5)


@pytest.mark.skipif(not native("goodfit_convolution"), reason="the C++ extension is not built")
def test_a_pooled_convolution_is_the_stock_layers_without_kernels(monkeypatch):
    form = lane_form.of(
        network.of(CASES[0][0], keras.optimizers.SGD(), "sparse_categorical_crossentropy", 3), sparse=False
    )
    rows = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)
    there = np.asarray(form.model(rows))
    monkeypatch.setattr("goodfit.models.products.usable", lambda *arrays: False)
    np.testing.assert_allclose(form.model(rows), there, atol=1e-6)


SPATIAL = [
    (L.SpatialDropout1D(0.4), (5, 7)),
    (L.SpatialDropout2D(0.4, data_format="channels_last"), (4, 5, 7)),
    (L.SpatialDropout2D(0.4, data_format="channels_first"), (7, 4, 5)),
    (L.SpatialDropout3D(0.4, data_format="channels_last"), (2, 4, 5, 7)),
    (L.SpatialDropout3D(0.4, data_format="channels_first"), (7, 2, 4, 5)),
]


@pytest.mark.parametrize(("layer", "shape"), SPATIAL, ids=lambda v: str(getattr(v, "name", "")))
def test_spatial_dropout_drops_the_maps_that_keras_drops(layer, shape):
    model = keras.Sequential([keras.Input(shape), layer, L.Flatten(), L.Dense(3, activation="softmax")])
    form = lane_form.of(network.of(model, keras.optimizers.SGD(), "sparse_categorical_crossentropy", 3), sparse=False)
    ours, rows = form.model.get_layer(layer.name), np.ones((6, *shape), np.float32)
    with ll.open_scope(ll.Scope({"0": 0.25}, jnp.ones(6), jnp.uint32(5))):
        out = np.asarray(ours(rows, training=True))
    assert np.unique(out).tolist() == pytest.approx([0, 1 / 0.75])

    def alike(values):
        return [axis for axis in range(values.ndim) if (values == values.take([0], axis)).all()]

    assert alike(out) == alike(np.asarray(layer(rows, training=True))) != []
