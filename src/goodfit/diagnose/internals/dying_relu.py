"""Dying ReLU: units that are zero on every row get no gradient and never come back."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.internals.record import Internals, last

DEAD = 0.7
"""Share of a layer's units that are dead. From the literature on seeded faults."""

ALL = 0.999
"""The same from which nothing passes the layer any more."""


def check(record: Internals) -> list[Finding]:
    """`error` where no unit of a layer lives and nothing is learned or no gradient passes; else `warning`.

    It is `info` where the loss falls all the same.
    """
    dead = {name: last(v) for name, v in record.dead_units.items()}
    worst = {name: share for name, share in dead.items() if share >= DEAD}
    if not worst:
        return []
    name = max(worst, key=lambda n: worst[n])
    blocked = worst[name] >= ALL
    if record.trained < 2 and not (blocked and record.trained == 0):
        return []  # one epoch says little, but a layer that is dead before the first step will stay so
    first = next(iter(record.gradient_norm.values()), np.ones(1))
    # Where no gradient comes through to the first layer, only the output's bias can have brought the loss down.
    stuck = blocked and not np.any(first > 0)
    severity = "error" if stuck else "info" if record.learned else "error" if blocked else "warning"
    since = int(record.epochs[np.flatnonzero(record.dead_units[name] >= DEAD)[0]])
    return [
        Finding(
            code="dying_relu",
            severity=severity,
            epoch=since or None,
            confidence=0.95 if blocked else 0.8,
            message=(
                f"{worst[name]:.0%} of the units of {name!r} are zero on every row"
                f"{f' since epoch {since}' if since else ' before training begins'}"
                f"{', and the loss does not come down' if not record.learned and record.trained else ''}. Lower the "
                "learning rate, scale the inputs, use he_normal or leaky ReLU."
            ),
            evidence={"dead_units": {n: round(s, 4) for n, s in worst.items()}},
            remedies=("lower_learning_rate", "batch_normalization"),
        )
    ]
