"""Vanishing gradient: the first layers get hardly any."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.internals.record import Internals, last

RATIO = 1e-3
"""Norm of the first layer's gradient over the last one's. From the literature."""

SMALL = 1e-4
"""Norm of the first layer's gradient itself. From the literature."""

FLAT = 0.5
"""Share of a hidden layer's outputs at the flat ends of its sigmoid or tanh. From the literature."""


def check(record: Internals) -> list[Finding]:
    """First layer against last, or saturated hidden layers; `info` where the loss comes down all the same."""
    if record.trained < 2:
        return []
    severity = "info" if record.learned else "warning"
    names = list(record.gradient_norm)
    if len(names) > 1:
        first, end = record.gradient_norm[names[0]], record.gradient_norm[names[-1]]
        with np.errstate(invalid="ignore", divide="ignore"):
            low = (first <= RATIO * end) & (first <= SMALL) & (end > 0)
        measured = np.isfinite(first) & np.isfinite(end)
        if measured.any() and low[measured][-2:].all():
            return [
                Finding(
                    code="vanishing_gradient",
                    severity=severity,
                    epoch=max(1, int(record.epochs[np.flatnonzero(low)[0]])),
                    confidence=0.85,
                    message=(
                        f"Hardly any gradient reaches the first layer: its norm is {last(first):.2g} in {names[0]!r} "
                        f"and {last(end):.2g} in {names[-1]!r}. Use ReLU in place of sigmoid or tanh, batch "
                        "normalisation, fewer layers or residual connections."
                    ),
                    evidence={"first": last(first), "last": last(end), "layers": [names[0], names[-1]]},
                    remedies=("batch_normalization", "smaller"),
                )
            ]
    if names and not record.learned and all(last(v) == 0 for v in record.gradient_norm.values()):
        return [
            Finding(
                code="vanishing_gradient",
                severity="warning",
                epoch=max(1, int(record.epochs[np.flatnonzero(record.gradient_norm[names[0]] == 0)[0]])),
                confidence=0.8,
                message=(
                    "No gradient reaches any kernel: every one is exactly 0, so nothing can be learned. Units that are "
                    "zero on every row do that: use he_normal, leaky ReLU, a lower learning rate, scaled inputs."
                ),
                evidence={"first": 0.0, "last": 0.0, "layers": [names[0], names[-1]]},
                remedies=("lower_learning_rate", "batch_normalization"),
            )
        ]
    flat = {n: last(v) for n, v in record.saturated_units.items() if last(v) >= FLAT}
    if not flat:
        return []
    worst = max(flat, key=lambda n: flat[n])
    return [
        Finding(
            code="vanishing_gradient",
            severity=severity,
            epoch=max(1, int(record.epochs[np.flatnonzero(record.saturated_units[worst] >= FLAT)[0]])),
            confidence=0.7,
            message=(
                f"{flat[worst]:.0%} of the outputs of {worst!r} lie at the flat ends of its activation, where no "
                "gradient passes. Scale the inputs, lower the learning rate, use ReLU or batch normalisation."
            ),
            evidence={"saturated_units": {n: round(s, 4) for n, s in flat.items()}},
            remedies=("batch_normalization", "lower_learning_rate"),
        )
    ]
