"""Keras's `CSVLogger`: columns by name, `NA` fillers, runs appended with or without a header. Standard library only."""

from __future__ import annotations

from goodfit.logs.base import Format, Log, Table, value
from goodfit.logs.table import KERAS, header, read_tables


class KerasCSV(Format):
    """`epoch` first (from 0), then the metrics in order of their names."""

    name = "Keras CSVLogger"

    def matches(self, log: Log) -> bool:
        """A header of its shape, or rows of numbers without one that begin with epoch 0."""
        cells = header(log)
        if cells[:1] == ["epoch"] and cells[1:] == sorted(cells[1:]) and "loss" in cells:
            return True
        return (
            len(cells) in KERAS
            and "," in log.lines[0]
            and all(value(c) is not None for c in cells)
            and value(cells[0]) == 0
        )

    def read(self, log: Log) -> list[Table]:
        """One table for each header; epochs that start again are parted later."""
        return read_tables(log)
