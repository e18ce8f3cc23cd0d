"""Rows that stay on disk: tables larger than memory, read a stretch or a column at a time."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from goodfit import settings
from goodfit.errors import DataError

BLOCK = 65_536
"""Rows in memory at once."""

BATCH = 16_384
"""Rows that are read for one."""


class OnDisk:
    """Rows of a table in a file of our own, a frame as far as slices, columns and choices of rows go.

    Args:
        table: What is read of the file, lazily.
        rows: Positions in the file, ascending or not, int64 `(rows,)`.
        file: Kept for as long as something reads from it.
    """

    def __init__(self, table: pl.LazyFrame, rows: np.ndarray, file: object = None):
        self.table, self.rows, self.file = table, rows, file
        self.schema = table.collect_schema()
        self.columns: list[str] = self.schema.names()

    @classmethod
    def written(cls, table: pl.LazyFrame) -> Self:
        """The rows of a lazy frame, written to a file that goes when nothing needs it any more."""
        folder = _Scratch()
        path = folder.path / "rows.arrow"
        try:
            table.sink_ipc(path, compression="uncompressed", record_batch_size=BATCH)
        except OSError as error:
            raise DataError(
                "the rows do not fit into memory, and cannot be written to the cache folder",
                received=f"{folder.path}: {error.strerror or error}",
                fix="Make room there, or set GOODFIT_CACHE to another folder.",
            ) from None
        found = pl.scan_ipc(path)
        return cls(found, np.arange(found.select(pl.len()).collect().item()), folder)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.columns)

    def __getitem__(self, at: Any) -> Any:
        """Rows of a slice as a frame; rows of a mask or of positions still on disk; a column by its name."""
        if isinstance(at, str):
            return pl.concat(block[at] for block in self.select([at]).blocks())
        rows = self.rows[at]
        if not isinstance(at, slice):
            return type(self)(self.table, rows, self.file)
        if not len(rows):
            return self.table.head(0).collect()
        first, last = int(rows.min()), int(rows.max())
        block = self.table.slice(first, last - first + 1).collect()
        return block if len(block) == len(rows) and (np.diff(rows) == 1).all() else block[rows - first]

    def blocks(self) -> Iterator[pl.DataFrame]:
        """All rows, a block at a time."""
        return (self[at : at + BLOCK] for at in range(0, max(len(self), 1), BLOCK))

    def iter_columns(self) -> Iterator[pl.Series]:
        """All columns, one after the other."""
        return (self[name] for name in self.columns)

    def select(self, columns: Sequence[str] | Sequence[pl.Expr]) -> Self:
        """Some columns."""
        return type(self)(self.table.select(columns), self.rows, self.file)


class _Scratch:
    """A folder in the cache folder, for as long as this object lives; what dead processes left there goes first."""

    def __init__(self) -> None:
        parent, mine = settings.cache_folder(), f"rows-{socket.gethostname()}-"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            for old in parent.glob(f"{mine}*"):
                if not _alive(old.name.removeprefix(mine).split("-")[0]):
                    shutil.rmtree(old, ignore_errors=True)
            self.path = Path(tempfile.mkdtemp(prefix=f"{mine}{os.getpid()}-", dir=parent))
        except OSError as error:
            raise DataError(
                "the rows do not fit into memory, and there is no cache folder to write them to",
                received=f"{parent}: {error.strerror}",
                fix="Set GOODFIT_CACHE to a folder with room.",
            ) from None
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:
        pass
    return True
