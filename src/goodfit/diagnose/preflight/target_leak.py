"""Target leak: one column gives the target away, or names the row."""

from __future__ import annotations

import re

import numpy as np

from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.rows import Array, Rows, some

SAME = 0.995
"""Agreement from which a column that pairs off with the classes is the target again. Chosen: a label written twice,
with room for a few slips."""

GIVES = 0.98
"""Share of the errors of always answering the commonest class that a column alone has to take away, on rows it was
not fitted on. Chosen: honest columns may come close (a mushroom's odour takes away 97 %)."""

ALONE = 0.9
"""What every other column alone has to stay under, for one that gives the target away to stand out. Chosen: where
two columns can, the task is easy."""

FEWEST = 100
"""Rows under which nothing is said: a few rows are told apart by chance."""

ERRORS = 20
"""Errors of always answering the commonest class under which nothing is said."""

_BINS = 32
_ID = re.compile(r"(^|[_\s.-])(id|uuid|guid|index|idx|key|row|nr|no|number)$|(?<=[a-z])I[dD]$", re.IGNORECASE)


def check(rows: Rows) -> list[Finding]:
    """Each column alone, cross-fitted, and against the classes one to one; then columns that number or name rows."""
    if len(rows) < FEWEST or not rows.columns:
        return []
    return [*_leaks(rows), *_identifiers(rows)]


def _leaks(rows: Rows) -> list[Finding]:
    base = len(rows) - int(rows.counts().max())
    if base < ERRORS:
        return []
    again = {name: agreement(c, rows.labels, len(rows.classes)) for name, c in rows.columns.items()}
    same = [name for name, value in again.items() if value >= SAME]
    saved = {n: explained(c, rows.labels, len(rows.classes)) for n, c in rows.columns.items() if n not in same}
    best = sorted(saved, key=lambda n: -saved[n])
    alone = [n for n in best[:1] if saved[n] >= GIVES and all(saved[other] < ALONE for other in best[1:])]
    found = []
    if same:
        plural = "columns are" if same[1:] else "column is"
        found.append(
            Finding(
                code="target_leak",
                severity="error",
                confidence=0.99,
                message=(
                    f"The {plural} the target in other words: {some(same)} (each value stands for one class in "
                    f"{100 * min(again[n] for n in same):.4g}% of the rows). Leave {'them' if same[1:] else 'it'} out."
                ),
                evidence={"columns": same, "agreement": [round(again[n], 5) for n in same]},
            )
        )
    for name in alone:
        found.append(
            Finding(
                code="target_leak",
                severity="warning",
                confidence=0.8,
                message=(
                    f"The column {name!r} alone takes away {saved[name]:.1%} of the errors of always answering the "
                    f"commonest class{_next(best, saved)}. Leave it out, unless it will be known when predictions are "
                    "made."
                ),
                evidence={
                    "columns": [name],
                    "errors_taken": round(saved[name], 5),
                    "next": round(saved[best[1]], 5) if best[1:] else None,
                },
            )
        )
    return found


def _next(best: list[str], saved: dict[str, float]) -> str:
    return f"; the next one, {best[1]!r}, {max(0.0, saved[best[1]]):.0%}" if best[1:] else ""


def agreement(column: Array, labels: Array, classes: int) -> float:
    """Share of rows that a one-to-one pairing of the column's values with the classes gets right.

    0 where the column has not as many values as there are classes (up to a tenth more, for slips).
    """
    values, codes = np.unique(column, return_inverse=True)  # NaN are one value
    if not classes <= len(values) <= max(classes + 1, int(classes * 1.1)):
        return 0.0
    table = np.bincount(codes * classes + labels, minlength=len(values) * classes).reshape(-1, classes)
    partner = np.argmax(table, axis=1)
    if len(set(partner.tolist())) < classes:
        return 0.0
    # Of several values for one class only the commonest counts.
    right = np.zeros(classes, np.int64)
    np.maximum.at(right, partner, table.max(axis=1))
    return float(right.sum() / len(labels))


