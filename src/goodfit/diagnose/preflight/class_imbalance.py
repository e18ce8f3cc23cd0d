"""Class imbalance: accuracy says little where one class is nearly all there is, or some have hardly a row."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.rows import Rows, share, some

COMMON = 0.8
"""Share of the commonest of all rows from which it is told. Chosen: accuracy begins at 80 % without learning."""

GRAVE = 0.95
"""The same from which it is a warning. Chosen."""

FEWEST = 10
"""Rows of a class under which a fifth of them (two) cannot judge it. Chosen."""


def check(rows: Rows) -> list[Finding]:
    """The share of the commonest class, and classes with under `FEWEST` rows."""
    counts = rows.counts()
    top, rarest = int(np.argmax(counts)), int(np.argmin(counts))
    common = float(counts[top] / len(rows))
    rare = [rows.classes[k] for k in np.argsort(counts, kind="stable") if counts[k] < FEWEST]
    if common < COMMON and not rare:
        return []
    told = []
    if common >= COMMON:
        told.append(
            f"{share(common)} of the rows are {rows.classes[top]!r}: always answering that is right as often, so "
            "accuracy says little. Look at each class (macro-F1, confusion matrix), weigh the classes"
        )
    if rare:
        have = "class has" if len(rare) == 1 else "classes have"
        told.append(
            f"{len(rare)} {have} under {FEWEST} rows ({some(rare)}): too few to learn from or to judge. Add rows, "
            "or merge classes"
        )
    return [
        Finding(
            code="class_imbalance",
            severity="warning" if common >= GRAVE else "info",
            message=f"{'. '.join(told)}.",
            evidence={
                "rows": len(rows),
                "commonest": rows.classes[top],
                "commonest_rows": int(counts[top]),
                "rarest": rows.classes[rarest],
                "rarest_rows": int(counts[rarest]),
                "majority_accuracy": round(common, 4),
                "rare_classes": len(rare),
            },
        )
    ]
