"""What is set beside the layers of a model: in lanes it does what it does where Keras trains the model itself."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest
import scipy.sparse as sp

from goodfit import treat
from goodfit.errors import ModelError
from goodfit.models import initial, lane_form, network, obstacles, predict
from goodfit.models import lane_layers as ll
from goodfit.models.keras_recipe import KerasRecipe
from goodfit.models.source import load_model
from goodfit.train import fused
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.lane import Lane
from goodfit.train.loop import Engine, Stopped
from test_models_table import LABELS, TABLE, Once, distance, member, net, same

L, OPT, ops = keras.layers, keras.optimizers, keras.ops


def stack(*layers):
    return keras.Sequential([keras.Input((6,)), *layers, L.Dense(3, activation="softmax")])


def hidden(**kwargs):
    return L.Dense(5, activation="relu", **kwargs)


def both(model, monkeypatch, x=TABLE, **how):
    """A run in lanes and the same run one by one; an epoch each."""
    one = net((model, x, {"optimizer": "sgd", **how}), 1)
    lanes = [Lane("v", seed, one, member(seed)) for seed in (1, 2)]
    assert obstacles.of(one) is None
    x = sp.csr_array(x) if how.get("sparse") else x
    (side, _) = Engine(x, LABELS, rows=np.arange(80)).train(lanes, keep=lambda lane: True)
    with monkeypatch.context() as patch:
        patch.setattr(obstacles, "of", lambda network: "forced")
        (apart, _) = Engine(x, LABELS, rows=np.arange(80)).train(lanes, keep=lambda lane: True)
    assert distance(apart.weights, initial.weights(one, 1)) > 1e-3
    return side, apart


def spared():
    optimizer = OPT.AdamW(0.05, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["kernel", "scale"])
    return optimizer


OPTIMIZERS = {
    "scaled loss": lambda: OPT.SGD(0.1, loss_scale_factor=1024.0),
    "a schedule of accumulated steps": lambda: OPT.SGD(
        OPT.schedules.ExponentialDecay(0.2, 1, 0.5), gradient_accumulation_steps=2
    ),
    "no decay of kernels": spared,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_in_lanes_is_that_of_keras(name, monkeypatch):
    model = stack(hidden(kernel_regularizer="l2"))
    side, apart = both(model, monkeypatch, optimizer=OPTIMIZERS[name]())
    assert same(side, apart, 2e-5)
    assert side.curves["learning_rate"] == pytest.approx(apart.curves["learning_rate"])


def test_names_without_weight_decay_stay_with_every_copy_of_the_optimizer():
    def made(names):
        model = stack(hidden())
        optimizer = OPT.AdamW(0.01, weight_decay=0.1)
        optimizer.exclude_from_weight_decay(**(names if isinstance(names, dict) else {"var_names": names}))
        model.compile(optimizer, "sparse_categorical_crossentropy")
        return KerasRecipe.of(load_model(model))

    variables = [keras.Variable(0.0, name=name) for name in ("bias", "gamma", "kernel")]
    recipe = made(["bias", "gamma"])
    changed = treat.get("lower_learning_rate").apply(recipe)
    assert changed.learning_rate < recipe.learning_rate
    for one in (recipe, changed):
        built = network.from_recipe(one, 6, 3)
        assert fused.rule_of(built.optimizer) is None
        for optimizer in (built.optimizer, lane_form.to_stock(built, initial.weights(built, 0)).optimizer):
            assert [optimizer._use_weight_decay(v) for v in variables] == [False, False, True]
    assert recipe.model == made(["gamma", "bias"]).model != made(["bias"]).model
    with pytest.raises(ModelError, match="spares single variables"):
        made({"var_list": [keras.Variable(0.0)]})


MODELS = {
    "mixed precision": lambda: stack(hidden(dtype="mixed_bfloat16"), L.Dense(4, dtype="mixed_bfloat16")),
    "a frozen normalisation without weights": lambda: stack(
        hidden(), L.BatchNormalization(center=False, scale=False, trainable=False)
    ),
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_layer_in_lanes_is_that_of_keras(name, sparse, monkeypatch):
    x = np.where(np.abs(TABLE) < 10, np.round(TABLE, 3), 1).astype(np.float32)
    side, apart = both(MODELS[name](), monkeypatch, x=x, sparse=sparse, optimizer=OPT.SGD(0.1))
    assert same(side, apart, 2e-3 if "mixed" in name else 2e-5)
    assert distance(side.weights, apart.weights) < (5e-4 if "mixed" in name else 2e-5)


def in_batch(y, p):
    """A loss whose rows count by how rare their class is among the batch."""
    share = ops.mean(y, axis=0, keepdims=True)
    return -ops.sum(y * ops.log(p + 1e-7) / (share + 0.1), -1)


def by_size(y, p):
    return -ops.sum(y * ops.log(p + 1e-7), -1) / ops.cast(ops.shape(y)[0], "float32")


def focal(y, p):
    return -ops.sum(y * (1 - p) ** 2 * ops.log(p + 1e-7), -1)


class Focal(keras.losses.Loss):
    def call(self, y, p):
        return focal(y, p)


@pytest.mark.parametrize(("loss", "lane"), [(in_batch, False), (by_size, False), (focal, True), (Focal(), True)])
def test_a_loss_that_looks_across_the_batch_is_trained_on_own_rows_alone(loss, lane):
    own = network.of(stack(hidden()), OPT.SGD(0.1), loss, 3, batch_size=20, epochs=1)
    reason = obstacles.of(own)
    assert (reason is None) == lane
    if lane:
        return
    assert f"the loss {loss.__name__} lets the rows of a batch see each other" in reason
    rows, others = np.arange(80), LABELS.copy()
    others[member(1) != 1] = 0
    runs = [Engine(TABLE, y, rows=rows).train([Lane("v", 1, own, member(1))], keep=bool)[0] for y in (LABELS, others)]
    assert distance(runs[0].weights, runs[1].weights) == 0
    held = member(1) == 2
    model = predict.model(own, runs[0].weights)
    wanted = float(ops.mean(loss(np.eye(3)[LABELS[held]], model.predict_on_batch(TABLE[held]))))
    assert runs[0].curves["val_loss"][-1] == pytest.approx(wanted, rel=1e-4)


@keras.saving.register_keras_serializable("tests")
class Stepwise(OPT.schedules.LearningRateSchedule):
    """A schedule that asks in Python."""

    def __call__(self, step):
        return 0.1 if step < 5 else 0.01

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable("tests")
class Halved(Stepwise):
    def __call__(self, step):
        return 0.1 / (1.0 + ops.cast(step, "float32"))


def test_a_schedule_that_cannot_be_traced_is_told():
    lanes = {n: network.of(stack(), OPT.SGD(s()), "mse", 3) for n, s in (("a", Stepwise), ("b", Halved))}
    assert obstacles.of(lanes["b"]) is None
    assert "the schedule Stepwise cannot be traced" in obstacles.of(lanes["a"])
    with pytest.raises(ModelError, match="Keras cannot train the model"):
        Engine(TABLE, LABELS).train([Lane("v", 1, lanes["a"], member(1))])


def test_a_layer_that_is_called_twice_draws_anew_each_time():
    x = keras.Input((400,))
    for kind in (L.Dropout(0.5), L.GaussianNoise(1.0), L.GaussianDropout(0.5), L.AlphaDropout(0.5)):
        once = network.of(keras.Model(x, L.Dense(3, activation="softmax")(kind(x))), OPT.SGD(), "mse", 3)
        h = L.Concatenate()([kind(x), kind(x)])
        twice = network.of(keras.Model(x, L.Dense(3, activation="softmax")(h)), OPT.SGD(), "mse", 3)
        drawn = []
        for one in (once, twice):
            form = lane_form.of(one, sparse=False)
            place = next(i for i, layer in enumerate(form.model.layers) if isinstance(layer, L.Dense))
            noisy = keras.Model(form.model.inputs, form.model.layers[place].input)
            with ll.open_scope(ll.Scope({"0": 0.5}, jnp.ones(2), jnp.uint32(3))):
                drawn.append(np.asarray(noisy([np.ones((2, 400), np.float32)], training=True)))
        first, second = np.split(drawn[1], 2, axis=1)
        assert np.array_equal(first, drawn[0])
        assert np.mean(first != second) > 0.3


def test_weights_of_bfloat16_are_kept_and_taken_up_again(tmp_path):
    own = network.of(
        stack(hidden(dtype="bfloat16"), L.Dense(4, dtype="bfloat16")), OPT.SGD(0.1), "mse", 3, epochs=3, patience=3
    )
    lanes = [Lane("v", seed, own, member(seed)) for seed in (1, 2)]
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    (whole, _) = Engine(TABLE, LABELS).train(lanes, keep=bool)
    with pytest.raises(Stopped):
        Engine(TABLE, LABELS, checkpoint=checkpoint, stop=Once()).train(lanes, keep=bool)
    seen = []
    engine = Engine(TABLE, LABELS, checkpoint=checkpoint)
    (again, _) = engine.train(lanes, keep=bool, on_epoch=lambda p: seen.append(p.epoch))
    assert seen[0] == 2
    assert distance(*([np.asarray(w, np.float32) for w in run.weights] for run in (whole, again))) == 0
    model = predict.model(own, predict.unpacked(predict.packed(whole.weights)))
    assert [v.dtype for v in model.weights].count("bfloat16") == 4
    assert all(np.array_equal(np.asarray(v), w) for v, w in zip(model.weights, whole.weights, strict=True))
