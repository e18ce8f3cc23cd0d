"""`Targets`: how labels are coded. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Targets:
    """What the labels look like.

    Attributes:
        kind: `integers` (one whole number a row), `one_hot`, `multi_hot` (0 and 1, not one a row), `numbers`.
        width: Values a row.
        values: The different values where there are few (up to 1,000), sorted; else empty.
        low: The lowest value.
        high: The highest.
        rows: How many rows.
        classes: Row by row the class of `integers` (an index into `values`) and `one_hot`; None for the others.
    """

    kind: str
    width: int
    values: tuple[float, ...]
    low: float
    high: float
    rows: int
    classes: Array | None

    @classmethod
    def of(cls, y: Any, *, one_hot: bool = False) -> Targets | None:
        """Look at labels; None where they are no plain array of numbers, empty or not finite.

        With `one_hot`, class indices stand for the one-hot rows that are made of them.
        """
        y = np.asarray(y)
        if one_hot and y.ndim == 1 and y.dtype.kind in "iu" and y.size and y.min() >= 0 and y.max() > 0:
            return cls("one_hot", int(y.max()) + 1, (0.0, 1.0), 0.0, 1.0, len(y), y)
        if y.dtype.kind == "b":
            y = y.astype(np.int8)
        if y.dtype.kind not in "iuf" or y.ndim not in (1, 2) or not y.size or not np.all(np.isfinite(y)):
            return None
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        low, high = float(y.min()), float(y.max())
        if y.ndim == 1:
            whole = y.dtype.kind in "iu" or bool(np.all(y == np.round(y)))
            values, codes = np.unique(y, return_inverse=True)
            few = values if len(values) <= 1000 else values[:0]
            few_of_them = whole and len(values) <= max(2, len(y) // 2)
            kind = "integers" if few_of_them else "numbers"
            classes = codes if few_of_them else None
            return cls(kind, 1, tuple(map(float, few)), low, high, len(y), classes)
        binary = bool(np.all((y == 0) | (y == 1)))
        if binary and np.all(y.sum(axis=1) == 1):
            return cls("one_hot", y.shape[1], (0.0, 1.0), low, high, len(y), y.argmax(axis=1))
        return cls("multi_hot" if binary else "numbers", y.shape[1], (), low, high, len(y), None)

    @property
    def count(self) -> int:
        """Different classes that occur; 0 where there are none."""
        return len(np.unique(self.classes)) if self.classes is not None else 0

    @property
    def said(self) -> str:
        """What they are, for people."""
        if self.kind == "integers":
            shown = ", ".join(f"{v:g}" for v in self.values) if 0 < len(self.values) <= 5 else ""
            return f"whole numbers {shown}" if shown else f"whole numbers from {self.low:g} to {self.high:g}"
        if self.kind == "one_hot":
            return f"one-hot rows of {self.width}"
        if self.kind == "multi_hot":
            return f"rows of {self.width} zeros and ones"
        return f"numbers from {self.low:.3g} to {self.high:.3g}"
