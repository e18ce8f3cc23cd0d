"""Duplicate rows: the same row, or nearly the same text, more than once, worst on two sides of a split."""

from __future__ import annotations

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.near_duplicates import LIKE, near_duplicates
from goodfit.diagnose.preflight.rows import SIDES, TRAIN, Array, Rows, share

ACROSS = 0.01
"""Share of scored rows with a twin in training from which the score is in doubt. Chosen: a point of accuracy."""

WITHIN = 0.05
"""Share of rows that repeat an earlier one from which that is a warning where nothing is split yet. Chosen: a random
split then leaves a twin in training for more than a point of its scored rows, five times over."""


def check(rows: Rows) -> list[Finding]:
    """Exact copies by `groups`, near copies by the words of texts; one finding for the worst of both."""
    _, first, inverse, size = np.unique(rows.groups, return_index=True, return_inverse=True, return_counts=True)
    copies = len(rows) - len(first)
    near = _near(rows, first, inverse)
    if rows.split:
        return _across(rows, near, copies)
    repeated, similar = copies / max(1, len(rows)), int(near.sum())
    if not copies and not similar:
        return []
    told = [f"{copies:,} of {len(rows):,} rows ({share(repeated)}) repeat an earlier one"] if copies else []
    if similar:
        told.append(f"{similar:,} texts are nearly the same as another ({LIKE:.0%} of their word triples or more)")
    return [
        Finding(
            code="duplicate_rows",
            severity="warning" if repeated + similar / len(rows) >= WITHIN else "info",
            message=(
                f"{' and '.join(told)}: a random split would put twins on both sides, and a score on them is memory. "
                "Remove them, or keep equal rows on one side (goodfit fit does so with exact ones)."
            ),
            evidence={
                "rows": len(rows),
                "copies": copies,
                "largest_group": int(size.max(initial=0)),
                **({} if rows.texts is None else {"near_duplicates": similar}),
            },
        )
    ]


def _near(rows: Rows, first: Array, inverse: Array) -> Array:
    """Rows whose text has a near twin among other texts, bool, shape `(rows,)`; all False where rows are no texts."""
    if rows.texts is None:
        return np.zeros(len(rows), bool)
    pairs = near_duplicates([rows.texts[i] for i in first])
    if not rows.split:
        return np.isin(np.arange(len(rows)), first[pairs.ravel()])
    training = np.bincount(inverse, rows.side == TRAIN, len(first)) > 0
    alike = np.zeros(len(first), bool)  # a text of its own side alone counts where its twin is in training
    for a, b in pairs:
        alike[a] |= training[b]
        alike[b] |= training[a]
    return alike[inverse] & (rows.side != TRAIN)


def _across(rows: Rows, near: Array, copies: int) -> list[Finding]:
    """The finding for rows that are split already."""
    known = np.isin(rows.groups, rows.groups[rows.side == TRAIN]) & (rows.side != TRAIN)
    near = near & ~known
    found = []
    for side in sorted(set(rows.side[known | near].tolist())):
        scored = rows.side == side
        same, similar = int(known[scored].sum()), int(near[scored].sum())
        part = (same + similar) / int(scored.sum())
        told = [f"{same:,} exactly"] if same else []
        told += [f"{similar:,} nearly ({LIKE:.0%} of their word triples or more)"] if similar else []
        found.append(
            Finding(
                code="duplicate_rows",
                severity="warning" if part >= ACROSS else "info",
                message=(
                    f"{same + similar:,} of {int(scored.sum()):,} {SIDES[side]} rows ({share(part)}) stand in the "
                    f"training rows too, {' and '.join(told)}: the score on them is memory. Remove them from one side."
                ),
                evidence={
                    "side": SIDES[side],
                    "rows": int(scored.sum()),
                    "exact": same,
                    "near": similar,
                    "copies": copies,
                },
            )
        )
    return found
