"""Every optimizer, schedule and loss that Keras has, in lanes: the numbers that Keras itself gives."""

import inspect

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from goodfit.errors import ModelError
from goodfit.models import lane_form, network, objective
from goodfit.train.program import Program

OPT, S, LOSS = keras.optimizers, keras.optimizers.schedules, keras.losses
STEPS = 4
OPTIMIZERS = {
    "sgd": lambda r: OPT.SGD(r, weight_decay=0.1),
    "momentum": lambda r: OPT.SGD(r, momentum=0.9, clipnorm=0.5),
    "nesterov": lambda r: OPT.SGD(r, momentum=0.9, nesterov=True, global_clipnorm=0.5),
    "rmsprop": lambda r: OPT.RMSprop(r, clipvalue=0.3),
    "rmsprop centered": lambda r: OPT.RMSprop(r, momentum=0.9, centered=True),
    "adam": lambda r: OPT.Adam(r, use_ema=True, ema_momentum=0.5),
    "adam overwritten by its average": lambda r: OPT.Adam(r, use_ema=True, ema_overwrite_frequency=2),
    "adam accumulating": lambda r: OPT.Adam(r, gradient_accumulation_steps=2, weight_decay=0.01),
    "amsgrad": lambda r: OPT.Adam(r, amsgrad=True),
    "adamw": lambda r: OPT.AdamW(r, weight_decay=0.05),
    "nadam": OPT.Nadam,
    "adamax": OPT.Adamax,
    "adagrad": OPT.Adagrad,
    "adadelta": OPT.Adadelta,
    "adafactor": lambda r: OPT.Adafactor(r, relative_step=False),
    "ftrl": OPT.Ftrl,
    "lion": OPT.Lion,
    "lamb": OPT.Lamb,
    "muon": lambda r: OPT.Muon(r, adam_weight_decay=0.01),
    "schedule-free": lambda r: OPT.ScheduleFreeAdamW(r, warmup_steps=2),
    "exponential": lambda r: OPT.SGD(S.ExponentialDecay(r, 2, 0.5)),
    "staircase": lambda r: OPT.SGD(S.ExponentialDecay(r, 2, 0.5, staircase=True)),
    "piecewise": lambda r: OPT.SGD(S.PiecewiseConstantDecay([1, 2], [r, r / 2, r / 4])),
    "polynomial": lambda r: OPT.SGD(S.PolynomialDecay(r, 3, r / 10, power=2, cycle=True)),
    "inverse time": lambda r: OPT.SGD(S.InverseTimeDecay(r, 2, 0.5)),
    "cosine": lambda r: OPT.AdamW(S.CosineDecay(r, 3, warmup_target=2 * r, warmup_steps=2)),
    "cosine restarts": lambda r: OPT.SGD(S.CosineDecayRestarts(r, 2)),
}
OTHERS = {"LossScaleOptimizer", "MultiOptimizer", "Optimizer", "OptimizerMap"}
RATES = (0.05, 0.2)


def linear(optimizer, loss="sparse_categorical_crossentropy"):
    layer = keras.layers.Dense(3, activation="softmax", kernel_constraint=keras.constraints.MaxNorm(2.0))
    return network.of(keras.Sequential([keras.Input((4,)), layer]), optimizer, loss, 3)


def test_every_optimizer_and_schedule_steps_as_keras_does():
    built = {k for k, v in vars(OPT).items() if inspect.isclass(v)} - OTHERS
    made = [make(0.1) for make in OPTIMIZERS.values()]
    assert built == {type(o).__name__ for o in made}
    schedules = {k for k, v in vars(S).items() if inspect.isclass(v)} - {"LearningRateSchedule"}
    assert schedules == {type(o._learning_rate).__name__ for o in made} & schedules

    rng = np.random.default_rng(0)
    start = [rng.normal(size=(2, 4, 3)).astype(np.float32), rng.normal(size=(2, 3)).astype(np.float32)]
    grads = [rng.normal(size=(STEPS, *w.shape)).astype(np.float32) for w in start]
    programs, begun, lanes = [], [], []
    for make in OPTIMIZERS.values():
        scheduled = not isinstance(make(0.1)._learning_rate, keras.Variable)
        networks = [linear(make(r)) for r in ((RATES[0],) * 2 if scheduled else RATES)]
        program = Program(lane_form.of(networks[0], sparse=False), rule=None)
        constants = program.constants(
            networks, [lane_form.penalties(n.model) for n in networks], [1, 2], np.ones((2, 5), np.uint8)
        )
        programs.append(program)
        lanes.append({k: constants[k] for k in ("l1", "l2", "weight_decay", "learning_rate")})
        state = program.start([[w[i] for w in start] for i in range(2)], constants)
        begun.append((state["trainable"], state["optimizer"]))

    @jax.jit
    def stepped(states):
        def step(states, grads):
            return [
                jax.vmap(p._apply)(*s, grads, lane) for p, s, lane in zip(programs, states, lanes, strict=True)
            ], None

        states, _ = jax.lax.scan(step, states, grads)
        parts = [{"trainable": t, "non_trainable": [], "first": None, "optimizer": o} for t, o in states]
        return [p.kept(part)["trainable"] for p, part in zip(programs, parts, strict=True)]

    for (name, make), kept in zip(OPTIMIZERS.items(), stepped(begun), strict=True):
        for lane, rate in enumerate(RATES):
            if lane and not isinstance(make(0.1)._learning_rate, keras.Variable):
                continue
            optimizer = make(rate)
            constraint = keras.constraints.MaxNorm(2.0)
            variables = [keras.Variable(w[lane], name=n) for w, n in zip(start, ("kernel", "bias"), strict=True)]
            variables[0].constraint = constraint
            optimizer.build(variables)
            for step in range(STEPS):
                optimizer.apply([jnp.asarray(g[step, lane]) for g in grads], variables)
            optimizer.finalize_variable_values(variables)
            for ours, keras_own in zip(kept, variables, strict=True):
                assert np.allclose(ours[lane], keras_own, atol=2e-6), name


