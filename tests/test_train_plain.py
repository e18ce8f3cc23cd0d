import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from goodfit.models import network
from goodfit.models.recipe import Recipe
from goodfit.train import kernels
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine

pytestmark = pytest.mark.skipif(not kernels.native(), reason="extension not built")

ROWS, WORDS = 90, 60
RNG = np.random.default_rng(0)
WEIGHTED = csr_array(random_array((ROWS, WORDS), density=0.15, rng=RNG, dtype=np.float32))
ONES = csr_array((np.ones_like(WEIGHTED.data), WEIGHTED.indices, WEIGHTED.indptr), shape=WEIGHTED.shape)
MANY = csr_array((WEIGHTED.data, WEIGHTED.indices * 1150, WEIGHTED.indptr), shape=(ROWS, 70_000))
COLUMNS = RNG.normal(size=(ROWS, 12)).astype(np.float32)
TWO, FIVE = RNG.integers(0, 2, ROWS), RNG.integers(0, 5, ROWS)
BASE = Recipe(units=(16, 16), batch_size=16, epochs=3, learning_rate=0.01)

CASES = {
    "words": (BASE, ONES, TWO),
    "weighted words": (BASE, WEIGHTED, TWO),
    "sgd": (BASE.but(optimizer="sgd"), ONES, TWO),
    "momentum": (BASE.but(optimizer="momentum"), ONES, TWO),
    "adam": (BASE.but(optimizer="adam"), ONES, TWO),
    "adamw": (BASE.but(optimizer="adamw", weight_decay=0.1), ONES, TWO),
    "more words than 16 bits number": (BASE.but(units=(4,)), MANY, TWO),
    "4 units": (BASE.but(units=(4,)), ONES, TWO),
    "odd units": (BASE.but(units=(7, 3)), WEIGHTED, TWO),
    "tiles": (BASE.but(units=(64, 20), label_smoothing=0.1), ONES, FIVE),
    "one hidden unit": (BASE.but(units=(20, 1)), ONES, TWO),
    "linear": (BASE.but(units=()), ONES, TWO),
    "linear columns": (BASE.but(units=()), COLUMNS, FIVE),
    "penalties": (BASE.but(l1=0.001, l2=0.01), ONES, TWO),
    "normalised words": (BASE.but(batch_normalization=True), ONES, TWO),
    "columns": (BASE.but(optimizer="sgd", label_smoothing=0.2), COLUMNS, TWO),
    "the lot": (BASE.but(units=(33, 18), batch_normalization=True, optimizer="momentum", dropout=0.3), COLUMNS, FIVE),
    "patience": (BASE.but(patience=1, epochs=6), ONES, TWO),
}


def lanes_of(recipes, x, y, **options):
    for seed, recipe in enumerate(recipes):
        member = np.where(np.random.default_rng(seed).random(ROWS) < 0.25, VALIDATION, TRAIN).astype(np.uint8)
        net = network.from_recipe(recipe, x.shape[1], int(y.max()) + 1, **options)
        yield Lane("v", seed, net, member)


def trained(monkeypatch, native, x, y, lanes):
    monkeypatch.setenv("GOODFIT_NATIVE", native)
    engine = Engine(x, y)
    runs = engine.train(list(lanes), keep=lambda lane: True)
    return runs, [program.plain for program in engine.programs.values()]


