"""Trainings by plain Keras, on whatever backend KERAS_BACKEND names; `worker.py` starts it in the peer's environment.

    KERAS_BACKEND=tensorflow python peer.py WORKLOAD.npz

Reads a request a line, a JSON object: `network` (its name), `seed`, `epochs`, `fresh` (whether to build and compile a
model of its own rather than to give the last one new weights). Answers each with a JSON object: `epochs`, seconds of
each, training and validation; `seconds` of all; `accuracy`, the best epoch's `val_accuracy`; `imports` and `peak`,
bytes of memory after the imports and at most; `data` and `weights`, bytes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np


def memory(what: str) -> int:
    """Bytes of this process: `VmRSS` now, or `VmHWM` at most; on Linux only, elsewhere 0."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(what)), 0)


def dense(data: dict[str, Any], name: str) -> np.ndarray:
    """Rows as plain Keras takes them."""
    if name in data:
        return data[name]
    indptr, indices = data[f"{name}_indptr"], data[f"{name}_indices"]
    out = np.zeros((len(indptr) - 1, int(data["features"])), np.float32)
    out[np.repeat(np.arange(len(out)), np.diff(indptr)), indices] = 1
    return out


def build(spec: dict[str, Any], shape: tuple[int, ...]) -> keras.Model:
    """A workload's network, compiled: what a user writes."""
    layers = [keras.Input(shape)]
    for filters in spec.get("filters", []):
        layers += [keras.layers.Conv2D(filters, 3, activation="relu"), keras.layers.MaxPooling2D()]
    if spec.get("filters"):
        layers.append(keras.layers.Flatten())
    penalty = keras.regularizers.L2(spec["l2"]) if spec.get("l2") else None
    for units in spec["units"]:
        if spec.get("batch_normalization"):
            layers += [keras.layers.Dense(units, use_bias=False, kernel_regularizer=penalty)]
            layers += [keras.layers.BatchNormalization(), keras.layers.Activation("relu")]
        else:
            layers.append(keras.layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        if spec.get("dropout"):
            layers.append(keras.layers.Dropout(spec["dropout"]))
    two = spec["classes"] == 2
    layers.append(keras.layers.Dense(1 if two else spec["classes"], activation="sigmoid" if two else "softmax"))
    model = keras.Sequential(layers)
    loss = "binary_crossentropy" if two else "sparse_categorical_crossentropy"
    model.compile(optimizer=spec["optimizer"], loss=loss, metrics=["accuracy"])
    return model


class Times(keras.callbacks.Callback):
    """Seconds of each epoch; Keras ends an epoch after its validation."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[float] = []
        self.last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        now = time.perf_counter()
        self.epochs.append(now - self.last)
        self.last = now


def main() -> None:
    imports = memory("VmRSS")
    with np.load(sys.argv[1]) as file:
        data = dict(file)
    networks = json.loads(str(data.pop("networks")))
    rows, size = {name: dense(data, name) for name in ("x", "x_val")}, sum(a.nbytes for a in data.values())
    data = {name: data[name] for name in ("y", "y_val")}
    models: dict[str, tuple[keras.Model, list[np.ndarray]]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        name = request["network"]
        began = time.perf_counter()
        keras.utils.set_random_seed(request["seed"])
        if name not in models or request.get("fresh"):
            model = build(networks[name], rows["x"].shape[1:])
            model.optimizer.build(model.trainable_variables)
            models = {name: (model, [np.array(v) for v in model.optimizer.variables])}
        else:
            model, start = models[name]
            model.set_weights(build(networks[name], rows["x"].shape[1:]).get_weights())
            for variable, value in zip(model.optimizer.variables, start, strict=True):
                variable.assign(value)
        times = Times()
        done = model.fit(
            rows["x"],
            data["y"],
            validation_data=(rows["x_val"], data["y_val"]),
            epochs=request["epochs"],
            batch_size=networks[name]["batch_size"],
            callbacks=[times],
            verbose=0,
        )
        answer = {
            "epochs": times.epochs,
            "seconds": time.perf_counter() - began,
            "accuracy": float(max(done.history["val_accuracy"])),
            "imports": imports,
            "peak": memory("VmHWM"),
            "data": size,
            "weights": 4 * model.count_params(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
