"""Checks of a compiled network: every seeded slip by its code, and silence on networks as tutorials write them."""

import keras
import numpy as np
import pytest
from keras import layers

from goodfit.diagnose import preflight
from goodfit.diagnose.preflight.network import Network, loss_name
from goodfit.diagnose.preflight.targets import Targets

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 8)).astype("float32")
TEN = np.arange(64) % 10
TWO = np.arange(64) % 2
ONE_HOT = np.eye(10, dtype="float32")[TEN]


def dense(units, activation, loss, hidden="relu", metrics=("accuracy",), **options):
    hiddens = [layers.Dense(16, hidden, **options) for _ in range(2)]
    model = keras.Sequential([keras.Input((8,)), *hiddens, layers.Dense(units, activation)])
    model.compile("adam", loss, metrics=list(metrics))
    return model


def found(model, x=X, y=None, **kwargs):
    return {(f.code, f.severity) for f in preflight.model(model, x, y, **kwargs)}


def grave(*args, **kwargs):
    return {code for code, severity in found(*args, **kwargs) if severity != "info"}


LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
FAULTS = [
    ("double_softmax", dense(10, "softmax", LOGITS), TEN),
    ("double_softmax", dense(1, "sigmoid", keras.losses.BinaryCrossentropy(from_logits=True)), TWO),
    ("double_softmax", dense(10, "sigmoid", keras.losses.CategoricalCrossentropy(from_logits=True)), ONE_HOT),
    ("wrong_activation", dense(1, "softmax", "binary_crossentropy"), TWO),
    ("wrong_activation", dense(10, None, "sparse_categorical_crossentropy"), TEN),
    ("wrong_activation", dense(10, "relu", "categorical_crossentropy"), ONE_HOT),
    ("wrong_activation", dense(1, "tanh", "binary_crossentropy"), TWO),
    ("wrong_activation", dense(10, "sigmoid", "sparse_categorical_crossentropy"), TEN),
    ("wrong_activation", dense(10, "sigmoid", "categorical_crossentropy"), ONE_HOT),
    ("wrong_activation", dense(10, "relu", LOGITS), TEN),
    ("wrong_activation", dense(1, "sigmoid", "mse"), RNG.normal(50, 10, 64)),
    ("wrong_activation", dense(1, "tanh", "mae"), RNG.normal(50, 10, 64)),
    ("wrong_activation", dense(1, "relu", "mse"), RNG.normal(0, 1, 64)),
    ("wrong_loss", dense(10, "softmax", "categorical_crossentropy"), TEN),
    ("wrong_loss", dense(10, "softmax", "sparse_categorical_crossentropy"), ONE_HOT),
    ("wrong_loss", dense(9, "softmax", "sparse_categorical_crossentropy"), TEN),
    ("wrong_loss", dense(10, "softmax", "sparse_categorical_crossentropy"), TEN + 1),
    ("wrong_loss", dense(10, "softmax", "sparse_categorical_crossentropy"), TEN - 1),
    ("wrong_loss", dense(1, "sigmoid", "sparse_categorical_crossentropy"), TWO),
    ("wrong_loss", dense(1, "sigmoid", "binary_crossentropy"), TWO + 1),
    ("wrong_loss", dense(1, "sigmoid", "binary_crossentropy"), 2 * TWO - 1),
    ("wrong_loss", dense(1, "sigmoid", "binary_crossentropy"), TEN),
    ("wrong_loss", dense(2, "softmax", "binary_crossentropy"), TWO),
    ("wrong_loss", dense(10, "softmax", "binary_crossentropy"), ONE_HOT),
    ("wrong_loss", dense(10, "softmax", "mse"), ONE_HOT),
    ("wrong_loss", dense(1, "sigmoid", "mse"), TWO),
    ("wrong_loss", dense(1, None, keras.losses.MeanSquaredError()), TWO),
    ("no_nonlinearity", dense(10, "softmax", "sparse_categorical_crossentropy", hidden=None), TEN),
    (
        "constant_initializer",
        dense(10, "softmax", "sparse_categorical_crossentropy", kernel_initializer="ones"),
        TEN,
    ),
    (
        "constant_initializer",
        dense(10, "softmax", "sparse_categorical_crossentropy", kernel_initializer="zeros"),
        TEN,
    ),
]


@pytest.mark.parametrize(("code", "model", "y"), FAULTS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_slip_is_found_by_its_code_and_nothing_else(code, model, y):
    assert grave(model, y=y) == {code}


def image_net(scale=True, bias=True):
    start = [layers.Conv2D(4, 3, use_bias=bias), layers.BatchNormalization()]
    convolution = [*start, layers.ReLU(), layers.MaxPooling2D()]
    end = [layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, "softmax")]
    rescaled = [layers.Rescaling(1 / 255)] if scale else []
    return keras.Sequential([keras.Input((12, 12, 1)), *rescaled, *convolution, *end])


