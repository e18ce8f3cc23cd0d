"""Update size: how far a step moves the weights, against the weights themselves; healthy is about 1e-3."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.internals.record import Internals

LOW, HIGH = 1e-5, 1e-1
"""Update-to-weight ratios of one step outside of which it is too small or too large. From the literature."""

FAR = 0.18
"""The same ratio, of the farthest epoch and of steps that point anywhere, from which it is told though the network
learns. Fitted on the fitting half of goodfit's own labelled runs: sound ones reach 0.07, those with a hundredfold rate
begin at 0.45 (geometric middle)."""


def check(record: Internals) -> list[Finding]:
    """Bounds on one step's ratio from what a whole epoch moved; where the network learns only a huge one counts.

    In n steps weights move at most n times as far as in one, and about sqrt(n) times where the steps point anywhere.
    So `moved / n` is the least that a step can have been, and `moved / sqrt(n)` about the most. The farthest epoch
    counts: a network that was thrown off may not move any more.
    """
    if record.trained < 2 or not record.steps or not record.weight_change:
        return []
    moved = np.array(list(record.weight_change.values()))[:, record.epochs > 0]
    moved = moved[:, ~np.all(np.isnan(moved), axis=0)]
    if moved.shape[1] < 2 or np.isnan(moved).any():
        return []
    least, most = moved.max(axis=1) / record.steps, moved.max(axis=1) / math.sqrt(record.steps)
    if record.learned:
        return _too_far(most, moved.shape[1]) if np.median(most) > FAR else []
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
    if np.median(least) > HIGH or np.median(most) > FAR:
        return _too_far(least if np.median(least) > HIGH else most, moved.shape[1])
    return []


def _too_far(ratio: np.ndarray, epochs: int) -> list[Finding]:
    """The finding for steps as large as the weights."""
    size = float(np.median(ratio))
    return [
        Finding(
            code="learning_rate_too_high",
            severity="warning",
            epoch=1,
            confidence=0.8,
            message=(
                f"The steps are too large for the weights: each changes them by about {size:.2g} of their size, where "
                "1e-3 is usual. Lower the learning rate."
            ),
            evidence={"ratio": float(f"{size:.3g}"), "epochs": epochs},
            remedies=("lower_learning_rate",),
        )
    ]
