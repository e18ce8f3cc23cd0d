"""A Keras model of one's own as a recipe: treatments change it where that has a meaning, and leave it alone elsewhere."""

import gc
import json
from weakref import ref

import keras
import numpy as np
import pytest

from goodfit import treat
from goodfit.errors import ModelError, UsageError
from goodfit.models import initial, lane_form, network, obstacles, predict, surgery
from goodfit.models.keras_recipe import KerasRecipe
from goodfit.models.recipe import Recipe
from goodfit.models.source import load_model
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine

L = keras.layers
RNG = np.random.default_rng(0)


def dense():
    stack = [L.Dense(8, activation="relu"), L.Dropout(0.2), L.Dense(4, activation="tanh", kernel_regularizer="l2")]
    model = keras.Sequential([keras.Input((5,)), *stack, L.Dropout(0.4), L.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def convolutions():
    x = keras.Input((8, 8, 1))
    h = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    skip = h
    h = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(h)))
    h = L.Add()([h, skip])
    h = L.SeparableConv2D(8, 3, activation="relu")(h)
    h = L.GlobalAveragePooling2D()(h)
    model = keras.Model(x, L.Dense(1)(h))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 50, warmup_target=0.4, warmup_steps=5)
    model.compile(keras.optimizers.SGD(schedule), keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def recurrent():
    x = keras.Input((6,), dtype="int32")
    inner = keras.Sequential([keras.Input((8,)), L.Dense(8, activation="relu"), L.Dense(2, activation="softmax")])
    h = L.Bidirectional(L.LSTM(4, dropout=0.1))(L.Embedding(10, 3)(x))
    model = keras.Model(x, inner(h))
    model.compile("nadam", "categorical_hinge")
    return model


def tied():
    """A residual sum with the input: its widths cannot change."""
    x = keras.Input((5,))
    model = keras.Model(x, L.Dense(3, activation="softmax")(L.Add()([x, L.Dense(5)(x)])))
    model.compile("adamw", "sparse_categorical_crossentropy")
    return model


NUMBERS = {"l1", "l2", "label_smoothing", "learning_rate", "patience"}
"""Fields that lanes of one program may differ in."""


def recipe(make, **changes) -> KerasRecipe:
    return KerasRecipe.of(load_model(make), **changes)


def widths(model):
    return [getattr(surgery._inner(x), surgery._width(x)) for x in surgery._hidden(model)]


CHANGES = {
    (dense, "smaller 2"): {"units": ((8,), (2,))},
    (dense, "larger 32"): {"units": ((8,), (32,))},
    (dense, "dropout 0.5"): {"dropout": (0.4, 0.5)},
    (dense, "dropout 0.3"): {"dropout": (0.4, 0.3)},
    (dense, "l1"): {"l1": (0.0, 0.0001)},
    (dense, "l2 0.1"): {"l2": (0.01, 0.1)},
    (dense, "batch_normalization"): {"batch_normalization": (False, True)},
    (dense, "lower_learning_rate 0.001"): {"learning_rate": (0.01, 0.001)},
    (dense, "label_smoothing"): {"label_smoothing": (0.0, 0.1)},
    (dense, "early_stopping"): {"patience": (None, 3)},
    (convolutions, "smaller 2"): {"units": ((8,), (2,))},
    (convolutions, "dropout"): {"dropout": (0.0, 0.5)},
    (convolutions, "l2"): {"l2": (0.0, 0.001)},
    (convolutions, "batch_normalization"): {},
    (convolutions, "lower_learning_rate 0.04"): {"learning_rate": (0.4, 0.04)},
    (convolutions, "label_smoothing"): {"label_smoothing": (0.0, 0.1)},
    (recurrent, "larger 32"): {"units": ((8,), (32,))},
    (recurrent, "dropout"): {"dropout": (0.0, 0.5)},
    (recurrent, "batch_normalization"): {"batch_normalization": (False, True)},
    (recurrent, "label_smoothing"): {},
    (tied, "smaller 2"): {},
    (tied, "larger"): {},
    (tied, "l1"): {"l1": (0.0, 0.0001)},
    (tied, "batch_normalization"): {"batch_normalization": (False, True)},
}


@pytest.mark.parametrize(("make", "name"), CHANGES, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_treatments_change_a_keras_model_where_they_can(make, name):
    base = recipe(make)
    treated = treat.get(name).apply(base)
    assert base.diff(treated) == CHANGES[make, name]
    assert treat.get(name).apply(treated) == treated
    classes = max(base.original.model.output_shape[-1], 2)
    shape = base.original.model.input_shape[1:]
    was, now = (network.from_recipe(r, shape, classes) for r in (base, treated))
    numbers = NUMBERS | ({"dropout"} if make is dense else set())
    if make is convolutions:  # a schedule is part of the program
        numbers = numbers - {"learning_rate"}
    assert (was.structure == now.structure) == (set(base.diff(treated)) <= numbers)
    assert now.model.output_shape == base.original.model.output_shape
    assert treated.weights(0, 0) == now.model.count_params()
    assert KerasRecipe.from_dict(json.loads(json.dumps(treated.to_dict()))) == treated
    assert Recipe.from_dict(treated.to_dict()) == treated


def test_what_the_changes_are():
    wide = treat.get("larger 32").apply(recipe(dense))
    assert widths(wide.build().model) == [32, 16]
    dropped = treat.get("dropout 0.8").apply(recipe(dense)).build().model
    assert [x.rate for x in dropped.layers if isinstance(x, L.Dropout)] == [0.4, 0.8]
    penalised = treat.get("l1 0.5").apply(recipe(dense)).build().model
    penalties = [x.kernel_regularizer for x in penalised.layers if isinstance(x, L.Dense)]
    factors = [(x.l1, x.l2) for x in penalties[:2]]
    assert factors == [(0.5, 0.0), (0.5, pytest.approx(0.01))]
    normal = treat.get("batch_normalization").apply(recipe(dense)).build().model
    assert [type(x).__name__ for x in normal.layers[:4]] == ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert normal.layers[0].use_bias is False
    before_output = treat.get("dropout").apply(recipe(convolutions)).build().model.layers[-2]
    assert (type(before_output).__name__, before_output.rate) == ("Dropout", 0.5)
    rates = treat.get("lower_learning_rate").apply(recipe(convolutions)).build().optimizer._learning_rate
    assert (rates.initial_learning_rate, rates.warmup_target) == (pytest.approx(0.01), pytest.approx(0.04))
    smooth = treat.get("label_smoothing").apply(recipe(dense))
    assert network.from_recipe(smooth, 5, 3).label_smoothing == 0.1


def wrapped():
    """Hidden layers in wrappers only."""
    x = keras.Input((6, 3))
    h = L.Bidirectional(L.LSTM(8, return_sequences=True))(x)
    h = L.TimeDistributed(L.Dense(4, activation="relu"))(h)
    h = L.Bidirectional(L.GRU(8), merge_mode="sum")(h)
    model = keras.Model(x, L.Dense(1, activation="sigmoid")(h))
    model.compile("adam", "binary_crossentropy")
    return model


def test_treatments_reach_into_wrappers_and_both_directions():
    base = recipe(wrapped)
    assert base.units == (8,)

    def treated(name):
        model = treat.get(name).apply(base).build((6, 3)).model
        assert model(RNG.random((5, 6, 3))).shape == (5, 1)
        return model

    there, each, back, _ = [x for x in treated("smaller 2").layers if not isinstance(x, L.InputLayer)]
    assert [d.units for x in (there, back) for d in (x.forward_layer, x.backward_layer)] == [2] * 4
    assert each.layer.units == 1
    assert [x.rate for x in treated("dropout").layers if isinstance(x, L.Dropout)] == [0.5] * 3
    there, each, back, _ = [x for x in treated("l2").layers if not isinstance(x, L.InputLayer)]
    inner = [there.forward_layer, there.backward_layer, each.layer, back.forward_layer, back.backward_layer]
    assert [x.kernel_regularizer.l2 for x in inner] == [pytest.approx(0.001)] * 5
    kinds = [type(x).__name__ for x in treated("batch_normalization").layers[2:5]]
    assert kinds == ["TimeDistributed", "BatchNormalization", "Activation"]


def test_only_treatments_that_change_something_are_proposed():
    for make in (dense, convolutions, recurrent, tied, wrapped):
        base = recipe(make)
        proposed = treat.propose(base, [])
        assert proposed
        assert all(t.apply(base) != base for t in proposed)


def test_the_same_model_made_again_is_the_same_recipe_and_another_is_another():
    assert recipe(dense) == recipe(dense)
    assert recipe(dense).identity == recipe(dense).identity
    other = dense()
    other.compile(keras.optimizers.Adam(0.01, beta_1=0.8), "sparse_categorical_crossentropy")
    assert recipe(lambda: other).model != recipe(dense).model


def test_a_model_is_let_go_with_the_last_of_its_recipes_and_networks():
    base = recipe(dense)
    changed, built = base.but(dropout=0.3), network.from_recipe(base, 5, 3)
    assert obstacles.of(built) is None
    source, net = ref(base.original), ref(built)
    del base, built
    gc.collect()
    assert (source() is changed.original, net()) == (True, None)
    del changed
    gc.collect()
    assert source() is None


def test_frozen_and_adapted_layers_keep_what_they_know():
    normalization = L.Normalization()
    normalization.adapt(RNG.normal(3, 2, (50, 5)))
    frozen = L.Dense(4, trainable=False)
    stack = [normalization, frozen, L.Dense(8, activation="relu"), L.Dense(3, activation="softmax")]
    model = keras.Sequential([keras.Input((5,)), *stack])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.layers[2].bias.assign(np.ones(8))  # as training would leave it
    base = KerasRecipe.of(load_model(model))
    assert base.units == (8,)
    for treated in (base, treat.get("smaller").apply(base), treat.get("batch_normalization").apply(base)):
        net = network.from_recipe(treated, 5, 3)
        a, b = initial.weights(net, 1), initial.weights(net, 2)
        paths = [v.path for v in net.model.weights]
        assert [np.array_equal(v, w) for v, w in zip(a, b, strict=True)].count(False) == 2  # the two kernels
        known = {p.rpartition(f"{frozen.name}/")[2]: w for p, w in zip(paths, a, strict=True)}
        assert np.array_equal(known["kernel"], frozen.kernel)
        assert not any(np.any(w == 1) for p, w in known.items() if p.endswith("bias"))
        trained = lane_form.to_stock(net, a)
        assert np.allclose(trained.layers[0](np.full((1, 5), 3.0)), normalization(np.full((1, 5), 3.0)))
        assert np.allclose(normalization.mean, 3, atol=1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: network.from_recipe(recipe(dense), 7, 3), "does not fit the data.*rows of shape \\(7,\\)"),
        (lambda: network.from_recipe(recipe(dense), 5, 4), "received 3 units for 4 classes"),
        (lambda: recipe(dense, optimizer="sgd"), "changed where the model is made"),
        (lambda: recipe(dense, dropuot=0.1), "[Dd]id you mean 'dropout'"),
        (
            lambda: Recipe.from_dict({**recipe(dense).to_dict(), "model": "0"}),
            "not the one that this recipe was made of",
        ),
    ],
)
def test_what_does_not_fit_is_told(call, says):
    with pytest.raises((ModelError, UsageError), match=says):
        call()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": "32"}, "bad batch_size; expected a whole number of 1 or more; received '32'"),
        ({"batch_size": 1.5}, "bad batch_size"),
        ({"batch_size": float("nan")}, "bad batch_size"),
        ({"batch_size": -2}, "bad batch_size"),
        ({"epochs": 1.5}, "bad epochs"),
        ({"class_weight": {3: 2.0}}, "names no class: 3; expected an index from 0 to 2"),
        ({"class_weight": {"1": 2.0}}, "names no class: '1'; expected an index from 0 to 2"),
        ({"class_weight": {1: -2.0}}, "numbers of 0 or more; received -2.0 for 1"),
        ({"class_weight": {1: float("nan")}}, "received nan for 1"),
        ({"class_weight": {1: "2"}}, "received '2' for 1"),
        ({"class_weight": [1, 2, 3]}, r"expected a weight by class; received \[1, 2, 3\]"),
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, "0 for every class"),
        ({"class_weight": "balanced"}, r"a weight by class; received 'balanced'\. Only .*--class-weight balanced"),
    ],
)
def test_what_a_function_gives_beside_its_model_is_checked(options, says):
    with pytest.raises(UsageError, match=says):
        KerasRecipe.of(load_model(lambda: (dense(), options)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("units", (1.5,)),
        ("units", 16),
        ("units", "16"),
        ("filters", (0,)),
        ("epochs", 0),
        ("patience", 2.0),
        ("l2", "0.1"),
        ("dropout", None),
        ("learning_rate", float("nan")),
        ("learning_rate", 1e39),
        ("batch_normalization", "no"),
        ("optimizer", ["adam"]),
    ],
)
def test_a_field_that_cannot_be_is_told(field, value):
    with pytest.raises(UsageError, match=f"bad {field}"):
        Recipe(**{field: value})


