"""The callback `Doctor`: finds seeded faults in people's own training, changes nothing, never breaks a `fit`."""

import io

import keras
import numpy as np
import pytest
from keras import layers

import goodfit
from goodfit.diagnose import curves
from goodfit.diagnose.internals import Internals, change, dead_units, internals, saturated_units, with_internals
from goodfit.doctor.arguments import Arguments
from goodfit.doctor.examine import examine
from goodfit.doctor.probe import Probe
from goodfit.doctor.yardstick import linear
from goodfit.errors import UsageError
from goodfit.logs import read

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(4, 8))
Y = RNG.integers(0, 4, 1000)
X = (CENTRES[Y] + RNG.normal(size=(1000, 8))).astype("float32")
SPARSE = "sparse_categorical_crossentropy"


def net(loss=SPARSE, activation="softmax", hidden="relu", rate=0.01, depth=2, dropout=0.2, **options):
    keras.utils.set_random_seed(0)
    body = [layers.Dense(16, hidden, **options) for _ in range(depth)]
    model = keras.Sequential([keras.Input((8,)), *body, layers.Dropout(dropout), layers.Dense(4, activation)])
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def watched(model, x=X, y=Y, epochs=4, split=0.5, callbacks=(), **options):
    said = io.StringIO()
    doctor = goodfit.Doctor(stream=said, **options)
    model.fit(x, y, batch_size=64, epochs=epochs, validation_split=split, verbose=0, callbacks=[*callbacks, doctor])
    return doctor, said.getvalue().splitlines()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    log = tmp_path_factory.mktemp("doctor") / "run.csv"
    model = net()
    doctor, said = watched(model, log=log)
    return model, doctor, said, log


def test_a_healthy_training_is_summed_up_in_one_line(healthy):
    _, doctor, said, _ = healthy
    assert doctor.status == "healthy"
    assert [line for line in said if "worth knowing" not in line] == ["goodfit: 4 epochs watched: healthy."]


