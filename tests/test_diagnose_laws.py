"""What must hold for every curve: scale, seeds, tails, and that nothing that can be logged breaks a rule."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goodfit.diagnose import Context, curves, status
from goodfit.diagnose.rules import RULES
from goodfit.diagnose.view import View
from goodfit.history import History

REAL = json.loads((Path(__file__).parent / "data" / "curves.json").read_text())
LOSSES = ("loss", "train_loss", "val_loss")
SCALE_FREE = {
    "overfitting",
    "too_few_epochs",
    "too_many_epochs",
    "plateau",
    "noisy_validation",
    "oscillation",
    "diverged",
}
"""Codes that ask for no cross-entropy: the others know what chance costs in nats."""


def told(history, **context):
    return [(f.code, f.severity, f.epoch) for f in curves(history, context=Context(**context))]


def scale_free(history):
    """What the rules say that ask for no cross-entropy, before one finding explains others away."""
    view = View.of(history)
    asked = [r for r in RULES if r.code in SCALE_FREE and r.applies(view)]
    return [(f.code, f.severity, f.epoch) for r in asked if (f := r.check(view, Context())) is not None]


@st.composite
def learning(draw, fewest=1):
    """Curves as trainings give them: falling, rising again, noisy, late, of any scale."""
    runs, n = draw(st.integers(fewest, 5)), draw(st.integers(3, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    t = np.arange(n)
    pace, floor = draw(st.floats(0.01, 2)), draw(st.floats(0, 1))
    noise, rise = draw(st.sampled_from([0, 0.003, 0.03, 0.3])), draw(st.sampled_from([0, 0, 0.01, 0.1]))
    train = floor * 0.5 + np.exp(-pace * t)
    val = floor + np.exp(-pace * t) + rise * t
    level = draw(st.sampled_from([1e-6, 1.0, 3.7, 1e6]))

    def noisy(curve):
        return level * np.abs(curve + noise * rng.standard_normal((runs, n)))

    out = {"loss": noisy(train), "val_loss": noisy(val)}
    if draw(st.booleans()):
        out["accuracy"] = np.clip(1 - train / 3 + noise / 10 * rng.standard_normal((runs, n)), 0, 1)
        out["val_accuracy"] = np.clip(1 - val / 3, 0, 1) * np.ones((runs, 1))
    return History(out)


@settings(max_examples=60, deadline=None)
@given(learning(), st.integers(-20, 20))
def test_scaling_a_loss_changes_nothing(history, power):
    scaled = History({k: v * 2.0**power if k in LOSSES else v for k, v in history.curves.items()})
    assert scale_free(scaled) == scale_free(history)
    if "accuracy" not in history:
        assert told(scaled) == told(history)


@pytest.mark.parametrize("name", sorted(REAL))
def test_scaling_real_losses_keeps_what_does_not_count_nats(name):
    history = History.stack([History.of(r) for r in REAL[name]])
    losses = {k: v for k, v in history.curves.items() if k in LOSSES}
    for factor in (1e-3, 1, 1e5):
        assert told(History({k: v * factor for k, v in losses.items()})) == told(History(losses))


@settings(max_examples=60, deadline=None)
@given(learning(fewest=2), st.randoms(use_true_random=False))
def test_permuting_seeds_changes_nothing(history, random):
    order = list(range(history.runs))
    random.shuffle(order)
    assert told(history.select(order)) == told(history)


@settings(max_examples=120, deadline=None)
@given(st.floats(0.2, 2), st.floats(0.05, 1), st.integers(8, 30), st.integers(1, 40), st.none() | st.integers(2, 100))
def test_a_flat_tail_makes_no_healthy_run_sick(pace, floor, epochs, tail, classes):
    fall = np.exp(-pace * np.arange(epochs))
    h = {"loss": floor / 2 + fall, "val_loss": floor + fall}
    if classes is not None:  # a calibrated network: the entropy of its errors is the floor of its loss
        errors = {"accuracy": 0.15 * floor + fall / 3, "val_accuracy": 0.3 * floor + fall / 3}
        h |= {k: 1 - np.minimum(v, 1 - 1 / classes) for k, v in errors.items()}
    longer = {k: np.append(v, np.full(tail, v[-1])) for k, v in h.items()}
    if status(curves(h)) == "healthy":
        assert status(curves(longer)) == "healthy"


@pytest.mark.parametrize("tail", [1, 5, 20, 100])
@pytest.mark.parametrize("name", ["imdb_20", "reuters_20", "imdb_dropout"])
def test_a_flat_tail_keeps_overfitting_and_its_epoch(name, tail):
    history = History.stack([History.of(r) for r in REAL[name]])
    ends = {k: np.concatenate([v, np.repeat(v[:, -1:], tail, axis=1)], axis=1) for k, v in history.curves.items()}
    before, after = curves(history)[0], curves(History(ends))[0]
    assert after.code == before.code == "overfitting"
    assert after.severity == "warning"
    # A longer run is smoothed more widely, so the lowest point may shift by a little.
    assert abs(after.epoch - before.epoch) <= 2


@settings(max_examples=150, deadline=None)
@given(
    st.data(),
    st.sets(
        st.sampled_from([*LOSSES, "accuracy", "train_accuracy", "val_accuracy", "learning_rate", "mae"]), min_size=1
    ),
)
def test_whatever_is_logged_gives_findings_and_valid_json(data, keys):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
    values = st.one_of(st.floats(-1e30, 1e30), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0]))
    logged = {k: data.draw(hnp.arrays(np.float64, shape, elements=values)) for k in sorted(keys)}
    ran = data.draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1])))
    context = Context(classes=data.draw(st.sampled_from([None, 2, 46])), linear=data.draw(st.sampled_from([None, 0.9])))
    with np.errstate(all="ignore"):
        found = curves(History(logged, epochs_run=ran), context=context)
    text = json.dumps([f.to_dict() for f in found], allow_nan=False)
    assert isinstance(json.loads(text), list)
    assert all(f.epoch is None or 1 <= f.epoch <= shape[1] + 1 for f in found)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-12, 1e12])
@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 30])
def test_constant_curves_are_no_trend(value, epochs):
    found = {f.code for f in curves({"loss": [value] * epochs, "val_loss": [value] * epochs})}
    assert not found & {"overfitting", "too_few_epochs", "diverged", "oscillation", "noisy_validation"}
