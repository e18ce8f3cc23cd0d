"""Networks that cannot be lanes: told why, and trained one by one to what a lane would give."""

import keras
import numpy as np
import pytest

from goodfit.errors import ModelError
from goodfit.models import network, obstacles
from goodfit.models.keras_recipe import KerasRecipe
from goodfit.models.recipe import Recipe
from goodfit.models.source import load_model
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.lane import Lane
from goodfit.train.loop import Engine, Stopped
from runs import distance, same
from test_models_table import LABELS, ROWS, TABLE, WEIGHTS, member, net, overlap, penalties

L = keras.layers


@keras.saving.register_keras_serializable("tests")
class Counting(L.Layer):
    """Counts its calls in Python."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def call(self, x):
        self.calls += 1
        return x * 1.5


@keras.saving.register_keras_serializable("tests")
class Gate(L.Layer):
    """An honest layer of one's own, without an attribute that names its initialiser."""

    def build(self, shape):
        self.gate = self.add_weight(shape=(shape[-1],), initializer="random_normal")

    def call(self, x):
        return x * keras.ops.sigmoid(self.gate)


@keras.saving.register_keras_serializable("tests")
class Centre(L.Layer):
    def call(self, x):
        return x - keras.ops.mean(x, axis=0)


@keras.saving.register_keras_serializable("tests")
class Branching(L.Layer):
    def call(self, x):
        return x if float(keras.ops.sum(x)) > 0 else -x

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable("tests")
class Noisy(keras.Model):
    def train_step(self, *args, **kwargs):
        return super().train_step(*args, **kwargs)


@keras.saving.register_keras_serializable("tests")
class Reticent(keras.Model):
    def train_step(self, *args, **kwargs):
        logs, state = super().train_step(*args, **kwargs)
        return {"total_loss": logs["loss"]}, state


def stack(*layers, loss="sparse_categorical_crossentropy", optimizer="sgd", kind=keras.Sequential):
    x = keras.Input((6,))
    h = x
    for layer in (L.Dense(4), *layers, L.Dense(3, activation="softmax")):
        h = layer(h)
    return network.of(
        kind(x, h) if kind is not keras.Sequential else keras.Model(x, h), keras.optimizers.get(optimizer), loss, 3
    )


def batch_loss(y, p):
    return -keras.ops.log(keras.ops.mean(y * p))


CASES = {
    "Counting keeps state in Python": lambda: stack(Counting()),
    "Centre lets the rows of a batch see each other": lambda: stack(Centre()),
    "Branching cannot be traced": lambda: stack(Branching()),
    "a function or operation lets the rows": lambda: stack(L.Lambda(batch_mean)),
    "Noisy has its own train_step": lambda: stack(kind=Noisy),
    "normalises over the batch inside": lambda: stack(L.Reshape((2, 2)), L.TimeDistributed(L.BatchNormalization()), L.Flatten()),
    "has an activity regularizer": lambda: stack(L.Dense(2, activity_regularizer="orthogonal_regularizer")),
    "the loss batch_loss is one number": lambda: stack(loss=batch_loss),
    "the optimizer LossScaleOptimizer": lambda: stack(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())),
    "": lambda: stack(Gate(), L.Lambda(doubled), L.Dense(4, activation=doubled)),
}  # fmt: skip


def batch_mean(x):
    return x - keras.ops.mean(x, axis=0)


def doubled(x):
    return 2 * x


@pytest.mark.parametrize("reason", CASES)
def test_what_keeps_a_network_out_of_the_lanes_is_told(reason):
    found = obstacles.of(CASES[reason]())
    assert (found is None) if not reason else (reason in found)


@pytest.mark.parametrize("given", [[], [keras.Input((6,))]])
def test_layers_of_ones_own_in_a_sequential_are_tried_too(given):
    def net(*layers):
        model = keras.Sequential([*given, L.Dense(4), *layers, L.Dense(3, activation="softmax")])
        model.build((None, 6))
        return network.of(model, keras.optimizers.SGD(), "sparse_categorical_crossentropy", 3)

    assert obstacles.of(net(Gate())) is None
    assert "one of Counting, Gate keeps state in Python" in obstacles.of(net(Counting(), Gate()))
    assert "Centre lets the rows of a batch see each other" in obstacles.of(net(Centre()))


