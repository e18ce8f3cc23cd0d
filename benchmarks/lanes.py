"""The same trainings in lanes, with the same answers as `peer.py`; an epoch's seconds are those of one run.

    python lanes.py WORKLOAD.npz

A request names `networks`, `lanes` of each, `seed` and `epochs`; `accuracy` is the mean of all runs by network, of the
best epoch so far after each epoch.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import scipy.sparse as sp

from goodfit.models import network
from goodfit.models.recipe import Recipe
from goodfit.train.lane import TRAIN, VALIDATION, Lane, Progress
from goodfit.train.loop import Engine
from peer import build, memory


def rows(data: dict[str, Any], name: str) -> Any:
    """Rows as goodfit's encoders give them."""
    if name in data:
        return data[name]
    indptr, indices = data[f"{name}_indptr"], data[f"{name}_indices"]
    shape = (len(indptr) - 1, int(data["features"]))
    return sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=shape)


def network_of(
    spec: dict[str, Any], shape: tuple[int, ...], epochs: int, dropout_layers: bool | None
) -> network.Network:
    """A workload's network: a recipe where it is one, else Keras's own model."""
    if "filters" in spec:
        model = build(spec, shape)
        return network.of(
            model, model.optimizer, model.loss, spec["classes"], batch_size=spec["batch_size"], epochs=epochs
        )
    options = {k: v for k, v in spec.items() if k != "classes"}
    return network.from_recipe(
        Recipe(epochs=epochs, **options), shape[0], spec["classes"], dropout_layers=dropout_layers
    )


def main() -> None:
    imports = memory("VmRSS")
    with np.load(sys.argv[1]) as file:
        data = dict(file)
    networks = json.loads(str(data.pop("networks")))
    size = sum(a.nbytes for a in data.values())
    x, x_val = rows(data, "x"), rows(data, "x_val")
    member = np.repeat(np.asarray([TRAIN, VALIDATION], np.uint8), [x.shape[0], x_val.shape[0]])
    stacked = sp.vstack([x, x_val], format="csr") if sp.issparse(x) else np.concatenate([x, x_val])
    y = np.concatenate([data["y"], data["y_val"]])
    shape = x.shape[1:]
    del data, x, x_val
    engine = Engine(stacked, y)
    del stacked
    for line in sys.stdin:
        request = json.loads(line)
        began = last = time.perf_counter()
        layers = True if len(request["networks"]) > 1 else None  # as a study has it: rates share a program
        nets = {name: network_of(networks[name], shape, request["epochs"], layers) for name in request["networks"]}
        seeds = range(request["seed"], request["seed"] + request["lanes"])
        epochs: list[float] = []

        def told(progress: Progress, epochs: list[float] = epochs) -> None:
            nonlocal last
            now = time.perf_counter()
            epochs.append((now - last) / len(progress.lanes))
            last = now

        engine.order_seed = request["seed"]
        runs = engine.train(
            [Lane(name, seed, net, member) for name, net in nets.items() for seed in seeds], on_epoch=told
        )
        best = {
            name: [np.maximum.accumulate(r.curves["val_accuracy"]) for r in runs if r.variant == name] for name in nets
        }
        answer = {
            "epochs": epochs,
            "seconds": time.perf_counter() - began,
            "accuracy": {name: np.mean(found, axis=0).tolist() for name, found in best.items()},
            "imports": imports,
            "peak": memory("VmHWM"),
            "data": size,
            "weights": 4 * request["lanes"] * sum(net.model.count_params() for net in nets.values()),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
