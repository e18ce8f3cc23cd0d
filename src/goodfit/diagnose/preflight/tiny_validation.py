"""Tiny validation: too few rows to see the difference that one hopes to see."""

from __future__ import annotations

import math

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.rows import TAIL, TEST, TRAIN, VALIDATION, Rows

DIFFERENCE = 0.01
"""Difference in accuracy that one hopes to see, where nothing is said."""

DISAGREE = 0.1
"""Share of rows on which two networks are assumed to answer differently. Chosen: networks of 85 to 95 % accuracy on
one task."""

ACCURACY = 0.85
"""Accuracy that the interval is told for. Chosen: the middle of what people compare."""

WIDE = 0.05
"""Half-width of the 95 % interval from which it is a warning of itself. Chosen: five points of accuracy."""


def rows_needed(difference: float) -> int:
    """Rows on which a paired test (McNemar) sees a difference in accuracy with 80 % power at the 5 % level.

    n = (1.96 sqrt(q) + 0.84 sqrt(q - d^2))^2 / d^2 for a difference d between networks that disagree on a share q
    of the rows (Connor 1987, "Sample size for testing differences in proportions for the paired-sample design").
    """
    q = max(DISAGREE, difference)
    return math.ceil((1.959964 * math.sqrt(q) + 0.841621 * math.sqrt(q - difference**2)) ** 2 / difference**2)


def half_width(rows: int) -> float:
    """Half-width of the 95 % interval of an accuracy of `ACCURACY` on so many rows."""
    return 1.959964 * math.sqrt(ACCURACY * (1 - ACCURACY) / max(1, rows))


def check(rows: Rows, difference: float | None = None) -> list[Finding]:
    """Validation rows (a fifth of the training rows where there are none yet) against `rows_needed`.

    Args:
        rows: The rows.
        difference: Difference in accuracy that one hopes to see. Where one is named, missing it is a warning; else
            `DIFFERENCE`, and missing it is `info` unless the interval is wider than `WIDE` to each side.
    """
    wanted = DIFFERENCE if difference is None else difference
    given = int(np.sum(rows.side == VALIDATION))
    here = given or int(np.sum(rows.side != TEST) * TAIL)
    needed, half = rows_needed(wanted), half_width(here)
    if here >= needed:
        return []
    all_needed = needed if given else math.ceil(needed / TAIL)
    what = f"{here:,} validation rows" if given else f"A fifth of {int(np.sum(rows.side == TRAIN)):,} rows is {here:,}"
    points = "1 point" if wanted == 0.01 else f"{100 * wanted:g} points"
    in_all = "" if given else f" ({all_needed:,} rows in all)"
    return [
        Finding(
            code="tiny_validation",
            severity="warning" if difference is not None or half >= WIDE else "info",
            message=(
                f"{what}: an accuracy of {ACCURACY:.0%} has an interval of ±{100 * half:.1f} points there. To see a "
                f"difference of {points} between two networks takes about {needed:,} validation rows{in_all}, or many "
                "paired splits (goodfit fit: --seeds 29)."
            ),
            evidence={
                "validation_rows": here,
                "difference": wanted,
                "rows_needed": needed,
                "half_width": round(half, 4),
                "assumed_disagreement": max(DISAGREE, wanted),
            },
        )
    ]
