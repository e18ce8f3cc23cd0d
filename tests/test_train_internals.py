"""What is measured inside lanes is what `Doctor`'s probe measures inside the same model alone."""

import json

import keras
import numpy as np
import pytest
import scipy.sparse as sp

from goodfit.diagnose.internals import change, with_internals
from goodfit.doctor.probe import Probe as Alone
from goodfit.models import initial, lane_form, network
from goodfit.models.recipe import Recipe
from goodfit.train import internals, plan
from goodfit.train.lane import TRAIN, VALIDATION, Lane, Trained, history
from goodfit.train.loop import Engine

ROWS, FEATURES, CLASSES = 200, 30, 3


def rows(sparse):
    x = sp.random(ROWS, FEATURES, 0.3, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
    return (sp.csr_array(x) if sparse else x.toarray()), np.random.default_rng(1).integers(0, CLASSES, ROWS)


def lanes(net, seeds=(1, 2)):
    roles = np.where(np.arange(ROWS) % 4, TRAIN, VALIDATION).astype(np.uint8)
    return [Lane("v", s, net, roles) for s in seeds]


@pytest.mark.parametrize(
    ("sparse", "normalised", "activation"), [(True, False, "tanh"), (True, True, "relu"), (False, False, "relu")]
)
def test_lanes_are_measured_as_models_alone(sparse, normalised, activation):
    x, y = rows(sparse)
    recipe = Recipe(
        units=(6, 4), activation=activation, optimizer="adam", batch_normalization=normalised, batch_size=32, epochs=1,
        learning_rate=0.1,
    )  # fmt: skip
    net = network.from_recipe(recipe, FEATURES, CLASSES)
    runs = Engine(x, y).train(lanes(net), keep=lambda lane: True, look=True)
    trained = np.flatnonzero(lanes(net)[0].member == TRAIN)
    at = trained[np.linspace(0, len(trained) - 1, plan.PROBE).astype(int)]
    dense = x.toarray() if sparse else x
    for lane, run in zip(lanes(net), runs, strict=True):
        model = lane_form.to_stock(net, run.weights)
        expected = Alone(model, dense[at], y[at]).measure()
        moved = {k: v for k, v in expected.items() if k.startswith("weight_change")}
        for name in moved:
            layer = name.split("/")[1]
            place = next(i for i, w in enumerate(model.weights) if w is model.get_layer(layer).kernel)
            expected[name] = change(initial.weights(net, lane.seed)[place], run.weights[place])
        measured = {k: float(v[0]) for k, v in run.curves.items() if "/" in k}
        assert measured == pytest.approx(expected, rel=5e-3, abs=1e-6)
        assert measured["gradient_norm/hidden_1"] > 0


def test_layers_that_keras_named_are_called_alike_in_every_model_of_a_process():
    x, y = rows(False)
    names = []
    for _ in range(2):
        stack = [keras.layers.Dense(4, "relu"), keras.layers.Dense(5, "tanh"), keras.layers.Dense(CLASSES, "softmax")]
        model = keras.Sequential([keras.Input((FEATURES,)), *stack])
        net = network.of(model, keras.optimizers.SGD(), "sparse_categorical_crossentropy", CLASSES, epochs=1)
        (run,) = Engine(x, y).train(lanes(net, [0]), look=True)
        names.append({k for k in run.curves if "/" in k})
    assert names[0] == names[1]
    assert {"gradient_norm/dense", "weight_change/dense_2", "dead_units/dense", "saturated_units/dense_1"} <= names[0]


def test_of_a_kernel_with_many_rows_some_stand_for_all(monkeypatch):
    monkeypatch.setattr(internals, "SAMPLE", 15)
    x, y = rows(True)
    net = network.from_recipe(Recipe(units=(16,), batch_size=32, epochs=1), FEATURES, CLASSES)
    (run,) = Engine(x, y).train(lanes(net, [1]), keep=lambda lane: True, look=True)
    exact = change(initial.weights(net, 1)[0], run.weights[0])
    assert run.curves["weight_change/hidden_1"][0] == pytest.approx(exact, rel=0.2)


def test_a_few_rows_are_looked_at_now_and_then():
    x, y = rows(True)
    net = network.from_recipe(Recipe(units=(4,), batch_size=32, epochs=90), FEATURES, CLASSES)
    (run,) = Engine(x, y).train(lanes(net, [1]), look=True)
    looked = np.flatnonzero(~np.isnan(run.curves["gradient_norm/hidden_1"])) + 1
    assert looked.tolist() == [1, 2, 52]  # 128 of 150 rows: 60 times as many are trained on in 52 epochs
    assert len(run.curves["loss"]) == 90


def test_looking_changes_nothing():
    x, y = rows(False)
    net = network.from_recipe(Recipe(units=(5,), dropout=0.5, batch_size=32, epochs=3), FEATURES, CLASSES)
    unseen, looked = (Engine(x, y).train(lanes(net), keep=lambda lane: True, look=look) for look in (False, True))
    for a, b in zip(looked, unseen, strict=True):
        assert all(np.array_equal(v, w) for v, w in zip(a.weights, b.weights, strict=True))
        assert set(b.curves) < set(a.curves)


def test_any_graph_can_be_looked_into():
    x = np.random.default_rng(0).normal(size=(ROWS, 8, 8, 1)).astype(np.float32)
    y = (x.mean((1, 2, 3)) > 0).astype(int)
    given = keras.Input((8, 8, 1))
    shared = keras.layers.Dense(4, "relu", name="shared")
    a = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(given)
    b = shared(shared(keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, name="other")(a))))
    out = keras.layers.Dense(1, "sigmoid", name="out")(b)
    model = keras.Model(given, out)
    net = network.of(model, keras.optimizers.Adam(), keras.losses.BinaryCrossentropy(), 2, batch_size=32, epochs=1)
    (run,) = Engine(x, y).train(lanes(net, [1]), look=True)
    measured = {k for k in run.curves if "/" in k}
    assert {f"gradient_norm/{n}" for n in ("conv", "other", "shared", "out")} <= measured


SICK = {
    "dying_relu": Recipe(units=(16,), batch_size=16, epochs=4, optimizer="sgd", learning_rate=1e-2),
    "learning_rate_too_high": Recipe(units=(16,), batch_size=16, epochs=4, optimizer="sgd", learning_rate=300.0),
    "vanishing_gradient": Recipe(units=(8,) * 8, activation="sigmoid", batch_size=16, epochs=4, learning_rate=1e-3),
    "learning_rate_too_low": Recipe(units=(16,), batch_size=16, epochs=4, optimizer="sgd", learning_rate=1e-7),
    "": Recipe(units=(16,), batch_size=16, epochs=4, learning_rate=1e-2),
}


@pytest.mark.parametrize("code", SICK)
def test_findings_are_made_of_it(code):
    x, y = rows(False)
    y = (x @ np.random.default_rng(2).normal(size=FEATURES) > 0).astype(int)
    net = network.from_recipe(SICK[code], FEATURES, 2)
    if code == "dying_relu":
        net.model.get_layer("hidden_1").bias_initializer = keras.initializers.Constant(-50)
    runs = Engine(x, y).train(lanes(net, range(3)), look=True)
    again = [Trained.from_dict(json.loads(json.dumps(r.to_dict(), allow_nan=False))) for r in runs]
    for trained in (runs, again):  # the journal keeps it
        found = with_internals(history(trained), [], steps=10, chance=np.log(2))
        assert [f.code for f in found if f.severity != "info"] == ([code] if code else [])
