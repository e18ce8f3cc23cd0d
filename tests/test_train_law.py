"""The law of the lanes: a lane gives what the same Keras model gives trained alone on the same batches."""

import tracemalloc

import keras
import numpy as np
import pytest
import scipy.sparse as sp

from goodfit.models import initial, lane_form, network
from goodfit.models.recipe import Recipe
from goodfit.train import chunk as chunks
from goodfit.train import plan
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.lane import TRAIN, VALIDATION, Lane, Trained
from goodfit.train.loop import Engine, Stopped
from runs import distance, same

ROWS, FEATURES = 230, 40
RECIPES = {
    "two layers, rmsprop": Recipe(units=(6, 5), batch_size=32, epochs=3, learning_rate=0.01),
    "linear, sgd": Recipe(units=(), optimizer="sgd", batch_size=16, epochs=2, learning_rate=0.1),
    "momentum, l1 and l2": Recipe(units=(7,), optimizer="momentum", l1=1e-3, l2=1e-2, batch_size=20, epochs=2),
    "adam, batch normalisation": Recipe(
        units=(6, 6), optimizer="adam", batch_normalization=True, batch_size=90, epochs=1
    ),
    "adamw, tanh": Recipe(units=(5,), optimizer="adamw", weight_decay=0.05, activation="tanh", batch_size=32, epochs=2),
    "nadam, label smoothing": Recipe(units=(4, 4), optimizer="nadam", label_smoothing=0.1, batch_size=24, epochs=2),
}


