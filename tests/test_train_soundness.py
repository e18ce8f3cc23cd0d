"""A compiler that adds up wrongly must not go unnoticed."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from goodfit.errors import ModelError
from goodfit.models import lane_form, network
from goodfit.models.recipe import Recipe
from goodfit.train import soundness
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine


def test_sums_come_out_right():
    assert soundness.worst_error() < 1e-4


def test_it_does_not_matter_who_used_jax_first():
    """A notebook that has built and run Keras models before it imports goodfit: XLA has read its flags long ago."""
    code = (
        "import os; os.environ['KERAS_BACKEND'] = 'jax'; os.environ.pop('XLA_FLAGS', None)\n"
        "import keras; keras.ops.ones(3).sum()\n"
        "from goodfit.train import soundness\n"
        "assert soundness.worst_error() < 1e-4\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_wrong_sums_are_one_line(monkeypatch):
    monkeypatch.setattr(soundness, "worst_error", lambda: 1.0)
    soundness.require_right_sums.cache_clear()
    with pytest.raises(ModelError, match="adds up wrongly"):
        soundness.require_right_sums()
    monkeypatch.undo()
    soundness.require_right_sums.cache_clear()
    soundness.require_right_sums()


def test_many_lanes_over_many_rows_are_measured_right():
    """More lanes times rows than the small models of the other tests have: each lane's figures, by Keras itself."""
    rows, features, lanes = 2500, 30, 24
    x = sp.csr_array(sp.random(rows, features, 0.2, format="csr", dtype=np.float32, rng=np.random.default_rng(0)))
    y = np.random.default_rng(1).integers(0, 5, rows)
    member = np.where(np.arange(rows) % 4 == 0, VALIDATION, TRAIN).astype(np.uint8)
    net = network.from_recipe(Recipe(units=(16,), batch_size=1500, epochs=1), features, 5)
    runs = Engine(x, y).train([Lane("v", s, net, member) for s in range(lanes)], keep=lambda lane: lane.seed % 8 == 7)
    held = member == VALIDATION
    for run in runs[7::8]:
        p = lane_form.to_stock(net, run.weights).predict_on_batch(x[held].toarray())
        loss = -np.log(p[np.arange(held.sum()), y[held]]).mean()
        assert run.curves["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
        assert run.curves["val_accuracy"][-1] == pytest.approx((p.argmax(1) == y[held]).mean(), abs=1e-6)
