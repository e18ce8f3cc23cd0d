"""Keras's own `imdb.npz` and `reuters.npz`, exact to the byte, decoded back to words.

The arrays inside are pickled, and a pickle runs whatever its author wrote: a file is opened only after its SHA-256
was found to be the official one, from the very bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import urllib.request
from http.client import HTTPException
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.data.sources.raw import Raw
from goodfit.errors import MissingDataError
from goodfit.settings import cache_folder, data_folders

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SHA256 = {
    "imdb.npz": "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
    "imdb_word_index.json": "027313fe9a320280f3bf0fac5baf58c4a683cf39a7ed9c3d3d3912bde4284cf6",
    "reuters.npz": "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
    "reuters_word_index.json": "9b56000edc4b34a32e89fd5a23b2605594682c74efcf7d8f4e2a5514b771e633",
}
TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass "
    "crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi "
    "iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead"
)
"""The 46 Reuters topics in the order of Keras's label numbers."""


def imdb() -> Raw:
    """50,000 reviews in two classes with the official halves."""
    arrays = _arrays("imdb.npz")
    x = np.concatenate([arrays["x_train"], arrays["x_test"]])
    y = np.concatenate([arrays["y_train"], arrays["y_test"]])
    test = np.arange(len(x)) >= len(arrays["x_train"])
    return _raw("imdb", x, y, test, ("negative", "positive"), "sentiment")


def reuters() -> Raw:
    """11,228 newswires in 46 topics; the test set is that of `keras.datasets.reuters.load_data()`."""
    arrays = _arrays("reuters.npz")
    order = np.arange(len(arrays["x"]))
    np.random.RandomState(113).shuffle(order)  # as Keras draws its split
    test = np.zeros(len(order), bool)
    test[order[int(len(order) * 0.8) :]] = True
    return _raw("reuters", arrays["x"], arrays["y"], test, tuple(TOPICS.split()), "topic")


def _raw(name: str, x: np.ndarray, y: np.ndarray, test: np.ndarray, classes: tuple[str, ...], target: str) -> Raw:
    index = json.loads(_find(f"{name}_word_index.json"))
    words = dict(zip(index.values(), index.keys(), strict=True))
    texts = [" ".join(map(words.__getitem__, row)) for row in x]
    labels = pl.Series(target, [classes[i] for i in y.tolist()])
    return Raw(pl.DataFrame({"text": texts}), labels, target, "text", test, classes, name=name)


def _arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(_find(name)), allow_pickle=True) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _find(name: str) -> bytes:
    """The content of Keras's file, its hash checked: from disk, or downloaded once."""
    folders = [f for top in data_folders() for f in (top, *sorted(p for p in top.iterdir() if p.is_dir()))]
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    foreign = ""
    for folder in (*folders, home / "datasets", cache_folder() / "datasets"):
        try:
            data = (folder / name).read_bytes()
        except OSError:
            continue
        if hashlib.sha256(data).hexdigest() == SHA256[name]:
            return data
        foreign = f" ({folder / name} is another file: its SHA-256 differs from Keras's)"
    try:
        with urllib.request.urlopen(ORIGIN + name, timeout=30) as reply:
            data = reply.read()
        why = "the download has another SHA-256"
    except (OSError, HTTPException, ValueError) as error:
        data, why = b"", f"no download: {getattr(error, 'reason', error)}"
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise MissingDataError(
            f"Keras's {name} is not here{foreign}",
            received=why,
            fix=f"Put {ORIGIN}{name} into {home / 'datasets'} or a folder that GOODFIT_DATA names.",
        )
    target = cache_folder() / "datasets" / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{name}.{os.getpid()}.part")
        part.write_bytes(data)
        part.replace(target)
    except OSError:
        pass  # a full or read-only cache only costs the next download
    return data