@pytest.fixture(scope="module")
def data():
    x = sp.random(ROWS, FEATURES, 0.2, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
    x.data[:] = 1
    return sp.csr_array(x), np.random.default_rng(1).integers(0, 3, ROWS)


def member(seed: int, share: float = 0.25) -> np.ndarray:
    roles = np.full(ROWS, TRAIN, np.uint8)
    roles[np.random.default_rng(seed).permutation(ROWS)[: int(ROWS * share)]] = VALIDATION
    return roles


def lanes_of(recipe: Recipe, classes: int, seeds=(1, 2, 3), variant="v", **kwargs) -> list[Lane]:
    net = network.from_recipe(recipe, FEATURES, classes, **kwargs)
    return [Lane(variant, s, net, member(s)) for s in seeds]


def alone(lane: Lane, x, y, epochs: int, order_seed: int = 0) -> keras.Model:
    """The lane's network trained by Keras itself, on the lane's own rows of the same batches.

    A layer that looks across rows gets just those rows. Elsewhere the other rows come along with weight 0, and the
    own ones with batch / own: the same mean, and one shape, so that Keras compiles once and not for every batch.
    """
    model = lane_form.to_stock(lane.network, initial.weights(lane.network, lane.seed))
    across = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    share = (lane.member == TRAIN).mean()
    target = np.eye(lane.network.classes)[y] if lane.network.label_smoothing and lane.network.classes > 2 else y
    for epoch in range(1, epochs + 1):
        for rows in chunks.stream(np.arange(ROWS), round(lane.network.batch_size / share), order_seed, epoch):
            own = (rows >= 0) & (lane.member[rows] == TRAIN)
            if across:
                model.train_on_batch(x[rows[own]], target[rows[own]])
            else:
                model.train_on_batch(x[rows], target[rows], sample_weight=own * len(rows) / own.sum())
    return model


CASES = [(name, True, 3) for name in RECIPES] + [
    ("two layers, rmsprop", True, 2),
    ("nadam, label smoothing", True, 2),
    ("momentum, l1 and l2", False, 3),
    ("adamw, tanh", False, 2),
]


@pytest.mark.parametrize(("name", "sparse", "classes"), CASES)
def test_a_lane_equals_the_model_trained_alone(name, sparse, classes, data):
    x, y = data
    y = y % classes
    recipe = RECIPES[name]
    lanes = lanes_of(recipe, classes, seeds=(1, 2))
    engine = Engine(x if sparse else x.toarray(), y, rows=np.arange(ROWS))
    runs = engine.train(lanes, keep=lambda lane: True)
    dense = x.toarray()
    for lane, run in zip(lanes, runs, strict=True):
        model = alone(lane, dense, y, recipe.epochs)
        assert distance(run.weights, model.weights) < 2e-5
        own, held = lane.member == TRAIN, lane.member == VALIDATION
        for key, rows in (("train", own), ("val", held)):
            p = model.predict_on_batch(dense[rows])
            target = y[rows][:, None] if classes == 2 else np.eye(classes)[y[rows]]
            loss = float(keras.ops.mean(lane.network.loss.call(target, p)))
            assert run.curves[f"{key}_loss"][-1] == pytest.approx(loss, rel=1e-4)
            predicted = p[:, 0] > 0.5 if classes == 2 else p.argmax(1)
            assert run.curves[f"{key}_accuracy"][-1] == pytest.approx((predicted == y[rows]).mean(), abs=1e-6)


def test_the_running_loss_is_what_keras_reports(data):
    x, y = data
    lane = Lane(
        "v",
        5,
        network.from_recipe(RECIPES["two layers, rmsprop"].but(batch_size=ROWS), FEATURES, 3),
        np.full(ROWS, TRAIN, np.uint8),
    )
    (run,) = Engine(x, y).train([lane])
    model = lane_form.to_stock(lane.network, initial.weights(lane.network, 5))
    for epoch in range(3):  # one batch an epoch: no running mean in between
        loss, accuracy = model.train_on_batch(x.toarray(), y)
        model.reset_metrics()
        assert run.curves["loss"][epoch] == pytest.approx(float(loss), rel=1e-5)
        assert run.curves["accuracy"][epoch] == pytest.approx(float(accuracy), abs=1e-6)


def test_dropout_equals_a_network_with_the_same_mask(data):
    """A Keras model with the lane's own noise put in by hand, one step."""
    from goodfit.models import noise

    x, y = data
    net = network.from_recipe(Recipe(units=(8,), dropout=0.4, batch_size=ROWS, epochs=1, optimizer="sgd"), FEATURES, 3)
    lane = Lane("v", 9, net, np.full(ROWS, TRAIN, np.uint8))
    (run,) = Engine(x, y).train([lane], keep=lambda lane: True)
    layer_salt = [layer.name for layer in net.model.layers].index("dropout_1")
    key = noise.key(noise.key(np.uint32(9), 0), layer_salt)
    kept = np.asarray(noise.at_least(key, (ROWS, 8), np.float32(0.4)))
    assert 0.5 < kept.mean() < 0.7
    rows = chunks.stream(np.arange(ROWS), ROWS, 0, 1)[0]
    inputs, mask = keras.Input((FEATURES,)), keras.Input((8,))
    hidden, output = net.model.get_layer("hidden_1"), net.model.get_layer("output")
    h = keras.layers.Dense(8, activation="relu")
    o = keras.layers.Dense(3, activation="softmax")
    model = keras.Model([inputs, mask], o(h(inputs) * mask))
    start = initial.weights(net, 9)
    assert (hidden.units, output.units) == (8, 3)
    model.set_weights(start)
    model.compile(optimizer=keras.optimizers.SGD(0.001), loss="sparse_categorical_crossentropy")
    model.train_on_batch([x.toarray()[rows], kept / np.float32(0.6)], y[rows])
    assert distance(run.weights, model.weights) < 1e-6


PROGRAMS: dict = {}  # compiled once for all tests: what is trained on is an argument of a program


def trained(lanes, x, y, how=(), **kwargs) -> list[Trained]:
    engine = Engine(x, y, **{"rows": np.arange(ROWS), **kwargs})
    engine.programs = PROGRAMS.setdefault(hasattr(x, "tocsr"), {})
    return engine.train(lanes, keep=lambda lane: True, **dict(how))


DROPPED = Recipe(units=(6, 6), dropout=0.3, batch_normalization=True, batch_size=32, epochs=3, optimizer="adam")


def test_permuting_lanes_changes_nothing(data):
    x, y = data
    lanes = lanes_of(DROPPED, 3)
    there = trained(lanes, x, y)
    back = trained(lanes[::-1], x, y)[::-1]
    assert all(same(a, b) for a, b in zip(there, back, strict=True))


def test_chunked_equals_whole_and_a_lane_does_not_know_the_others(data):
    x, y = data
    lanes = lanes_of(DROPPED, 3)
    whole = trained(lanes, x, y)
    chunked = trained(lanes, x, y, memory=1)  # room for one lane at a time
    assert all(same(a, b) for a, b in zip(whole, chunked, strict=True))


def test_sparse_equals_dense(data):
    x, y = data
    lanes = lanes_of(DROPPED, 3)
    assert all(same(a, b) for a, b in zip(trained(lanes, x, y), trained(lanes, x.toarray(), y), strict=True))


@pytest.mark.parametrize("rate", [0.01, keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.5)])
def test_sparse_equals_dense_where_batches_have_no_rows_of_a_lane(rate, data):
    x, y = data
    model = keras.Sequential([keras.layers.Input((FEATURES,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net = network.of(model, keras.optimizers.Adam(rate), loss, 3, batch_size=1, epochs=1, class_weight=(1, 2, 1))
    lanes = [Lane("v", s, net, member(s, 0.5)) for s in (1, 2, 3)]
    found = [Engine(rows, y).train(lanes, keep=lambda lane: True) for rows in (x, x.toarray())]
    for sparse, dense in zip(*found, strict=True):
        for a, b in zip(sparse.weights, dense.weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        assert sparse.curves["learning_rate"] == pytest.approx(dense.curves["learning_rate"])


def test_rows_that_no_lane_uses_change_nothing(data):
    x, y = data
    lanes = lanes_of(DROPPED, 3)
    more = sp.vstack([x, sp.csr_array(np.ones((17, FEATURES), np.float32))], format="csr")
    padded = [Lane(lane.variant, lane.seed, lane.network, np.pad(lane.member, (0, 17))) for lane in lanes]
    there = trained(padded, more, np.append(y, [0] * 17))
    assert all(same(a, b) for a, b in zip(trained(lanes, x, y), there, strict=True))


def test_rows_that_no_lane_trains_on_take_no_part_in_a_step(data):
    x, y = data
    recipe = RECIPES["two layers, rmsprop"]
    net, fixed = network.from_recipe(recipe, FEATURES, 3), member(1)
    lanes = [Lane("v", seed, net, fixed) for seed in (1, 2)]
    stream = chunks.Stream.of(lanes, 0)
    assert np.array_equal(stream.rows, np.flatnonzero(fixed == TRAIN))
    assert stream.batch == recipe.batch_size
    own = np.flatnonzero(fixed == TRAIN)
    alone = [Lane("v", seed, net, np.full(len(own), TRAIN, np.uint8)) for seed in (1, 2)]
    there, here = trained(lanes, x, y, rows=None), trained(alone, x[own], y[own], rows=None)
    assert all(distance(a.weights, b.weights) < 2e-5 for a, b in zip(there, here, strict=True))
    assert all(np.isfinite(run.curves["val_loss"]).all() for run in there)


def test_validation_rows_do_not_leak_through_batch_normalisation(data):
    x, y = data
    (lane,) = lanes_of(DROPPED, 3, seeds=(1,))
    wild = x.toarray()
    wild[lane.member == VALIDATION] = 1e6
    (a,), (b,) = trained([lane], x.toarray(), y), trained([lane], wild, y)
    assert distance(a.weights, b.weights) < 1e-6


def test_variants_that_differ_in_numbers_share_one_program(data):
    x, y = data
    base = Recipe(units=(6,), batch_size=32, epochs=2)
    recipes = [
        base,
        base.but(dropout=0.5),
        base.but(l2=0.01),
        base.but(learning_rate=0.1),
        base.but(label_smoothing=0.2),
    ]
    lanes = [lane for i, r in enumerate(recipes) for lane in lanes_of(r, 3, variant=str(i), dropout_layers=True)]
    engine = Engine(x, y, rows=np.arange(ROWS))
    runs = engine.train(lanes, keep=lambda lane: True)
    (program,) = engine.programs.values()
    assert program.epoch._cache_size() == 1
    for i, recipe in enumerate(recipes):
        apart = trained(lanes_of(recipe, 3, seeds=(2,), variant=str(i), dropout_layers=True), x, y)
        assert same(apart[0], runs[3 * i + 1])
    assert not same(runs[0], Trained("0", 1, runs[3].curves, 2, runs[3].weights), 1e-4)


def test_variants_that_share_a_seed_share_initial_weights_where_shapes_allow():
    small, large = (network.from_recipe(Recipe(units=u), FEATURES, 3) for u in ((6, 6), (6, 8)))
    a, b, c = initial.weights(small, 1), initial.weights(large, 1), initial.weights(small, 2)
    assert np.array_equal(a[0], b[0])
    assert not np.array_equal(a[0], c[0])
    bound = np.sqrt(6 / (FEATURES + 6))  # Glorot and Bengio's uniform
    assert np.abs(a[0]).max() <= bound
    assert a[0].std() == pytest.approx(bound / np.sqrt(3), rel=0.1)


def test_early_stopping_keeps_the_best_weights_of_each_lane(data):
    x, y = data
    recipe = Recipe(units=(16,), batch_size=16, epochs=30, learning_rate=0.02, patience=2)
    lanes = lanes_of(recipe, 3)
    runs = trained(lanes, x, y)
    endless = trained(lanes_of(recipe.but(patience=None), 3), x, y)
    for lane, run, free in zip(lanes, runs, endless, strict=True):
        best = int(np.argmin(run.curves["val_loss"])) + 1
        assert run.best_epoch == best
        assert run.epochs_run == best + 2 < 30
        assert np.allclose(run.curves["val_loss"], free.curves["val_loss"][: run.epochs_run], atol=1e-5)
        held = lane.member == VALIDATION
        p = lane_form.to_stock(lane.network, run.weights).predict_on_batch(x.toarray()[held])
        loss = -np.log(p[np.arange(held.sum()), y[held]]).mean()
        assert loss == pytest.approx(run.curves["val_loss"][best - 1], rel=1e-4)


def test_a_lane_that_diverges_harms_nobody(data):
    x, y = data
    base = Recipe(units=(6,), batch_size=32, epochs=4, optimizer="sgd", activation="linear")
    good = lanes_of(base, 3)
    bad = lanes_of(base.but(learning_rate=1e30), 3, variant="bad")
    runs = trained(good + bad, x, y)
    assert all(same(a, b) for a, b in zip(trained(good, x, y), runs[:3], strict=True))
    for run in runs[3:]:
        assert not np.isfinite(run.curves["loss"][-1])
        assert run.epochs_run < 4


class StopAfter:
    def __init__(self, epochs: int):
        self.left = epochs

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("after", [1, 4])
def test_training_that_was_stopped_goes_on_to_the_same_numbers(after, data, tmp_path):
    x, y = data
    recipe = DROPPED.but(patience=3, epochs=6)
    lanes = lanes_of(recipe, 3)
    whole = trained(lanes, x, y)
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    with pytest.raises(Stopped):
        trained(lanes, x, y, checkpoint=checkpoint, stop=StopAfter(after))
    seen = []
    engine = Engine(x, y, rows=np.arange(ROWS), checkpoint=checkpoint)
    engine.programs = PROGRAMS[True]
    runs = engine.train(lanes, keep=lambda lane: True, on_epoch=lambda p: seen.append(p.epoch))
    assert seen[0] == after + 1
    assert all(same(a, b, 1e-12) for a, b in zip(whole, runs, strict=True))
    assert not checkpoint.path.exists()


def known(runs):
    """Of chunks, the runs that are done."""
    done = {run.seed: run for run in runs}
    return lambda lanes: [done[lane.seed] for lane in lanes if lane.seed in done] or None


@pytest.mark.parametrize("epochs", [1, 2])
def test_training_stops_in_the_last_epoch_of_a_chunk_too(epochs, data, tmp_path):
    x, y = data
    lanes, seen, done = lanes_of(DROPPED.but(epochs=epochs), 3), [], []
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    how = {"on_epoch": lambda p: seen.append(p.lanes[0].seed), "on_chunk": done.extend}
    with pytest.raises(Stopped):
        trained(lanes, x, y, how, memory=1, checkpoint=checkpoint, stop=lambda: len(seen) == epochs)
    assert seen == [1] * epochs
    assert [run.seed for run in done] == [1]
    again = trained(lanes, x, y, {**how, "known": known(done)}, memory=1, checkpoint=checkpoint)
    assert seen == [1] * epochs + [2] * epochs + [3] * epochs
    assert all(same(a, b) for a, b in zip(trained(lanes, x, y), again, strict=True))


def test_a_checkpoint_of_a_program_of_another_size_is_none(data, tmp_path, monkeypatch):
    """The last of seven lanes is alone in its chunk whether three or two train at once."""
    x, y = data
    lanes = lanes_of(DROPPED, 3, seeds=range(7))
    whole = trained(lanes, x, y)
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    for at_once, stop in ((3, StopAfter(1)), (2, lambda: False)):
        monkeypatch.setattr(plan, "lanes_at_once", lambda *given, at_once=at_once: at_once)
        try:
            last = trained(lanes, x, y, {"known": known(whole[:6])}, checkpoint=checkpoint, stop=stop)[-1]
        except Stopped:
            assert checkpoint.path.exists()
    assert same(last, whole[-1])


def test_a_checkpoint_is_read_without_a_copy(tmp_path):
    checkpoint, tree = Checkpoint(tmp_path / "checkpoint.npz"), [np.ones(1_000_000), np.ones(1_000_000)]
    checkpoint.save("tag", tree, force=True)
    tracemalloc.start()
    loaded = checkpoint.load("tag", tree)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # the arrays are 16 MB
    assert all(np.array_equal(a, b) for a, b in zip(loaded, tree, strict=True))
    assert checkpoint.load("other", tree) is None


def test_a_damaged_checkpoint_is_no_checkpoint(data, tmp_path):
    x, y = data
    lanes = lanes_of(DROPPED, 3)
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    with pytest.raises(Stopped):
        trained(lanes, x, y, checkpoint=checkpoint, stop=StopAfter(1))
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:1000])
    assert all(
        same(a, b) for a, b in zip(trained(lanes, x, y), trained(lanes, x, y, checkpoint=checkpoint), strict=True)
    )
