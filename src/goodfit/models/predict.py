"""Predictions of a stock model, their calibration, and weights as bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from goodfit.data import inputs
from goodfit.models.lane_form import to_stock
from goodfit.models.network import Network
from goodfit.models.walk import places

Array = np.ndarray


def model(network: Network, weights: Sequence[Array]) -> keras.Model:
    """A stock model of the network with these weights, in the order of its `weights`."""
    return to_stock(network, list(weights))


def reordered(weights: Sequence[Array], one: keras.Model, other: keras.Model) -> list[Array]:
    """Weights of one model in the order of another one that differs in layers without weights only.

    Layers that forget their names when they are copied leave the weights as they stand.
    """
    values, wanted = dict(zip(places(one), weights, strict=True)), places(other)
    return [values[place] for place in wanted] if set(values) == set(wanted) else list(weights)


def probabilities(model: keras.Model, x: Any, batch: int = 512, *, logits: bool = False) -> Array:
    """Probabilities of every class, float64 `(rows, classes)`, each row summing to 1.

    Args:
        model: A stock model of one unit or a unit for each class.
        x: Encoded rows; sparse ones are made dense a batch at a time.
        batch: Rows at a time.
        logits: Whether the model's output takes a sigmoid or softmax to become probabilities (`Objective.logits`).
    """
    rows = x.shape[0]
    parts = []
    for at in range(0, rows, batch):
        block = x[at : at + batch]
        block = block.toarray() if hasattr(block, "toarray") else np.asarray(block)
        short = batch - len(block) if rows > batch else 0  # one shape, one compilation
        fed = [np.pad(a, ((0, short),) + ((0, 0),) * (a.ndim - 1)) if short else a for a in inputs.each(block)]
        given = keras.tree.pack_sequence_as(model.input, fed) if inputs.names(block) else fed[0]
        parts.append(np.asarray(model.predict_on_batch(given), np.float64)[: len(block)])
    out = np.concatenate(parts) if parts else np.empty((0, model.outputs[0].shape[-1]))
    if logits:
        out = np.hstack([np.zeros_like(out), out]) if out.shape[1] == 1 else out
        return softmax(out, axis=1)
    out = np.hstack([1 - out, out]) if out.shape[1] == 1 else out
    out = np.maximum(out, 0)  # a unit that is neither sigmoid nor softmax may say anything
    total = out.sum(1, keepdims=True)
    return np.where(total == 0, 1 / max(out.shape[1], 1), out / np.where(total == 0, 1, total))


def calibrated(probabilities: Array, temperature: float) -> Array:
    """Probabilities after temperature scaling: `softmax(log p / temperature)` (Guo et al. 2017, section 4.2)."""
    return softmax(np.log(np.clip(probabilities, 1e-12, 1)) / temperature, axis=1)


def temperature(probabilities: Array, labels: Array) -> float:
    """The temperature that gives held-out rows the highest likelihood, within [0.2, 10]."""
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        p = calibrated(probabilities, float(np.exp(log_t)))
        return float(-np.log(np.clip(p[np.arange(len(labels)), labels], 1e-12, 1)).mean())

    if not np.isfinite(probabilities).all():
        return 1.0
    found = minimize_scalar(loss, bounds=(np.log(0.2), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))


def stored(array: Any) -> Array:
    """An array that an `.npz` file can hold: bfloat16, which NumPy does not know, as float32, which holds it whole."""
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.isbuiltin == 2 else array


def packed(weights: Sequence[Array]) -> bytes:
    """Weights as the bytes of an `.npz` file."""
    buffer = io.BytesIO()
    np.savez(buffer, *map(stored, weights))
    return buffer.getvalue()


def unpacked(data: bytes) -> list[Array]:
    """Back from `packed`."""
    with np.load(io.BytesIO(data)) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]