def test_recipes_of_dense_networks_are_lanes():
    recipe = Recipe(batch_normalization=True, dropout=0.3, l1=0.1, optimizer="nadam")
    assert obstacles.of(network.from_recipe(recipe, 20, 3)) is None


def trained(lanes, **kwargs):
    return Engine(TABLE, LABELS, sample_weight=WEIGHTS, **kwargs).train(lanes, keep=lambda lane: True)


@pytest.mark.parametrize("made", [penalties, overlap])
def test_one_by_one_gives_what_the_lanes_give(made, monkeypatch):
    one = net(made(), 1)
    lanes = [Lane("v", seed, one, member(seed)) for seed in (1, 2)]
    side_by_side = trained(lanes, rows=np.arange(ROWS))
    monkeypatch.setattr(obstacles, "of", lambda network: "forced")
    engine = Engine(TABLE, LABELS, sample_weight=WEIGHTS, rows=np.arange(ROWS))
    apart = engine.train(lanes, keep=lambda lane: True)
    assert list(engine.notes.values()) == ["'v' trains one run after the other: forced."]
    for a, b in zip(side_by_side, apart, strict=True):
        assert same(a, b, 5e-5), {k: (a.curves[k], b.curves[k]) for k in a.curves}


def test_a_model_of_ones_own_stops_early_and_goes_on_where_it_was(tmp_path):
    x = keras.Input((6,))
    model = Noisy(x, L.Dense(3, activation="softmax")(Counting()(L.Dense(4, activation="relu")(L.Dropout(0.2)(x)))))
    optimizer = keras.optimizers.Adam(0.3)
    own = network.of(model, optimizer, "sparse_categorical_crossentropy", 3, batch_size=40, epochs=9, patience=2)
    lanes = [Lane("v", seed, own, member(seed)) for seed in (1, 2)]
    seen = []
    whole = trained(lanes, stop=lambda: False)
    assert all(run.epochs_run == run.best_epoch + 2 < 9 for run in whole)
    assert distance(whole[0].weights, whole[1].weights) > 0.01

    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    with pytest.raises(Stopped):
        trained(lanes, checkpoint=checkpoint, stop=lambda: True)
    engine = Engine(TABLE, LABELS, sample_weight=WEIGHTS, checkpoint=checkpoint)
    again = engine.train(lanes, keep=lambda lane: True, on_epoch=lambda p: seen.append((p.lanes[0].seed, p.epoch)))
    assert seen[0] == (1, 2)
    assert all(same(a, b, 1e-6) for a, b in zip(whole, again, strict=True))
    assert np.isfinite(whole[0].curves["accuracy"]).all()


def test_a_train_step_that_tells_no_loss_is_judged_by_what_is_measured():
    runs = []
    for kind in (Noisy, Reticent):
        own = network.of(stack(kind=kind).model, keras.optimizers.SGD(), "sparse_categorical_crossentropy", 3, epochs=3)
        runs += trained([Lane("v", 1, own, member(1))])
    told, silent = (run.curves for run in runs)
    assert np.allclose(told["val_loss"], silent["val_loss"], atol=1e-6)
    assert np.array_equal(silent["loss"], silent["train_loss"])
    assert np.array_equal(silent["accuracy"], silent["train_accuracy"])
    assert not np.allclose(told["loss"], told["train_loss"], atol=1e-3)


def test_what_keras_itself_cannot_train_is_told():
    own = net((stack(Branching()).model, TABLE, {}), 1)
    engine = Engine(TABLE, LABELS)
    with pytest.raises(ModelError, match="Keras cannot train the model"):
        engine.train([Lane("v", 1, own, member(1))])
    assert "cannot be traced" in next(iter(engine.notes.values()))


@pytest.mark.parametrize("eager", [True, False])
def test_a_model_that_was_compiled_to_run_eagerly_does(eager):
    model = stack(Counting()).model
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=eager)
    own = network.from_recipe(KerasRecipe.of(load_model(model), batch_size=2, epochs=1), 6, 3)
    engine = Engine(TABLE, LABELS)
    (run,) = engine.train([Lane("v", 1, own, member(1))])
    assert np.isfinite(run.curves["loss"]).all()
    (single,) = engine.programs.values()
    (counting,) = (layer for layer in single.model.layers if isinstance(layer, Counting))
    assert (counting.calls > 30) is eager  # in each of 30 steps, or where they are compiled
