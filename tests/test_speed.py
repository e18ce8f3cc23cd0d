"""What readers of the benchmark's files rely on; the figures themselves are `make bench`'s."""

import importlib
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def speed(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("speed")
    monkeypatch.setattr(module, "OUT", tmp_path)
    return module


def saved(speed):
    return json.loads((speed.OUT / "speed.json").read_text())


def test_a_workload_has_one_row_against_its_fastest_peer(speed, monkeypatch):
    rows = [
        speed.Row("cnn", "Keras on torch", 1.0, 9.0, 0.8, 0.81),
        speed.Row("cnn", "Keras on jax", 1.0, 3.0, 0.8, 0.82),
    ]
    bench = speed.Bench(speed.SIZES["fast"], ["torch", "jax"], speed.OUT)
    monkeypatch.setattr(speed.Bench, "laned", lambda self, name: rows)
    speed.save(bench.measure("cnn"), ["cnn"], "fast")
    expected = {
        "workload": "cnn", "peer": "Keras on jax", "ratio": 3.0, "ours": 1.0, "theirs": 3.0,
        "accuracy": 0.8, "peer_accuracy": 0.82,
    }  # fmt: skip
    assert saved(speed) == [expected]
    assert [r["peer"] for r in json.loads((speed.OUT / "speed-peers.json").read_text())["rows"]] == [
        "Keras on jax",
        "Keras on torch",
    ]


def test_rows_of_other_workloads_stay_where_the_size_is_the_same(speed):
    tokenise, cnn = speed.Row("tokenise", "scikit-learn", 1.0, 20.0), speed.Row("cnn", "Keras on jax", 1.0, 2.0)
    speed.save([tokenise], ["tokenise"], "regular")
    speed.save([cnn], ["cnn"], "regular")
    assert [r["workload"] for r in saved(speed)] == ["cnn", "tokenise"]
    speed.save([cnn], ["cnn"], "fast")
    assert [r["workload"] for r in saved(speed)] == ["cnn"]


def test_a_study_is_told_by_its_time_for_every_run(speed, monkeypatch):
    """A peer's runs are extrapolated to all seeds and epochs: its first epoch counts once, the others at their pace."""

    class Fake:
        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def ask(self, **request):
            epochs = [5.0] + [1.0] * (request["epochs"] - 1)
            return {"seconds": sum(epochs), "epochs": epochs, "accuracy": 0.9}

    size = speed.SIZES["regular"]
    monkeypatch.setattr(speed, "write", lambda *_: "rows")
    monkeypatch.setattr(speed, "Worker", Fake)
    ours = {"since": 10.0, "accuracy": {"big 512": [0.5] * size.study_epochs}}
    monkeypatch.setattr(speed, "alone", lambda *_, **__: ours)
    (row,) = speed.Bench(size, ["jax"], speed.OUT).study("study_512")
    assert row.ours == 10.0
    assert row.theirs == 29 * (5.0 + size.study_epochs - 1)
    assert (row.accuracy, row.peer_accuracy) == (0.5, 0.9)