def assert_equal_runs(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.best_epoch == b.best_epoch
        for name in a.curves:
            np.testing.assert_allclose(a.curves[name], b.curves[name], rtol=1e-5, atol=1e-6, err_msg=name)
        for u, v in zip(a.weights, b.weights, strict=True):
            np.testing.assert_allclose(u, v, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("case", CASES)
def test_plain_networks_are_trained_as_in_the_general_way(case, monkeypatch):
    recipe, x, y = CASES[case]
    lanes = list(lanes_of([recipe] * 3, x, y))
    runs, plain = trained(monkeypatch, "1", x, y, lanes)
    assert None not in plain
    assert_equal_runs(runs, trained(monkeypatch, "0", x, y, lanes)[0])


@pytest.mark.parametrize("units", [35, 37, 127])
def test_a_width_that_no_tile_divides_goes_the_general_way(units, monkeypatch):
    lanes = list(lanes_of([BASE.but(units=(units,))] * 2, ONES, TWO))
    runs, plain = trained(monkeypatch, "1", ONES, TWO, lanes)
    assert plain == [None]
    assert_equal_runs(runs, trained(monkeypatch, "0", ONES, TWO, lanes)[0])


def test_lanes_of_one_call_keep_their_own_rates(monkeypatch):
    recipes = [BASE.but(dropout=0.5, learning_rate=0.001), BASE, BASE.but(dropout=0.2, l2=0.01, label_smoothing=0.1)]
    lanes = list(lanes_of(recipes, ONES, TWO, dropout_layers=True))
    runs, plain = trained(monkeypatch, "1", ONES, TWO, lanes)
    assert len(plain) == 1
    assert_equal_runs(runs, trained(monkeypatch, "0", ONES, TWO, lanes)[0])


def test_a_batch_without_rows_of_a_lane_is_no_step_of_it(monkeypatch):
    def few():
        for lane in lanes_of([BASE.but(optimizer="sgd", batch_size=2)] * 2, ONES, TWO):
            member = lane.member.copy()
            member[6 if lane.seed else 45 :] = VALIDATION
            yield Lane("v", lane.seed, lane.network, member)

    lanes = list(few())
    runs, _ = trained(monkeypatch, "1", ONES, TWO, lanes)
    assert_equal_runs(runs, trained(monkeypatch, "0", ONES, TWO, lanes)[0])


def test_a_diverged_lane_harms_nobody(monkeypatch):
    wild = BASE.but(learning_rate=1e30, optimizer="sgd")
    sane = BASE.but(optimizer="sgd")
    runs, _ = trained(monkeypatch, "1", COLUMNS, FIVE, lanes_of([sane, wild, sane], COLUMNS, FIVE))
    among_sane, _ = trained(monkeypatch, "1", COLUMNS, FIVE, lanes_of([sane] * 3, COLUMNS, FIVE))
    assert not np.isfinite(runs[1].curves["train_loss"][-1])
    for a, b in zip(runs[::2], among_sane[::2], strict=True):
        for u, v in zip(a.weights, b.weights, strict=True):
            np.testing.assert_array_equal(u, v)


def dense(*layers, loss="binary_crossentropy"):
    model = keras.Sequential([keras.Input((WORDS,)), *layers])
    return network.of(model, keras.optimizers.SGD(0.1), loss, 2, batch_size=16, epochs=1)


NOT_PLAIN = {
    "another activation": lambda: dense(keras.layers.Dense(4, "tanh"), keras.layers.Dense(1, "sigmoid")),
    "another loss": lambda: dense(keras.layers.Dense(1, "sigmoid"), loss="hinge"),
    "logits": lambda: dense(keras.layers.Dense(1), loss=keras.losses.BinaryCrossentropy(from_logits=True)),
    "another layer": lambda: dense(
        keras.layers.Dense(4), keras.layers.LayerNormalization(), keras.layers.Dense(1, "sigmoid")
    ),
    "too wide": lambda: dense(keras.layers.Dense(512, "relu"), keras.layers.Dense(1, "sigmoid")),
    "a constraint": lambda: dense(
        keras.layers.Dense(4), keras.layers.Dense(1, "sigmoid", kernel_constraint=keras.constraints.MaxNorm(1))
    ),
    "another penalty": lambda: dense(
        keras.layers.Dense(4, activity_regularizer="l2"), keras.layers.Dense(1, "sigmoid")
    ),
    "a frozen layer": lambda: dense(
        keras.layers.Dense(4), keras.layers.Dense(4, trainable=False), keras.layers.Dense(1, "sigmoid")
    ),
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_what_is_not_plain_goes_the_general_way(kind, monkeypatch):
    member = np.where(np.arange(ROWS) % 4 == 0, VALIDATION, TRAIN).astype(np.uint8)
    runs, plain = trained(monkeypatch, "1", ONES, TWO, [Lane("v", 0, NOT_PLAIN[kind](), member)])
    assert plain == [None]
    assert np.isfinite(runs[0].curves["train_loss"]).all()


def test_rows_of_another_width_do_not_fit(monkeypatch):
    lanes = list(lanes_of([BASE], COLUMNS, TWO))
    engine = Engine(COLUMNS, TWO)
    engine.train(lanes)
    (program,) = engine.programs.values()
    assert program.plain.fits(engine.x, {}, 16)
    assert not program.plain.fits(engine.x[:, 1:], {}, 16)
    assert not program.plain.fits(kernels.SparseRows.from_scipy(ONES), {}, 16)


PROGRAM = """
import hashlib, os
from test_train_plain import BASE, COLUMNS, FIVE, ONES, TWO, assert_equal_runs, lanes_of
from goodfit.train.loop import Engine
wide = BASE.but(units=(16, 8), dropout=0.3, l2=0.001), BASE.but(units=(16, 8), batch_normalization=True, dropout=0.3)
out = []
for recipe, x, y in ((wide[0], ONES, TWO), (wide[1], COLUMNS, FIVE)):
    runs = {}
    for os.environ["GOODFIT_NATIVE"] in ("1", "0"):
        lanes = list(lanes_of([recipe] * 5, x, y))
        runs[os.environ["GOODFIT_NATIVE"]] = Engine(x, y).train(lanes, keep=lambda lane: True)
    assert_equal_runs(runs["1"], runs["0"])
    out += [a.tobytes() for run in runs["1"] for a in (*run.weights, *run.curves.values())]
print(hashlib.sha256(b"".join(out)).hexdigest())
"""


@pytest.mark.parametrize("instructions", ["avx512", "avx2", "baseline"])
def test_threads_change_no_bit(instructions):
    def run(threads):
        path = os.pathsep.join([os.path.dirname(__file__), *(p for p in sys.path if p)])
        env = {**os.environ, "PYTHONPATH": path, "NPROC": threads, "GOODFIT_SIMD": instructions}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    once = run("1")  # XLA's threads
    assert len(once.strip()) == 64
    assert run("5") == once
