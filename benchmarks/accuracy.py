"""Whether lanes are as accurate as plain Keras: validation accuracy of runs of both, from other seeds.

    KERAS_BACKEND=jax python benchmarks/accuracy.py [--orders 60] imdb_16 tabular

Both train the same rows for four epochs; a run's figure is its best epoch's. Lanes of one call share the order of
rows, so that each call trains a few lanes in an order of its own, and their mean is one figure, like a run of Keras.
The interval is Student's for the difference of the means (Welch).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import scipy.sparse as sp
from scipy import stats

import lanes
import peer
from goodfit.train.lane import TRAIN, VALIDATION, Lane
from goodfit.train.loop import Engine
from workloads import LANED, SIZES, write

EPOCHS, LANES = 4, 2


def compared(name: str, orders: int) -> tuple[list[float], list[float]]:
    """Best validation accuracies of lanes, and of Keras, a figure an order of the rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.npz")
        write(LANED[name], SIZES["regular"], path)
        with np.load(path) as file:
            data = dict(file)
    (spec,) = json.loads(str(data.pop("networks"))).values()
    x, x_val = lanes.rows(data, "x"), lanes.rows(data, "x_val")
    both = sp.vstack([x, x_val], format="csr") if sp.issparse(x) else np.concatenate([x, x_val])
    y, y_val = data["y"], data["y_val"]
    member = np.repeat(np.asarray([TRAIN, VALIDATION], np.uint8), [len(y), len(y_val)])
    engine = Engine(both, np.concatenate([y, y_val]))
    net = lanes.network_of(spec, x.shape[1:], EPOCHS, None)
    dense, dense_val = peer.dense(data, "x"), peer.dense(data, "x_val")
    ours, theirs = [], []
    for order in range(orders):
        engine.order_seed = order
        runs = engine.train([Lane("v", order * LANES + i, net, member) for i in range(LANES)])
        ours.append(float(np.mean([run.curves["val_accuracy"].max() for run in runs])))
        keras.utils.set_random_seed(order)
        model = peer.build(spec, x.shape[1:])
        told = model.fit(dense, y, spec["batch_size"], EPOCHS, verbose=0, validation_data=(dense_val, y_val))
        theirs.append(max(told.history["val_accuracy"]))
    return ours, theirs


def main() -> None:
    """Print a line for each workload."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=60)
    parser.add_argument("workloads", nargs="+", choices=LANED)
    given = parser.parse_args()
    print(f"{'workload':14} {'lanes':>8} {'Keras':>8} {'difference':>11}  95 % interval")
    for name in given.workloads:
        ours, theirs = compared(name, given.orders)
        low, high = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
        means = float(np.mean(ours)), float(np.mean(theirs))
        print(f"{name:14} {means[0]:8.4f} {means[1]:8.4f} {means[0] - means[1]:+11.4f}  [{low:+.4f}, {high:+.4f}]")


if __name__ == "__main__":
    main()
