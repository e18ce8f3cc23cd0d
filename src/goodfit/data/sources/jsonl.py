"""JSONL (one object a line) and JSON (a list of objects)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from goodfit.data.sources.decode import utf8
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError


def read(path: Path, encoding: str | None = None) -> Raw:
    """Objects as rows; a key that an object lacks is a missing cell."""
    text = utf8(path, encoding).decode()
    if text.lstrip().startswith("["):
        try:
            objects = list(enumerate(json.loads(text), 1))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} is not JSON", received=str(error)) from None
    else:
        objects = []
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    objects.append((number, json.loads(line)))
                except (ValueError, RecursionError) as error:
                    raise DataError(
                        f"{path} is not JSONL", expected="one JSON object a line", received=f"line {number}: {error}"
                    ) from None
    bad = next(((n, o) for n, o in objects if not isinstance(o, dict)), None)
    if bad:
        raise DataError(
            f"{path} holds something that is no row",
            expected='objects such as {"text": "...", "label": "..."}',
            received=f"{type(bad[1]).__name__} as item {bad[0]}",
        )
    if not objects:
        raise DataError(f"{path} has no rows")
    return Raw(of_records([o for _, o in objects]), name=path.name.split(".")[0])


def of_records(records: list[dict[str, Any]]) -> pl.DataFrame:
    """Dictionaries as a frame; a column of mixed types becomes text, a nested value its JSON."""
    keys = list(dict.fromkeys(k for r in records for k in r))
    return pl.DataFrame([column(str(k), [r.get(k) for r in records]) for k in keys])


def column(name: str, values: list[Any]) -> pl.Series:
    """Python values as a column, whatever they are."""
    try:
        series = pl.Series(name, values, strict=True)
        if not (series.dtype.is_nested() or series.dtype in (pl.Object, pl.Binary)):
            return series
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        pass
    return pl.Series(name, [_text(v) for v in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value).encode(errors="replace").decode()
