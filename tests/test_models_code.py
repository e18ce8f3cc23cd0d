"""Models that differ in their own code only are different models; the same code is the same model in every process."""

import os
import subprocess
import sys

import keras
import numpy as np
import polars as pl
import pytest

from goodfit import job
from goodfit.models.keras_recipe import KerasRecipe
from goodfit.models.source import load_model

pytestmark = pytest.mark.filterwarnings("ignore:The object being serialized")  # a lambda
L, ops = keras.layers, keras.ops

SCRIPT = """
import jax, keras, numpy as np
L, ops = keras.layers, keras.ops
GAMMA = 2.0
SHARES = np.asarray([0.2, 0.3, 0.5])
def powered(x):
    "What it does."
    return x**GAMMA if x is not None else {"a", "b", "c"}
def focal(alpha=0.25):
    def loss(y, p):
        return -ops.sum(alpha * SHARES * y * powered(1 - p) * ops.log(p + 1e-7), -1)
    return loss
@jax.jit
def twice(x):
    return 2 * x
def bent(x):
    return ops.relu(x)
class Weighted(keras.losses.Loss):
    def __init__(self, gamma=1.0):
        super().__init__()
        self.gamma = gamma
    def call(self, y, p):
        return self.gamma * ops.sum(y * (1 - p), -1)
class Scale(L.Layer):
    def call(self, x):
        return 3 * x
class Start(keras.initializers.RandomNormal):
    def __call__(self, shape, dtype=None):
        return 2 * super().__call__(shape, dtype)
@keras.saving.register_keras_serializable("tests")
class Decay(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1 / (1 + step)
    def get_config(self):
        return {}
class Own(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.out = L.Dense(16), L.Dense(3, activation="softmax")
    def call(self, x):
        return self.out(self.hidden(x))
    def train_step(self, *args, **kwargs):
        return super().train_step(*args, **kwargs)
def stack(loss, rate=0.1):
    layers = [L.Dense(4, activation=bent, kernel_initializer=Start()), Scale(), L.Lambda(twice)]
    model = keras.Sequential([keras.Input((4,)), *layers, L.Lambda(lambda x: x + 1), L.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(rate), loss)
    return model
def build():
    return stack(focal(), Decay())
def weighted():
    return stack(Weighted())
def own():
    model = Own()
    model(np.zeros((1, 4), np.float32))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model
"""
NAMES = ("build", "weighted", "own")
CHANGES = [  # what is changed into what, and which models that changes
    ("GAMMA = 2.0", "GAMMA = 3.0", "build"),
    ("[0.2, 0.3, 0.5]", "[0.2, 0.2, 0.6]", "build"),
    ("x**GAMMA", "(1 + x)**GAMMA", "build"),
    ("alpha=0.25", "alpha=0.5", "build"),
    ("return 2 * x", "return 3 * x", "build weighted"),
    ("ops.relu", "ops.tanh", "build weighted"),
    ("x + 1", "x + 2", "build weighted"),
    ("3 * x", "4 * x", "build weighted"),
    ("2 * super", "3 * super", "build weighted"),
    ("0.1 / (1 + step)", "0.1 / (2 + step)", "build"),
    ("gamma=1.0", "gamma=2.0", "weighted"),
    ("y * (1 - p)", "y * (2 - p)", "weighted"),
    ("L.Dense(16)", "L.Dense(64)", "own"),
    ("super().train_step(*args, **kwargs)", "super().train_step(*args)", "own"),
    ("GAMMA = 2.0", "GAMMA = 2.0  # as they all do", ""),
    ("What it does.", "What it did.", ""),
    ("SHARES = ", "\n\n\nSHARES = ", ""),
]


def fingerprints(path) -> dict[str, str]:
    return {name: KerasRecipe.of(load_model(f"{path}:{name}")).model for name in NAMES}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "nets.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def was(script):
    return fingerprints(script)


@pytest.mark.parametrize(("old", "new", "changed"), CHANGES)
def test_what_changes_the_numbers_makes_another_model_and_nothing_else_does(old, new, changed, was, tmp_path):
    assert SCRIPT.count(old) == 1
    (tmp_path / "other.py").write_text(SCRIPT.replace(old, new))
    now = fingerprints(tmp_path / "other.py")
    assert {name for name in NAMES if was[name] != now[name]} == set(changed.split())


def test_the_same_code_is_the_same_model_in_another_process(was, script):
    code = f"import sys\nsys.path.insert(0, {os.path.dirname(__file__)!r})\nimport test_models_code as t\n"
    code += "print(t.fingerprints(sys.argv[1]))"
    for salt in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": salt}
        done = subprocess.run(
            [sys.executable, "-c", code, str(script)], capture_output=True, text=True, check=False, env=env
        )
        assert done.stdout.strip() == str(was), done.stderr


def test_each_of_two_models_in_one_process_is_trained_itself(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 4)).astype(np.float32), np.arange(90) % 3
    curves = []
    for loss in (lambda y, p: ops.sum(y * (1 - p), -1), lambda y, p: ops.sum(y * (1 - p) ** 4, -1)):
        model = keras.Sequential([keras.Input((4,)), L.Dense(3, activation="softmax")])
        model.compile("sgd", loss)
        out = tmp_path / str(len(curves))
        job.fit((x, y), model=model, out=out, seeds=4, epochs=2, treatments=[])
        curves.append(pl.read_parquet(out / "history.parquet")["loss"])
    assert not np.allclose(*curves)
