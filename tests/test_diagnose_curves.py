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


@pytest.mark.parametrize("known", ["nothing", "classes", "majority"])
@pytest.mark.parametrize("classes", [2, 3, 10, 46])
@pytest.mark.parametrize("epochs", [3, 4, 5, 8, 20, 30])
def test_noise_about_chance_is_underfitting(epochs, classes, known):
    rng = np.random.default_rng([epochs, classes])
    context = {"classes": {"classes": classes}, "majority": {"majority": 1 / classes}}.get(known, {})
    for noise in (0.0005, 0.003, 0.01):
        for lean in (0, 0.02):  # the commonest class is a little commoner, or the best epoch lucky
            wobble = 1 + noise * rng.standard_normal((2, epochs))
            right = 1 / classes + lean + 0.004 * rng.standard_normal((2, epochs))
            h = {"loss": np.log(classes) * wobble[0], "val_loss": np.log(classes) * wobble[1]}
            h |= {"accuracy": right[0].clip(0), "val_accuracy": right[1].clip(0)}
            assert codes(h, **context)[0] == ("underfitting", "error"), (noise, lean)


def test_an_accuracy_that_few_rows_explain_is_chance_and_one_that_they_do_not_is_not():
    rng = np.random.default_rng(0)
    for rows, said in ((200, "underfitting"), (20_000, "healthy")):
        accuracy = 0.56 + 0.004 * rng.standard_normal(12)
        loss = 0.6931 - 0.0003 * rng.random(12)
        assert status(curves({"loss": loss, "accuracy": accuracy}, context=Context(majority=0.5, rows=rows))) == said


def test_what_the_loss_has_learned_is_no_chance_at_any_accuracy():
    t = np.arange(10)
    loss = 0.45 + 0.24 * 0.5**t
    assert status(curves({"loss": loss, "val_loss": loss, "accuracy": np.full(10, 0.53)})) != "underfitting"


@pytest.mark.parametrize("accuracies", [True, False])
@pytest.mark.parametrize("pace", [0.0005, 0.002, 0.005, 0.01, 0.014, 0.02, 0.04])
def test_a_steady_fall_has_one_name_at_every_length(pace, accuracies):
    names = set()
    for epochs in (3, 4, 5, 8, 12, 20, 30, 60, 100):
        loss = 0.7 * (1 - pace * np.arange(epochs))
        right = {"accuracy": 1 - 0.7 * loss, "val_accuracy": 0.99 - 0.7 * loss} if accuracies else {}
        if loss[-1] > 0.2:
            names.add(status(curves({"loss": loss, "val_loss": 1.01 * loss, **right})))
    assert names == {"learning_rate_too_low" if pace < 1 / 80 else "too_few_epochs"}


@pytest.mark.parametrize("epochs", [4, 7, 11, 30])
def test_no_loss_is_foretold_to_fall_below_0(epochs):
    loss = 0.95 - 0.85 * np.arange(epochs) / epochs
    (found,) = curves({"loss": loss, "val_loss": 1.02 * loss, "val_accuracy": 0.99 - 0.5 * loss})
    assert found.code == "too_few_epochs"
    assert "should lower it by more than half." in found.message
    assert found.evidence["expected_gain"] == 1
    assert found.evidence["expected_accuracy_gain"] < 0.99


@pytest.mark.parametrize(("share", "said"), [(0.5, "info"), (0.7, "warning")])
@pytest.mark.parametrize("epochs", [4, 7, 12])
def test_a_validation_loss_that_hardly_follows_the_training_loss_will_soon_arrive(share, said, epochs):
    loss = 0.9 ** np.arange(epochs)
    assert codes({"loss": loss, "val_loss": 0.2 + share * loss}) == [("too_few_epochs", said)]


def test_a_training_loss_that_creeps_on_after_the_validation_loss_arrived_is_no_matter_of_steps():
    t = np.arange(20)
    assert status(curves({"loss": 0.40 - 0.003 * t, "val_loss": 0.45 - 0.01 * np.minimum(t, 3)})) == "healthy"


@pytest.mark.parametrize("value", [0.0, 0.6931, 2.3026, 5.0])
@pytest.mark.parametrize("accuracy", [None, 0.1, 0.5])
@pytest.mark.parametrize("noise", [0, 0.01])
def test_no_remedy_contradicts_another(value, accuracy, noise):
    loss = value + noise * np.random.default_rng(1).standard_normal(12)
    h = {"loss": loss, "val_loss": loss, **({} if accuracy is None else {"accuracy": [accuracy] * 12})}
    for run in (h, *({k: v[: len(v) // 2] for k, v in h.items()},)):
        tried = {r for f in curves(run) for r in f.remedies}
        assert not {"lower_learning_rate", "higher_learning_rate"} <= tried


def test_swings_of_pure_luck_are_no_oscillation():
    rng = np.random.default_rng(0)
    for epochs in (5, 6, 8):
        loss = 0.40 * (1 + 0.004 * rng.standard_normal((50, epochs))) - 0.0005 * np.arange(epochs)
        assert not [x for x in loss if "oscillation" in dict(codes({"loss": x, "accuracy": [0.85] * epochs}))]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ({"loss": [np.nan] * 3, "val_loss": [np.nan] * 3}, "was not a finite number from the start."),
        ({"loss": [0.7, np.nan, np.nan]}, "was no longer finite at epoch 2."),
        ({"loss": [0.7, 0.6, 0.5], "val_loss": [0.7, 0.6, 0.5]}, "in the last epoch)"),
        ({"loss": np.linspace(0.9, 0.4, 6), "val_loss": np.linspace(0.9, 0.4, 6)}, "in the last 2 epochs)"),
        ({"val_loss": np.linspace(0.4, 0.9, 6)}, "1 of 6 epochs was enough"),
    ],
)
def test_words(log, said):
    assert said in curves(log)[0].message


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
