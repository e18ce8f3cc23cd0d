"""Ultralytics (YOLO) `results.csv`: padded cells, `train/`, `val/`, `metrics/`, `lr/pg0`. Standard library only."""

from __future__ import annotations

from goodfit.logs.base import Format, Log, Table
from goodfit.logs.table import header, read_tables


class Ultralytics(Format):
    """One row an epoch; `metrics/` are measured on validation rows."""

    name = "Ultralytics results.csv"

    def matches(self, log: Log) -> bool:
        """Its prefixes."""
        cells = header(log)
        return any(c.startswith("metrics/") for c in cells) and any(c.startswith("train/") for c in cells)

    def read(self, log: Log) -> list[Table]:
        """One run, or several where files were appended."""
        return read_tables(log)
