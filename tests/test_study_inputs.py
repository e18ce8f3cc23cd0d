"""Networks of several inputs in the main job: arrays by name from a file or from Python, all the way to a predictor."""

import json
import subprocess
import sys
import tracemalloc

import keras
import numpy as np
import polars as pl
import pytest

from goodfit import checkup, data, encode, job
from goodfit.data import inputs
from goodfit.errors import DataError, GoodfitError, ModelError, StudyError, UsageError
from goodfit.models.source import load_model
from goodfit.predictor import Predictor
from goodfit.study import baseline, feeding

L = keras.layers
RNG = np.random.default_rng(0)
TEXT = RNG.integers(0, 9, (240, 6))
NUMBERS = RNG.normal(100, 50, (240, 3)).astype(np.float32)
Y = ((TEXT == 3).sum(1) + (NUMBERS[:, 0] - 100) / 50 > 0.6).astype(int)
ARRAYS = {"text": TEXT, "numbers": NUMBERS}
ALL = {**ARRAYS, "label": np.array(["no", "yes"])[Y]}
FIT = {"target": "label", "seeds": 3, "epochs": 4, "treatments": ["smaller 4", "dropout 0.5", "batch_normalization"]}

SCRIPT = """
import keras
L = keras.layers
def compiled(inputs, *parts):
    h = L.Dense(8, activation="relu")(L.Concatenate()(list(parts)))
    model = keras.Model(inputs, L.Dense(1, activation="sigmoid")(h))
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["auc"])
    return model
def inputs(second="numbers", width=3):
    return keras.Input((6,), name="text", dtype="int32"), keras.Input((width,), name=second)
def build():
    text, numbers = inputs()
    parts = L.GlobalAveragePooling1D()(L.Embedding(9, 4)(text)), L.Dense(8, activation="relu")(numbers)
    return compiled([text, numbers], *parts), {"batch_size": 16}
def by_name():
    text, numbers = inputs()
    return compiled({"text": text, "numbers": numbers}, L.Flatten()(L.Embedding(9, 2)(text)), numbers)
def misspelt():
    text, numbers = inputs("numbrs")
    return compiled([text, numbers], L.Rescaling(0.1)(text), numbers)
def wide():
    text, numbers = inputs(width=4)
    return compiled([text, numbers], L.Rescaling(0.1)(text), numbers)
def one():
    text, _ = inputs()
    return compiled(text, L.Flatten()(L.Embedding(9, 2)(text)), L.Rescaling(0.1)(text))
class Own(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.out = L.Dense(1, activation="sigmoid")
    def call(self, x):
        return self.out(keras.ops.concatenate([x["text"], x["numbers"]], -1))
def own():
    model = Own()
    model({"text": keras.ops.zeros((1, 6)), "numbers": keras.ops.zeros((1, 3))})
    model.compile("sgd", "binary_crossentropy")
    return model
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "nets.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def file(script):
    path = script.with_name("rows.npz")
    np.savez(path, **ALL)
    return path


@pytest.mark.parametrize("kind", ["word numbers", "several"])
def test_the_linear_model_copies_the_rows_that_it_sees_only(kind, monkeypatch):
    monkeypatch.setattr(baseline, "MOST_ROWS", 500)
    rng = np.random.default_rng(0)
    ids = rng.integers(-1, 40, (50_000, 30), dtype=np.int32)
    y = (ids[:, 0] == 3) | (ids == 7).any(1)
    x = ids if kind == "word numbers" else inputs.of({"a": ids[:, :20], "b": (ids[:, 20:] == 7).astype(np.float32)})
    validation = np.arange(len(y)) % 5 == 0
    baseline.measure(x[:50], y[:50].astype(int), validation[:50])  # whatever is loaded once
    tracemalloc.start()
    found = baseline.measure(x, y.astype(int), validation)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6  # the rows are 6 MB
    assert found["accuracy"] == max(y[validation].mean(), 1 - y[validation].mean())
    assert found["linear"] > found["accuracy"] + 0.05


@pytest.fixture(scope="module")
def finished(script, file, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    return job.fit(file, model=f"{script}:build", out=out, **FIT), out


def test_a_file_of_named_arrays_is_studied_to_the_end(finished):
    study, out = finished
    assert (study["kind"], study["features"], study["classes"]) == ("inputs", 9, ["no", "yes"])
    recipes = {v["name"]: v["recipe"] for v in study["variants"]}
    assert recipes["smaller 4"]["units"] == [4]
    assert (recipes["dropout 0.5"]["dropout"], recipes["batch_normalization"]["batch_normalization"]) == (0.5, True)
    assert study["one_by_one"] == []
    assert study["baseline"]["linear"] > study["baseline"]["accuracy"]
    assert study["test"]["accuracy"] > 0.65
    assert study["test"]["errors"][0]["text"].startswith("numbers: ")
    measures = pl.read_parquet(out / "history.parquet").columns
    assert any(m.startswith("gradient_norm/") for m in measures)
    assert "arrays of several inputs" in (out / "report.html").read_text()


def test_its_predictor_takes_arrays_by_these_names_in_any_order(finished, file, tmp_path):
    _, out = finished
    predictor = Predictor.load(out)
    p = predictor.probabilities(file)  # the labels in it are left out
    assert ((p[:, 1] > 0.5) == Y).mean() > 0.65
    np.testing.assert_array_equal(p, predictor.probabilities({"text": TEXT, "more": Y, "numbers": NUMBERS}))
    x = predictor.encoder.transform(ARRAYS)
    np.testing.assert_array_equal(x["text"], TEXT)  # an Embedding takes numbers as they are
    assert abs(x["numbers"].mean()) < 0.3
    stock = keras.saving.load_model(out / "predictor" / "model.keras")
    logit = np.log(stock.predict_on_batch({n: x[n] for n in ARRAYS})[:, 0])
    assert np.corrcoef(logit, np.log(p[:, 1]))[0, 1] > 0.95
    np.savez(tmp_path / "new.npz", **{name: a[:7] for name, a in ARRAYS.items()})
    np.testing.assert_allclose(predictor.probabilities(tmp_path / "new.npz"), p[:7], atol=1e-6)
    assert predictor.table(tmp_path / "new.npz").columns == ["row", "prediction", "probability", "p(no)", "p(yes)"]
    twice = {name: np.concatenate([a] * 3) for name, a in ARRAYS.items()}  # more than a batch
    np.testing.assert_allclose(predictor.probabilities(twice), np.concatenate([p] * 3), atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"text": TEXT}, "there is no array 'numbers'; expected arrays named text, numbers"),
        ({"text": TEXT, "numbers": NUMBERS[:9]}, "differ in their number of rows.*9 in numbers, 240 in text"),
        ({"text": TEXT, "numbers": NUMBERS[:, :2]}, r"array 'numbers' has rows of another shape; expected \(3,\)"),
        ({"text": TEXT[:, 0], "numbers": NUMBERS}, r"array 'text' has rows of another shape; expected \(6,\)"),
        (TEXT, "the rows are not several arrays"),
        (pl.DataFrame({"text": ["a"], "numbers": [1]}), "the rows are not several arrays"),
    ],
)
def test_rows_that_do_not_fit_a_predictor_are_told(finished, rows, says):
    with pytest.raises(DataError, match=says):
        Predictor.load(finished[1]).predict(rows)


def test_it_resumes_in_another_process(finished, script, file, tmp_path, killed):
    whole, _ = finished
    with killed(6):
        job.fit(ALL, model=f"{script}:build", out=tmp_path / "out", **FIT)
    with pytest.raises(StudyError, match="other"):
        job.fit({**ALL, "numbers": NUMBERS + 1}, model=f"{script}:build", out=tmp_path / "out", **FIT)
    code = (
        "import sys\nfrom goodfit import job\n"
        f"job.fit(sys.argv[1], model={str(script) + ':build'!r}, out={str(tmp_path / 'out')!r}, **{FIT!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    again = json.loads((tmp_path / "out" / "study.json").read_text())
    for key in ("variants", "chosen", "fresh", "test", "sentences"):
        assert again[key] == whole[key]


def test_arrays_from_python_and_a_saved_model_with_inputs_by_name(script, tmp_path):
    load_model(f"{script}:by_name").model.save(tmp_path / "net.keras")
    fit = {"model": tmp_path / "net.keras", "seeds": 2, "epochs": 1, "treatments": ["label_smoothing"]}
    train, test = ({n: a[part] for n, a in ARRAYS.items()} for part in (slice(180), slice(180, None)))
    study = job.fit(((train, Y[:180]), (test, Y[180:])), out=tmp_path / "a", **fit)
    assert (study["splits"]["test"], study["kind"]) == (60, "inputs")
    flat = ALL | {"w": np.linspace(1, 2, 240), "ids": np.arange(240)}
    job.fit(flat, "label", drop=["ids"], weight="w", out=tmp_path / "b", **fit)
    p = Predictor.load(tmp_path / "b").probabilities(ARRAYS)
    assert p.shape == (240, 2)
    assert np.allclose(p.sum(1), 1)


def test_a_tuple_of_arrays_goes_by_its_order(script):
    dataset = data.load(((TEXT, NUMBERS), Y))
    encoder = encode.make(dataset, **feeding.options(dataset, load_model(f"{script}:build").model))
    assert encoder.fit_transform(dataset.rows).dtype.names == ("0", "1")


def test_each_input_is_encoded_for_what_reads_it():
    rows = {
        "photo": RNG.integers(0, 255, (20, 8, 8, 3), dtype=np.uint8),
        "raw": NUMBERS[:20],
        "series": RNG.normal(5, 2, (20, 4, 2)),
        "word": TEXT[:20, 0],
        "mask": np.ones((20, 4), bool),
    }
    given = {
        "photo": keras.Input((6, 6, 3), name="photo"),
        "raw": keras.Input((3,), name="raw"),
        "series": keras.Input((4, 2), name="series"),
        "word": keras.Input((1,), name="word"),
        "mask": keras.Input((4,), name="mask", dtype="bool"),
    }
    words = keras.Sequential([L.Embedding(9, 2), L.Flatten()])
    parts = [
        L.Flatten()(given["photo"]),
        L.Rescaling(0.01)(given["raw"]),
        L.GRU(2)(given["series"], mask=given["mask"]),
    ]
    h = L.Concatenate()([*parts, words(given["word"])])
    model = keras.Model(list(given.values()), L.Dense(2, activation="softmax")(h))
    model.compile("sgd", "sparse_categorical_crossentropy")
    dataset = data.load((rows, [0, 1] * 10))
    encoder = encode.make(dataset, **feeding.options(dataset, load_model(model).model))
    x = encoder.fit_transform(dataset.rows)
    assert encoder.notes == ("photo: Images of 8 x 8 were brought to 6 x 6 for the network.",)
    assert [x.dtype[n].shape for n in x.dtype.names] == [(6, 6, 3), (3,), (4, 2), (1,), (4,)]
    assert x["mask"].all()
    assert 0 <= x["photo"].min() <= x["photo"].max() <= 1
    np.testing.assert_array_equal(x["raw"], rows["raw"])
    np.testing.assert_allclose(x["series"].mean(0), 0, atol=1e-6)
    np.testing.assert_array_equal(x["word"][:, 0], rows["word"])
    again = encode.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(again.transform(rows), x)
    assert len(encoder.feature_names) == 6 * 6 * 3 + 3 + 8 + 1 + 4


@pytest.mark.parametrize(
    ("source", "model", "options", "says"),
    [
        (ALL, None, {}, "the data are several arrays: numbers, text; expected a Keras model"),
        (ALL, "misspelt", {}, "no array for the model's input 'numbrs'; expected arrays named text, numbrs"),
        (ALL | {"ids": Y}, "build", {}, "no input 'ids'.*--drop ids"),
        (ALL, "wide", {}, r"input 'numbers' does not fit the data; expected rows of shape \(3,\).*shape \(4,\)"),
        (ALL, "one", {}, "no input 'numbers'"),
        (ALL, "own", {}, "Own does not tell its inputs and its output.*make it functional"),
        (ALL, "build", {"encoder": {"max_features": 9}}, "an encoder option that inputs data do not have"),
        (ALL, "build", {"drop": ["numbers"]}, "takes 2 inputs: text, numbers; .*received one array"),
        (ALL, "build", {"drop": ["numbers", "text"]}, "'label' is the only array"),
        (ALL, "build", {"drop": ["number"]}, "no column 'number' to drop. Did you mean 'numbers'"),
        (ALL, "build", {"weight": "numbers"}, "'numbers' is not one weight a row"),
        (ALL, "build", {"test": {k: v for k, v in ALL.items() if k != "text"}}, "test set lacks the array 'text'"),
        (ALL, "build", {"test": ALL | {"text": TEXT[:, 1:]}}, r"array 'text' of the test set.*\(6,\); received \(5,\)"),
        (ALL, "build", {"target": "lable"}, "no array 'lable'. Did you mean 'label'"),
        (ALL, "build", {"target": None}, "no array of labels is named.*--target 'label'"),
        (ALL | {"text": TEXT[1:]}, "build", {}, "differ in their number of rows.*239 in text"),
        (ALL | {"text": np.array([["a", "b"]] * 240)}, "build", {}, "'text' holds no numbers"),
        (([TEXT, NUMBERS], Y), "build", {}, "Give several inputs as a dict of arrays"),
        ((TEXT, Y), "build", {}, "takes 2 inputs: text, numbers; expected an array of two axes for each"),
        (pl.DataFrame({"text": np.arange(240), "numbers": Y, "label": Y}), "build", {}, "received one table"),
    ],
)
@pytest.mark.filterwarnings("ignore:Model 'own")
def test_what_does_not_fit_is_told_in_one_line(source, model, options, says, script, tmp_path):
    given = {"model": f"{script}:{model}" if model else None, "out": tmp_path / "out"}
    with pytest.raises((DataError, ModelError, UsageError), match=says) as error:
        job.fit(source, **given, **{**FIT, **options})
    assert isinstance(error.value, GoodfitError)
    assert "\n" not in str(error.value)


def test_other_names_in_a_file(tmp_path):
    np.savez(tmp_path / "a.npz", x=TEXT, y=Y, names=["a", "b"])
    assert data.load(tmp_path / "a.npz").kind == "array"  # what has other rows is no input
    np.savez(tmp_path / "b.npz", x=TEXT, numbers=NUMBERS, y=Y)
    dataset = data.load(tmp_path / "b.npz")
    assert (dataset.kind, dataset.target, dataset.rows.dtype.names) == ("inputs", "y", ("numbers", "x"))
    assert data.load({"x": TEXT, "numbers": NUMBERS, "y": Y}, "y").fingerprint == dataset.fingerprint
    np.savez(tmp_path / "c.npz", features=NUMBERS, kind=Y)
    alone = data.load(tmp_path / "c.npz", "kind")
    assert (alone.kind, alone.rows.shape) == ("array", (240, 3))
    job.fit(tmp_path / "c.npz", "kind", out=tmp_path / "out", seeds=2, epochs=1, treatments=["l2"])
    assert len(Predictor.load(tmp_path / "out").predict(tmp_path / "c.npz")) == 240
    for rows, says in ((ARRAYS, "the rows are several arrays; expected one"), ({"kind": TEXT}, "no array is left")):
        with pytest.raises(DataError, match=says):
            Predictor.load(tmp_path / "out").predict(rows)


def test_arrays_by_name_are_checked_before_training():
    twice = {n: np.concatenate([a[:120], a[:120]]) for n, a in ALL.items()}
    found = {f.code for f in checkup.check(twice, "label")}
    assert "duplicate_rows" in found
    told = checkup.check(ALL | {"numbers": np.c_[NUMBERS, Y]}, "label")
    (leak,) = [f for f in told if f.code == "target_leak"]
    assert "numbers, column 3" in leak.message
