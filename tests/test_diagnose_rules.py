"""Each rule against its slow independent version in `slow_rules.py`."""

import math
from itertools import pairwise

import numpy as np
import pytest

from goodfit.diagnose import Context, curves
from goodfit.diagnose.chance import chance_loss
from goodfit.diagnose.grain import rows_behind
from goodfit.diagnose.noise import between, median, roughness, smoothed
from goodfit.diagnose.rules import RULES
from goodfit.diagnose.swings import swings
from goodfit.diagnose.thresholds import SURE
from goodfit.diagnose.view import View
from goodfit.history import History
from slow_rules import SLOW, Slow, slow_rough, slow_trend, slow_turns

KINDS = (
    "healthy",
    "overfit",
    "unfinished",
    "slow",
    "stuck",
    "diverging",
    "swinging",
    "jumpy",
    "constant",
    "far off",
    "squared",
    "hits",
    "percent",
    "twice",
    "sigmoid twice",
    "dead",
    "frozen",
    "by heart",
    "other rows",
    "thrown",
    "flips",
    "chance",
)


def made(kind: str, seed: int) -> History:
    """Curves of a kind: some epochs, some runs, some noise, any scale."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    n, runs = int(rng.integers(3, 45)), int(rng.choice([1, 1, 2, 4]))
    t, noise = np.arange(n), float(rng.choice([0, 0.002, 0.02]))
    pace = float(rng.uniform(0.1, 1.5))
    noise = min(noise, 0.002) if kind == "twice" else noise
    val_noise, jump = noise, np.zeros((runs, n))
    train, val = 0.1 + np.exp(-pace * t), 0.3 + np.exp(-pace * t)
    if kind == "overfit":
        val = val + rng.uniform(0.002, 0.1) * np.maximum(t - rng.integers(1, 10), 0)
        train = train * np.exp(-0.03 * t)
    elif kind == "unfinished":
        train = val = 0.2 + np.exp(-t / n)
    elif kind == "slow":
        train = val = 0.7 - 10 ** rng.uniform(-5, -2) * t
    elif kind == "stuck":
        train = val = 0.69 + 0.2 * np.exp(-3.0 * t)
    elif kind == "diverging":
        train = val = 0.3 + np.exp(-pace * t) + np.maximum(t - n / 2, 0) ** 2 * 0.05
    elif kind == "swinging":
        jump = 0.3 * np.where(rng.random((runs, n)) < 0.5, 1, 0)
    elif kind == "jumpy":
        val_noise = 0.3
    elif kind == "constant":
        train = val = np.full(n, rng.choice([0.0, 0.5, math.log(2), 2.0]))
        noise = val_noise = 0.0
    elif kind == "far off":
        train = val = 8.0 - 0.01 * t
    elif kind in ("squared", "hits", "percent"):
        train = val = {"squared": 0.02, "hits": 0.02, "percent": 3e4}[kind] * (1 + 10 * np.exp(-pace * t))
    elif kind == "twice":
        classes = int(rng.choice([3, 10, 46]))
        right = np.clip(0.98 - 0.7 * np.exp(-pace * t), 0, 1)
        train = val = math.log(math.e + classes - 1) - right + 0.08 * rng.random() * np.exp(-pace * t)
    elif kind == "sigmoid twice":
        train = val = 0.5 + 0.24 * np.exp(-pace * t) + 0.02 * rng.random()
    elif kind == "dead":
        train = val = math.log(2) * (1 - 10.0 ** rng.uniform(-4.5, -2) * (t.clip(0, 9) + 1e-4 * t))
        noise = val_noise = 0.0
    elif kind == "frozen":
        train = val = 1.7 + 1.8 * 0.1**t
        noise = val_noise = 0.0
    elif kind == "by heart":
        train, val = 0.7 * np.exp(-0.05 * pace * t), 0.69 + rng.uniform(-0.002, 0.03) * t / n
    elif kind == "other rows":
        val = 1.5 + rng.uniform(-0.4, 2) * np.exp(-pace * t)
    elif kind == "thrown":
        train = val = 0.4 - 0.02 * t + 1.5 * (t > 1)
    elif kind == "flips":
        train = val = 1.3 + 0.1 * rng.random(n)
        noise = val_noise = 0.002
    elif kind == "chance":
        classes = int(rng.choice([2, 3, 10]))
        train = val = math.log(classes) * (
            1 + rng.choice([0, 0.03, 0.2]) * np.exp(-2.0 * t) - rng.choice([0, 0.002]) * t
        )
        noise = val_noise = float(rng.choice([0.002, 0.01]))
    curves = {
        "loss": np.abs(train + jump + noise * rng.standard_normal((runs, n))),
        "val_loss": np.abs(val + jump + val_noise * rng.standard_normal((runs, n))),
    }
    if rng.random() < 0.6 or kind in KINDS[KINDS.index("twice") :]:
        level = {"slow": 0.51, "stuck": 0.5, "constant": 0.5, "far off": 0.5}.get(kind)
        accuracy = 1 - train / 2.5 if level is None else np.full(n, level)
        if kind in ("squared", "percent"):
            accuracy = 0.95 - 0.4 * np.exp(-pace * t)
        elif kind == "hits":
            accuracy = np.full(n, 0.01)
        elif kind == "twice":
            accuracy = right
        elif kind == "sigmoid twice":
            accuracy = rng.choice([0.85, 0.97]) - 0.3 * np.exp(-pace * t)
        elif kind == "dead":
            accuracy = np.full(n, 0.6)
        elif kind == "frozen":
            accuracy = 0.89 - 0.3 * (t == 0)
        elif kind == "flips":
            accuracy = np.where(rng.random(n) < 0.7, 0.45, 0.31)
        elif kind == "chance":
            accuracy = 1 / classes + rng.choice([0.0, 0.02, 0.06]) + 0.01 * rng.standard_normal(n)
        curves["accuracy"] = np.clip(accuracy - jump / 3, 0, 1)
        behind = rng.uniform(0.1, 0.9) * accuracy if kind == "other rows" else 0.02
        curves["val_accuracy"] = np.clip(accuracy - behind - jump / 3, 0, 1)
    if rng.random() < 0.2:
        curves["learning_rate"] = np.tile(np.where(t < n / 2, 0.1, 0.001), (runs, 1))
    if rng.random() < 0.15:
        curves.pop("val_loss" if rng.random() < 0.5 else "loss")
    if kind == "diverging" and rng.random() < 0.3 and "loss" in curves:
        for key in {"loss", "val_loss"} & set(curves):
            curves[key][0, n // 2 :] = np.nan
    return History(curves)


# --- against the slow versions --------------------------------------------------------------------------------------

CONTEXTS = (
    Context(),
    Context(classes=2, majority=0.5, linear=0.8, rows=400, validation_rows=100),
    Context(patience=3, keeps_last=True, regularised=True),
)
NEEDS = {
    "train": "loss",
    "val": "val_loss",
    "running": "loss",
    "train_metric": "accuracy",
    "val_metric": "val_accuracy",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_rule_equals_its_slow_version(rule):
    said = {None: 0, "info": 0, "warning": 0, "error": 0}
    for kind in KINDS:
        for seed in range(24):
            history, context = made(kind, seed), CONTEXTS[seed % 3]
            view, slow = View.of(history), Slow(history, context)
            lacking = [c for n in rule.needs if (c := NEEDS[n]) not in history.curves]
            broken = slow.broken and rule.code != "diverged"
            if broken or (rule.code == "diverged" and "loss" not in history.curves):
                continue  # what is cut off where it broke is tested below
            found = rule.check(view, context) if rule.applies(view) else None
            expected = None if lacking else SLOW[rule.code](slow)
            assert (found and found.severity) == expected, (kind, seed, found)
            said[expected] += 1
    assert said[None] > 10, "it never stays silent"
    assert sum(said.values()) - said[None] > 3, "it never speaks"


def bridged(run):
    """A run's gaps filled by straight lines, step by step."""
    at = [i for i, v in enumerate(run) if not math.isnan(v)]
    out = list(run)
    for a, b in pairwise(at):
        for i in range(a + 1, b):
            out[i] = run[a] + (run[b] - run[a]) * (i - a) / (b - a)
    return out


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_rule_equals_its_slow_version_on_curves_full_of_gaps(rule):
    for kind in KINDS:
        for seed in range(24):
            history, context = made(kind, seed), CONTEXTS[seed % 3]
            slow = Slow(history, context)
            needed = [NEEDS[n] for n in rule.needs] or ["loss"]
            lacking = [c for c in needed if c not in history.curves]
            if slow.broken or history.runs < 2 or history.epochs < 5 or lacking:
                continue
            rng, holes = np.random.default_rng(seed), {}
            for key, values in history.curves.items():
                gone = rng.random(values.shape) < 0.3
                gone[:, [0, -1]] = gone[0] = False  # what all runs lack was not measured: another matter
                holes[key] = np.where(gone, np.nan, values)
            slow = Slow(History({k: np.array([bridged(run) for run in v.tolist()]) for k, v in holes.items()}), context)
            view = View.of(History(holes))
            found = rule.check(view, context) if rule.applies(view) else None
            assert (found and found.severity) == SLOW[rule.code](slow), (kind, seed, found)


