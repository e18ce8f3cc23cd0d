"""`Doctor` and `goodfit run` on Keras's other backends.

A backend that is not installed beside the tests is looked for in the Python that GOODFIT_TENSORFLOW or GOODFIT_TORCH
names, and skipped where there is none.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import goodfit

WATCHED = """
import sys
import keras, numpy as np
import goodfit

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 6)).astype("float32")
y = (x[:, 0] > 0).astype("int64")


def fit(dead, callbacks, inside=(keras.Input((6,)),)):
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, "relu", bias_initializer=keras.initializers.Constant(-60 if dead else 0))
    body = [hidden, keras.layers.BatchNormalization(), keras.layers.Dropout(0.3), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([*inside, *body])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=3, validation_split=0.5, verbose=0, callbacks=callbacks)
    return model.get_weights()


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(8, "relu", bias_initializer=keras.initializers.Constant(-60))
        self.end = keras.layers.Dense(1, "sigmoid")

    def call(self, x):
        return self.end(self.inner(x))


doctor = goodfit.Doctor(quiet=True)
alone, watched = fit(False, []), fit(False, [doctor])
assert all(np.array_equal(a, b) for a, b in zip(alone, watched, strict=True))
inner = {"dying_relu", "vanishing_gradient", "exploding_gradient"}
assert not inner & {f.code for f in doctor.findings if f.severity != "info"}, doctor.findings
measured = {k.split("/")[0] for k in doctor._points[-1]}
assert {"gradient_norm", "weight_change", "dead_units"} <= measured, measured
for inside in ((keras.Input((6,)),), ()):  # without an input the first step builds the model
    fit(True, [doctor], inside)
    assert doctor.status == "dying_relu", doctor.findings
own = Own()
own.compile("adam", "binary_crossentropy")
own.fit(x, y, epochs=3, verbose=0, callbacks=[doctor])
assert doctor.status == "dying_relu", doctor.findings
assert not doctor._off
assert keras.backend.backend() == sys.argv[1]
"""

LOADED_LATE = """
from goodfit.doctor.watch import Watch
watch = Watch()
import tensorflow as tf
import numpy as np
x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
model = tf.keras.Sequential([tf.keras.layers.Dense(2, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, (x[:, 0] > 0).astype("int64"), verbose=0)
assert watch.fits == 1
"""


def python(backend, script, cwd):
    given = os.environ.get(f"GOODFIT_{backend.upper()}")
    if given is None and importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed, and GOODFIT_{backend.upper()} names no Python that has it")
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    env |= {"KERAS_BACKEND": backend, "PYTHONPATH": str(Path(goodfit.__file__).parents[1])}
    command = [given or sys.executable, "-c", script, backend]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_every_backend_is_watched_and_left_alone(backend, tmp_path):
    python(backend, WATCHED, tmp_path)


def test_keras_is_watched_where_tensorflow_loads_it(tmp_path):
    assert "goodfit: 1 epoch watched" in python("tensorflow", LOADED_LATE, tmp_path)
