"""From the tables that formats read to histories: names, epochs, runs. NumPy only."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from goodfit.history import History
from goodfit.logs.base import Table
from goodfit.logs.names import EPOCH, STEP, parts_of_a_loss, renamed

Array = np.ndarray
_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST = float(np.finfo(np.float32).tiny)
Column = tuple[Array, Array]
"""Values, and whether anything was logged there (a NaN may have been), each of shape `(rows,)`."""


def histories(table: Table, **meta: Any) -> list[History]:
    """The runs of one table, each a history of one run; a new run begins where the epochs go back.

    Rows within one epoch (steps, a validation row apart from the training row) become one point: the mean of
    training curves, the last value of all others.
    """
    notes = list(table.notes)
    columns = {key: _column(table.columns[name]) for key, name in renamed(table.columns).items()}
    _sum_parts(columns, notes)
    curves = {k: c for k, c in columns.items() if k not in (EPOCH, STEP) and c[1].any()}
    if not any("loss" in k or "acc" in k for k in curves):
        return []
    epoch = _filled(columns[EPOCH]) if EPOCH in columns and columns[EPOCH][1].any() else None
    rows = len(next(iter(curves.values()))[0])
    back = [] if epoch is None else (np.flatnonzero(np.diff(epoch) < 0) + 1).tolist()
    edges = [0, *back, rows]
    out: list[History] = []
    for a, b in pairwise(edges):
        told = list(notes)
        part = {k: (v[a:b], there[a:b]) for k, (v, there) in curves.items()}
        if not any(there.any() for _, there in part.values()):
            continue
        points = _points(part, None if epoch is None else epoch[a:b], told)
        if points:
            name = " ".join(x for x in (table.name, f"run {len(out) + 1}" if back else "") if x)
            facts = {**meta, **table.facts, "run": name, "notes": told}
            seeds = np.array([int(facts["seed"])] if "seed" in facts else [len(out)])
            out.append(History(points, seeds=seeds, variant=name, meta=facts))
    return out


def _column(cells: list[float | None]) -> Column:
    """Numbers and presence of one column; what single precision cannot hold is infinite or 0."""
    there = np.array([c is not None for c in cells], dtype=bool)
    values = np.array([np.nan if c is None else c for c in cells], dtype=np.float64)
    values = np.where(np.abs(values) > _LARGEST, np.copysign(np.inf, values), values)
    return np.where(np.abs(values) < _SMALLEST, 0.0, values), there


def _filled(column: Column) -> Array:
    """Epoch numbers with gaps filled from the row before (leading gaps from the first)."""
    values, there = column
    there = there & np.isfinite(values)
    if not there.any():
        return np.zeros(len(values))
    last = np.maximum.accumulate(np.where(there, np.arange(len(values)), -1))
    return values[np.where(last < 0, np.argmax(there), last)]


def _sum_parts(columns: dict[str, Column], notes: list[str]) -> None:
    """Where only the parts of a loss were logged (`box_loss`, `cls_loss`), add them up."""
    sums = parts_of_a_loss(columns)
    for whole, parts in zip(("loss", "val_loss"), sums, strict=True):
        if whole not in columns and parts:
            columns[whole] = (
                np.sum([columns[p][0] for p in parts], axis=0),
                np.all([columns[p][1] for p in parts], axis=0),
            )
            if len(parts) > 1:
                notes.append(f"{whole} is the sum of {', '.join(parts)}")


def _points(curves: dict[str, Column], epoch: Array | None, notes: list[str]) -> dict[str, Array]:
    """One value for each curve and point (an epoch, else an evaluation, else a row)."""
    bins = _bins(curves, epoch, notes)
    count = int(bins.max(initial=-1)) + 1
    if "loss" in curves:
        # A last row with validation or test values only is no epoch of training.
        trained = curves["loss"][1] & (bins >= 0)
        bins = np.where(bins <= bins[trained].max(initial=-1), bins, -1) if trained.sum() > 1 else bins
        count = int(bins.max(initial=-1)) + 1
    points = {}
    for key, (values, there) in curves.items():
        at = there & (bins >= 0)
        if not at.any():
            continue
        out = np.full(count, np.nan)
        if key.startswith("val_") or key == "learning_rate":
            out[bins[at]] = values[at]  # of several the last stays
        else:
            seen = np.bincount(bins[at], minlength=count)
            total = np.bincount(bins[at], weights=values[at], minlength=count)
            out[seen > 0] = total[seen > 0] / seen[seen > 0]
        if key.endswith("accuracy") and np.nanmax(out, initial=0.0) > 1.5:
            notes.append(f"{key} was in percent")
            out = out / 100
        points[key] = out
    _tell_gaps(points, notes)
    return points


def _tell_gaps(points: dict[str, Array], notes: list[str]) -> None:
    """Note where a loss or an accuracy has no number while training went on; one measured every few epochs has none."""
    trained = np.flatnonzero(np.isfinite(points["loss"])) if "loss" in points else np.empty(0)
    gaps: dict[tuple[int, ...], list[str]] = {}
    for key, curve in points.items():
        there = np.flatnonzero(~np.isnan(curve))
        end = int(trained[-1]) + 1 if len(trained) else len(curve)
        missing = np.flatnonzero(np.isnan(curve[:end]))
        every = len(there) > 2 and np.all(np.diff(there, 2) == 0) and there[1] - there[0] > 1
        if ("loss" in key or "acc" in key) and 0 < len(missing) < len(there) and not every:
            gaps.setdefault(tuple((missing + 1).tolist()), []).append(key)
    for epochs, keys in gaps.items():
        notes.append(f"{_all_of(keys)} {'has' if len(keys) == 1 else 'have'} no number at epoch {_all_of(epochs)}")


def _all_of(items: Iterable[Any], most: int = 5) -> str:
    """`a, b and c`; of many the first."""
    *first, last = map(str, items)
    if len(first) >= most:
        return f"{', '.join(first[:most])}, ..."
    return f"{', '.join(first)} and {last}" if first else last


def _bins(curves: dict[str, Column], epoch: Array | None, notes: list[str]) -> Array:
    """The point that each row belongs to, from 0; -1 for rows that belong to none. Shape `(rows,)`."""
    logged = np.any([there for _, there in curves.values()], axis=0)
    if epoch is not None and np.all(epoch[logged] == np.round(epoch[logged])):
        numbers, bins = np.unique(epoch[logged], return_inverse=True)
        if numbers[0] > 1:
            notes.append(f"the log begins at epoch {numbers[0]:.0f}; epochs are counted from there")
        blank = np.setdiff1d(epoch, numbers)
        if len(blank):
            told = _all_of((blank + (epoch.min() == 0)).astype(int))
            notes.append(f"nothing was logged at epoch {told}; those after it are counted without it")
        return _placed(bins, logged)
    val = next((curves[k][1] for k in ("val_loss", "val_accuracy") if k in curves), np.zeros(len(logged), bool))
    if epoch is not None and not val.any():
        return _placed(np.unique(np.ceil(epoch[logged]), return_inverse=True)[1], logged)
    if val.sum() * 2 >= logged.sum():
        return _placed(np.arange(logged.sum()), logged)
    marks = val if val.any() else next((curves[k][1] for k in ("loss", "accuracy") if k in curves), logged)
    if epoch is not None and marks.sum() > 1:
        gaps = np.sort(np.diff(epoch[marks]))
        every = float(gaps[len(gaps) // 2])
        if abs(every - 1) > 0.05:
            notes.append(f"points are evaluations, every {every:.3g} epochs")
    bins = np.cumsum(marks) - marks
    return np.where(bins < marks.sum(), bins, -1)


def _placed(bins: Array, logged: Array) -> Array:
    """Bins of the logged rows set into all rows."""
    out = np.full(len(logged), -1)
    out[logged] = bins
    return out
