"""The real data sets that GOODFIT_DATA names: they load as their papers say, and their encodings carry the signal."""

import os
from pathlib import Path

import numpy as np
import pytest

from goodfit import data, encode

ROOT = os.environ.get("GOODFIT_DATA", "")
pytestmark = [pytest.mark.real, pytest.mark.skipif(not ROOT, reason="GOODFIT_DATA is not set")]

SETS = {
    # file, target, test file: rows, test rows, classes, kind
    "imdb/IMDB Dataset.csv": ("sentiment", None, 50_000, 10_000, 2, "text"),
    "reuters/reuters_46topics.csv": ("topic", None, 11_228, 2_246, 46, "text"),
    "adult/adult_train.csv": ("class", "adult/adult_test.csv", 48_814, 16_281, 2, "table"),
    "titanic/titanic.csv": ("survived", None, 891, 177, 2, "table"),
    "sms-spam/sms_spam.csv": ("type", None, 5_574, 1_114, 2, "text"),
    "trec-questions/train_5500.label": (None, "trec-questions/TREC_10.label", 5_933, 499, 6, "text"),
    "noticias-es/dataset_noticias.csv": ("CATEGORÍA", None, 5_773, 1_155, 6, "text"),
    "wine-quality-white/winequality-white.csv": ("quality", None, 4_898, 981, 7, "table"),
    "mushrooms/mushrooms.csv": ("type", None, 8_124, 1_625, 2, "table"),
    "credit-german/credit.csv": ("default", None, 1_000, 200, 2, "table"),
    "breast-cancer-wisconsin/wisc_bc_data.csv": ("diagnosis", None, 569, 113, 2, "table"),
    "fashion-mnist": (None, None, 70_000, 10_000, 10, "image"),
}


def load(name):
    target, test, *_ = SETS[name]
    return data.load(Path(ROOT, name), target, test=test and Path(ROOT, test))


@pytest.mark.parametrize("name", SETS)
def test_a_real_set_loads(name):
    dataset = load(name)
    _, _, rows, test, classes, kind = SETS[name]
    assert (len(dataset), len(dataset.classes), dataset.kind) == (rows, classes, kind)
    assert abs(int(dataset.test.sum()) - test) <= classes
    assert set(dataset.groups[dataset.test]).isdisjoint(dataset.groups[~dataset.test])
    validation = data.validation_mask(dataset, 3)
    rest = ~dataset.test & ~validation
    assert set(dataset.groups[validation]).isdisjoint(dataset.groups[rest])
    assert abs(validation.sum() / (~dataset.test).sum() - 0.2) < 0.01


# a linear model's accuracy on the set's own or the drawn test rows: the references of the sets' notes, less two
# standard errors of a test set of that size
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("adult/adult_train.csv", 0.85),
        ("credit-german/credit.csv", 0.71),
        ("breast-cancer-wisconsin/wisc_bc_data.csv", 0.92),
        ("mushrooms/mushrooms.csv", 0.99),
        ("sms-spam/sms_spam.csv", 0.975),
        ("trec-questions/train_5500.label", 0.86),
        ("noticias-es/dataset_noticias.csv", 0.45),
    ],
)
def test_an_encoding_carries_the_signal(name, least):
    from sklearn.linear_model import LogisticRegression, SGDClassifier

    dataset = load(name)
    text = dataset.kind == "text"
    encoder = encode.make(dataset, **({"output_mode": "tf_idf"} if text else {}))
    x = encoder.fit_transform(dataset.select(~dataset.test))
    if text:
        model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
    else:
        model = LogisticRegression(solver="newton-cholesky", max_iter=200)
    model.fit(x, dataset.labels[~dataset.test])
    assert model.score(encoder.transform(dataset.select(dataset.test)), dataset.labels[dataset.test]) >= least


def test_identifiers_are_left_out():
    dataset = load("breast-cancer-wisconsin/wisc_bc_data.csv")
    assert "tell rows apart: id." in encode.make(dataset).fit(dataset.rows).notes[0]


def test_keras_own_files(monkeypatch, tmp_path):
    monkeypatch.setenv("GOODFIT_CACHE", str(tmp_path))
    imdb = data.load("imdb")
    assert (len(imdb), int(imdb.test.sum()), imdb.classes) == (49_877, 25_000, ("negative", "positive"))
    assert imdb.rows["text"].str.starts_with("bromwell high is a cartoon comedy").sum() == 1
    counts = np.bincount(imdb.labels[imdb.test])
    assert counts.tolist() == [12_500, 12_500]


def test_reuters_has_the_split_of_keras(monkeypatch):
    keras = pytest.importorskip("keras")
    monkeypatch.setenv("KERAS_HOME", "/nonexistent")
    path = str(Path(ROOT, "reuters", "reuters.npz").resolve())
    monkeypatch.setattr("keras.src.datasets.reuters.get_file", lambda **k: path)
    (_, train), (x_test, y_test) = keras.datasets.reuters.load_data()
    dataset = data.load("reuters")
    assert (dataset.classes[3], len(dataset.classes)) == ("earn", 46)
    assert sorted(np.bincount(dataset.labels[dataset.test])) == sorted(np.bincount(y_test, minlength=46))
    lengths = dataset.select(dataset.test)["text"].str.count_matches(r"\S+").to_numpy()
    assert sorted(lengths) == sorted(len(x) - 1 for x in x_test)
    assert len(train) == 8_982
