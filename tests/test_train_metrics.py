"""Every metric of Keras's, measured on lanes: what `model.evaluate` gives for the same rows."""

import keras
import numpy as np
import pytest

from goodfit.errors import ModelError
from goodfit.models import lane_form, network
from goodfit.models.source import load_model
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine

pytestmark = pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64", "ignore:You are passing weight")

L, M = keras.layers, keras.metrics
ROWS = 90
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 5)).astype(np.float32)
Y = RNG.integers(0, 3, ROWS)
MEMBER = np.where(np.arange(ROWS) % 4 == 0, VALIDATION, TRAIN).astype(np.uint8)
OUTPUTS = {"sigmoid": (1, "sigmoid"), "softmax": (3, "softmax"), "logit": (1, None), "logits": (3, None)}
ANY, ONE, MANY, LOGIT, LOGITS = ("sigmoid", "softmax"), ("sigmoid",), ("softmax",), ("logit",), ("logits",)

TARGETS = [  # given targets of the output's shape
    *((ANY, make()) for make in (M.AUC, M.Precision, M.Recall)),
    *((ANY, make()) for make in (M.TruePositives, M.TrueNegatives, M.FalsePositives, M.FalseNegatives)),
    (ANY, M.PrecisionAtRecall(0.5)),
    (ANY, M.RecallAtPrecision(0.5)),
    (ANY, M.SensitivityAtSpecificity(0.5)),
    (ANY, M.SpecificityAtSensitivity(0.5)),
    (MANY, M.AUC(curve="PR", multi_label=True, name="areas")),
    (MANY, M.Precision(class_id=1, name="precision_of_1")),
    (MANY, M.Recall(top_k=2, name="recall_of_2")),
    (ONE, M.Recall([0.3, 0.6], name="recalls")),
    (MANY, M.BinaryAccuracy(threshold=0.4)),
    (ONE, M.BinaryAccuracy(threshold=0.4, name="first")),
    (ONE, M.BinaryAccuracy(threshold=0.6, name="second")),
    (MANY, M.TopKCategoricalAccuracy(2)),
    (ANY, M.F1Score(threshold=0.5)),
    (ANY, M.FBetaScore("weighted", 2.0, 0.5)),
    *((MANY, make()) for make in (M.CategoricalCrossentropy, M.KLDivergence, M.CategoricalHinge)),
    *((ANY, make()) for make in (M.BinaryCrossentropy, M.Hinge, M.SquaredHinge, M.Poisson, M.LogCoshError)),
    *((ANY, make()) for make in (M.MeanSquaredError, M.MeanAbsoluteError, M.MeanAbsolutePercentageError)),
    *((ANY, make()) for make in (M.MeanSquaredLogarithmicError, M.RootMeanSquaredError, M.R2Score)),
    *((MANY, make()) for make in (M.CosineSimilarity, M.PearsonCorrelation, M.ConcordanceCorrelation)),
    (MANY, M.OneHotIoU(3, [0, 2])),
    (MANY, M.OneHotMeanIoU(3)),
    (MANY, M.MeanIoU(3, sparse_y_true=False, sparse_y_pred=False, name="mean_of_targets")),
    (MANY, M.MeanMetricWrapper(keras.losses.categorical_crossentropy, "wrapped")),
    (LOGIT, M.AUC(from_logits=True)),
    (LOGITS, M.AUC(from_logits=True)),
    (LOGIT, M.BinaryCrossentropy(from_logits=True)),
    (LOGITS, M.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)),
    (MANY, M.AUC(name="sparse_by_name_only")),
]
INDICES = [  # given class indices
    (MANY, M.SparseTopKCategoricalAccuracy(2)),
    (MANY, M.SparseCategoricalCrossentropy()),
    (LOGITS, M.SparseCategoricalCrossentropy(from_logits=True)),
    (MANY, M.IoU(3, [0, 1], sparse_y_pred=False)),
    (MANY, M.MeanIoU(3, sparse_y_pred=False)),
    (ONE, M.MeanIoU(2)),
    (ONE, M.BinaryIoU([0, 1], threshold=0.5)),
    (MANY, M.MeanMetricWrapper(keras.losses.sparse_categorical_crossentropy, "sparse_wrapped")),
]
CASES = [(kind, metric, i >= len(TARGETS)) for i, (kinds, metric) in enumerate(TARGETS + INDICES) for kind in kinds]
LEFT_OUT = {
    "Metric": "what others are made of",
    **dict.fromkeys(("Mean", "Sum"), "of values, not of targets and outputs: Keras cannot compile a model with them"),
    **dict.fromkeys(("Accuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy"), "accuracy is measured anyway"),
}


