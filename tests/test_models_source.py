"""A user's own model: where it comes from, how it was compiled, and every way in which that goes wrong."""

import sys

import keras
import numpy as np
import pytest

from goodfit.errors import ModelError
from goodfit.models import network
from goodfit.models.canonical import canonical
from goodfit.models.keras_recipe import KerasRecipe
from goodfit.models.source import load_model

L = keras.layers


def small(units=3, activation="softmax", **compiled):
    model = keras.Sequential([keras.Input((4,)), L.Dense(5, activation="relu"), L.Dense(units, activation=activation)])
    if compiled:
        model.compile(**compiled)
    return model


SCRIPT = """
import keras
print("hello")
def build():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.3, 10), momentum=0.8),
                  "binary_crossentropy", metrics=["accuracy", "AUC", keras.metrics.BinaryAccuracy(threshold=0.7)])
    return model, {"class_weight": {1: 3.0}, "batch_size": 8, "epochs": 4}
def broken():
    return undefined_name
def needs(units, depth=2):
    pass
def nothing():
    pass
not_a_function = 3
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(SCRIPT)
    return path


def test_a_function_of_a_file_comes_with_all_its_settings(script, capsys):
    source = load_model(f"{script}:build")
    assert capsys.readouterr().out == ""
    optimizer = source.settings.optimizer
    assert isinstance(optimizer._learning_rate, keras.optimizers.schedules.CosineDecay)
    assert optimizer.momentum == 0.8
    assert [m.name for m in source.settings.metrics] == ["auc", "binary_accuracy"]
    assert (source.class_weight, source.batch_size, source.epochs) == ({1: 3.0}, 8, 4)
    assert (source.name, source.notes) == ("nets.py:build", ())
    net = network.of(source.model, optimizer, source.settings.loss, 2, metrics=source.settings.metrics)
    assert net.objective.threshold == 0.7
    assert [m.name for m in net.metrics] == ["auc"]


def test_metrics_are_called_the_same_whatever_was_made_before(script):
    first, again = load_model(f"{script}:build"), load_model(f"{script}:build")
    assert [m.name for m in again.settings.metrics] == [m.name for m in first.settings.metrics]
    assert KerasRecipe.of(again).identity == KerasRecipe.of(first).identity
    metrics = [keras.metrics.AUC(), "AUC", keras.metrics.AUC(curve="PR", name="area")]
    source = load_model(small(loss="sparse_categorical_crossentropy", metrics=metrics))
    assert [(m.name, m.curve.name) for m in source.settings.metrics] == [
        ("auc", "ROC"),
        ("auc_1", "ROC"),
        ("area", "PR"),
    ]


def test_a_keras_file_an_object_and_a_function_give_the_same(tmp_path):
    model = small(optimizer=keras.optimizers.AdamW(0.01, clipnorm=1.0), loss="sparse_categorical_crossentropy")
    model.save(tmp_path / "net.keras")
    sources = [load_model(s) for s in (model, lambda: model, tmp_path / "net.keras", str(tmp_path / "net.keras"))]
    for source in sources:
        config = source.settings.optimizer.get_config()
        assert (config["learning_rate"], config["clipnorm"]) == (pytest.approx(0.01), 1.0)
        assert canonical(source.model) == canonical(model)
    assert sources[0].notes == ()
    assert "new initial weights" in sources[2].notes[0]


@pytest.mark.parametrize(
    ("model", "loss", "words"),
    [
        (small(), keras.losses.SparseCategoricalCrossentropy, "not compiled: categorical cross-entropy and RMSprop"),
        (small(1, "linear"), keras.losses.BinaryCrossentropy, "not compiled: binary cross-entropy on logits and"),
        (
            small(optimizer="adam"),
            keras.losses.SparseCategoricalCrossentropy,
            "compiled without a loss: categorical cross-entropy was",
        ),
    ],
)
def test_a_model_that_was_not_compiled_gets_sensible_settings(model, loss, words):
    source = load_model(model)
    assert isinstance(source.settings.loss, loss)
    assert words in source.notes[0]
    assert source.settings.loss.from_logits == ("logits" in words)


def test_a_model_that_was_not_told_its_input_is_built_when_the_data_tells():
    model = keras.Sequential([L.Dense(3, activation="softmax")])
    with pytest.raises(ModelError, match="not built"):
        load_model(model)
    assert load_model(model, input_shape=(7,)).model.inputs[0].shape == (None, 7)


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = L.Dense(5, activation="relu"), L.Dense(3, activation="softmax")

    def call(self, x):
        return self.out(self.hidden(x))


def test_a_model_of_a_class_of_its_own_is_built_by_a_call():
    assert len(load_model(Own(), input_shape=(7,)).model.trainable_variables) == 4  # and Keras warns of nothing


@keras.saving.register_keras_serializable("tests")
class Table(L.Layer):
    """Starts with values that nobody draws."""

    def build(self, shape):
        self.table = self.add_weight(shape=(shape[-1], 3), initializer=lambda shape, dtype: np.eye(*shape, dtype=dtype))

    def call(self, x):
        return keras.ops.softmax(x @ self.table)


def test_only_weights_without_a_known_initializer_are_noted():
    recurrent = keras.Sequential([keras.Input((5, 2)), L.GRU(4), L.Dense(3, kernel_initializer="zeros")])
    recurrent.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert load_model(recurrent).notes == ()
    own = keras.Sequential([keras.Input((4,)), Table()])
    own.compile("sgd", "sparse_categorical_crossentropy")
    assert "no random initializer is known" in load_model(own).notes[0]


def two_outputs():
    x = keras.Input((4,))
    return keras.Model(x, [L.Dense(2)(x), L.Dense(3)(x)])


def frozen():
    model = small()
    model.trainable = False
    return model


def fixed_batch():
    return keras.Sequential([keras.Input((4,), batch_size=16), L.Dense(3)])


def silent():
    raise KeyError


def in_lines():
    raise RuntimeError("could not\nopen my file")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("{folder}/absent.keras", "does not exist"),
        ("{folder}/nest.py:build", "Did you mean 'nets.py'"),
        ("{folder}/net", "names no model"),
        ("{folder}/rows.csv", "is no model"),
        ("{folder}/text.keras", "cannot be loaded"),
        ("{folder}/nets.py", "without the name of a function.*nets.py:build"),
        ("{folder}/nets.py:biuld", "has no function 'biuld'. Did you mean 'build'"),
        ("{folder}/case.py:build", r"has no function 'build'\. There is 'makeModel'\.$"),
        ("{folder}/own.py:build", r"has no function 'build'\. There is '_Net', '_own'\.$"),
        ("{folder}/nets.py:broken", "in line 10; received NameError: name 'undefined_name'"),
        ("{folder}/nets.py:needs", "needs arguments: units;"),
        ("{folder}/nets.py:nothing", "gives no Keras model.*NoneType"),
        ("{folder}/nets.py:not_a_function", "gives no Keras model.*int"),
        ("{folder}/syntax.py:build", "line 1: "),
        ("{folder}/failing.py:build", "in line 2; received ModuleNotFoundError"),
        ("failing.py:build", "in line 2; received ModuleNotFoundError"),
        ("{folder}/exits.py:build", "SystemExit"),
        ("{folder}/nul.py:build", r"nul\.py: source code .*null bytes"),
        ("{folder}/paths.py:build", "gives no Keras model"),
        ("{folder}/silent.py:build", r"fails in line 1; received AssertionError\.$"),
        (silent, r"fails; received KeyError\.$"),
        (in_lines, r"fails; received RuntimeError: could not open my file\.$"),
        (3, "no Keras model.*builtins.int"),
        (two_outputs, "several outputs.*received 2"),
        (frozen, "no trainable weights"),
        (fixed_batch, "batches of 16 rows only"),
        (lambda: (small(), {"epoch": 3}), "unknown option 'epoch'. Did you mean 'epochs'"),
        (lambda: small(optimizer=keras.optimizers.SGD(lambda: 0.1), loss="mse"), "Python function"),
        (lambda: small(optimizer="sgd", loss="mse", loss_weights=[0.5]), "loss_weights"),
        (lambda: small(optimizer="sgd", loss="mse", metrics=["nonsense"]), "'nonsense' is unknown"),
    ],
)
def test_what_is_wrong_with_a_model_is_told_in_one_line(spec, says, script, monkeypatch):
    folder = script.parent
    (folder / "text.keras").write_text("no zip")
    (folder / "rows.csv").write_text("a,b")
    (folder / "syntax.py").write_text("def build(:")
    (folder / "case.py").write_text("def _a(): pass\nclass _B: pass\ndef makeModel(): pass")
    (folder / "own.py").write_text("class _Net: pass\ndef _own(): pass")
    (folder / "failing.py").write_text("import keras\nimport no_such_library_at_all")
    (folder / "exits.py").write_text("raise SystemExit(2)")
    (folder / "nul.py").write_bytes(b"x = 1\0")
    (folder / "paths.py").write_text("import sys\nsys.path[:] = []\ndef build(): pass")
    (folder / "silent.py").write_text("raise AssertionError")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError, match=says) as told:
        load_model(spec.format(folder=folder) if isinstance(spec, str) else spec)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("model", "loss", "classes", "says"),
    [
        (small(3), "mse", 46, "expected 46 units.*received 3 units for 46 classes"),
        (small(1, "sigmoid"), "bce", 3, "received 1 unit for 3 classes"),
        (small(3, "linear"), "mse", 3, "regression"),
        (keras.Sequential([keras.Input((5, 4)), L.Dense(3)]), "mse", 3, "no row of classes"),
    ],
)
def test_a_model_that_does_not_fit_the_classes_is_told(model, loss, classes, says):
    with pytest.raises(ModelError, match=says):
        network.of(model, keras.optimizers.SGD(), loss, classes)


def test_a_metric_of_ones_own_is_left_out_with_a_note():
    def mine(y, p):
        return keras.ops.mean(p)

    source = load_model(small(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy", mine]))
    assert source.settings.metrics == ()
    assert "mine is not measured" in source.notes[0]
    assert np.isfinite(source.model.count_params())
