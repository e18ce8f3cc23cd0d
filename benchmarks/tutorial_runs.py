"""Train the curves that tutorials show of IMDB and Reuters, for `benchmarks/diagnosis.py`.

    KERAS_HOME=folder python benchmarks/tutorial_runs.py [--out benchmarks/out/tutorial-runs.jsonl]

As they do it: `load_data(num_words=10000)`, multi-hot; the first 10,000 reviews or 1,000 newswires held out; two hidden
layers of 16 (IMDB) or 64 (Reuters), RMSprop, batches of 512. A line a run; a seed fixes the initial weights.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from goodfit.models import network
from goodfit.models.recipe import Recipe
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine

import keras  # isort: skip

WORDS = 10_000
TUTORIALS: dict[str, tuple[Recipe, int, tuple[int, ...]]] = {
    "imdb": (Recipe(units=(16, 16), batch_size=512), 10_000, (4, 20)),
    "reuters": (Recipe(units=(64, 64), batch_size=512), 1_000, (9, 20)),
}
"""Data set to network, rows held out, and numbers of epochs."""

SEEDS = 5
"""Runs of each."""


def trained(name: str) -> Iterator[dict[str, Any]]:
    """The runs of one tutorial."""
    recipe, held, lengths = TUTORIALS[name]
    (rows, y), _ = getattr(keras.datasets, name).load_data(num_words=WORDS)
    words = [np.unique(row) for row in rows]
    starts = np.concatenate([[0], np.cumsum([len(w) for w in words])])
    columns = np.concatenate(words).astype(np.int32)
    x = sparse.csr_array((np.ones(len(columns), np.float32), columns, starts), shape=(len(words), WORDS))
    member = np.where(np.arange(len(y)) < held, VALIDATION, TRAIN).astype(np.uint8)
    classes = int(y.max()) + 1
    lanes = [
        Lane(f"{name} {n}", seed, network.from_recipe(recipe.but(epochs=n), WORDS, classes), member)
        for n in lengths
        for seed in range(SEEDS)
    ]
    for run in Engine(x, y).train(lanes):
        keys = ("loss", "accuracy", "val_loss", "val_accuracy")
        curves = {k: [float(f"{v:.6g}") for v in run.curves[k]] for k in keys}
        yield {"name": run.variant, "seed": run.seed, "curves": curves}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "tutorial-runs.jsonl")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w") as file:
        for name in TUTORIALS:
            for run in trained(name):
                file.write(json.dumps(run) + "\n")
                print(run["name"], run["seed"], run["curves"]["val_loss"][-1], flush=True)


if __name__ == "__main__":
    main()