def model(kind: str) -> keras.Model:
    units, activation = OUTPUTS[kind]
    return keras.Sequential([keras.Input((5,)), L.Dense(4, "tanh"), L.Dense(units, activation)])


def loss(kind: str):
    logits = kind.startswith("logit")
    if OUTPUTS[kind][0] == 1:
        return keras.losses.BinaryCrossentropy(from_logits=logits)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


@pytest.fixture(scope="module")
def measured():
    """By output: what a lane's curves end with, and what Keras measures for each role's rows."""
    found = {}
    for kind, (units, _) in OUTPUTS.items():
        y = Y % max(units, 2)
        made = [(metric, indices) for k, metric, indices in CASES if k == kind]
        net = network.of(
            model(kind), keras.optimizers.SGD(0.1), loss(kind), max(units, 2), epochs=2, metrics=[m for m, _ in made]
        )
        (run,) = Engine(X, y).train([Lane("v", 1, net, MEMBER)], keep=lambda lane: True)
        stock, keras_says = lane_form.to_stock(net, run.weights), {}
        for indices in (False, True):
            mine = [type(m).from_config(m.get_config()) for m, i in made if i == indices]
            stock.compile(loss="mse", metrics=mine)
            truth = y if indices else y[:, None].astype(np.float32) if units == 1 else np.eye(3, dtype=np.float32)[y]
            for name, role in (("train", TRAIN), ("val", VALIDATION)):
                rows = role == MEMBER
                if indices:  # the loss is none for indices
                    out = stock.predict(X[rows], verbose=0)
                    for metric in mine:
                        metric.reset_state()
                        metric.update_state(truth[rows], out)
                    said = {m.name: m.result() for m in mine}
                else:
                    said = stock.evaluate(X[rows], truth[rows], verbose=0, batch_size=ROWS, return_dict=True)
                keras_says |= {f"{name}_{k}": float(np.mean(v)) for k, v in said.items()}
        found[kind] = run.curves, keras_says
    return found


@pytest.mark.parametrize(("kind", "named"), [(k, m.name) for k, m, _ in CASES])
def test_a_lane_measures_what_keras_measures(kind, named, measured):
    curves, keras_says = measured[kind]
    for role in ("train", "val"):
        name = f"{role}_{named}"
        if kind == "sigmoid" and named == "first":  # the threshold of accuracy itself
            assert name not in curves
            assert curves[f"{role}_accuracy"][-1] == pytest.approx(keras_says[name], abs=1e-6)
        else:
            assert curves[name][-1] == pytest.approx(keras_says[name], rel=1e-4, abs=1e-5)


def test_every_metric_of_keras_is_here():
    known = {c for c in vars(M).values() if isinstance(c, type) and issubclass(c, M.Metric)}
    assert {c.__name__ for c in known - {type(metric) for _, metric, _ in CASES}} == set(LEFT_OUT)


UNFIT = {
    "counts rows of weight 0": ("softmax", lambda: M.R2Score(num_regressors=1)),
    "The metric mean_io_u is not measured": ("softmax", lambda: M.MeanIoU(3)),
    "The metric binary_io_u is not measured": ("softmax", M.BinaryIoU),
    "The metric mean is not measured": ("softmax", M.Mean),
    "The metric sum is not measured": ("sigmoid", M.Sum),
}


@pytest.mark.parametrize("says", UNFIT)
def test_what_cannot_be_measured_is_told_in_one_line(says):
    kind, make = UNFIT[says]
    given = model(kind)
    given.compile("sgd", loss(kind), metrics=[make(), "auc"])
    settings = load_model(given).settings
    assert [m.name for m in settings.metrics] == ["auc"]
    (note,) = settings.notes
    assert says in note
    assert "\n" not in note
    units = OUTPUTS[kind][0]
    net = network.of(model(kind), keras.optimizers.SGD(), loss(kind), max(units, 2), metrics=[make()])
    with pytest.raises(ModelError, match="cannot be measured"):
        Engine(X, Y % max(units, 2)).train([Lane("v", 1, net, MEMBER)])


def test_weighted_metrics_and_names_that_goodfit_uses_are_told():
    given = model("softmax")
    given.compile("sgd", loss("softmax"), metrics=[M.F1Score(name="loss")], weighted_metrics=["AUC", M.Recall()])
    settings = load_model(given).settings
    assert [m.name for m in settings.metrics] == ["F1Score", "auc", "recall"]
    assert settings.notes[0] == "Weighted metrics (AUC, recall) are measured as all others: every row counts alike."
    assert settings.notes[1] == "The metric loss is called F1Score here: goodfit has a loss of its own."