def explained(column: Array, labels: Array, classes: int) -> float:
    """Share of the majority's errors that the column alone takes away, cross-fitted on two halves of the rows.

    A category answers with its commonest class; a number by its own value where few differ, by one of 32 ranges,
    or, with two classes, by one threshold, whichever does best.
    """
    half = np.random.default_rng(0).permutation(len(labels)) % 2 == 0
    errors = len(labels) - int(np.bincount(labels, minlength=classes).max())
    views = []
    filled = column
    if column.dtype.kind == "f":
        filled = np.where(np.isnan(column), -np.inf, column)
        _, order = np.unique(filled, return_inverse=True)
        views.append(order * _BINS // (int(order.max()) + 1))
    values, codes = np.unique(filled, return_inverse=True)
    if len(values) <= max(_BINS, len(labels) // 20):
        views.append(codes)
    wrong = [
        sum(_wrong(codes[fit], labels[fit], codes[~fit], labels[~fit], classes) for fit in (half, ~half))
        for codes in views
    ]
    if column.dtype.kind == "f" and classes == 2:
        wrong.append(sum(_stump(filled[fit], labels[fit], filled[~fit], labels[~fit]) for fit in (half, ~half)))
    return 1 - min(wrong) / errors if wrong else 0.0


def _wrong(codes: Array, labels: Array, new: Array, truth: Array, classes: int) -> int:
    """Errors on new rows of answering with each value's commonest class."""
    values = int(max(codes.max(), new.max())) + 1
    table = np.bincount(codes * classes + labels, minlength=values * classes).reshape(-1, classes)
    answer = np.where(table.sum(axis=1) > 0, table.argmax(axis=1), np.bincount(labels).argmax())
    return int(np.sum(answer[new] != truth))


def _stump(values: Array, labels: Array, new: Array, truth: Array) -> int:
    """Errors on new rows of the best threshold, either way round."""
    order = np.argsort(values, kind="stable")
    ones = np.cumsum(labels[order])
    below = np.arange(1, len(labels) + 1)
    wrong = ones + (len(labels) - below) - (ones[-1] - ones)  # answering 0 up to here and 1 above
    edge = values[order]
    last = np.r_[edge[1:] > edge[:-1], True]
    up, down = np.where(last, wrong, len(labels)), np.where(last, len(labels) - wrong, len(labels))
    at = int(np.argmin(np.minimum(up, down)))
    answer = (new > edge[at]) == (up[at] <= down[at])
    return int(np.sum(answer.astype(int) != truth))


def _identifiers(rows: Rows) -> list[Finding]:
    """Columns that differ in every row and count, or are called an id; cells of words that differ in every row."""
    kinds = {name: identifies(name, column, name in rows.names) for name, column in rows.columns.items()}
    counted, named = ([n for n, kind in kinds.items() if kind == k] for k in ("number", "name"))
    found = []
    if counted:
        found.append(
            Finding(
                code="target_leak",
                severity="warning",
                confidence=0.9,
                message=(
                    f"{some(counted)} {'number' if counted[1:] else 'numbers'} the rows (a whole number, another one "
                    "in every row): a network learns nothing from it that holds for new rows. Leave it out."
                ),
                evidence={"identifiers": counted},
            )
        )
    if named:
        found.append(
            Finding(
                code="target_leak",
                severity="info",
                confidence=0.9,
                message=f"{some(named)} {'name' if named[1:] else 'names'} the row (another value in every one): as a "
                "category that says nothing about new rows.",
                evidence={"identifiers": named},
            )
        )
    return found


def identifies(name: str, column: Array, words: bool) -> str:
    """How a column tells every row from every other: `number`, `name`, or empty where it does not.

    Args:
        name: The column's name.
        column: Its cells.
        words: Whether they are codes of strings.
    """
    there = column[column >= 0] if column.dtype.kind == "i" else column[~np.isnan(column)]
    if len(there) < len(column) * 0.99 or len(np.unique(there)) < len(there) * 0.999:
        return ""
    if words:
        return "name"
    return "number" if np.all(there == np.round(there)) and (_counts(there) or _ID.search(name)) else ""


def _counts(values: Array) -> bool:
    """Whether whole numbers count the rows: no more than a tenth of their range is left out."""
    return float(values.max() - values.min()) <= 1.1 * len(values)
