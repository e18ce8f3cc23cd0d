"""Any table in text with columns that look like a loss or an accuracy. Standard library only."""

from __future__ import annotations

from goodfit.logs.base import Format, Log, Table
from goodfit.logs.table import header, looks_like_a_log, read_tables


class PlainCSV(Format):
    """Comma, semicolon, tab or spaces; one row an epoch, or several."""

    name = "CSV table"

    def matches(self, log: Log) -> bool:
        """A header with a loss or an accuracy in it."""
        return looks_like_a_log(header(log))

    def read(self, log: Log) -> list[Table]:
        """One table for each header and each run that a column names."""
        return read_tables(log)
