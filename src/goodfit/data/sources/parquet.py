"""Parquet files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError


def read(path: Path, encoding: str | None = None) -> Raw:
    """The file's columns as they are typed there (`encoding` has no say)."""
    try:
        return Raw(pl.read_parquet(path), name=path.stem)
    except (pl.exceptions.PolarsError, OSError) as error:
        why = (str(error).strip().splitlines() or ["unreadable"])[0]
        raise DataError(f"{path} cannot be read as Parquet", received=why) from None
