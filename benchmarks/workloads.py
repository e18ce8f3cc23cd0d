"""What `speed.py` measures: networks as plain settings, and rows as arrays in one file that all peers load."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goodfit import data, encode
from goodfit.encode import ngrams
from goodfit.settings import data_folders

TEXT = {"units": [16, 16], "batch_size": 512, "optimizer": "rmsprop"}
LANED: dict[str, dict[str, Any]] = {
    "imdb_16": {"rows": "text", "lanes": 29, "networks": {"base": TEXT}},
    "imdb_16_100": {"rows": "text", "lanes": 100, "networks": {"base": TEXT}},
    "imdb_512": {"rows": "text", "lanes": 4, "networks": {"base": {**TEXT, "units": [512, 512]}}},
    "tabular": {
        "rows": "table",
        "lanes": 29,
        "networks": {
            "base": {
                "units": [64, 32], "batch_size": 32, "optimizer": "adam", "batch_normalization": True, "dropout": 0.3,
            }
        },
    },
    "cnn": {
        "rows": "images",
        "lanes": 4,
        "networks": {"base": {"filters": [32, 64], "units": [], "batch_size": 64, "optimizer": "adam"}},
    },
}  # fmt: skip
"""Workloads of seconds per run and epoch, training and validation. `lanes`: how many runs goodfit trains at once."""

STUDIES: dict[str, dict[str, Any]] = {
    "study_small": {
        "rows": "study",
        "lanes": 29,
        "networks": {
            "base": TEXT,
            "small 4": {**TEXT, "units": [4, 4]},
            "l2": {**TEXT, "l2": 0.002},
            "dropout 0.6": {**TEXT, "dropout": 0.6},
        },
    },
    "study_512": {"rows": "study", "lanes": 29, "networks": {"big 512": {**TEXT, "units": [512, 512]}}},
}
"""Workloads of seconds for all runs, from the start of the process; `lanes` seeds of each network."""

NAMES = (*LANED, *STUDIES, "tokenise", "cold_start", "memory")


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        text, table, images: Rows of the data sets, training and validation together.
        texts: Texts to tokenise.
        epochs: Epochs of a training that takes turns with others.
        rounds: Turns.
        study_epochs: Epochs of a study's run.
        peer_runs: Runs of each variant from which a peer's time for all of them follows.
        peer_epochs: Epochs of these; the rest of `study_epochs` is extrapolated.
    """

    text: int
    table: int
    images: int
    texts: int
    epochs: int
    rounds: int
    study_epochs: int
    peer_runs: int
    peer_epochs: int


SIZES = {
    "fast": Size(5_000, 4_000, 2_000, 5_000, 3, 1, 6, 1, 2),
    "regular": Size(25_000, 10_000, 10_000, 50_000, 4, 2, 20, 3, 4),
    "large": Size(25_000, 25_000, 60_000, 50_000, 4, 5, 20, 3, 20),
}


def folder(name: str) -> Path | None:
    """A data set's folder of GOODFIT_DATA, if there is one."""
    return next((p / name for p in data_folders() if (p / name).is_dir()), None)


def text_rows(rows: int, words: int) -> tuple[dict[str, Any], str]:
    """Multi-hot rows of the most frequent words, as CSR parts; three fifths train."""
    name = "imdb" if folder("imdb") else "docstrings"
    dataset = data.load(name)
    keep = np.random.default_rng(0).permutation(np.flatnonzero(~dataset.test))[:rows]
    x = encode.make(dataset, max_features=words).fit_transform(dataset.select(keep))
    cut = int(0.6 * len(keep))
    out: dict[str, Any] = {"features": x.shape[1], "y": dataset.labels[keep[:cut]], "y_val": dataset.labels[keep[cut:]]}
    for part, block in (("x", x[:cut]), ("x_val", x[cut:])):
        out |= {f"{part}_indptr": block.indptr, f"{part}_indices": block.indices}
    return out, f"{name}, {x.shape[1]:,} words"


def table_rows(rows: int) -> tuple[dict[str, Any], str]:
    """100 columns and 10 classes, made by scikit-learn; four fifths train."""
    from sklearn.datasets import make_classification

    x, y = make_classification(rows, 100, n_informative=30, n_classes=10, random_state=0)
    return _cut(((x - x.mean(0)) / x.std(0)).astype("float32"), y), "made, 100 columns"


def image_rows(rows: int) -> tuple[dict[str, Any], str]:
    """Fashion-MNIST where it is at hand, else digits blown up to 28x28; four fifths train."""
    if place := folder("fashion-mnist"):
        dataset = data.load(str(place))
        keep = np.flatnonzero(~dataset.test)[:rows]
        return _cut(dataset.rows[keep][..., None].astype("float32") / 255, dataset.labels[keep]), "fashion-mnist"
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.kron(digits.images, np.ones((1, 3, 3)))[..., None].astype("float32") / 16
    x = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    return _cut(x[:rows], digits.target[:rows]), "digits"


def _cut(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    cut = int(0.8 * len(x))
    return {"x": x[:cut], "y": y[:cut], "x_val": x[cut:], "y_val": y[cut:]}


def texts(most: int) -> tuple[list[str], str]:
    """Raw texts."""
    place = folder("imdb")
    table = place and place / "IMDB Dataset.csv"
    dataset = data.load(str(table), "sentiment") if table and table.exists() else data.load("docstrings")
    found = data.joined_texts(dataset.rows)[:most]
    return found, f"{len(found):,} texts of {table.name if table and table.exists() else 'docstrings'}"


def write(workload: dict[str, Any], size: Size, path: Path) -> str:
    """Write a workload's rows and networks into a file; returns what they are."""
    rows = workload["rows"]
    if rows in {"text", "study"}:
        arrays, what = text_rows(size.text, 10_000 if rows == "text" else 5_000)
    elif rows == "table":
        arrays, what = table_rows(size.table)
    else:
        arrays, what = image_rows(size.images)
    classes = int(arrays["y"].max()) + 1
    networks = {name: {**spec, "classes": classes} for name, spec in workload["networks"].items()}
    np.savez(path, networks=np.asarray(json.dumps(networks)), **arrays)
    return f"{what}, {len(arrays['y']):,} + {len(arrays['y_val']):,} rows"


def tokenise(found: list[str]) -> tuple[int, int]:
    """Ours: (1,2)-grams of texts; returns n-grams and counts."""
    vocabulary, counts = ngrams.fit(found, (1, 2))
    return len(vocabulary), counts.nnz