def residual():
    x = inputs = keras.Input((8,))
    for _ in range(2):
        y = layers.Dense(8, "relu")(x)
        x = layers.Add()([x, layers.Dense(8, kernel_initializer="zeros")(y)])
    return keras.Model(inputs, layers.Dense(10)(keras.ops.relu(x)))


def text_net():
    return keras.Sequential([keras.Input((20,)), layers.Embedding(100, 8), layers.LSTM(8), layers.Dense(1, "sigmoid")])


def compiled(model, loss):
    model.compile("adam", loss, metrics=["accuracy"])
    return model


TOKENS = RNG.integers(0, 100, (64, 20))
PIXELS = RNG.integers(0, 256, (64, 12, 12, 1))
HEALTHY = [
    ("softmax", dense(10, "softmax", "sparse_categorical_crossentropy"), X, TEN),
    ("one-hot", dense(10, "softmax", "categorical_crossentropy"), X, ONE_HOT),
    ("logits", dense(10, None, LOGITS), X, TEN),
    ("sigmoid", dense(1, "sigmoid", "binary_crossentropy"), X, TWO),
    ("sigmoid of columns", dense(1, "sigmoid", "BinaryCrossentropy"), X, TWO.astype(float)[:, None]),
    ("two units", dense(2, "softmax", "binary_crossentropy"), X, np.eye(2)[TWO]),
    ("many labels", dense(10, "sigmoid", "binary_crossentropy"), X, (RNG.random((64, 10)) > 0.5).astype(int)),
    ("regression", dense(1, None, "mse", metrics=("mae",)), X, RNG.normal(20, 9, 64)),
    ("counts as numbers", dense(1, None, "mse", metrics=("mae",)), X, RNG.integers(0, 9, 64)),
    ("positive numbers", dense(1, "relu", "mae", metrics=()), X, RNG.random(64)),
    ("shares", dense(1, "sigmoid", "mse", metrics=()), X, RNG.random(64)),
    ("own loss", dense(10, "relu", lambda t, p: keras.ops.mean(p)), X, TEN),
    ("autoencoder", dense(8, "sigmoid", "mse", metrics=()), X, (X > 0).astype("float32")),
    ("linear model", compiled(keras.Sequential([keras.Input((8,)), layers.Dense(1, "sigmoid")]), "bce"), X, TWO),
    ("zeros in a linear model", compiled(
        keras.Sequential([keras.Input((8,)), layers.Dense(10, "softmax", kernel_initializer="zeros")]),
        "sparse_categorical_crossentropy"), X, TEN),
    ("images", compiled(image_net(), "sparse_categorical_crossentropy"), PIXELS, TEN),
    ("images without layer for scale", compiled(image_net(False), "sparse_categorical_crossentropy"),
     PIXELS / 255, TEN),
    ("residual", compiled(residual(), LOGITS), X, TEN),
    ("texts", compiled(text_net(), "binary_crossentropy"), TOKENS, TWO),
    ("multi-hot", dense(10, "softmax", "sparse_categorical_crossentropy"), (X > 1).astype("float32"), TEN),
    ("not compiled", keras.Sequential([keras.Input((8,)), layers.Dense(4, "relu"), layers.Dense(10)]), X, TEN),
    ("not built", compiled(keras.Sequential([layers.Dense(4, "relu"), layers.Dense(1, "sigmoid")]), "bce"), X, TWO),
]  # fmt: skip


@pytest.mark.parametrize(("model", "x", "y"), [h[1:] for h in HEALTHY], ids=[h[0] for h in HEALTHY])
def test_a_network_as_it_should_be_has_nothing_above_info(model, x, y):
    output = np.asarray(model(x)) if model.built else None
    assert grave(model, x, y, output=output) == set()


def test_two_outputs_and_subclasses_are_not_judged():
    inputs = keras.Input((8,))
    two = keras.Model(inputs, [layers.Dense(1, "relu")(inputs), layers.Dense(3, "tanh")(inputs)])
    two.compile("adam", ["binary_crossentropy", "categorical_crossentropy"])
    assert found(two, y=None) == set()

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = layers.Dense(10)

        def call(self, x):
            return keras.ops.softmax(self.last(x))

    own = Own()
    own.compile("adam", "sparse_categorical_crossentropy")
    own(X)
    assert grave(own, y=TEN) == set()