def test_numbers_of_numpy_are_numbers():
    ours = Recipe(units=np.array([8, 4]), batch_size=np.int64(16), l2=np.float64(0.5), epochs=np.int32(3))
    assert ours == Recipe(units=(8, 4), batch_size=16, l2=0.5, epochs=3)
    assert json.loads(json.dumps(ours.to_dict())) == ours.to_dict()


def test_variants_of_a_keras_model_train_as_lanes_of_one_program_with_its_metrics():
    model = dense()
    metrics = [
        "accuracy",
        keras.metrics.AUC(name="auc"),
        keras.metrics.SparseTopKCategoricalAccuracy(2, name="top_2"),
        keras.metrics.F1Score(name="f1"),
    ]
    model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics)
    base = KerasRecipe.of(load_model(lambda: (model, {"batch_size": 16, "epochs": 2, "class_weight": {2: 2.0}})))
    assert (base.class_weight, base.batch_size, base.epochs) == ((1.0, 1.0, 2.0), 16, 2)
    x, y = RNG.normal(size=(60, 5)).astype(np.float32), RNG.integers(0, 3, 60)
    member = np.where(np.arange(60) % 4, TRAIN, VALIDATION).astype(np.uint8)
    names = ("base", "dropout 0.6", "l2 0.1", "lower_learning_rate", "label_smoothing")
    recipes = {n: base if n == "base" else treat.get(n).apply(base) for n in names}
    nets = {n: network.from_recipe(r, 5, 3, dropout_layers=True) for n, r in recipes.items()}
    engine = Engine(x, y)
    runs = engine.train([Lane(n, 1, net, member) for n, net in nets.items()], keep=lambda lane: True)
    (program,) = engine.programs.values()
    assert program.epoch._cache_size() == 1
    assert not engine.notes
    held = member == VALIDATION
    for name, run in zip(names, runs, strict=True):
        p = lane_form.to_stock(nets[name], run.weights).predict_on_batch(x[held])
        for metric in (keras.metrics.AUC(name="auc"), keras.metrics.F1Score(name="f1")):
            metric.update_state(np.eye(3)[y[held]], p)
            assert run.curves[f"val_{metric.name}"][-1] == pytest.approx(float(np.mean(metric.result())), abs=1e-5)
        top = np.mean([t in np.argsort(q)[-2:] for t, q in zip(y[held], p, strict=True)])
        assert run.curves["val_top_2"][-1] == pytest.approx(top)
    assert len({run.curves["val_loss"][-1] for run in runs}) == 5


def test_weights_of_lanes_find_their_place_in_branches_that_dropout_layers_reorder():
    x = keras.Input((4, 2))
    inner = keras.Sequential([keras.Input((4, 3)), L.GlobalAveragePooling1D(), L.Dense(2, activation="tanh")])
    h = L.Concatenate()([L.GRU(3)(x), inner(L.Conv1D(3, 1, activation="relu")(x))])
    model = keras.Model(x, L.Dense(2, activation="softmax")(h))
    recipe = KerasRecipe.of(load_model(model))
    lanes, stock = (recipe.build((4, 2), dropout_layers=there).model for there in (True, False))
    assert [w.shape for w in lanes.weights] != [w.shape for w in stock.weights]
    stock.set_weights(predict.reordered([w + 0.1 for w in lanes.get_weights()], lanes, stock))
    lanes.set_weights([w + 0.1 for w in lanes.get_weights()])
    rows = np.random.default_rng(0).normal(size=(5, 4, 2))
    np.testing.assert_allclose(stock.predict_on_batch(rows), lanes.predict_on_batch(rows), atol=1e-6)
