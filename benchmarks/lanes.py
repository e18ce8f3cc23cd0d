"""The same training in lanes; run by speed.py in goodfit's environment. Prints what peer.py prints, an epoch of a run.

python lanes.py WORKLOAD.npz EPOCHS LANES
"""

import itertools
import json
import resource
import sys
import time

started = time.perf_counter()

import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

from goodfit.models import network  # noqa: E402
from goodfit.models.recipe import Recipe  # noqa: E402
from goodfit.train.lane import TRAIN, VALIDATION, Lane  # noqa: E402
from goodfit.train.loop import Engine  # noqa: E402


def rows(data: dict, name: str):
    if name in data:
        return data[name]
    indptr, indices = data[f"{name}_indptr"], data[f"{name}_indices"]
    shape = (len(indptr) - 1, int(data["features"]))
    return sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=shape)


def main() -> None:
    with np.load(sys.argv[1]) as file:
        data = dict(file)
    spec = json.loads(str(data["spec"]))
    epochs, count = int(sys.argv[2]), int(sys.argv[3])
    x, x_val = rows(data, "x"), rows(data, "x_val")
    stacked = sp.vstack([x, x_val], format="csr") if sp.issparse(x) else np.concatenate([x, x_val])
    y = np.concatenate([data["y"], data["y_val"]])
    member = np.repeat(np.asarray([TRAIN, VALIDATION], np.uint8), [x.shape[0], x_val.shape[0]])
    if spec.get("filters"):
        import keras

        from peer import network as build

        net = network.of(
            build(spec, x.shape[1:]), keras.optimizers.get(spec["optimizer"]),
            keras.losses.SparseCategoricalCrossentropy(), spec["classes"], batch_size=spec["batch_size"], epochs=epochs,
        )  # fmt: skip
    else:
        recipe = Recipe(
            units=tuple(spec["units"]),
            batch_normalization=bool(spec.get("normalised")),
            dropout=spec.get("dropout", 0.0),
            optimizer=spec["optimizer"],
            batch_size=spec["batch_size"],
            epochs=epochs,
        )
        net = network.from_recipe(recipe, x.shape[1], spec["classes"])
    times: list[float] = []
    accuracy: list[float] = []

    def told(progress) -> None:
        times.append(time.perf_counter())
        accuracy.append(float(np.mean(progress.metrics["val_accuracy"])))

    engine = Engine(stacked, y)
    engine.train([Lane("base", seed, net, member) for seed in range(count)], on_epoch=told)
    chunk = [b - a for a, b in itertools.pairwise(times)]
    chunks = len(times) // epochs
    inside = [t for i, t in enumerate(chunk) if (i + 1) % epochs]  # the first epoch of a chunk pays for its start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    per_run = [t * chunks / count for t in inside]
    print(json.dumps({"epochs": per_run, "first": times[0] - started, "accuracy": accuracy[-1], "peak": peak}))


if __name__ == "__main__":
    main()