LOSSES = {
    "binary": (1, "sigmoid", LOSS.BinaryCrossentropy(label_smoothing=0.1)),
    "binary logits": (1, "linear", LOSS.BinaryCrossentropy(from_logits=True)),
    "binary focal": (1, "sigmoid", LOSS.BinaryFocalCrossentropy(apply_class_balancing=True, label_smoothing=0.2)),
    "binary, one against all": (3, "sigmoid", LOSS.BinaryCrossentropy(label_smoothing=0.1)),
    "hinge": (1, "tanh", LOSS.Hinge()),
    "squared hinge": (1, "linear", LOSS.SquaredHinge()),
    "sparse": (3, "softmax", LOSS.SparseCategoricalCrossentropy()),
    "sparse logits": (3, "linear", LOSS.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")),
    "categorical": (3, "softmax", LOSS.CategoricalCrossentropy(label_smoothing=0.1)),
    "categorical focal": (3, "softmax", LOSS.CategoricalFocalCrossentropy(label_smoothing=0.1)),
    "generalized": (3, "softmax", LOSS.CategoricalGeneralizedCrossEntropy(q=0.4)),
    "categorical hinge": (3, "linear", LOSS.CategoricalHinge(reduction="mean_with_sample_weight")),
    "divergence": (3, "softmax", LOSS.KLDivergence()),
    "poisson": (3, "softmax", LOSS.Poisson()),
    "squared error": (3, "softmax", "mse"),
    "absolute error": (1, "sigmoid", "mae"),
    "huber": (3, "softmax", LOSS.Huber(delta=0.3)),
    "log cosh": (3, "softmax", "log_cosh"),
    "cosine": (3, "softmax", LOSS.CosineSimilarity()),
    "percentage": (3, "softmax", "mape"),
    "logarithmic": (3, "softmax", "msle"),
    "dice": (3, "softmax", LOSS.Dice()),
    "tversky": (1, "sigmoid", LOSS.Tversky(alpha=0.3, beta=0.6)),
    "dice by row": (3, "softmax", LOSS.Dice(axis=-1)),
    "by name": (3, "softmax", "crossentropy"),
}


def test_every_loss_is_what_keras_gives_for_the_own_rows_alone():
    losses = {k for k, v in vars(LOSS).items() if inspect.isclass(v)} - {"Loss", "CTC", "Circle"}
    given = {type(x).__name__ for _, _, x in LOSSES.values()}
    assert losses - given == {"MeanSquaredError", "MeanAbsoluteError", "LogCosh", "MeanAbsolutePercentageError",
                              "MeanSquaredLogarithmicError"}  # fmt: skip
    rng = np.random.default_rng(0)
    raw, own = rng.normal(size=(30, 3)).astype(np.float32), rng.random(30) < 0.6
    y, weight = rng.integers(0, 3, 30), rng.uniform(0.5, 2, 30).astype(np.float32)
    final = {"sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax, "linear": lambda z: z, "tanh": jnp.tanh}
    aims, outs, labels, smooth = [], [], [], []
    for units, activation, loss in LOSSES.values():
        plain, smoothing = objective.prepared(loss, units)
        aims.append(objective.of(plain, units, activation))
        outs.append(final[activation](raw[:, :units]))
        labels.append(jnp.asarray(y % 2 if units == 1 else y))
        smooth.append(smoothing)

    @jax.jit
    def totals():
        return [a.total(o, t, s, own, weight)[0] for a, o, t, s in zip(aims, outs, labels, smooth, strict=True)]

    for (name, (units, _, loss)), aim, out, t, ours in zip(LOSSES.items(), aims, outs, labels, totals(), strict=True):
        loss = keras.losses.get("categorical_crossentropy" if loss == "crossentropy" else loss)
        plain = np.asarray(t)[:, None] if units == 1 else np.eye(3)[t]
        truth = np.asarray(t) if "parse" in type(loss).__name__ or aim.takes == "indices" else plain
        if isinstance(loss, LOSS.Loss):
            expected = loss(truth[own], out[own], weight[own])
        else:
            expected = (loss(truth[own], out[own]) * weight[own]).mean()
        assert float(ours) == pytest.approx(float(expected), rel=1e-5), name
        margin = 0.0 if aim.units == 1 and ("logits" in name or "hinge" in name) else 0.5
        chosen = out[:, 0] > margin if units == 1 else out.argmax(1)
        assert np.array_equal(aim.right(out, t), chosen == np.asarray(t)), name


@pytest.mark.parametrize(
    ("loss", "activation", "says"),
    [
        ("mse", "linear", "regression"),
        (LOSS.CTC(), "softmax", "no loss for classes"),
        ("nonsense", "softmax", "no loss"),
        (LOSS.CategoricalCrossentropy(axis=0), "softmax", "axis"),
        (LOSS.SparseCategoricalCrossentropy(ignore_class=1), "softmax", "ignore"),
        (LOSS.CategoricalCrossentropy(reduction=None), "softmax", "reduction"),
        (lambda y, p: p, "softmax", "one number a row"),
    ],
)
def test_a_loss_that_is_none_for_classes_is_told(loss, activation, says):
    with pytest.raises(ModelError, match=says):
        objective.of(objective.prepared(loss, 3)[0], 3, activation)
