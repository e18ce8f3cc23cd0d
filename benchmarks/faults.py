"""The networks of `benchmarks/labelled_runs.py`: sound ones, and the same with one fault each.

Every network is a stock Keras model, so that it trains as a lane and by `fit` alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import goodfit.models  # noqa: F401  (it chooses Keras's backend)
from labels import FAULTS as FAULTS

import keras  # isort: skip

ARMS: dict[str, dict[str, Any]] = {
    "rmsprop": {"optimizer": keras.optimizers.RMSprop, "learning_rate": 0.001, "width": 1, "batch_size": 64},
    "adam": {"optimizer": keras.optimizers.Adam, "learning_rate": 0.001, "width": 2, "batch_size": 32},
    "momentum": {"optimizer": keras.optimizers.SGD, "learning_rate": 0.02, "width": 1, "batch_size": 64},
}
"""Sound ways to train; `width` times as many units as the smallest of them has."""

SOUND = (*ARMS, "dropout", "batch normalisation")
"""Kinds without a fault: whether such a run is healthy is a matter of its epochs."""


@dataclass(frozen=True, eq=False)
class Made:
    """A network with its compile settings, not built into anything yet."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: Any
    batch_size: int
    one_hot: bool
    learning_rate: float


def make(kind: str, arm: str, inputs: int, classes: int, text: bool) -> Made:
    """The network of a kind.

    Args:
        kind: One of `SOUND` or `FAULTS`.
        arm: One of `ARMS`: what it is trained by (a kind that is an arm itself is trained by that).
        inputs: Columns of the rows.
        classes: Number of classes.
        text: Whether the rows are texts, whose thousands of columns make any network large.
    """
    way = ARMS[kind if kind in ARMS else arm]
    units = (way["width"] * (16 if classes < 10 else 64),) * 2
    if kind == "too large":
        units = (256, 256) if text else (512, 512)
    elif kind == "too small":
        units = (1,) if classes == 2 else (2,)
    rate = way["learning_rate"] * {"rate x100": 100.0, "rate /1000": 0.001}.get(kind, 1.0)
    # Kernels below 0: what a first layer passes on is 0 or more, so the second one is dead on every row.
    start: Any = keras.initializers.RandomUniform(-0.5, 0.0) if kind == "dead ReLU" else "glorot_uniform"
    layers = keras.layers
    stack: list[Any] = [layers.Input((inputs,))]
    for i, n in enumerate(units):
        if kind == "batch normalisation":
            stack += [layers.Dense(n, use_bias=False), layers.BatchNormalization(), layers.Activation("relu")]
        else:
            stack.append(layers.Dense(n, activation="relu", kernel_initializer=start, name=f"hidden_{i + 1}"))
        if kind == "dropout":
            stack.append(layers.Dropout(0.4))
    one = classes == 2
    stack.append(layers.Dense(1 if one else classes, activation="sigmoid" if one else "softmax", name="output"))
    twice = kind == "from_logits"
    loss: Any
    if kind == "wrong loss":
        loss = keras.losses.MeanSquaredError() if one or arm != "adam" else keras.losses.BinaryCrossentropy()
    elif one:
        loss = keras.losses.BinaryCrossentropy(from_logits=twice)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=twice)
    settings = {"momentum": 0.9} if way["optimizer"] is keras.optimizers.SGD else {}
    return Made(
        keras.Sequential(stack),
        way["optimizer"](rate, **settings),
        loss,
        way["batch_size"],
        kind == "wrong loss" and not one,
        rate,
    )


def labels_of(kind: str, y: np.ndarray) -> np.ndarray:
    """The labels that a kind is trained and judged on."""
    return np.random.default_rng(7).permutation(y) if kind == "shuffled labels" else y


def validation_of(kind: str, y: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Which rows a kind holds out: those of a seed's split, or the last fifth of rows sorted by class."""
    if kind != "sorted split":
        return mask
    held = np.zeros(len(y), dtype=bool)
    held[np.argsort(y, kind="stable")[-int(mask.sum()) :]] = True
    return held
