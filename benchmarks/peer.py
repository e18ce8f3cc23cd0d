"""One training by plain Keras, on whatever backend KERAS_BACKEND names; run by speed.py in the peer's own environment.

    KERAS_BACKEND=tensorflow python peer.py WORKLOAD.npz EPOCHS

The file holds x (dense, or CSR parts), y, x_val, y_val and `spec`, a JSON object with the network. Prints one JSON
object: seconds of each epoch (training and validation), seconds from start to the end of the first epoch, the last
validation accuracy, peak memory in bytes.
"""

import json
import resource
import sys
import time

started = time.perf_counter()

import keras  # noqa: E402
import numpy as np  # noqa: E402


def dense(data: dict, name: str) -> np.ndarray:
    if name in data:
        return data[name]
    indptr, indices = data[f"{name}_indptr"], data[f"{name}_indices"]
    out = np.zeros((len(indptr) - 1, int(data["features"])), np.float32)
    out[np.repeat(np.arange(len(out)), np.diff(indptr)), indices] = 1
    return out


def network(spec: dict, shape: tuple) -> keras.Model:
    """The workload's network, built from scratch: what a user writes."""
    layers = [keras.Input(shape)]
    for units in spec.get("filters", []):
        layers += [keras.layers.Conv2D(units, 3, activation="relu"), keras.layers.MaxPooling2D()]
    if spec.get("filters"):
        layers.append(keras.layers.Flatten())
    for units in spec["units"]:
        if spec.get("normalised"):
            layers += [keras.layers.Dense(units, use_bias=False), keras.layers.BatchNormalization()]
            layers += [keras.layers.Activation("relu"), keras.layers.Dropout(spec["dropout"])]
        else:
            layers.append(keras.layers.Dense(units, activation="relu"))
    classes = spec["classes"]
    layers.append(
        keras.layers.Dense(1 if classes == 2 else classes, activation="sigmoid" if classes == 2 else "softmax")
    )
    model = keras.Sequential(layers)
    loss = "binary_crossentropy" if classes == 2 else "sparse_categorical_crossentropy"
    model.compile(optimizer=spec["optimizer"], loss=loss, metrics=["accuracy"])
    return model


class Times(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(time.perf_counter() - self.begin)
        self.accuracy = logs["val_accuracy"]
        if epoch == 0:
            self.first = time.perf_counter() - started


def main() -> None:
    with np.load(sys.argv[1]) as file:
        data = dict(file)
    spec = json.loads(str(data["spec"]))
    x, x_val = dense(data, "x"), dense(data, "x_val")
    model = network(spec, x.shape[1:])
    times = Times()
    model.fit(
        x,
        data["y"],
        validation_data=(x_val, data["y_val"]),
        epochs=int(sys.argv[2]),
        batch_size=spec["batch_size"],
        callbacks=[times],
        verbose=0,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"epochs": times.epochs, "first": times.first, "accuracy": times.accuracy, "peak": peak}))


if __name__ == "__main__":
    main()
