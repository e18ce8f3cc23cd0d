"""Conflicting labels: equal rows that carry different labels."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.rows import Rows, share

COSTS = 0.01
"""Accuracy that they cost at least from which it is a warning. Chosen: a point."""


def check(rows: Rows) -> list[Finding]:
    """Groups of identical rows with more than one label, and the highest accuracy that they allow."""
    groups, inverse = np.unique(rows.groups, return_inverse=True)
    pairs, count = np.unique(np.stack([inverse, rows.labels]), axis=1, return_counts=True)
    kinds = np.bincount(pairs[0], minlength=len(groups))
    if not np.any(kinds > 1):
        return []
    best = np.zeros(len(groups), np.int64)
    np.maximum.at(best, pairs[0], count)
    involved = int(np.isin(inverse, np.flatnonzero(kinds > 1)).sum())
    highest = int(best.sum()) / len(rows)
    where = np.flatnonzero(inverse == np.flatnonzero(kinds > 1)[0])[:2]
    said = sorted({rows.classes[k] for k in rows.labels[inverse == inverse[where[0]]]})
    return [
        Finding(
            code="conflicting_labels",
            severity="warning" if 1 - highest >= COSTS else "info",
            message=(
                f"{involved:,} rows ({share(involved / len(rows))}) are equal to a row with another label (rows "
                f"{where[0] + 1:,} and {where[1] + 1:,} for instance: {' and '.join(said)}): no network can be right "
                f"on more than {_floor(highest)} of all rows. Look at them; correct or remove them."
            ),
            evidence={
                "rows": involved,
                "groups": int(np.sum(kinds > 1)),
                "highest_accuracy": round(highest, 5),
                "example_rows": [int(i) + 1 for i in where],
            },
        )
    ]


def _floor(value: float) -> str:
    """A share close to 1, never rounded up to it."""
    return f"{np.floor(value * 1e4) / 100:.2f}%"
