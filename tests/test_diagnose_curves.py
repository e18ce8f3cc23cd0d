"""What `diagnose.curves` says of real short curves (trained by the tutorials' recipes) and of plain made ones."""

import json
from pathlib import Path

import numpy as np
import pytest

import goodfit
from goodfit.diagnose import Context, curves, status
from goodfit.errors import GoodfitError
from goodfit.history import History

REAL = json.loads((Path(__file__).parent / "data" / "curves.json").read_text())


def real(name: str, run: int | None = None) -> History:
    runs = History.stack([History.of(r) for r in REAL[name]])
    return runs if run is None else runs.select(run)


def codes(history, **context) -> list[tuple[str, str]]:
    return [(f.code, f.severity) for f in curves(history, context=Context(**context))]


@pytest.mark.parametrize("run", [None, 0, 1, 2])
@pytest.mark.parametrize(("name", "epochs"), [("imdb_20", (4, 6)), ("reuters_20", (10, 12))])
def test_tutorial_curves_overfit_from_the_right_epoch_and_nothing_else(name, epochs, run):
    found = curves(real(name, run))
    assert found[0].code == "overfitting"
    assert found[0].severity == "warning"
    assert epochs[0] <= found[0].epoch <= epochs[1]
    assert all(f.severity == "info" for f in found[1:])


@pytest.mark.parametrize("name", ["imdb_4", "imdb_20_full", "reuters_9"])
def test_short_tutorial_runs_are_healthy(name):
    for run in [None, *range(len(REAL[name]))]:
        assert status(curves(real(name, run))) == "healthy"


def test_running_values_alone_say_the_same():
    keys = ("loss", "accuracy", "val_loss", "val_accuracy")
    h = History({k: real("imdb_20")[k] for k in keys})
    assert curves(h)[0].code == "overfitting"


def test_slow_optimizer_needs_more_epochs():
    assert codes(real("imdb_sgd"))[0] == ("too_few_epochs", "warning")


def test_nan_is_divergence_and_hides_the_rest():
    loss = [0.7, 0.6, np.nan, np.nan]
    found = curves({"loss": loss, "val_loss": loss})
    assert [(f.code, f.severity, f.epoch) for f in found] == [("diverged", "error", 3)]


def test_training_loss_that_climbs_back_diverged():
    loss = [0.7, 0.4, 0.3, 0.5, 0.9, 1.4, 2.1]
    assert codes({"loss": loss, "val_loss": [v * 1.1 for v in loss]})[0] == ("diverged", "error")


def test_rising_validation_loss_of_an_overfit_run_is_not_divergence():
    assert "diverged" not in dict(codes(real("imdb_20")))


def test_early_stopping_makes_overfitting_harmless():
    assert dict(codes(real("imdb_20"), patience=2)) == {"overfitting": "info"}


def test_at_chance_is_underfitting():
    n = 8
    h = {"loss": [np.log(10)] * n, "accuracy": [0.1] * n, "val_loss": [np.log(10)] * n, "val_accuracy": [0.1] * n}
    assert codes(h)[0] == ("underfitting", "error")


def test_below_a_linear_model_is_underfitting():
    t = np.arange(12)
    h = {"loss": 0.55 + 0.14 * 0.5**t, "accuracy": 0.7 - 0.1 * 0.5**t, "val_loss": 0.56 + 0.13 * 0.5**t}
    assert status(curves(h)) == "healthy"  # it may be all that the data allow
    assert codes(h, linear=0.85, majority=0.5) == [("underfitting", "warning")]


def test_without_a_training_curve_only_the_best_epoch_is_sure():
    h = {"val_loss": real("imdb_20")["val_loss"]}
    assert codes(h) == [("too_many_epochs", "warning")]


@pytest.mark.parametrize("epochs", [1, 2])
def test_under_three_epochs_nothing_is_said(epochs):
    h = History({k: real("imdb_20")[k][:, :epochs] for k in ("loss", "val_loss")})
    assert curves(h) == []


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ({}, "no curves to judge.*received an empty history"),
        ({"loss": []}, "no curves to judge.*received empty ones of loss"),
        (History({}), "no curves to judge"),
        ({"loss": "abc"}, "'loss' holds no numbers"),
        ({"loss": [1.0, 2.0], "day": ["mo", "tu"]}, "'day' holds no numbers"),
        ({"loss": np.zeros((2, 3)), "val_loss": [1, 2, 3]}, "different numbers of runs.*'val_loss': 1"),
        ({"loss": [[[1.0]]]}, "'loss' holds no numbers"),
        ("log.csv", r"no curves.*goodfit\.logs\.read\(path\)"),
    ],
)
def test_what_holds_no_curves_is_told(log, says):
    with pytest.raises(GoodfitError, match=says) as told:
        goodfit.diagnose(log)
    assert "\n" not in str(told.value)
