"""The table of models: each holds the laws of the lanes, whatever it is made of.

A lane is what the same Keras model gives trained alone on the same batches; neither the order of lanes, nor how they
are chunked, nor rows that they do not use change anything; it compiles once and goes on exactly from a checkpoint.
"""

from functools import partial

import keras
import numpy as np
import pytest

from goodfit.models import initial, lane_form, network, noise
from goodfit.train import plan, program
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.chunk import Stream
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine, Stopped
from runs import distance, same

L = keras.layers
ROWS, BATCH, OWN = 87, 20, 14  # rows in all and of a batch, and how many of a full batch are a lane's own
ORDER = Stream(np.arange(ROWS), np.arange(ROWS), BATCH, 0).epoch(1)  # the last batch is not full
WILD = ORDER[:-1, -1]  # rows of batches that no lane uses
USED = np.setdiff1d(np.arange(ROWS), WILD)
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(ROWS, 6)).astype(np.float32)
IMAGES = RNG.normal(size=(ROWS, 6, 5, 2)).astype(np.float32)
TABLE[WILD] = IMAGES[WILD] = 1e6
WORDS = RNG.integers(1, 12, (ROWS, 7)) * (np.arange(7) < RNG.integers(2, 8, (ROWS, 1)))
LABELS = RNG.integers(0, 3, ROWS)
WEIGHTS = RNG.uniform(0.5, 2, ROWS).astype(np.float32)


def images():
    x = keras.Input((6, 5, 2))
    h = L.Conv2D(3, 3, padding="same", use_bias=False)(x)
    h = L.ReLU()(L.BatchNormalization(momentum=0.7)(h))
    h = L.MaxPooling2D(2)(h)
    h = L.SeparableConv2D(4, 2, activation="relu")(h)
    h = L.BatchNormalization(scale=False)(L.Flatten()(h))
    return keras.Model(x, L.Dense(3, activation="softmax")(h)), IMAGES, {}


def filters():
    """Convolutions by tiles, with a maximum that is taken with them and with one that is not."""
    x = keras.Input((6, 5, 2))
    h = L.Conv2D(17, 3, padding="same", activation="relu")(x)
    h = L.Add()([h, L.Conv2D(17, 3, padding="same")(h)])
    apart = L.Conv2D(16, 3, padding="same", activation="relu")(h)
    block = keras.Sequential(
        [keras.Input((6, 5, 16)), L.Conv2D(18, 3, padding="same", use_bias=False), L.MaxPooling2D()]
    )
    h = L.Concatenate()([block(apart), L.MaxPooling2D()(apart)])
    h = L.Conv2D(16, 2, activation="relu")(h)
    # SGD: an adaptive rule would blow rounding up to whole steps
    return keras.Model(x, L.Dense(3, activation="softmax")(L.Flatten()(h))), IMAGES, {"optimizer": "sgd"}


def words():
    x = keras.Input((7,), dtype="int32")
    h = L.Embedding(12, 4, mask_zero=True)(x)
    conv = L.GlobalMaxPooling1D()(L.Conv1D(3, 2, activation="relu")(L.Embedding(12, 4)(x)))
    recurrent = [L.Bidirectional(L.LSTM(2))(h), L.GRU(3)(h), L.GlobalAveragePooling1D()(h)]
    h = L.LayerNormalization()(L.Concatenate()([*recurrent, conv]))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 30, warmup_steps=3), clipnorm=0.5)
    return keras.Model(x, L.Dense(3)(h)), WORDS, {
        "optimizer": optimizer,
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }  # fmt: skip


def attention():
    x = keras.Input((7,), dtype="int32")
    h = L.Embedding(12, 4)(x)
    h = L.LayerNormalization()(h + L.MultiHeadAttention(2, 2)(h, h))
    h = L.TimeDistributed(L.Dense(3, activation="tanh"))(h)
    h = L.GlobalAveragePooling1D()(h)
    return keras.Model(x, L.Dense(3, activation="softmax")(h)), WORDS, {
        "optimizer": keras.optimizers.AdamW(0.01, weight_decay=0.05, use_ema=True, ema_momentum=0.6),
    }  # fmt: skip


