"""The fused optimizer step is Keras's own step of each lane."""

import keras
import numpy as np
import pytest

from goodfit.models.native import native
from goodfit.train import fused, rules

pytestmark = pytest.mark.skipif(not native("goodfit_optimizer_step"), reason="the C++ extension is not built")

SHAPES = [(5, 7), (7,), (3, 40), ()]
LANES = 3
RATE, DECAY = np.float32([0.1, 0.01, 0.03]), np.float32([0.0, 0.2, 0.1])
MOVING = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 1]], bool)


def made(rule, lane):
    o = keras.optimizers
    rate, decay = float(RATE[lane]), float(DECAY[lane])
    return {
        "sgd": lambda: o.SGD(rate, weight_decay=decay),
        "momentum": lambda: o.SGD(rate, 0.9, weight_decay=decay),
        "rmsprop": lambda: o.RMSprop(rate, weight_decay=decay),
        "adam": lambda: o.Adam(rate, weight_decay=decay),
        "adamw": lambda: o.AdamW(rate, weight_decay=decay),
    }[rule]()


@pytest.mark.parametrize("rule", ["sgd", "momentum", "rmsprop", "adam", "adamw"])
def test_the_fused_step_is_keras_on_each_lane(rule):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(LANES, *shape)).astype(np.float32) for shape in SHAPES]
    l1, l2 = rng.uniform(0, 0.1, (2, LANES, len(SHAPES))).astype(np.float32)
    l1[0] = l2[0] = 0
    variables = [[keras.Variable(w[lane]) for w in weights] for lane in range(LANES)]
    alone = [made(rule, lane) for lane in range(LANES)]
    for optimizer, own in zip(alone, variables, strict=True):
        optimizer.build(own)
    step = fused.of(alone[0], variables[0], rule)
    assert step is not None
    state = [np.stack([np.asarray(o.variables[i].value) for o in alone]) for i in range(len(alone[0].variables))]
    hyper = {"learning_rate": RATE, "weight_decay": DECAY, "l1": l1, "l2": l2}
    for moving in MOVING:
        grads = [rng.normal(size=w.shape).astype(np.float32) for w in weights]
        for lane in np.flatnonzero(moving):
            own = [np.asarray(v.value) for v in variables[lane]]
            full = [
                g[lane] + l1[lane, i] * np.sign(w) + 2 * l2[lane, i] * w
                for i, (g, w) in enumerate(zip(grads, own, strict=True))
            ]
            alone[lane].apply(full, variables[lane])
        for g in grads:
            g[~moving] = np.nan  # a lane that stays does not look
        weights, state = step.step(weights, state, grads, hyper, moving)
        for lane in range(LANES):
            for w, v in zip(weights, variables[lane], strict=True):
                np.testing.assert_allclose(w[lane], v.value, rtol=1e-5, atol=1e-6)
            for s, v in zip(state, alone[lane].variables, strict=True):
                np.testing.assert_allclose(s[lane], v.value, rtol=1e-5, atol=1e-6)


def test_what_keras_alone_can_do_is_left_to_keras():
    free, bound = keras.Variable(np.ones(3)), keras.Variable(np.ones(3))
    bound.constraint = keras.constraints.NonNeg()
    for variables, rule in (([free, bound], "sgd"), ([free], "nadam"), ([free], None), ([], "sgd")):
        optimizer = keras.optimizers.Nadam() if rule == "nadam" else keras.optimizers.SGD()
        optimizer.build(variables)
        assert fused.of(optimizer, variables, rule) is None
    assert set(fused.SLOT_NAMES) | {"nadam"} == set(rules.SLOTS)
