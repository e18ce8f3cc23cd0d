"""Weights & Biases history as CSV: one run's (`_step`, `_runtime`) or a chart's (`run - metric`)."""

from __future__ import annotations

from goodfit.logs.base import Format, Log, Table
from goodfit.logs.table import header, looks_like_a_log, read_tables


class WandB(Format):
    """A history download, or a chart's table with a column for each run."""

    name = "W&B history CSV"

    def matches(self, log: Log) -> bool:
        """Its own columns, or names of runs parted from metrics by ` - `."""
        cells = header(log)
        own = {"_step", "_runtime", "_timestamp"} & set(cells)
        return bool(own or any(" - " in c for c in cells)) and looks_like_a_log([c.split(" - ")[-1] for c in cells])

    def read(self, log: Log) -> list[Table]:
        """One table a run; the `__MIN` and `__MAX` columns of a chart are left out."""
        out = []
        for table in read_tables(log):
            whole = {k: v for k, v in table.columns.items() if " - " not in k}
            names = dict.fromkeys(k.rsplit(" - ", 1)[0] for k in table.columns if " - " in k)
            for name in names:
                own = {k.rsplit(" - ", 1)[1]: v for k, v in table.columns.items() if k.startswith(f"{name} - ")}
                own = {k: v for k, v in own.items() if not k.endswith(("__MIN", "__MAX"))}
                out.append(Table({**whole, **own}, name, dict(table.facts), list(table.notes)))
            if not names:
                out.append(table)
        return out