def two_inputs():
    a, b = keras.Input((6,), name="a"), keras.Input((2,), name="b")
    shared = L.Dense(4, activation="relu")
    block = keras.Sequential([keras.Input((4,)), L.Dense(4, activation="elu"), L.BatchNormalization()])
    h = shared(a)
    h = L.Add()([h, block(h)])
    h = L.Concatenate()([h, shared(L.Dense(6)(b))])
    model = keras.Model({"a": a, "b": b}, L.Dense(1, activation="sigmoid")(h))
    # SGD: an adaptive rule would blow the rounding of batch normalisation's smallest gradients up to whole steps
    return model, (TABLE, np.tanh(TABLE[:, :2])), {"loss": "binary_crossentropy", "optimizer": "sgd", "classes": 2}


def penalties():
    normalization = L.Normalization()
    normalization.adapt(TABLE[USED])
    frozen = L.Dense(6, activation="tanh", trainable=False)
    penalty = keras.regularizers.L1L2(0.01, 0.02)
    stack = [
        normalization,
        frozen,
        L.Dense(5, activation="relu", kernel_regularizer=penalty, bias_regularizer="l2", kernel_constraint="max_norm"),
        L.Dense(5, kernel_regularizer="orthogonal_regularizer", activity_regularizer=keras.regularizers.L1(0.05)),
        L.ActivityRegularization(l2=0.1),
        L.Dense(3, activation="softmax", kernel_constraint=keras.constraints.UnitNorm()),
    ]
    model = keras.Sequential([keras.Input((6,)), *stack])
    return (
        model,
        TABLE,
        {"class_weight": (0.5, 1.0, 3.0), "weighted": True, "optimizer": keras.optimizers.SGD(0.1, 0.9)},
    )


def noises():
    stack = [
        L.Dense(8, activation="selu"),
        L.AlphaDropout(0.2),
        L.Dropout(0.3),
        L.GaussianDropout(0.2),
        L.GaussianNoise(0.1),
        L.Reshape((4, 2)),
        L.SpatialDropout1D(0.4),
        L.Reshape((2, 2, 2)),
        L.SpatialDropout2D(0.2),
        L.Reshape((2, 1, 2, 2)),
        L.SpatialDropout3D(0.2),
        L.Flatten(),
        L.Dense(3, activation="softmax"),
    ]
    return keras.Sequential([keras.Input((6,)), *stack]), TABLE, {"optimizer": "rmsprop"}


def overlap():
    """A loss that is one number for all rows."""
    model = keras.Sequential([keras.Input((6,)), L.Dense(5, activation="tanh"), L.Dense(3, activation="softmax")])
    return (
        model,
        TABLE,
        {
            "loss": keras.losses.Dice(),
            "one_hot": True,
            "class_weight": (0.5, 1.0, 3.0),
            "weighted": True,
            "optimizer": keras.optimizers.SGD(0.5),
        },
    )


MODELS = {f.__name__: f for f in (images, filters, words, attention, two_inputs, penalties, noises, overlap)}


def places(lane: int) -> np.ndarray:
    """Where in each batch of the first epoch a lane's own rows stand."""
    place = np.arange(BATCH)
    return np.flatnonzero(((place + 5 * lane) % BATCH < 15) & (place < BATCH - 1))


def member(lane: int) -> np.ndarray:
    """Roles of the rows: own ones by their places, the others held out, the wild ones unused."""
    roles = np.full(ROWS, VALIDATION, np.uint8)
    own = ORDER[:, places(lane)]
    roles[own[own >= 0]] = TRAIN
    roles[WILD] = 0
    return roles


def net(made, epochs: int) -> network.Network:
    model, _, how = made
    loss = how.get("loss", "sparse_categorical_crossentropy")
    optimizer = keras.optimizers.get(how.get("optimizer", "adam"))
    options = {"batch_size": OWN, "epochs": epochs, "patience": 2, "class_weight": how.get("class_weight")}
    return network.of(model, optimizer, loss, how.get("classes", 3), **options)


def given(x, rows):
    """These rows as the model takes them."""
    return {k: a[rows] for k, a in zip(("a", "b"), x, strict=True)} if isinstance(x, tuple) else x[rows]


class Once:
    """Says stop after the first epoch."""

    def __call__(self) -> bool:
        return True


