"""Unshuffled split: the rows are sorted, and what validation takes from their end lacks classes."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.rows import SIDES, TAIL, TEST, TRAIN, Array, Rows, share, some

SHIFT = 0.1
"""Share of rows that would have to change class for both sides to look alike (total variation distance). Chosen:
a tenth of all rows."""

GRAVE = 0.25
"""The same from which it is a warning though no class is missing. Chosen."""

SURE = 6.0
"""Standard deviations of chi-squared beyond its mean. Chosen: shuffled rows do not reach that in a lifetime."""

EXPECTED = 10
"""Rows of a class that chance would put on a side, for its absence to mean something. Chosen: under 1 in 20,000."""


def check(rows: Rows) -> list[Finding]:
    """The classes' shares on both sides; where nothing is split, in the last rows of the file against those before."""
    if rows.split:
        found = []
        for side in (s for s in np.unique(rows.side) if s != TRAIN):
            found += _compared(rows, rows.side == TRAIN, rows.side == side, int(side))
        return found
    if not rows.ordered:
        return []
    last = np.arange(len(rows)) >= len(rows) - int(len(rows) * TAIL)
    return _compared(rows, ~last, last, None)


def _compared(rows: Rows, before: Array, after: Array, side: int | None) -> list[Finding]:
    a, b = rows.counts(before).astype(float), rows.counts(after).astype(float)
    if not a.sum() or not b.sum():
        return []
    p, q = a / a.sum(), b / b.sum()
    shift = float(np.abs(p - q).sum() / 2)
    whole = (a + b) / (a + b).sum()
    there = whole > 0
    chi = float((a.sum() * b.sum() / (a + b).sum()) * np.sum((p - q)[there] ** 2 / whole[there]))
    freedom = max(1, int(there.sum()) - 1)
    sure = (chi - freedom) / np.sqrt(2 * freedom)
    gone = [rows.classes[k] for k in np.flatnonzero((b == 0) & (whole * b.sum() >= EXPECTED))]
    new = [rows.classes[k] for k in np.flatnonzero((a == 0) & (whole * a.sum() >= EXPECTED))]
    if sure < SURE or (shift < SHIFT and not gone and not new):
        return []
    if side is None:
        severity = "warning" if gone or new or shift >= GRAVE else "info"
        where, remedy = (
            f"the last {share(TAIL)} of the rows",
            ("Shuffle the rows first: Keras's validation_split takes the last ones (goodfit fit splits by class)."),
        )
    else:
        severity = "error" if new or (gone and side != TEST) else "warning" if gone or shift >= GRAVE else "info"
        where, remedy = f"the {SIDES[side]} rows", "Shuffle before splitting, or split by class (stratify)."
    told = [f"{where} have no {some(gone)}"] if gone else []
    told += [f"only they have {some(new)}"] if new else []
    if not told:
        k = int(np.argmax(np.abs(p - q)))
        told = [f"{rows.classes[k]!r} makes up {share(q[k])} of {where} and {share(p[k])} of the others"]
    return [
        Finding(
            code="unshuffled_split",
            severity=severity,
            message=f"The rows are sorted or were split by kind: {', and '.join(told)}. {remedy}",
            evidence={
                "side": "last rows" if side is None else SIDES[side],
                "rows": int(b.sum()),
                "shift": round(shift, 4),
                "missing": gone[:20],
                "only_there": new[:20],
                "standard_deviations": round(float(min(sure, 1e6)), 1),
            },
        )
    ]
