"""Exploding gradient: not finite, or growing from the last layer to the first."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.internals.record import Internals

RATIO = 70.0
"""Norm of the first layer's gradient over the last one's. From the literature."""


def check(record: Internals) -> list[Finding]:
    """Silent where the loss comes down all the same."""
    broken = [n for n, v in record.gradient_norm.items() if np.any(np.isinf(v))]
    if broken:
        at = min(int(record.epochs[np.flatnonzero(np.isinf(record.gradient_norm[n]))[0]]) for n in broken)
        return [
            Finding(
                code="exploding_gradient",
                severity="error",
                epoch=max(1, at),
                message=(
                    f"The gradient is not finite in {broken[0]!r}"
                    f"{f' and {len(broken) - 1} more layers' if broken[1:] else ''}. Clip it (clipnorm=1.0 in the "
                    "optimizer), lower the learning rate, scale the inputs."
                ),
                evidence={"layers": broken},
                remedies=("lower_learning_rate", "batch_normalization"),
            )
        ]
    names = list(record.gradient_norm)
    if len(names) < 2 or record.trained < 2 or record.learned:
        return []
    first, end = record.gradient_norm[names[0]], record.gradient_norm[names[-1]]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = first / end
    measured = ratio[np.isfinite(ratio)]
    if not len(measured) or not np.all(measured[-2:] > RATIO):
        return []
    return [
        Finding(
            code="exploding_gradient",
            severity="warning",
            epoch=max(1, int(record.epochs[np.flatnonzero(ratio > RATIO)[0]])),
            confidence=0.7,
            message=(
                f"The gradient grows on its way back: its norm in {names[0]!r} is {measured[-1]:.3g} times that in "
                f"{names[-1]!r}, and the loss does not come down. Scale the inputs, clip the gradient (clipnorm=1.0), "
                "lower the learning rate."
            ),
            evidence={"ratio": round(float(measured[-1]), 3), "layers": [names[0], names[-1]]},
            remedies=("batch_normalization", "lower_learning_rate"),
        )
    ]