def drawn_by_the_lane(monkeypatch, model, lane):
    """Let Keras's own noise layers draw what this lane draws, for its own rows of each batch."""
    salts = {}
    for salt, layer in enumerate(model.layers):
        if hasattr(layer, "seed_generator"):
            layer.seed_generator.state.assign([lane.seed, 0])
            salts[id(layer.seed_generator)] = salt

    def draw(what, shape, seed):
        state = seed.next()
        key = noise.key(noise.key(state[0], state[1]), salts[id(seed)])
        return what(key, (BATCH, *shape[1:]))[places(lane.seed)[: shape[0]]]

    def dropout(inputs, rate, noise_shape=None, seed=None):
        shape = [n if m is None else m for n, m in zip(inputs.shape, noise_shape or [None] * inputs.ndim, strict=True)]
        kept = draw(lambda key, shape: noise.at_least(key, shape, np.float32(rate)), shape, seed)
        return keras.ops.where(kept, inputs / (1 - rate), 0)

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        return mean + stddev * draw(noise.normal, shape, seed)

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return draw(noise.uniform, shape, seed)

    for function in (dropout, normal, uniform):
        monkeypatch.setattr(f"keras.src.backend.random.{function.__name__}", function)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_holds_the_laws_of_the_lanes(name, tmp_path, monkeypatch):
    made = MODELS[name]()
    # Idle places leave when measured time says so, into a program that is compiled for fewer: not what is asked here.
    monkeypatch.setattr(Engine, "_let_leave", lambda self, chunk, part, wasted: wasted)
    monkeypatch.setattr(plan, "evaluation_rows", lambda *how: 32)  # several blocks, the last not full
    # JAX counts what it compiles by function, and programs share this one: here it is the test's own.
    monkeypatch.setattr(program, "_keep", partial(program._keep))
    x, how = made[1], made[2]
    y = LABELS % how.get("classes", 3)
    weights = WEIGHTS if how.get("weighted") else None
    short, long = net(made, 1), net(made, 2)
    room = 2 * plan.lane_bytes(long, len(y), BATCH)
    programs: dict = {}

    def train(lanes, on_epoch=lambda progress: None, **kwargs):
        engine = Engine(x, y, sample_weight=weights, rows=np.arange(ROWS), **{"memory": room, **kwargs})
        engine.programs = programs
        return engine.train(lanes, keep=lambda lane: True, on_epoch=on_epoch)

    def compiled():
        (made,) = programs.values()
        return [part._cache_size() for part in (made.epoch, made.evaluate, made.keep)]

    lanes = [Lane("v", seed, long, member(seed)) for seed in (1, 2, 3)]
    there = train(lanes)  # 1 2, 3 and an idle lane
    back = train(lanes[::-1])[::-1]  # 3 2, 1 and an idle lane
    assert all(same(a, b) for a, b in zip(there, back, strict=True))
    assert distance(there[0].weights, there[1].weights) > 1e-3

    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    with pytest.raises(Stopped):
        train(lanes[:2], checkpoint=checkpoint, stop=Once())
    epochs = []
    again = train(lanes[:2], checkpoint=checkpoint, on_epoch=lambda p: epochs.append(p.epoch))
    assert epochs == [2]
    assert all(same(a, b, 1e-12) for a, b in zip(there[:2], again, strict=True))

    lane = Lane("v", 1, short, member(1))
    run, _ = train([lane, Lane("v", 2, short, member(2))])
    assert compiled() == [1, 1, 1]
    whole = train(lanes, memory=None)
    assert compiled() == [2, 2, 2]  # for three lanes at once
    assert all(same(a, b) for a, b in zip(there, whole, strict=True))

    start = initial.weights(short, 1)
    assert distance(start, initial.weights(short, 2)) > 0.01
    model = lane_form.to_stock(short, start)
    drawn_by_the_lane(monkeypatch, model, lane)
    target = np.eye(3)[y] if how.get("one_hot") else y
    for rows in ORDER:
        own = rows[(rows >= 0) & (lane.member[rows] == TRAIN)]
        weight = None if weights is None else weights[own] * np.asarray(how["class_weight"])[y[own]]
        model.train_on_batch(given(x, own), target[own], sample_weight=weight)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    assert distance(run.weights, model.weights) < 2e-5
    assert distance(run.weights, start) > 1e-3
    for name, role in (("train", TRAIN), ("val", VALIDATION)):
        rows = np.flatnonzero(lane.member == role)
        p = np.asarray(model(given(x, rows)))
        right = (p[:, 0] > 0.5) == y[rows] if p.shape[1] == 1 else p.argmax(1) == y[rows]
        assert run.curves[f"{name}_accuracy"][-1] == pytest.approx(right.mean())
        loss = model.loss if callable(model.loss) else keras.losses.get(model.loss)
        expected = float(np.mean(loss(target[rows], p)))
        assert run.curves[f"{name}_loss"][-1] == pytest.approx(expected, rel=1e-4)
