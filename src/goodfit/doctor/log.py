"""The log that `Doctor` writes: CSV as Keras's `CSVLogger`, with what was measured inside beside the curves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any


class Log:
    """One file, complete after every epoch; `goodfit diagnose` reads it.

    Args:
        path: Where it goes; what is there is replaced when training begins.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._rows: list[dict[str, float]] = []
        self._names: list[str] = []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("")

    def write(self, epoch: int, values: dict[str, float]) -> None:
        """Add an epoch, counted from 1; a name that is new makes a column, empty above."""
        row: dict[str, Any] = {"epoch": epoch, **values}
        new = [n for n in row if n not in self._names]
        self._rows.append(row)
        if not new:
            self._put("a", [row])
            return
        self._names += new
        with self.path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(self._names)
        self._put("a", self._rows)

    def _put(self, mode: str, rows: list[dict[str, float]]) -> None:
        with self.path.open(mode, newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._names, restval="").writerows(rows)
