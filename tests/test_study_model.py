"""A Keras model of the user's own in the main job: changed, compared, resumed, shipped; and every kind of bad one."""

import json
import subprocess
import sys

import keras
import numpy as np
import polars as pl
import pytest

from goodfit import data, job
from goodfit.errors import DataError, ModelError, StudyError, UsageError
from goodfit.models.source import load_model
from goodfit.predictor import Predictor
from goodfit.study import feeding, given
from goodfit.study.again import compared
from goodfit.study.view import Silent

L = keras.layers
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 240)
X = (RNG.normal(size=(240, 4)) + Y[:, None] * [1.5, 0, -1, 0]).astype(np.float32)
FIT = {"seeds": 6, "epochs": 3, "treatments": ["smaller 4", "dropout 0.5"]}

SCRIPT = """
import keras
L = keras.layers
class Scale(L.Layer):
    def call(self, x):
        return 2 * x
class Own(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.out = L.Dense(4, activation="relu"), L.Dense(3, activation="softmax")
    def call(self, x):
        return self.out(self.hidden(x))
def build(decay=0.9):
    layers = [keras.Input((4,)), L.Dense(16, activation="relu"), L.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 50, decay)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy", "auc"])
    return model, {"batch_size": 32, "class_weight": {0: 2.0}}
def other():
    return build(0.8)
def scaled():
    model = keras.Sequential([keras.Input((4,)), Scale(), L.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model
def own():
    model = Own()
    model(keras.ops.zeros((1, 4)))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model
def two():
    a, b = keras.Input((4,)), keras.Input((4,))
    return keras.Model([a, b], L.Dense(3, activation="softmax")(a + b))
def wide():
    return keras.Sequential([keras.Input((7,)), L.Dense(3, activation="softmax")])
def binary():
    return keras.Sequential([keras.Input((4,)), L.Dense(1, activation="sigmoid")])
def narrow():
    return keras.Sequential([keras.Input((4,)), L.Dense(2, activation="softmax")])
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "nets.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def finished(script, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    return job.fit((X, Y), model=f"{script}:build", out=out, **FIT), out


def test_it_is_studied_like_any_network(finished, script):
    study, out = finished
    recipes = {v["name"]: v["recipe"] for v in study["variants"]}
    base = recipes["base"]
    assert (base["units"], base["optimizer"], base["batch_size"], base["epochs"]) == ([16], "Adam", 32, 3)
    assert (base["class_weight"], base["source"]) == ([2.0, 1.0, 1.0], f"{script}:build")
    assert (recipes["smaller 4"]["units"], recipes["dropout 0.5"]["dropout"]) == ([4], 0.5)
    assert study["variants"][1]["metrics"]["val_auc"]["mean"] > 0.6
    assert pl.read_parquet(out / "history.parquet")["val_auc"].null_count() == 0
    assert study["test"]["accuracy"] > 0.6
    assert study["one_by_one"] == []
    page = (out / "report.html").read_text()
    for told in ("nets.py:build", "Dense 16", "val_auc", "sparse_categorical_crossentropy", "class_weight"):
        assert told in page
    assert [c.names[1] for c in compared(out, study, "base", None)] == ["smaller 4", "dropout 0.5"]


def test_what_it_leaves_needs_no_goodfit(finished):
    _, out = finished
    code = (
        "import sys, keras, numpy as np\n"
        "m = keras.saving.load_model(sys.argv[1])\n"
        "assert m.predict_on_batch(np.zeros((2, 4), 'float32')).shape == (2, 3)\n"
        "assert type(m.optimizer._learning_rate).__name__ == 'ExponentialDecay'\n"
        "assert not any(name.startswith('goodfit') for name in sys.modules)\n"
    )
    model = str(out / "predictor" / "model.keras")
    done = subprocess.run([sys.executable, "-c", code, model], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (np.asarray(Predictor.load(out).predict(X), int) == Y).mean() > 0.6


def test_it_resumes_in_another_process_with_the_same_model_only(finished, script, tmp_path, killed):
    whole, _ = finished
    with killed(10):
        job.fit((X, Y), model=f"{script}:build", out=tmp_path / "out", **FIT)
    with pytest.raises(StudyError, match="another model, or one compiled otherwise"):
        job.fit((X, Y), model=f"{script}:other", out=tmp_path / "out", **FIT)
    np.savez(tmp_path / "arrays.npz", x=X, y=Y)
    code = (
        "import json, sys\nimport numpy as np\nfrom goodfit import job\n"
        "with np.load(sys.argv[1]) as f: x, y = f['x'], f['y']\n"
        f"job.fit((x, y), model={str(script) + ':build'!r}, out={str(tmp_path / 'out')!r}, **{FIT!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "arrays.npz")], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    again = json.loads((tmp_path / "out" / "study.json").read_text())
    for key in ("variants", "chosen", "fresh", "test", "sentences"):
        assert again[key] == whole[key]


def test_a_model_that_cannot_be_a_lane_trains_one_by_one_and_says_so(script, tmp_path):
    said = []

    class View:
        def stage(self, text):
            said.append(text)

        def progress(self, stage, progress):
            pass

    fit = {"seeds": 2, "epochs": 1, "treatments": ["label_smoothing"]}
    study = job.fit((X, Y), model=f"{script}:own", out=tmp_path / "out", view=View(), **fit)
    (told,) = study["one_by_one"]
    assert told == "'base', 'label_smoothing 0.1' train one run after the other: Own has a call of its own."
    assert told in study["sentences"]
    assert any("'base' trains one run after the other" in line for line in said)
    with pytest.raises(ModelError, match=r"made with 'Own'.*--code"):
        Predictor.load(tmp_path / "out")
    p = Predictor.load(tmp_path / "out", code=script).probabilities(X[:5])
    assert np.allclose(p.sum(1), 1)


def test_a_model_without_an_input_is_built_for_the_data_and_may_give_logits(tmp_path):
    model = keras.Sequential([L.Dense(8, activation="relu"), L.Dense(3)])
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    study = job.fit((X, Y), model=model, out=tmp_path / "out", seeds=2, epochs=4, treatments=["l2"])
    assert study["calibration"]["logits"] is True
    predictor = Predictor.load(tmp_path / "out")
    p = predictor.probabilities(X)
    assert np.allclose(p.sum(1), 1)
    assert p.min() > 0
    assert (p.argmax(1) == Y).mean() > 0.6
    assert 0.3 < study["test"]["loss"] < 1.0


def fed(dataset, *layers, **options):
    model = keras.Sequential(list(layers))
    return feeding.options(dataset, load_model(model, **options).model)


def test_the_encoder_gives_what_the_model_takes():
    texts = data.load((["a cat sat", "a dog ran", "birds sing here"] * 5, [0, 1, 1] * 5))

    def end():
        return L.Dense(2, activation="softmax")

    assert fed(texts, keras.Input((30,)), L.Embedding(50, 4), L.GlobalAveragePooling1D(), end()) == {
        "output_mode": "int", "output_sequence_length": 30, "max_features": 50,
    }  # fmt: skip
    assert fed(texts, keras.Input((90,)), end()) == {"max_features": 90, "pad_to_max_tokens": True}
    images = data.load((RNG.integers(0, 255, (20, 8, 8), dtype=np.uint8), [0, 1] * 10))
    assert fed(images, keras.Input((64,)), end()) == {"rank": 1, "scaled": True}
    assert fed(images, keras.Input((8, 8)), L.Flatten(), end())["rank"] == 2
    scaling = fed(images, keras.Input((6, 6, 3)), L.Rescaling(1 / 255), L.Flatten(), end())
    assert scaling == {"rank": 3, "size": (6, 6), "channels": 3, "scaled": False}
    numbers = data.load((RNG.integers(0, 9, (20, 5)), [0, 1] * 10))
    assert fed(numbers, keras.Input((5,)), L.Embedding(9, 2), L.Flatten(), end()) == {"scaled": False}
    assert fed(numbers, keras.Input((5,)), end()) == {}


def test_what_is_wrong_with_a_model_is_said_before_it_is_trained(tmp_path):
    class Watching(Silent):
        def __init__(self):
            self.said = []

        def stage(self, what):
            self.said.append(what)

    def wrong(activation, loss):
        model = keras.Sequential([keras.Input((4,)), L.Dense(8, activation="relu"), L.Dense(3, activation=activation)])
        model.compile(keras.optimizers.Adam(0.01), loss)
        return model

    cases = {
        "wrong_activation": wrong("relu", "sparse_categorical_crossentropy"),
        "wrong_loss": wrong("softmax", "binary_crossentropy"),
    }
    for code, model in cases.items():
        view = Watching()
        study = job.fit(
            (X, Y), model=model, out=tmp_path / code, seeds=2, epochs=2, treatments=["label_smoothing"], view=view
        )
        first = study["variants"][0]["findings"][0]
        assert first["code"] == code
        assert view.said.index(first["message"]) < next(i for i, s in enumerate(view.said) if "Training" in s)
    assert given.found(wrong("softmax", "sparse_categorical_crossentropy"), 3) == []
    assert given.found(wrong("softmax", "categorical_crossentropy"), 3) == []


def test_a_model_without_an_input_tells_by_its_layers_what_it_takes():
    def told(dataset, *layers):
        return feeding.options(dataset, keras.Sequential(list(layers)))

    texts = data.load((["a cat sat", "a dog ran", "birds sing here"] * 5, [0, 1, 1] * 5))
    images = data.load((RNG.integers(0, 255, (20, 8, 8), dtype=np.uint8), [0, 1] * 10))
    numbers = data.load((RNG.integers(0, 9, (20, 5)), [0, 1] * 10))
    assert told(texts, L.Embedding(50, 4), L.GlobalAveragePooling1D()) == {"output_mode": "int", "max_features": 50}
    assert told(texts, L.Dense(4)) == told(numbers, L.Dense(4)) == {}
    assert told(images, L.RandomFlip(), L.Rescaling(1 / 255), L.Flatten()) == {"scaled": False}
    assert told(images, L.Flatten(), L.Dense(3)) == {"scaled": True}
    assert told(numbers, L.Embedding(9, 2)) == told(numbers, keras.Sequential([L.Embedding(9, 2)])) == {"scaled": False}
    assert told(numbers, L.Normalization()) == {"scaled": False}


def test_whole_numbers_go_into_an_embedding_as_they_are(tmp_path):
    ids = RNG.integers(0, 30, (200, 6))
    model = keras.Sequential([L.Embedding(30, 4), L.Flatten(), L.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    study = job.fit(
        (ids, ids[:, 0] % 2), model=model, out=tmp_path / "out", seeds=2, epochs=12, treatments=["label_smoothing"]
    )
    assert study["test"]["accuracy"] > 0.9


def test_texts_go_into_an_embedding(tmp_path):
    words = [["good", "fine", "great"], ["bad", "poor", "dull"]]
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 160)
    texts = [" ".join(["the film", *rng.choice(words[k], 2), *rng.choice(["we", "saw", "it"], 3)]) for k in labels]

    def build():
        layers = [
            keras.Input((8,), dtype="int32"),
            L.Embedding(12, 4),
            L.GlobalAveragePooling1D(),
            L.Dense(1, "sigmoid"),
        ]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
        return model

    study = job.fit(
        (texts, labels), model=build, out=tmp_path / "out", seeds=2, epochs=6, treatments=["label_smoothing"]
    )
    assert study["test"]["accuracy"] > 0.9
    assert study["baseline"]["linear"] > 0.9
    assert Predictor.load(tmp_path / "out").predict(["a great fine film", "dull and poor"]) == ["0", "1"]


def test_rows_of_weight_0_teach_nothing(tmp_path):
    wrong = np.arange(len(Y)) % 2 == 0
    y = np.where(wrong, (Y + 1) % 3, Y)
    frame = pl.DataFrame({**{f"c{i}": X[:, i] for i in range(4)}, "w": np.where(wrong, 0.0, 1.0), "y": y})
    fit = {"seeds": 2, "epochs": 8, "base": {"batch_size": 16, "learning_rate": 0.01}, "treatments": ["l2"]}
    job.fit(frame, "y", weight="w", out=tmp_path / "out", **fit)
    said = np.asarray(Predictor.load(tmp_path / "out").predict(frame.drop("w", "y")), int)
    assert (said == Y).mean() > 0.6
    plain = data.load((X, Y), class_weight={"0": 3.0})
    assert plain.weights.tolist() == np.where(Y == 0, 3.0, 1.0).tolist()
    assert plain.fingerprint != data.load((X, Y)).fingerprint
    scaled = data.load((X, Y, 1000.0 * (1 + np.arange(len(Y)) % 3)))
    counting = scaled.weights[~scaled.test]
    assert (counting.mean(), counting.max() / counting.min()) == (pytest.approx(1), pytest.approx(3))
    masked = data.load((X, Y, np.arange(len(Y)) % 2))
    assert set(masked.weights[~masked.test]) == {0.0, 1.0}

    even = data.load((X, Y, np.ones(len(Y))), class_weight="balanced")
    held = ~even.test
    sums = [even.weights[held & (k == Y)].sum() for k in range(3)]
    assert np.allclose(sums, sums[0])


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"weight": "z"}, "no column of weights 'z'"),
        ({"class_weight": {"oak": 2}}, "names no class: 'oak'"),
        ({"class_weight": "even"}, "'balanced' or a weight by class"),
        ({"class_weight": {0: -1}}, "0 or more"),
        ({"class_weight": {0: "2"}}, "received '2' for 0"),
        ({"class_weight": [1, 2, 3]}, r"'balanced' or a weight by class; received \[1"),
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, "0 for every class"),
    ],
)
def test_bad_weights_are_told(kwargs, says):
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y})
    with pytest.raises((DataError, UsageError), match=says):
        data.load(frame, "y", **kwargs)
    with pytest.raises(DataError, match="bad weights of rows"):
        data.load(frame.with_columns(w=pl.lit(-1.0)), "y", weight="w")
    with pytest.raises(DataError, match="one number a row"):
        data.load((X, Y, [1.0]))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("two", "the model takes 2 inputs"),
        ("wide", r"expected rows of shape \(4,\).*received an input of shape \(7,\)"),
        ("binary", "1 unit for 3 classes"),
        ("narrow", "2 units for 3 classes"),
        ("missing", "has no function 'missing'"),
    ],
)
def test_a_model_that_does_not_fit_is_told_in_one_line(model, says, script, tmp_path):
    with pytest.raises(ModelError, match=says) as error:
        job.fit((X, Y), model=f"{script}:{model}", out=tmp_path / "out", seeds=2)
    assert "\n" not in str(error.value)


def test_a_change_that_a_model_cannot_have_is_told(script, tmp_path):
    with pytest.raises(UsageError, match="units of this model cannot be changed"):
        job.fit((X, Y), model=f"{script}:own", base={"units": [8]}, out=tmp_path / "out", **FIT)
    with pytest.raises(UsageError, match="optimizer of a Keras model is changed where the model is made"):
        job.fit((X, Y), model=f"{script}:build", base={"optimizer": "sgd"}, out=tmp_path / "out", **FIT)
