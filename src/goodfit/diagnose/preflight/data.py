"""`data`: every check of labelled rows. NumPy only."""

from __future__ import annotations

from goodfit.diagnose.causes import gravest_first
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight import (
    class_imbalance,
    conflicting_labels,
    duplicate_rows,
    target_leak,
    tiny_validation,
    unscaled_columns,
    unshuffled_split,
)
from goodfit.diagnose.preflight.rows import Rows


def data(rows: Rows, difference: float | None = None) -> list[Finding]:
    """Say what is wrong with labelled rows before anything is trained on them.

    Args:
        rows: Rows in their order, split already or not.
        difference: Difference in accuracy that one hopes to see between two networks; None takes 0.01 and keeps
            quiet about it.

    Returns:
        Findings, the gravest first; none for healthy data.
    """
    found = [
        *target_leak.check(rows),
        *unshuffled_split.check(rows),
        *duplicate_rows.check(rows),
        *conflicting_labels.check(rows),
        *class_imbalance.check(rows),
        *unscaled_columns.check(rows),
        *tiny_validation.check(rows, difference),
    ]
    return gravest_first(found)