# --- the parts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_parts_equal_their_slow_versions(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(int(rng.integers(3, 120)))
    np.testing.assert_allclose(smoothed(x), slow_trend(x.tolist()), rtol=1e-9, atol=1e-12)
    assert roughness(x) == pytest.approx(slow_rough(x.tolist()))
    assert median(x) == np.median(x)
    assert swings(x, 0.5) == slow_turns(x.tolist(), 0.5)


def test_roughness_is_the_noise_of_a_line_and_between_that_of_seeds():
    rng = np.random.default_rng(0)
    assert roughness(np.arange(4000) * 3.0 + 0.2 * rng.standard_normal(4000)) == pytest.approx(0.2, rel=0.05)
    runs = np.arange(50) ** 2 + np.array([[0.0], [7.0], [-3.0]]) + 0.2 * rng.standard_normal((3, 50))
    assert between(runs) == pytest.approx(0.2, rel=0.2)
    assert np.isnan(between(runs[:1]))


@pytest.mark.parametrize("epochs", [3, 4, 5, 6, 8, 10])
def test_flat_noise_seldom_looks_sure_however_few_the_epochs(epochs):
    curves = np.random.default_rng(epochs).standard_normal((2000, epochs))
    changes = [View.of(History({"loss": x})).train.change(0, epochs - 1) for x in curves]
    assert np.mean([size < -SURE * error for size, error in changes]) < 0.035


