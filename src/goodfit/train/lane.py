"""What goes into the engine and what comes out: a `Lane`, and a `Trained` run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.history import History
from goodfit.models.network import Network

Array = np.ndarray
TRAIN, VALIDATION = 1, 2
"""Roles of a row in a lane; 0 is a row that the lane does not use."""
CURVES = ("loss", "accuracy", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate")
"""What is measured after each epoch; `loss` and `accuracy` are running values in training mode."""


@dataclass(frozen=True, eq=False)
class Lane:
    """One run to be trained.

    Attributes:
        variant: The variant's name.
        seed: Fixes initial weights and noise.
        network: What to train.
        member: The role of each row, uint8 `(rows,)`: `TRAIN`, `VALIDATION` or 0.
    """

    variant: str
    seed: int
    network: Network
    member: Array


@dataclass(frozen=True, eq=False)
class Trained:
    """One trained run.

    Attributes:
        variant: The variant's name.
        seed: Its seed.
        curves: Each of `CURVES` by epoch, `(epochs_run,)`.
        best_epoch: The epoch (from 1) that the weights are from.
        weights: The weights in the stock model's order, or None where they were not asked for.
    """

    variant: str
    seed: int
    curves: dict[str, Array]
    best_epoch: int
    weights: list[Array] | None = None

    @property
    def epochs_run(self) -> int:
        """Epochs trained."""
        return len(self.curves["loss"])

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without weights; what is not finite becomes None."""
        curves = {k: [float(x) if np.isfinite(x) else None for x in v] for k, v in self.curves.items()}
        return {"variant": self.variant, "seed": self.seed, "curves": curves, "best_epoch": self.best_epoch}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Trained:
        """Back from `to_dict`."""
        return cls(
            d["variant"],
            d["seed"],
            {k: np.asarray(v, np.float64) for k, v in d["curves"].items()},
            d["best_epoch"],
        )


@dataclass(frozen=True)
class Progress:
    """Where training stands after an epoch of a chunk.

    Attributes:
        lanes: The chunk's lanes.
        epoch: The epoch just done, from 1.
        epochs: The most epochs any of them may train.
        metrics: Each of `CURVES` after this epoch, `(lanes,)`, NaN for a lane that has stopped.
        active: Bool `(lanes,)`: which go on.
        seconds_left: Estimated time until all chunks are done.
        seconds_in_all: The same until the runs that were said to come later are done too.
    """

    lanes: Sequence[Lane]
    epoch: int
    epochs: int
    metrics: dict[str, Array]
    active: Array
    seconds_left: float
    seconds_in_all: float


def history(runs: Sequence[Trained], variant: str = "") -> History:
    """The curves of a variant's runs as one `History`."""
    return History.stack([History(r.curves, seeds=np.asarray([r.seed])) for r in runs], variant)
