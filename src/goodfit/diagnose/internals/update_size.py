"""Update size: how far a step moves the weights, against the weights themselves; healthy is about 1e-3."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.internals.record import Internals

LOW, HIGH = 1e-5, 1e-1
"""Update-to-weight ratios of one step outside of which it is too small or too large. From the literature."""


def check(record: Internals) -> list[Finding]:
    """Bounds on one step's ratio from what a whole epoch moved, only where nothing is learned.

    In n steps weights move at most n times as far as in one, and about sqrt(n) times where the steps point anywhere.
    So `moved / n` is the least that a step can have been, and `moved / sqrt(n)` about the most. The farthest epoch
    counts: a network that was thrown off may not move any more.
    """
    if record.trained < 2 or record.learned or not record.steps or not record.weight_change:
        return []
    moved = np.array(list(record.weight_change.values()))[:, record.epochs > 0]
    moved = moved[:, ~np.all(np.isnan(moved), axis=0)]
    if moved.shape[1] < 2 or np.isnan(moved).any():
        return []
    least, most = moved.max(axis=1) / record.steps, moved.max(axis=1) / math.sqrt(record.steps)
    if np.all(least < LOW) and np.all(most < 10 * LOW):
        return [
            Finding(
                code="learning_rate_too_low",
                severity="warning",
                epoch=1,
                confidence=0.8,
                message=(
                    f"The weights hardly move: a step changes them by {least.max():.1g} to {most.max():.1g} of their "
                    "size, where 1e-3 is usual, and the loss does not come down. Raise the learning rate tenfold or "
                    "more."
                ),
                evidence={
                    "ratio_at_least": float(f"{least.max():.3g}"),
                    "ratio_at_most": float(f"{most.max():.3g}"),
                    "epochs": int(moved.shape[1]),
                },
                remedies=("higher_learning_rate",),
            )
        ]
    if np.median(least) > HIGH:
        return [
            Finding(
                code="learning_rate_too_high",
                severity="warning",
                epoch=1,
                confidence=0.8,
                message=(
                    f"The steps are as large as the weights: each changes them by {np.median(least):.2g} of their "
                    "size, where 1e-3 is usual, and the loss does not come down. Lower the learning rate."
                ),
                evidence={"ratio_at_least": float(f"{np.median(least):.3g}"), "epochs": int(moved.shape[1])},
                remedies=("lower_learning_rate",),
            )
        ]
    return []
