"""Lanes that are done leave the program: the others do not notice, and it is done when it pays."""

import time

import jax
import numpy as np
import pytest
import scipy.sparse as sp

from goodfit.models import network
from goodfit.models.recipe import Recipe
from goodfit.train import pace
from goodfit.train.checkpoint import Checkpoint
from goodfit.train.chunk import Chunk
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine, Stopped
from goodfit.train.pace import Pace, Part
from runs import same

ROWS, FEATURES = 120, 30
RNG = np.random.default_rng(0)
X = sp.csr_array((RNG.random((ROWS, FEATURES)) < 0.2).astype(np.float32))
Y = RNG.integers(0, 3, ROWS)
RECIPES = {
    "early stopping": Recipe(units=(8,), batch_size=16, epochs=15, learning_rate=0.02, patience=3, dropout=0.2),
    "epochs of their own": Recipe(units=(8,), batch_size=16, epochs=3, batch_normalization=True, optimizer="adam"),
}
PROGRAMS: dict = {}


def lanes_of(name: str) -> list[Lane]:
    recipe, lanes = RECIPES[name], []
    for seed in range(1, 6):
        epochs = recipe.epochs if recipe.patience else recipe.epochs + 2 * (seed == 4)
        member = np.full(ROWS, TRAIN, np.uint8)
        member[np.random.default_rng(seed).permutation(ROWS)[:30]] = VALIDATION
        lanes.append(Lane("v", seed, network.from_recipe(recipe.but(epochs=epochs), FEATURES, 3), member))
    return lanes


def train(lanes, x=X, cost=0.0, **kwargs):
    """Train, where another program costs so many seconds; also gives how many lanes each epoch's program had."""
    engine = Engine(x, Y, **kwargs)
    engine.programs = PROGRAMS.setdefault(hasattr(x, "tocsr"), {})
    engine.pace.compilation = lambda part, size=None: cost
    engine.pace.gain = lambda part, size, fewer: 1.0
    sizes = []
    done = engine.pace.epoch_done
    engine.pace.epoch_done = lambda part, size, began: (sizes.append(size), done(part, size, began))
    return engine.train(lanes, keep=lambda lane: lane.seed != 2), sizes


@pytest.mark.parametrize("x", [X, X.toarray()], ids=["sparse", "dense"])
@pytest.mark.parametrize("name", RECIPES)
def test_lanes_do_not_notice_that_others_leave(name, x):
    lanes = lanes_of(name)
    whole, sizes = train(lanes, x, cost=np.inf)
    assert set(sizes) == {5}
    fewer, sizes = train(lanes, x)
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 1
    assert sizes[-1] < 3
    assert all(same(a, b, 2e-5) for a, b in zip(whole, fewer, strict=True))
    assert [run.weights is None for run in fewer] == [False, True, False, False, False]


def test_best_weights_that_nobody_wants_are_not_copied(monkeypatch):
    copied = []
    monkeypatch.setattr(Chunk, "_final", lambda self: copied.append(1))
    engine = Engine(X, Y)
    engine.programs = PROGRAMS.setdefault(True, {})
    engine.pace.compilation, engine.pace.gain = lambda part, size=None: 0.0, lambda part, size, fewer: 1.0
    runs = engine.train(lanes_of("early stopping"))
    assert len({run.epochs_run for run in runs}) > 1
    assert not copied


@pytest.mark.parametrize("more", [0, 1])
def test_training_that_was_stopped_goes_on_in_the_smaller_program(more, tmp_path):
    lanes = lanes_of("early stopping")
    whole, sizes = train(lanes)
    after = sum(size == 5 for size in sizes) + more
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz")
    asked = iter(range(1, 100))
    with pytest.raises(Stopped):
        train(lanes, checkpoint=checkpoint, stop=lambda: next(asked) == after)
    again, rest = train(lanes, checkpoint=checkpoint)
    assert rest == sizes[after:] != []
    assert rest[0] < 5
    assert all(same(a, b, 1e-12) for a, b in zip(whole, again, strict=True))


def test_lanes_leave_when_that_pays():
    lanes = lanes_of("epochs of their own")  # 3 epochs, one lane 5: for two epochs a second each is saved
    assert train(lanes, cost=1.9)[1] == [5, 5, 5, 1, 1]
    assert train(lanes, cost=2.1)[1] == [5, 5, 5, 5, 5]


def test_chunks_are_halved():
    assert [pace.fewer(29, n) for n in (29, 16, 15, 14, 8, 7, 4, 2, 1, 0)] == [29, 29, 15, 15, 8, 8, 4, 2, 1, 1]


def test_compilation_is_told_from_training():
    lanes = Part("s", 4, 1000, 5)
    kept = Pace()
    began = time.perf_counter()
    jax.jit(lambda a: jax.numpy.linalg.svd(a * began)[1])(np.eye(9, dtype=np.float32)).block_until_ready()
    time.sleep(0.2)
    took = time.perf_counter() - began
    kept.epoch_done(lanes, 4, began)
    assert kept.epoch(lanes) >= 0.2
    assert kept.epoch(lanes) + kept.compilations["s", 4] == pytest.approx(took, abs=0.02)
    assert kept.compilations["s", 4] > 0
    assert kept.epoch(lanes, 2) == pytest.approx(kept.epoch(lanes) / 2)
    assert kept.compilation(lanes) == 0
    assert kept.compilation(lanes, 2) == kept.compilations["s", 4]
    assert kept.left(lanes, 4, 3, []) == pytest.approx(2 * kept.epoch(lanes))
    other = Part("t", 4, 1000, 2)
    more = 2 * kept.epoch(lanes) + kept.compilations["s", 4]
    assert kept.left(lanes, 4, 5, [other]) == pytest.approx(more)
    assert kept.ahead([other]) == pytest.approx(more)
