"""Lightning's `CSVLogger` (`metrics.csv`): sparse rows, `_step` and `_epoch` columns. Standard library only."""

from __future__ import annotations

from goodfit.logs.base import Format, Log, Table
from goodfit.logs.table import header, looks_like_a_log, read_tables


class Lightning(Format):
    """`epoch` and `step` among the columns; training and validation values on different rows."""

    name = "Lightning metrics.csv"

    def matches(self, log: Log) -> bool:
        """Both `epoch` and `step`, no column of another tool."""
        cells = header(log)
        return {"epoch", "step"} <= set(cells) and looks_like_a_log(cells)

    def read(self, log: Log) -> list[Table]:
        """One run; its rows are gathered by epoch later."""
        return read_tables(log)
