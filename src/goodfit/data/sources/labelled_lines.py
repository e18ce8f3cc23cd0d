"""One example a line with its label in front: `__label__sport text` (fastText) or `NUM:dist text` (TREC)."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from goodfit.data.sources.decode import utf8
from goodfit.data.sources.raw import Raw

LINE = re.compile(r"(?:__label__(\S+)|([A-Z]+):([A-Za-z]+))[ \t]+(\S.*)")


def fits(data: bytes) -> bool:
    """Whether nearly every one of the first lines has its label in front."""
    lines = [x for x in data[:65536].decode(errors="replace").splitlines()[:200] if x.strip()]
    return len(lines) > 1 and sum(LINE.match(x) is not None for x in lines) >= 0.9 * len(lines)


def read(path: Path, encoding: str | None = None) -> Raw:
    """Columns `text` and `label`; of a label with a colon the part before it (`sublabel` keeps the whole)."""
    lines = [x for x in utf8(path, encoding).decode().split("\n") if x.strip()]
    found = [m for m in map(LINE.match, lines) if m]
    columns = {
        "text": [m[4].strip() for m in found],
        "label": [m[1] or m[2] for m in found],
        "sublabel": [m[1] or f"{m[2]}:{m[3]}" for m in found],
    }
    raw = Raw(pl.DataFrame(columns), target="label", text="text", name=path.stem)
    if columns["label"] == columns["sublabel"]:
        raw.rows = raw.rows[["text", "label"]]
    if len(found) < len(lines):
        raw.notes.append(f"{len(lines) - len(found):,} lines without a label in front were left out.")
    return raw
