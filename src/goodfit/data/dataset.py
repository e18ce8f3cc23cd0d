"""`Dataset`: raw rows, their labels, and which of them are for the last look only."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from goodfit.data import inputs
from goodfit.data.columns import texts
from goodfit.data.disk import OnDisk
from goodfit.data.sources.image_folder import pillow

Rows = pl.DataFrame | np.ndarray | OnDisk
"""Raw rows: a frame of feature columns, an array whose first axis is rows (several by name: see `inputs`), or a frame
that stays on disk."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Raw rows with their labels; nothing here is encoded or fitted.

    Attributes:
        rows: A frame of the feature columns, or an array (arrays, images) whose first axis is rows.
        labels: Index into `classes`, int64, shape `(rows,)`.
        classes: The names of the classes, numbers by value and everything else by alphabet.
        kind: `text`, `table`, `array`, `image` or `inputs` (several arrays).
        test: True for a row of the test set, shape `(rows,)`.
        groups: Equal for identical rows, shape `(rows,)`; a group never stands on two sides of a split.
        target: The target's column name.
        text: The text column's name; None where there is none. More text columns stand beside it in `rows`.
        weights: How much each row counts in training, float32, shape `(rows,)`; None where all count alike.
        name: A short name for people.
        source: The path, built-in name or kind of object that was given.
        fingerprint: SHA-256 of rows, labels, class names and weights (not of the split).
        notes: What was left out, repaired or assumed, in plain sentences.
    """

    rows: Rows
    labels: np.ndarray
    classes: tuple[str, ...]
    kind: str
    test: np.ndarray
    groups: np.ndarray
    target: str
    text: str | None = None
    weights: np.ndarray | None = None
    name: str = ""
    source: str = ""
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def task(self) -> str:
        """`binary` or `multiclass`."""
        return "binary" if len(self.classes) == 2 else "multiclass"

    def select(self, which: np.ndarray) -> Rows:
        """The raw rows under a boolean mask, or at integer positions."""
        index = np.flatnonzero(which) if np.asarray(which).dtype == bool else np.asarray(which)
        return self.rows[index]

    def picture(self, row: int) -> str | None:
        """One raw image for people, at most 96 pixels a side, as PNG in base 64; None where rows are no images."""
        if self.kind != "image" or not isinstance(self.rows, np.ndarray):
            return None
        pixels = self.rows[row]
        if pixels.dtype != np.uint8:
            low, high = np.nanmin(pixels), np.nanmax(pixels)
            pixels = np.nan_to_num((pixels - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)
        if pixels.ndim == 3:
            pixels = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]
        image = pillow().fromarray(pixels)
        image.thumbnail((96, 96))
        file = io.BytesIO()
        image.save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()

    def shown(self, row: int, longest: int = 500) -> str:
        """One raw row as a line of text for people, cut after `longest` characters."""
        if self.kind == "inputs":
            whole = {
                n: ", ".join(f"{v:g}" for v in np.ravel(self.rows[n][row])[:longest]) for n in inputs.names(self.rows)
            }
            most = longest // len(whole)
            shown = "; ".join(f"{n}: {v if len(v) <= most else v[:most] + '…'}" for n, v in whole.items())
        elif isinstance(self.rows, np.ndarray):
            shown = f"row {row}" if self.kind == "image" else ", ".join(f"{v:g}" for v in self.rows[row].ravel())
        elif self.kind == "text":
            shown = joined_texts(self.rows[row : row + 1])[0]
        else:
            cells = self.rows[row : row + 1].row(0, named=True).items()
            shown = ", ".join(f"{k}: {'missing' if v is None else v}" for k, v in cells)
        return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def joined_texts(frame: pl.DataFrame) -> list[str]:
    """Each row's cells as one text: columns joined by a newline, a missing cell as nothing."""
    columns = [texts(c).fill_null("") for c in frame.iter_columns()]
    return columns[0].to_list() if len(columns) == 1 else ["\n".join(cells) for cells in zip(*columns, strict=True)]


def row_groups(rows: Rows) -> np.ndarray:
    """Numbers that are equal exactly for identical rows, counted by first appearance; int64, shape `(rows,)`."""
    if isinstance(rows, OnDisk):
        keys = np.concatenate([block.hash_rows(seed=0).to_numpy() for block in rows.blocks()])
    elif isinstance(rows, pl.DataFrame):
        keys = rows.hash_rows(seed=0).to_numpy()
    else:
        flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
        width = max(1, flat.shape[1] * flat.itemsize)
        keys = flat.view(np.dtype((np.void, width))).ravel() if flat.size else np.zeros(len(rows), np.int8)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


def fingerprint(rows: Rows, labels: np.ndarray, classes: tuple[str, ...], weights: np.ndarray | None = None) -> str:
    """SHA-256 of the content, equal wherever and however it was read."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    if weights is not None:
        digest.update(np.ascontiguousarray(weights, dtype="<f4").data)
    digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    if isinstance(rows, np.ndarray):
        digest.update(f"{rows.shape}{rows.dtype.descr if inputs.names(rows) else rows.dtype.str}".encode())
        digest.update(np.ascontiguousarray(rows).data)
        return digest.hexdigest()
    for name in rows.columns:
        digest.update(f"\0{name}\0".encode())
        if rows.schema[name].is_numeric():
            column = rows[name]
            digest.update(column.is_null().to_numpy().tobytes())
            digest.update(column.cast(pl.Float64).fill_null(0.0).to_numpy().astype("<f8").tobytes())
            continue
        frames = rows.select([name]).blocks if isinstance(rows, OnDisk) else lambda: [rows]
        parts = [(f[name].is_null(), f[name].cast(pl.String).fill_null("").str.len_bytes()) for f in frames()]
        digest.update(pl.concat([nulls for nulls, _ in parts]).to_numpy().tobytes())
        digest.update(pl.concat([lengths for _, lengths in parts]).to_numpy().astype("<u8").tobytes())
        for frame in frames():
            text = frame[name].cast(pl.String).fill_null("")
            for start in range(0, len(text), 4096):
                digest.update("".join(text[start : start + 4096].to_list()).encode())
    return digest.hexdigest()


def describe(value: Any) -> str:
    """What kind of object a caller handed in, for messages."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__name__}"