def test_the_doctor_changes_nothing(healthy):
    alone = net()
    alone.fit(X, Y, batch_size=64, epochs=4, validation_split=0.5, verbose=0)
    for a, b in zip(alone.get_weights(), healthy[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(alone.optimizer.variables, healthy[0].optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_its_log_is_one_that_diagnose_reads(healthy):
    _, doctor, _, log = healthy
    (history,) = read(log)
    for key in ("loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"):
        np.testing.assert_allclose(history[key], doctor.history[key], rtol=1e-6)
    record = Internals.of_history(history)
    assert record is not None
    assert len(record.gradient_norm) == 3
    assert len(record.dead_units) == 2
    assert internals(record) == []
    next(c for k, c in history.curves.items() if k.startswith("dead_units"))[:] = 1.0
    history.curves["loss"][:] = 1.4
    assert with_internals(history, curves(history))[0].code == "dying_relu"


FAULTS = {
    "double_softmax": net(keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
    "learning_rate_too_low": net(rate=1e-9),
    "dying_relu": net(bias_initializer=keras.initializers.Constant(-50)),
    "vanishing_gradient": net(hidden="sigmoid", depth=9, rate=0.001),
    "learning_rate_too_high": net(rate=30.0),
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_is_found_and_named_first(code):
    doctor, said = watched(FAULTS[code])
    assert doctor.status == code
    told = [line for line in said if code in line and "watched" not in line]
    assert len(told) == 2  # as it happens, and in the summary
    assert len(said) <= 5


def test_arrays_are_checked_before_the_first_step():
    def codes(x, y, split=0.5):
        given = Arguments.of({"x": x, "y": y, "validation_split": split, "callbacks": None})
        return [f.code for f in examine(net(), given) if f.severity != "info"]

    order = np.argsort(Y)
    assert codes(X, Y) == []
    assert codes(X[order], Y[order], 0.2) == ["unshuffled_split"]
    assert codes(np.tile(X[:500], (2, 1)), np.tile(Y[:500], 2)) == ["duplicate_rows"]
    assert codes(X * 1000, Y) == ["unscaled_input"]
    assert codes(X, Y + 1) == ["wrong_loss"]


def test_a_hopeless_run_is_stopped():
    order = np.argsort(Y)
    doctor, said = watched(net(), X[order], Y[order], split=0.2, epochs=50, stop_on="unshuffled-split")
    assert "error: unshuffled_split" in said[0]
    assert "stopped" in said[1]
    assert len(doctor.history["loss"][0]) == 1


def test_a_nan_loss_is_told_and_stops():
    x = X.copy()
    doctor, _ = watched(net(lambda t, p: keras.ops.mean(p) * float("nan")), x, epochs=9, stop_on=["error"])
    assert doctor.status == "diverged"
    assert len(doctor.history["loss"][0]) == 1


def test_early_stopping_that_keeps_the_last_weights():
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", mode="max", patience=2)  # worse is "better": it stops soon
    doctor, _ = watched(net(), epochs=30, callbacks=[stop])
    assert len(doctor.history["loss"][0]) < 30
    assert "last_weights_kept" not in {f.code for f in doctor.findings}  # the last epoch is the best here
    assert doctor._context.keeps_last


def test_what_cannot_be_read_is_left_alone():
    """A generator must not be consumed; functional models with two inputs and subclasses are looked into or not."""

    def batches():
        while True:
            yield X[:64], Y[:64]

    source, doctor = batches(), goodfit.Doctor(quiet=True)
    net().fit(source, steps_per_epoch=3, epochs=2, verbose=0, shuffle=False, callbacks=[doctor])
    assert not doctor._off
    assert doctor.findings == []

    a, b = keras.Input((8,)), keras.Input((8,))
    out = layers.Dense(4, "softmax")(layers.Concatenate()([layers.Dense(8, "relu")(a), b]))
    two = keras.Model([a, b], out)
    two.compile("adam", SPARSE)
    doctor = goodfit.Doctor(quiet=True)
    two.fit([X, X], Y, epochs=2, verbose=0, callbacks=[doctor])
    assert not doctor._off
    assert any(k.startswith("dead_units") for k in doctor._points[-1])

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.last = layers.Dense(8, "relu"), layers.Dense(4, "softmax")

        def call(self, x):
            return self.last(self.hidden(x))

    own = Own()
    own.compile("adam", SPARSE)
    doctor = goodfit.Doctor(quiet=True, data=(X[:64], Y[:64]))
    own.fit(X, Y, epochs=2, verbose=0, callbacks=[doctor])
    assert not doctor._off
    assert any(k.startswith("gradient_norm") for k in doctor._points[-1])


def test_a_failure_inside_is_said_once_and_the_training_goes_on(monkeypatch):
    monkeypatch.setattr("goodfit.doctor.callback.curves", lambda *a, **k: 1 / 0)
    doctor, said = watched(net(), epochs=3)
    assert len(said) == 1
    assert "stopped watching (ZeroDivisionError" in said[0]
    assert doctor._off


def test_a_log_that_cannot_be_written_does_not_end_the_training(tmp_path):
    (tmp_path / "file").write_text("")
    _, said = watched(net(), epochs=1, log=tmp_path / "file" / "run.csv")
    assert len(said) == 1
    assert "stopped watching" in said[0]


def test_unknown_codes_are_told_at_once():
    with pytest.raises(UsageError, match="overfitting"):
        goodfit.Doctor(stop_on="overfiting")


def test_gradient_norms_are_those_of_finite_differences():
    model = net(dropout=0.0)
    x, y = X[:32], Y[:32]
    norms = {k: v for k, v in Probe(model, x, y).measure().items() if k.startswith("gradient_norm")}
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    loss = keras.losses.SparseCategoricalCrossentropy()
    for kernel, norm in zip(kernels, norms.values(), strict=True):
        start = kernel.numpy()
        direction = np.random.default_rng(0).normal(size=(40, *start.shape)).astype("float32")
        slopes = []
        for d in direction:
            ends = []
            for step in (1e-2, -1e-2):
                kernel.assign(start + step * d)
                ends.append(float(loss(y, model(x, training=False))))
            slopes.append((ends[0] - ends[1]) / 2e-2)
        kernel.assign(start)
        # The slope along random directions has the gradient's norm as its root mean square.
        assert norm == pytest.approx(np.sqrt(np.mean(np.square(slopes))), rel=0.5)


def test_measures_of_arrays():
    output = np.maximum(0, RNG.normal(size=(50, 3, 10)))
    output[..., :4] = 0
    assert dead_units(output) == 0.4
    assert dead_units(np.moveaxis(output, -1, 1), axis=1) == 0.4
    assert saturated_units(np.array([0.0, 0.5, 0.999, 1.0]), "sigmoid") == 0.75
    assert saturated_units(np.tanh([-6.0, -4.0, 0.0, 6.0]), "tanh") == 0.5
    assert change(np.array([3.0, 4.0]), np.array([3.0, 5.0])) == pytest.approx(0.2)
    assert change(np.zeros(2), np.ones(2)) == np.inf


def record(loss, **measures):
    points = [{"epoch": 0.0}] + [{"epoch": e + 1.0, "loss": v} for e, v in enumerate(loss)]
    for name, values in measures.items():
        for point, value in zip(points, values, strict=True):
            point[name.replace("__", "/")] = value
    return Internals.of(points, steps=100, chance=np.log(4))


STUCK, FALLS = [1.4, 1.4, 1.39], [1.3, 0.8, 0.5]


@pytest.mark.parametrize(
    ("code", "measures"),
    [
        ("dying_relu", {"dead_units__a": [0.2, 0.8, 0.9, 0.9]}),
        ("vanishing_gradient", {"gradient_norm__a": [1e-6] * 4, "gradient_norm__b": [0.1] * 4}),
        ("vanishing_gradient", {"saturated_units__a": [0.1, 0.6, 0.7, 0.7]}),
        ("exploding_gradient", {"gradient_norm__a": [900.0] * 4, "gradient_norm__b": [0.1] * 4}),
        ("learning_rate_too_low", {"weight_change__a": [0.0, 1e-6, 1e-6, 1e-6]}),
    ],
)
def test_rules_on_internals_and_their_silence_where_the_network_learns(code, measures):
    assert [(f.code, f.severity) for f in internals(record(STUCK, **measures))] == [(code, "warning")]
    assert all(f.severity == "info" for f in internals(record(FALLS, **measures)))
    healthy = {k: [0.01 if "gradient" in k else 0.1] * 4 for k in measures}
    assert internals(record(STUCK, **healthy)) == []


@pytest.mark.parametrize("loss", [STUCK, FALLS])
def test_steps_as_large_as_the_weights_are_told_even_of_a_network_that_learns(loss):
    far = {"weight_change__a": [0.0, 40.0, 30.0, 25.0]}
    assert [(f.code, f.severity) for f in internals(record(loss, **far))] == [("learning_rate_too_high", "warning")]
    # In 100 steps that point anywhere 0.7 is as far as sound networks get.
    assert internals(record(loss, weight_change__a=[0.0, 0.7, 0.2, 0.1])) == []


def test_a_layer_that_no_gradient_passes_is_dead_though_the_bias_brings_the_loss_down():
    dead = {"dead_units__b": [1.0] * 4, "gradient_norm__a": [0.0] * 4, "gradient_norm__out": [0.1] * 4}
    assert [(f.code, f.severity) for f in internals(record(FALLS, **dead))] == [("dying_relu", "error")]
    dead["gradient_norm__a"] = [0.1] * 4  # a way around the layer
    assert [(f.code, f.severity) for f in internals(record(FALLS, **dead))] == [("dying_relu", "info")]


def test_a_gradient_that_is_not_finite_is_an_error():
    (told,) = internals(record(FALLS, gradient_norm__a=[1.0, 1.0, np.inf, np.inf], gradient_norm__b=[1.0] * 4))
    assert (told.code, told.severity, told.epoch) == ("exploding_gradient", "error", 2)


def test_a_split_is_read_as_keras_cuts_it():
    given = Arguments.of({"x": X, "y": Y, "validation_split": 0.3, "callbacks": None, "epochs": 5})
    assert len(given.x) == len(given.y) == 700
    assert given.validation is not None
    np.testing.assert_array_equal(given.validation[1], Y[700:])
    assert Arguments.of({"x": iter([1]), "y": None, "callbacks": []}).x is None
    rows, labels = given.sample(10)
    assert rows.shape == (10, 8)
    assert labels is not None
    np.testing.assert_array_equal(labels, Y[np.linspace(0, 699, 10).astype(int)])


def test_the_linear_yardstick_is_what_a_linear_model_reaches():
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    x, y = load_digits(return_X_y=True)
    half = len(x) // 2
    reached = linear(x[:half], y[:half], x[half:], y[half:])
    logistic = LogisticRegression(max_iter=200).fit(x[:half] / 16, y[:half]).score(x[half:] / 16, y[half:])
    assert reached == pytest.approx(logistic, abs=0.06)
    # One scale for all columns; a constant one, and the order of the rows' classes, change nothing.
    scaled = np.hstack([x * 10.0 ** np.arange(-3, 61) % 1e9, np.ones((len(x), 1))])[:, [*range(7), 64]]
    assert linear(scaled[:half], y[:half], scaled[half:], y[half:]) is not None
    luck = np.random.default_rng(0).permutation(y)
    assert linear(x[:half], luck[:half], x[half:], luck[half:]) < 0.2


@pytest.mark.parametrize(
    "x", [np.full((20, 3), np.nan), np.zeros((20, 20_000)), np.zeros(20), np.full((20, 2), "a"), "rows", None]
)
def test_the_linear_yardstick_is_silent_about_what_it_cannot_read(x):
    assert linear(x, np.arange(20) % 2, x, np.arange(20) % 2) is None


def test_a_network_below_a_linear_model_underfits():
    x = RNG.normal(size=(600, 8)).astype("float32")
    y = x[:, :4].argmax(axis=1)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, "relu"), keras.layers.Dense(4, "softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    doctor = goodfit.Doctor(quiet=True)
    model.fit(x[:400], y[:400], validation_data=(x[400:], y[400:]), epochs=6, verbose=0, callbacks=[doctor])
    assert doctor.status == "underfitting"
