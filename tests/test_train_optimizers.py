"""Every optimizer through whole trainings: each lane as alone, whatever stands still, and on from a checkpoint."""

import keras
import numpy as np
import pytest

from goodfit.models import initial, network
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.chunk import Stream
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine, Stopped
from runs import distance, same
from test_models_optimizers import OPTIMIZERS

ROWS, TRAINED, FEW, BATCH = 30, 24, 2, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4)).astype(np.float32)
Y = RNG.integers(0, 3, ROWS)
NUMBERS = [name for name, make in OPTIMIZERS.items() if isinstance(make(0.1)._learning_rate, keras.Variable)]
ODD = {"adam overwritten by its average", "adam accumulating", "nadam", "adafactor", "muon", "schedule-free"}
"""Those whose state is more than some slots of each weight."""


def lanes_of(make) -> list[Lane]:
    """A lane that trains for four epochs, one for two and not in every batch, and one that blows up at once."""

    def lane(seed, rate, epochs, own):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        loss = "sparse_categorical_crossentropy"
        net = network.of(model, make(rate), loss, 3, batch_size=BATCH, epochs=epochs)
        member = np.repeat(np.uint8([TRAIN, 0, VALIDATION]), [own, TRAINED - own, ROWS - TRAINED])
        return Lane("v", seed, net, member)

    return [lane(1, 0.05, 4, TRAINED), lane(2, 0.2, 2, FEW), lane(3, -float("inf"), 4, TRAINED)]


def alone(lane: Lane, stream: Stream) -> list[keras.Variable]:
    """Weights by Keras's optimizer and gradients of the cross-entropy that are worked out by hand."""
    own_optimizer, start = lane.network.optimizer, initial.weights(lane.network, lane.seed)
    kernel, bias = weights = [keras.Variable(w, name=n) for w, n in zip(start, ("kernel", "bias"), strict=True)]
    optimizer = type(own_optimizer).from_config(own_optimizer.get_config())
    optimizer.build(weights)
    for epoch in range(1, lane.network.epochs + 1):
        for rows in stream.epoch(epoch):
            own = rows[(rows >= 0) & (lane.member[rows] == TRAIN)]
            if len(own):
                p = np.exp(X[own] @ np.asarray(kernel) + np.asarray(bias))
                error = (p / p.sum(1, keepdims=True) - np.eye(3)[Y[own]]).astype(np.float32)
                optimizer.apply([keras.ops.array(X[own].T @ error / len(own)), keras.ops.array(error.mean(0))], weights)
    optimizer.finalize_variable_values(weights)
    return weights


@pytest.mark.parametrize("name", NUMBERS)
def test_a_lane_of_every_optimizer_is_what_it_is_alone(name, tmp_path, monkeypatch):
    lanes, programs, epochs = lanes_of(OPTIMIZERS[name]), {}, []
    leaves = []  # epochs after which lanes that are done leave, whatever time says

    def let_leave(self, chunk, part, wasted):
        if chunk.epoch in leaves:
            chunk.leave(1)
        return 0.0

    monkeypatch.setattr(Engine, "_let_leave", let_leave)

    def trained(**kwargs):
        engine = Engine(X, Y, **kwargs)
        engine.programs = programs
        return engine.train(lanes, keep=lambda lane: True, on_epoch=lambda p: epochs.append(p.epoch))

    whole, stream = trained(), Stream.of(lanes, 0)
    in_batches = [(lanes[1].member[rows] == TRAIN).any() for epoch in (1, 2) for rows in stream.epoch(epoch)]
    assert 0 < np.mean(in_batches) < 1
    assert [run.epochs_run for run in whole] == [4, 2, 1]
    for lane, run in zip(lanes[:2], whole, strict=False):
        assert distance(run.weights, alone(lane, stream)) < 2e-5
        assert distance(run.weights, initial.weights(lane.network, lane.seed)) > 1e-4
    assert not np.isfinite(np.concatenate([w.ravel() for w in whole[2].weights])).all()

    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    with pytest.raises(Stopped):
        trained(checkpoint=checkpoint, stop=lambda: epochs[-1] == 2)
    again = trained(checkpoint=checkpoint)
    assert epochs == [1, 2, 3, 4, 1, 2, 3, 4]
    assert all(same(a, b, 1e-12) for a, b in zip(whole[:2], again, strict=False))
    assert [p.epoch._cache_size() for p in programs.values()] == [1]

    if name in ODD:
        leaves.append(2)
        assert all(same(a, b) for a, b in zip(whole[:2], trained(), strict=False))
        assert [p.epoch._cache_size() for p in programs.values()] == [2]