@pytest.mark.parametrize("rows", [7, 91, 400, 1000, 2500])
@pytest.mark.parametrize("digits", [4, 16])
def test_rows_are_read_off_their_accuracies(rows, digits):
    right = np.random.default_rng(rows).integers(1, rows, 20) / rows
    told = rows_behind(np.round(right.astype(np.float32).astype(float), digits))
    # Four digits may not tell a thousand rows apart, and nothing is said then; a wrong number never is.
    assert told in ([rows] if digits == 16 or rows < 1000 else [rows, None])
    assert rows_behind(np.random.default_rng(0).random(20)) is None
    assert rows_behind(np.full(20, 0.5)) is None
    assert rows_behind(np.array([np.nan, 0.0, 1.0, 0.25])) is None


def test_few_validation_rows_tell_no_small_rise():
    t = np.arange(16)
    val = 0.4 + 0.3 * np.exp(-t / 1.5) + 0.003 * np.maximum(t - 5, 0)
    h = {"loss": 0.7 * 0.8**t, "accuracy": 1 - 0.4 * 0.8**t, "val_loss": val}
    for rows in (100, 10_000):
        told = {f.code: f.severity for f in curves(h, context=Context(validation_rows=rows))}
        assert (told.get("overfitting") == "warning") == (rows > 1000)


def test_chance_loss_is_the_entropy_of_a_calibrated_guess():
    assert chance_loss(0.5, 2) == pytest.approx(math.log(2))
    assert chance_loss(1 / 46, None) == pytest.approx(math.log(46))
    assert chance_loss(0.9, 2) < chance_loss(0.7, 2)


# --- what was logged, and what was not ------------------------------------------------------------------------------


def test_runs_of_different_length_make_no_jump():
    long, short = np.linspace(1.0, 0.1, 10), np.linspace(2.0, 1.4, 7)
    runs = np.full((2, 10), np.nan)
    runs[0], runs[1, :7] = long, short
    view = View.of(History({"loss": runs, "val_loss": runs}, epochs_run=np.array([10, 7])))
    assert view.epochs == 10
    steps = np.diff(view.train.mean)
    assert np.all(steps < 0)
    assert np.all(np.abs(np.diff(steps)) < 0.01)
    # The epochs that only a minority reached are not looked at.
    few = View.of(History({"loss": np.vstack([runs, runs[1]])}, epochs_run=np.array([10, 7, 7])))
    assert few.epochs == 7


def test_epochs_after_a_break_are_cut_off():
    loss = np.array([[0.9, 0.5, np.nan, np.nan], [0.9, 0.5, 0.3, 0.2], [0.8, 0.5, 0.3, np.inf]])
    view = View.of(History({"loss": loss}))
    assert (view.broken, view.broken_runs, view.epochs) == (3, 2, 3)


def test_a_value_every_few_epochs_is_bridged():
    val = [0.9, np.nan, 0.7, np.nan, 0.5]
    view = View.of(History({"loss": [1.0, 0.8, 0.6, 0.5, 0.4], "val_loss": val}))
    np.testing.assert_allclose(view.val.mean, [0.9, 0.8, 0.7, 0.6, 0.5])
    assert view.epochs == 5


def test_a_training_loss_that_is_only_missing_is_no_divergence():
    loss, val = [1.0, 0.8, 0.6, np.nan], [0.9, 0.8, 0.7, 0.65]
    assert View.of(History({"loss": loss, "val_loss": val})).broken is None
    assert View.of(History({"loss": loss, "val_loss": [0.9, 0.8, 0.7, np.nan]})).broken == 4


def test_an_absurd_first_validation_loss_hides_no_overfitting():
    t = np.arange(14)
    val = 0.3 + 0.02 * np.maximum(t - 4, 0) + 0.4 * np.exp(-t.astype(float))
    val[0] = 50.0  # batch normalisation before its averages have settled
    found = [
        r.check(View.of(History({"loss": 0.7 * 0.8**t, "val_loss": val})), Context())
        for r in RULES
        if r.code == "overfitting"
    ]
    assert found[0] is not None
    assert found[0].severity == "warning"


@pytest.mark.parametrize(
    ("metric", "values"), [("mae", [3.0, 2.0, 1.5]), ("accuracy", [0.5, 0.6, 0.7]), ("r2", [0.1, 0.2, 0.3])]
)
def test_metrics_go_up_or_down(metric, values):
    view = View.of(History({"loss": [3.0, 2.0, 1.0], metric: values, f"val_{metric}": values}))
    assert view.val_metric.best == 2
    assert view.val_metric.higher is (metric != "mae")
