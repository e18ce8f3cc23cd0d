"""Parquet files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from goodfit.data.sources.quiet import quiet
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError, first_line

UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What Polars raises on damaged bytes; a panic is no `Exception`."""


def read(path: Path, encoding: str | None = None) -> Raw:
    """The file's columns as they are typed there (`encoding` has no say)."""
    try:
        with quiet():
            return Raw(pl.read_parquet(path), name=path.stem)
    except (*UNREADABLE, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet", received=first_line(error)) from None
