"""Initial values made the quick way are Keras's own, and no program is compiled for them."""

import os
import subprocess
import sys

import jax
import keras
import numpy as np
import pytest

from goodfit.models import copies, draws
from goodfit.models.native import native

needs_native = pytest.mark.skipif(not native(), reason="the C++ extension is not used")

SCRIPT = """
from goodfit import settings
settings.prefer_jax()
import keras, numpy as np
from goodfit.models import copies, draws
initializers = [
    keras.initializers.GlorotUniform(seed=3),
    keras.initializers.HeUniform(seed=2**32 - 1),
    keras.initializers.RandomUniform(-0.3, 0.7, seed=7),
    keras.initializers.LecunNormal(seed=5),
    keras.initializers.Orthogonal(seed=8),
    keras.initializers.Zeros(),
    keras.initializers.Ones(),
]
for initializer in initializers:
    for shape in [(1, 1), (7, 3), (1000, 33), (3, 3, 5, 4)]:
        for dtype in ["float32", "bfloat16"]:
            if dtype == "bfloat16" and type(initializer).__name__ == "Orthogonal":
                continue  # which JAX cannot do
            slow = initializer(shape, dtype=dtype)
            with draws.quick():
                quick = initializer(shape, dtype=dtype)
            assert quick.dtype == slow.dtype
            assert np.array_equal(np.asarray(quick), np.asarray(slow)), (type(initializer), shape, dtype)
"""


@needs_native
@pytest.mark.parametrize("instructions", ["baseline", "avx2", "avx512"])
def test_quick_values_are_those_of_keras_bit_for_bit(instructions):
    # Not with the flags of these tests, with which XLA does without fused multiply-add.
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    env |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "GOODFIT_SIMD": instructions}
    subprocess.run([sys.executable, "-c", SCRIPT], env=env, check=True)


def test_whole_models_get_the_same_weights():
    def build():
        keras.utils.set_random_seed(4)
        layers = keras.layers
        return keras.Sequential(
            [
                layers.Input((20, 6)),
                layers.Conv1D(5, 3, activation="relu"),
                layers.LSTM(4),
                layers.BatchNormalization(),
                layers.Dropout(0.5),
                layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=1)),
            ]
        )

    slow = build()
    with draws.quick():
        quick = build()
    for a, b in zip(slow.weights, quick.weights, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.asarray(a.value), np.asarray(b.value), rtol=0, atol=1e-7)


class Token(keras.layers.Layer):
    """Its shape is inferred with a symbol for the number of rows."""

    def call(self, x):
        rows = keras.ops.shape(x)[0]
        extra = [keras.ops.zeros((rows, 1)), keras.ops.ones((rows, 2)), keras.random.uniform((rows, 1), seed=3)]
        return keras.ops.concatenate([x, *extra], -1)


class Block(keras.layers.Layer):
    """A recurrent layer inside makes its first state of zeros."""

    def __init__(self, **config):
        super().__init__(**config)
        self.inside = keras.layers.LSTM(3)

    def call(self, x):
        return self.inside(x)


@pytest.mark.parametrize(("layer", "shape"), [(Token, (5,)), (Block, (7, 5))])
def test_layers_whose_shapes_are_inferred_can_be_copied(layer, shape):
    model = keras.Sequential([keras.layers.Input(shape), layer(), keras.layers.Dense(2)])
    copied = copies.copy(model)
    assert [w.shape for w in copied.weights] == [w.shape for w in model.weights]
    assert copied(np.ones((4, *shape), np.float32)).shape == (4, 2)


@needs_native
def test_no_program_is_compiled_for_a_new_shape():
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **rest: compiled.append(name) if name.endswith("backend_compile_duration") else None
    )
    with draws.quick():
        keras.layers.Dense(17).build((None, 23))
        compiled.clear()
        keras.layers.Dense(19).build((None, 29))
    assert not compiled
    keras.layers.Dense(31).build((None, 37))  # what is counted
    assert compiled


def test_keras_is_left_as_it_was_whatever_happens():
    def functions():
        backend = draws.backend
        return [backend.random.uniform, backend.numpy.zeros, backend.numpy.ones]

    @draws.quick()
    @draws.quick()
    def fails():
        inside.extend(functions())
        raise ZeroDivisionError

    before, inside = functions(), []
    with pytest.raises(ZeroDivisionError):
        fails()
    assert functions() == before
    assert not native() or not set(inside) & set(before)


def test_threads_do_not_leave_each_others_functions_behind():
    before = draws.backend.numpy.zeros
    first, second = draws.quick(), draws.quick()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not native() or draws.backend.numpy.zeros is not before
    second.__exit__(None, None, None)
    assert draws.backend.numpy.zeros is before
