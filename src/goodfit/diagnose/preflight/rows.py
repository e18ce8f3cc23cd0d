"""`Rows`: labelled rows as the checks of data see them. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray

TRAIN, VALIDATION, TEST = 0, 1, 2
"""The sides a row may stand on."""

SIDES = ("training", "validation", "test")
"""Their names."""

TAIL = 0.2
"""Share of the rows that a validation set is assumed to take where none is given."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Labelled rows in the order in which they came.

    Attributes:
        labels: Index into `classes`, int, shape `(rows,)`.
        classes: Names of the classes.
        groups: Equal exactly for identical rows, int, shape `(rows,)`.
        side: `TRAIN`, `VALIDATION` or `TEST`, shape `(rows,)`; all `TRAIN` where nothing was split yet.
        columns: Name to float64 (a number, NaN where missing) or int64 (a category's code, -1 where missing), each of
            shape `(rows,)`; empty for texts and images.
        names: Columns whose cells are strings, so that their codes have no order.
        texts: One text a row; None where the rows are no texts.
        ordered: Whether the rows stand in an order of their own (a file), which a split by position would keep.
    """

    labels: Array
    classes: tuple[str, ...]
    groups: Array
    side: Array
    columns: Mapping[str, Array] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    texts: Sequence[str] | None = None
    ordered: bool = True

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def split(self) -> bool:
        """Whether rows stand on more than one side."""
        return bool(len(self.side)) and bool(np.any(self.side != self.side[0]))

    @property
    def tested(self) -> int:
        """The side that scores are read on: `VALIDATION` where there is one, else `TEST`."""
        return VALIDATION if np.any(self.side == VALIDATION) else TEST

    def counts(self, which: Array | slice = slice(None)) -> Array:
        """Rows of each class, shape `(classes,)`."""
        return np.bincount(self.labels[which], minlength=len(self.classes))


def row_groups(rows: Array, seed: int = 0) -> Array:
    """Numbers that are equal for identical rows of an array, int64, shape `(rows,)`.

    A row's bytes are reduced to 64 bits by a random linear hash; two different rows of a million meet by chance
    once in ten million times.

    Args:
        rows: Any array whose first axis is rows.
        seed: Fixes the hash.
    """
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    width = flat.shape[1] * flat.itemsize
    spare = -width % 8
    weights = np.random.default_rng(seed).integers(1, 2**63, (width + spare) // 8, dtype=np.uint64) * 2 + 1
    keys = np.empty(len(flat), np.uint64)
    step = max(1, 2**18 // max(1, width))  # what is made of a part stays in the processor's cache
    for start in range(0, len(flat), step):
        part = flat[start : start + step]
        part = part + 0.0 if part.dtype.kind == "f" else part  # -0.0 and 0.0 are one number
        data = part.view(np.uint8).reshape(len(part), -1)
        words = np.ascontiguousarray(np.pad(data, ((0, 0), (0, spare))) if spare else data).view(np.uint64)
        mixed = (words ^ (words >> np.uint64(32))) * weights
        keys[start : start + step] = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def share(value: float) -> str:
    """A share for people: `12%`, `0.84%`."""
    percent = 100 * value
    return f"{percent:.0f}%" if percent >= 10 else f"{percent:.2g}%"


def some(items: Sequence[str], most: int = 5) -> str:
    """The first of some names, quoted."""
    return ", ".join(repr(str(i)) for i in items[:most]) + (f" and {len(items) - most} more" if items[most:] else "")
