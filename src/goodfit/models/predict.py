"""Predictions of a stock model, their calibration, and weights as bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from goodfit.models.lane_form import to_stock
from goodfit.models.network import Network

Array = np.ndarray


def model(network: Network, weights: Sequence[Array]) -> keras.Model:
    """A stock model of the network with these weights, in the order of its `weights`."""
    return to_stock(network, list(weights))


def probabilities(model: keras.Model, x: Any, batch: int = 512) -> Array:
    """Probabilities of every class, float64 `(rows, classes)`, each row summing to 1.

    Args:
        model: A stock model with a sigmoid unit or a softmax at its end.
        x: Encoded rows; sparse ones are made dense a batch at a time.
        batch: Rows at a time.
    """
    rows = x.shape[0]
    parts = []
    for at in range(0, rows, batch):
        block = x[at : at + batch]
        block = block.toarray() if hasattr(block, "toarray") else np.asarray(block)
        short = batch - len(block) if rows > batch else 0  # one shape, one compilation
        padded = np.pad(block, ((0, short),) + ((0, 0),) * (block.ndim - 1)) if short else block
        parts.append(np.asarray(model.predict_on_batch(padded), np.float64)[: len(block)])
    out = np.concatenate(parts) if parts else np.empty((0, model.outputs[0].shape[-1]))
    if out.shape[1] == 1:
        out = np.hstack([1 - out, out])
    return out / out.sum(1, keepdims=True)


def calibrated(probabilities: Array, temperature: float) -> Array:
    """Probabilities after temperature scaling: `softmax(log p / temperature)` (Guo et al. 2017, section 4.2)."""
    scaled = np.log(np.clip(probabilities, 1e-12, 1)) / temperature
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


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


def packed(weights: Sequence[Array]) -> bytes:
    """Weights as the bytes of an `.npz` file."""
    buffer = io.BytesIO()
    np.savez(buffer, *weights)
    return buffer.getvalue()


def unpacked(data: bytes) -> list[Array]:
    """Back from `packed`."""
    with np.load(io.BytesIO(data)) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]
