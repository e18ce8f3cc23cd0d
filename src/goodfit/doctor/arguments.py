"""What `fit` was given: callbacks are not told, so it is read from the frame that calls them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

Array = np.ndarray

LARGEST = 2**30
"""Bytes of an array above which only a sample of it is read."""


@dataclass(frozen=True, eq=False)
class Arguments:
    """The arguments of a `fit` that runs, as far as they can be read; nothing is copied or consumed.

    Attributes:
        x: Rows; None where they are no arrays (a generator or a `tf.data.Dataset` must not be read twice).
        y: Labels.
        validation: `(x, y)` of the validation rows, or None.
        callbacks: All callbacks of this `fit`.
        batch_size: Rows of a step.
        epochs: Epochs that were asked for.
    """

    x: Any = None
    y: Any = None
    validation: tuple[Any, Any] | None = None
    callbacks: list[Any] = field(default_factory=list)
    batch_size: int | None = None
    epochs: int | None = None

    @classmethod
    def of_fit(cls, model: Any) -> Arguments:
        """From the `fit` of this model among the callers; empty where there is none."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_name == "fit" and "validation_data" in frame.f_code.co_varnames:
                names = frame.f_locals
                if names.get("self") is model:
                    return cls.of(names)
            frame = frame.f_back
        return cls()

    @classmethod
    def of(cls, given: dict[str, Any]) -> Arguments:
        """From arguments of `fit` by name. Keras has parted `x` where `validation_split` was given and fit runs."""
        x, y = given.get("x"), given.get("y")
        held = given.get("validation_data")
        validation = (held[0], held[1]) if isinstance(held, list | tuple) and len(held) > 1 else None
        split = given.get("validation_split") or 0.0
        if split and validation is None and x is not None and y is not None and is_array(x) and is_array(y):
            at = int(len(x) * (1 - split))  # as Keras cuts: the last rows, unshuffled
            x, y, validation = x[:at], y[:at], (x[at:], y[at:])
        inside = given.get("callbacks")
        inside = getattr(inside, "callbacks", inside) or []
        return cls(
            x if _arrays(x) else None,
            y if is_array(y) and _arrays(x) else None,
            validation if validation and is_array(validation[0]) and is_array(validation[1]) else None,
            list(inside) if isinstance(inside, list | tuple) else [inside],
            given.get("batch_size"),
            given.get("epochs"),
        )

    def within(self, numbers: int, most: int) -> int:
        """How many rows, `most` at the most, hold about so many numbers."""
        each = sum(int(np.prod(a.shape[1:])) for a in _leaves(self.x))
        return min(most, max(1, numbers // max(1, each)))

    def sample(self, rows: int) -> tuple[Any, Array | None]:
        """Up to so many rows and labels, evenly spread; `(None, None)` without rows."""
        first = next(iter(_leaves(self.x)), None)
        if first is None or not len(first):
            return None, None
        at = np.unique(np.linspace(0, len(first) - 1, min(rows, len(first))).astype(int))
        return mapped(lambda a: taken(a, at), self.x), None if self.y is None else taken(self.y, at)


def is_array(value: Any) -> bool:
    """Whether it is an array in memory, of any library, that can be read as often as one likes."""
    shape = getattr(value, "shape", None)
    return hasattr(value, "__getitem__") and isinstance(shape, Sequence) and len(shape) > 0 and bool(shape[0])


def whole(value: Any) -> Array | None:
    """All of an array, or None where it is too large or no plain numbers."""
    size = getattr(value, "nbytes", None)
    if value is None or (isinstance(size, int) and size > LARGEST):
        return None
    array = plain(value)
    return array if array.dtype.kind in "iufb" else None


def plain(value: Any) -> Array:
    """An array of any library as one of NumPy."""
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
    return np.asarray(value)


def taken(value: Any, at: Array) -> Array:
    """The rows at these positions, as a NumPy array; nothing else of the array is read."""
    if hasattr(value, "iloc"):
        return np.asarray(value.iloc[at])
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):
        return plain(value[at])
    return np.stack([plain(value[int(i)]) for i in at])


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """The same structure with every array in it changed."""
    if isinstance(value, dict):
        return {k: mapped(change, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [mapped(change, v) for v in value]
    return change(value)


def _leaves(value: Any) -> list[Any]:
    out: list[Any] = []
    if value is not None:
        mapped(out.append, value)
    return out


def _arrays(value: Any) -> bool:
    """Whether everything in it is an array, all of one length."""
    leaves = _leaves(value)
    return bool(leaves) and all(map(is_array, leaves)) and len({len(a) for a in leaves}) == 1
