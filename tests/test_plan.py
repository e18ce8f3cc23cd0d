"""The memory plan against what XLA's buffer assignment, and a process, come to."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from goodfit.models import network
from goodfit.train import plan
from goodfit.train.chunk import Chunk, Stream
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine

ROWS, BATCH, LANES = 48, 16, 3
layers = keras.layers


def stack(shape, *inner) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *inner, layers.Dense(3, "softmax")])


def attention() -> keras.Model:
    words = keras.Input((40,))
    x = layers.Embedding(100, 16)(words)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 8)(x, x))
    return keras.Model(words, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(x)))


def convolutions(count: int, *after) -> list[keras.layers.Layer]:
    return [x for _ in range(count) for x in (layers.Conv2D(16, 3, padding="same", activation="relu"), *after)]


PIXELS, WORDS = (16, 16, 1), (40,)
ADAM = keras.optimizers.Adam
KINDS = {
    "wide, sgd": (lambda: stack((60,), layers.Dense(512, "relu"), layers.Dense(512, "relu")), keras.optimizers.SGD),
    "wide, amsgrad, averaged and accumulated": (
        lambda: stack((60,), layers.Dense(256, "relu"), layers.Dense(256, "relu")),
        lambda: ADAM(amsgrad=True, use_ema=True, gradient_accumulation_steps=2),
    ),
    "max-norm": (lambda: stack((60,), layers.Dense(512, kernel_constraint="max_norm")), ADAM),
    "deep": (lambda: stack((60,), *[layers.Dense(32, "relu") for _ in range(8)]), keras.optimizers.Lion),
    "many convolutions": (lambda: stack(PIXELS, *convolutions(6), layers.GlobalMaxPooling2D()), ADAM),
    "pooled": (lambda: stack(PIXELS, *convolutions(2, layers.MaxPooling2D()), layers.Flatten()), ADAM),
    "strided": (
        lambda: stack(PIXELS, *[layers.Conv2D(16, 5, 2, "same") for _ in range(2)], layers.GlobalAveragePooling2D()),
        ADAM,
    ),
    "recurrent": (lambda: stack(WORDS, layers.Embedding(50, 8), layers.LSTM(16)), ADAM),
    "recurrent, one upon the other": (
        lambda: stack(WORDS, layers.Embedding(50, 8), layers.GRU(16, return_sequences=True), layers.SimpleRNN(16)),
        ADAM,
    ),
    "attention": (attention, ADAM),
}


def lanes_of(model, optimizer) -> list[Lane]:
    net = network.of(model, optimizer, "sparse_categorical_crossentropy", 3, batch_size=BATCH, epochs=2, patience=1)
    member = np.where(np.arange(ROWS) % 4 == 0, VALIDATION, TRAIN).astype(np.uint8)
    return [Lane("v", seed, net, member) for seed in range(LANES)]


@pytest.mark.parametrize("kind", KINDS)
def test_lanes_take_no_more_memory_than_is_planned(kind):
    build, optimizer = KINDS[kind]
    lanes = lanes_of(build(), optimizer())
    x = np.random.default_rng(0).integers(0, 50, (ROWS, *lanes[0].network.model.input_shape[1:])).astype(np.float32)
    engine, stream = Engine(x, np.arange(ROWS) % 3), Stream.of(lanes, 0)
    program = engine._program(lanes[0].network)
    chunk = Chunk(program, lanes, LANES, engine.x, engine.y, stream)
    rows, active = (engine.x, engine.y), jnp.ones(LANES, bool)
    calls = [
        program.epoch.lower(chunk.state, chunk.constants, active, *rows, stream.epoch(1)),
        program.evaluate.lower(program.kept(chunk.state), chunk.constants, *rows, chunk.blocks),
    ]
    passing = max(call.compile().memory_analysis().temp_size_in_bytes for call in calls)
    need = passing + sum(a.nbytes for a in jax.tree.leaves((chunk.state, chunk.best)))
    planned = LANES * plan.lane_bytes(lanes[0].network, ROWS, BATCH)
    assert planned / 10 < need <= planned


PROGRAM = """
import numpy as np
import test_plan
from goodfit.memory import PROGRAMS, resident
from goodfit.train import plan
from goodfit.train.loop import Engine
lanes = test_plan.lanes_of(test_plan.stack((48, 48, 1), *test_plan.convolutions(8)[:8], test_plan.layers.Flatten()), test_plan.ADAM())
lanes = [test_plan.Lane("v", seed, lanes[0].network, lanes[0].member) for seed in range(8)]
x = np.random.default_rng(0).random((test_plan.ROWS, 48, 48, 1), np.float32)
room = 4 * plan.lane_bytes(lanes[0].network, len(x), test_plan.BATCH)
engine, before = Engine(x, np.arange(len(x)) % 3, memory=room), resident()
engine.train(lanes, look=True)
with open("/proc/self/status") as file:
    peak = next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))
print(peak - before, room, PROGRAMS)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_stays_within_the_memory_that_lanes_are_given(tmp_path):
    path = os.pathsep.join([os.path.dirname(__file__), *(p for p in sys.path if p)])
    env = {**os.environ, "PYTHONPATH": path}
    out = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True).stdout
    grown, room, programs = map(int, out.split())
    assert room / 3 < grown < room + programs
