"""Columns of a table that give the target away: a study of them proves nothing."""

from __future__ import annotations

import numpy as np
import polars as pl

from goodfit.data import columns
from goodfit.data.dataset import Dataset
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight import target_leak
from goodfit.diagnose.preflight.rows import Rows


def found(dataset: Dataset) -> list[Finding]:
    """What `goodfit check` says of leaks, by the development rows; nothing where the rows are no table."""
    if dataset.kind != "table":
        return []
    frame, labels = dataset.select(~dataset.test), dataset.labels[~dataset.test]
    assert isinstance(frame, pl.DataFrame)
    cells, names = columns.cells(frame)
    sides = np.zeros(len(labels), np.int8)
    rows = Rows(labels, dataset.classes, dataset.groups[~dataset.test], sides, cells, names)
    return [finding for finding in target_leak.check(rows) if finding.severity != "info"]
