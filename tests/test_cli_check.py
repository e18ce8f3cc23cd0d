"""`goodfit check`: exit codes, the JSON document, one line for bad input."""

import json
import sys

import keras
import numpy as np
import polars as pl
import pytest

import goodfit
from goodfit import cli
from goodfit.errors import UsageError


def run(*args) -> int:
    before, sys.argv = sys.argv, ["goodfit", "check", *map(str, args)]
    try:
        with pytest.raises(SystemExit) as done:
            cli.main()
    finally:
        sys.argv = before
    return done.value.code or 0


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A table with a leak, and two models for it: one compiled well, one not."""
    folder = tmp_path_factory.mktemp("check")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    frame = pl.DataFrame({"a": rng.normal(y, 2), "b": rng.normal(size=400), "again": 1 - y, "y": y})
    frame.write_csv(folder / "rows.csv")
    frame.drop("again").write_csv(folder / "clean.csv")
    for name, activation in (("good", "sigmoid"), ("bad", "softmax")):
        layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(1, activation)]
        model = keras.Sequential([keras.Input((2,)), *layers])
        model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        model.save(folder / f"{name}.keras")
    return folder


def test_data_with_a_leak(files, capsys):
    assert run(files / "rows.csv", "--target", "y", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"source", "findings", "status"}
    assert document["status"] == "target_leak"
    assert document["findings"][0]["evidence"]["columns"] == ["again"]
    assert run(files / "rows.csv", "--target", "y", "--fail-on", "overfitting,target-leak") == 1
    assert "'again'" in capsys.readouterr().out
    assert run(files / "clean.csv", "--target", "y", "--fail-on", "target_leak") == 0


def test_a_model(files, capsys):
    assert run(files / "bad.keras", "--json", "--fail-on", "error") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "wrong_activation"
    assert run(files / "good.keras", "--fail-on", "warning") == 0
    assert capsys.readouterr().out.strip().endswith("healthy")
    assert run(files / "good.keras", "--data", files / "clean.csv", "--target", "y", "--fail-on", "warning") == 0


def test_from_python(files):
    model = keras.saving.load_model(files / "good.keras", compile=False)
    model.compile("adam", "binary_crossentropy")
    x, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
    assert goodfit.check(model, data=(x, y)) == []
    assert [f.code for f in goodfit.check(model, data=(x, y + 1))] == ["wrong_loss"]
    assert goodfit.check(model, data=(x * 1000, y))[0].code == "unscaled_input"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "softmax")])
    model.compile("adam", "categorical_crossentropy")
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.arange(50) % 3})
    assert goodfit.check(model, data=frame, target="y") == []
    frame = frame.with_columns(y=pl.Series(np.arange(50) % 4))
    assert "one-hot rows of 4" in goodfit.check(model, data=frame, target="y")[0].message
    with pytest.raises(UsageError, match="goes with a model"):
        goodfit.check((x, y), data=(x, y))
    with pytest.raises(goodfit.GoodfitError, match="do not go into the model"):
        goodfit.check(model, data=(np.zeros((50, 3)), y))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["no.csv", "--target", "y"], "does not exist"),
        (["no.keras"], "does not exist"),
        (["{}/rows.csv"], "target"),
        (["{}/rows.csv", "--target", "z"], "no column 'z'"),
        (["{}/rows.csv", "--target", "y", "--fail-on", "leek"], "no finding 'leek'"),
        (["{}/rows.csv", "--target", "y", "--difference", "3"], "difference"),
        (["{}/rows.csv", "--target", "y", "--data", "{}/rows.csv"], "goes with a model"),
        (["{}/good.keras", "--difference", "0.1"], "about data"),
        (["{}/broken.keras"], "cannot be loaded"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(files, capsys, args, expected):
    (files / "broken.keras").write_bytes(b"PK\x03\x04 nothing")
    assert run(*(a.format(files) for a in args)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("goodfit: ")
    assert err.count("\n") == 1
    assert expected in err
