"""Columns of a table that give the target away: a study of them proves nothing."""

from __future__ import annotations

import numpy as np
import polars as pl

from goodfit.data import columns
from goodfit.data.dataset import Dataset
from goodfit.data.disk import BLOCK, OnDisk
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight import target_leak
from goodfit.diagnose.preflight.rows import Rows

FEW = 1024
"""Rows that are read from disk at once: with them all that lies between them."""


def found(dataset: Dataset) -> list[Finding]:
    """What `goodfit check` says of leaks, by the development rows; nothing where the rows are no table.

    Of rows on disk `BLOCK` are looked at, drawn by chance.
    """
    if dataset.kind != "table":
        return []
    at = np.flatnonzero(~dataset.test)
    if isinstance(dataset.rows, OnDisk) and len(at) > BLOCK:
        at = np.sort(np.random.default_rng(0).choice(at, BLOCK, replace=False))
    frame, labels = dataset.select(at), dataset.labels[at]
    if isinstance(frame, OnDisk):
        frame = pl.concat([frame[start : start + FEW] for start in range(0, len(frame), FEW)])
    assert isinstance(frame, pl.DataFrame)
    cells, names = columns.cells(frame)
    sides = np.zeros(len(labels), np.int8)
    rows = Rows(labels, dataset.classes, dataset.groups[at], sides, cells, names)
    return [finding for finding in target_leak.check(rows) if finding.severity != "info"]