def test_pixels_without_scaling_are_told_and_with_a_layer_for_it_are_not():
    loss = "sparse_categorical_crossentropy"
    assert "unscaled_input" in grave(compiled(image_net(scale=False), loss), PIXELS, TEN)
    bare = keras.Sequential([keras.Input((8,)), layers.Dense(4, "relu"), layers.Dense(10, "softmax")])
    columns = X * [1, 1, 1, 1, 1, 1, 1, 500]
    assert grave(compiled(bare, loss), columns, TEN) == {"unscaled_input"}
    columns[3, 3] = np.nan
    assert ("unscaled_input", "error") in found(bare, columns, TEN)


def test_a_bias_before_batch_normalization_is_info():
    for bias in (True, False):
        told = [f for f in preflight.model(image_net(bias=bias)) if "bias" in f.message]
        assert [f.severity for f in told] == ["info"] * bias


def test_a_pair_of_linear_layers_is_info():
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16, "relu"), layers.Dense(16), layers.Dropout(0.1), layers.Dense(10)]
    )
    assert found(model) == {("no_nonlinearity", "info")}
    model = keras.Sequential([keras.Input((8,)), layers.Dense(2), layers.Dense(8, "relu"), layers.Dense(1)])
    assert found(model) == set()  # a narrow linear layer first is a factorisation


def test_a_constant_hidden_layer_alone_parts_slowly():
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(6, "tanh", kernel_initializer="ones"), layers.Dense(1, "sigmoid")]
    )
    assert found(model) == {("constant_initializer", "warning")}


def test_a_first_loss_far_from_chance_is_told():
    model = dense(10, "softmax", "sparse_categorical_crossentropy", kernel_initializer="random_normal")
    assert grave(model, y=TEN, output=np.asarray(model(X))) == set()
    model = dense(
        10, "softmax", "sparse_categorical_crossentropy", kernel_initializer=keras.initializers.RandomNormal(0, 3)
    )
    told = [f for f in preflight.model(model, X, TEN, output=np.asarray(model(X))) if f.code == "exploding_gradient"]
    assert told
    honest = keras.losses.SparseCategoricalCrossentropy()(TEN, model(X))
    assert told[0].evidence["first_loss"] == pytest.approx(float(honest), rel=0.3)
    broken = np.full((64, 10), np.nan)
    assert ("exploding_gradient", "error") in found(model, y=TEN, output=broken)


@pytest.mark.parametrize("loss", ["binary_crossentropy", "sparse_categorical_crossentropy", "categorical_crossentropy"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_the_first_loss_is_the_one_of_keras(loss, from_logits):
    from goodfit.diagnose.preflight.first_loss import cross_entropy

    units, y = {"binary": (1, TWO), "sparse": (10, TEN), "categorical": (10, ONE_HOT)}[loss.split("_")[0]]
    activation = None if from_logits else "sigmoid" if units == 1 else "softmax"
    kind = {"binary": keras.losses.BinaryCrossentropy, "sparse": keras.losses.SparseCategoricalCrossentropy,
            "categorical": keras.losses.CategoricalCrossentropy}[loss.split("_")[0]]  # fmt: skip
    model = dense(units, activation, kind(from_logits=from_logits))
    out = np.asarray(model(X))
    value, classes = cross_entropy(Network.of(model), Targets.of(y), out)
    assert classes == max(units, 2)
    assert value == pytest.approx(
        float(kind(from_logits=from_logits)(y.reshape(64, -1) if units == 1 else y, out)), rel=1e-5
    )


def test_losses_are_known_however_they_are_given():
    for given in ("bce", "BinaryCrossentropy", "binary_crossentropy", keras.losses.binary_crossentropy):
        assert loss_name(given) == "binary_crossentropy"
    assert loss_name(keras.losses.KLDivergence()) == loss_name("kl_divergence") == "kl_divergence"
    assert loss_name(lambda t, p: 0) is None


def test_nothing_of_the_model_is_touched():
    model = dense(10, "softmax", "sparse_categorical_crossentropy")
    before = [np.asarray(w).copy() for w in model.get_weights()]

    preflight.model(model, X, TEN)

    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"])
@pytest.mark.parametrize("units", [9, 10])
def test_class_indices_are_judged_as_what_the_loss_takes(loss, units):
    model = dense(units, "softmax", loss)
    taken = TEN if loss.startswith("sparse") else ONE_HOT
    output = np.asarray(model(X))
    told = [f.to_dict() for f in preflight.model(model, X, TEN, output, indices=True)]
    assert told == [f.to_dict() for f in preflight.model(model, X, taken, output)]
    assert Targets.of(np.asarray([0, 10**12]), one_hot=True).width == 10**12 + 1  # no row of them is made
