"""`Internals`: what was measured inside a network while it trained, and how to measure it. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from goodfit.diagnose.context import Context
from goodfit.diagnose.noise import median
from goodfit.history import History

Array = np.ndarray

SATURATED = {"sigmoid": (0.0067, 0.9933), "tanh": (-0.9999, 0.9999)}
"""Outputs below and above which the input of sigmoid or tanh is further than 5 from 0."""

LARGEST = float(np.finfo(np.float32).max)
"""Stands for an infinite gradient where infinity cannot be written."""

_MEASURES = ("gradient_norm", "weight_change", "dead_units", "saturated_units")


@dataclass(frozen=True, eq=False)
class Internals:
    """Measures of one run; a row is a point in time, a column a layer, NaN where nothing was measured.

    Attributes:
        epochs: Epoch of each point, 0 before training, shape `(points,)`.
        loss: Training loss of that epoch, NaN for epoch 0, shape `(points,)`.
        gradient_norm: Layers with a kernel, from input to output: Euclidean norm of the gradient of a probe batch's
            mean loss by each one's weights, shape `(points,)`.
        weight_change: The same layers: norm of what the weights moved since the point before, over their norm.
        dead_units: Layers with a ReLU: share of units that are 0 on every row of the probe.
        saturated_units: Hidden layers with sigmoid or tanh: share of outputs at their flat ends.
        steps: Steps of an epoch; None where unknown.
        chance: Loss of answering by chance; None where unknown.
    """

    epochs: Array
    loss: Array
    gradient_norm: dict[str, Array] = field(default_factory=dict)
    weight_change: dict[str, Array] = field(default_factory=dict)
    dead_units: dict[str, Array] = field(default_factory=dict)
    saturated_units: dict[str, Array] = field(default_factory=dict)
    steps: int | None = None
    chance: float | None = None

    @classmethod
    def of(cls, points: list[dict[str, float]], **facts: Any) -> Internals:
        """From one dict a point in time, with keys `epoch`, `loss` and `<measure>/<layer>`, as `Doctor` logs them."""
        names = list(dict.fromkeys(k for p in points for k in p))
        columns = {n: np.array([p.get(n, np.nan) for p in points], np.float64) for n in names}
        epochs = columns.get("epoch", np.arange(1.0, len(points) + 1))
        loss = columns.get("loss", np.full(len(points), np.nan))
        measures: dict[str, Any] = {
            m: {n.removeprefix(m)[1:]: c for n, c in columns.items() if n.startswith((m + "/", m + "_"))}
            for m in _MEASURES
        }
        # Where infinity cannot be written the largest number stands for it.
        measures["gradient_norm"] = {n: np.where(c >= LARGEST, np.inf, c) for n, c in measures["gradient_norm"].items()}
        return cls(epochs.astype(int), loss, **measures, **facts)

    @classmethod
    def of_history(cls, history: History, **facts: Any) -> Internals | None:
        """From what `Doctor` or the lanes measured; None where the history holds no measures.

        Several runs are seeds of one variant: their median is judged, over the epochs that half of them reached.
        """
        if not any(k.startswith(_MEASURES) for k in history.curves) or not history.runs:
            return None
        ran = int(np.sort(history.epochs_run)[::-1][(history.runs - 1) // 2])
        curves = {k: _medians(c[:, :ran]) for k, c in history.curves.items() if k == "loss" or k.startswith(_MEASURES)}
        points = [{k: float(c[e]) for k, c in curves.items()} | {"epoch": e + 1.0} for e in range(ran)]
        return cls.of(points, **{"chance": Context().filled(history.meta).chance, **facts})

    @property
    def learned(self) -> bool:
        """Whether the training loss has come down by a tenth: since the first epoch, or under chance.

        Where chance is known a loss that is still above it has learned nothing, however far it fell.
        """
        loss = self.loss[np.isfinite(self.loss)]
        if not len(loss):
            return False
        fell = len(loss) > 1 and loss[0] - loss[-1] >= 0.1 * abs(loss[0])
        if self.chance is None:
            return bool(fell)
        return bool(loss[-1] <= 0.9 * self.chance or (fell and loss[-1] < self.chance))

    @property
    def trained(self) -> int:
        """Epochs that were trained."""
        return int(np.isfinite(self.loss).sum())


def _medians(runs: Array) -> Array:
    """Median of the runs that have a value, by epoch; NaN where none has."""
    out = np.full(runs.shape[1], np.nan)
    for e, values in enumerate(runs.T):
        there = values[~np.isnan(values)]
        if len(there):
            out[e] = median(there)
    return out


def dead_units(output: Array, axis: int = -1) -> float:
    """Share of units whose output is 0 or less on every row and place.

    Args:
        output: Output of a ReLU for a probe batch, shape `(rows, ..., units)`.
        axis: The axis of the units.
    """
    units = np.moveaxis(np.asarray(output), axis, -1)
    return float(np.mean(units.reshape(-1, units.shape[-1]).max(axis=0) <= 0))


def saturated_units(output: Array, activation: str) -> float:
    """Share of outputs of a sigmoid or tanh that lie at its flat ends, where hardly any gradient passes."""
    low, high = SATURATED[activation]
    return float(np.mean((np.asarray(output) < low) | (np.asarray(output) > high)))


def change(before: Array, after: Array) -> float:
    """Norm of what weights moved, over their norm before; infinite where that was 0 and they moved."""
    moved = float(np.linalg.norm((np.asarray(after, np.float64) - before).ravel()))
    size = float(np.linalg.norm(np.asarray(before, np.float64).ravel()))
    return moved / size if size > 0 else (np.inf if moved > 0 else 0.0)


def last(values: Array) -> float:
    """The last value that was measured, infinities included; NaN where none was."""
    there = values[~np.isnan(values)]
    return float(there[-1]) if len(there) else float("nan")
