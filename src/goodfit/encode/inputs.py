"""The arrays of a network's several inputs, each by an encoder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, final

import numpy as np

from goodfit.data import inputs as arrays
from goodfit.data.sources.memory import as_rows
from goodfit.encode.array import ArrayEncoder
from goodfit.encode.base import Encoder
from goodfit.encode.image import ImageEncoder
from goodfit.errors import DataError, near

KINDS: dict[str, type[ArrayEncoder] | type[ImageEncoder]] = {e.kind: e for e in (ArrayEncoder, ImageEncoder)}


@final
class InputsEncoder(Encoder):
    """Arrays by name to arrays in the order of a network's inputs; others beside them are left out.

    Args:
        inputs: An encoder for each input, in their order.
    """

    kind = "inputs"

    def __init__(self, *, inputs: Mapping[str, Encoder]):
        self.encoders = dict(inputs)
        self.shapes: dict[str, tuple[int, ...]] = {}

    def fit(self, rows: Any) -> Self:
        """Fit each encoder to its own array."""
        rows = self._arrays(rows)
        self.shapes = {name: rows.dtype[name].shape or (1,) for name in self.encoders}
        for name, encoder in self.encoders.items():
            _named(name, encoder.fit, rows[name])
        self.notes = tuple(f"{name}: {note}" for name, encoder in self.encoders.items() for note in encoder.notes)
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Encode rows: a structured array `(rows,)` with a field of float32 for each input."""
        rows, out = self._arrays(rows), {}
        for name, encoder in self.encoders.items():
            array = isinstance(encoder, ArrayEncoder)
            if array and (rows.dtype[name].shape or (1,)) != self.shapes[name]:
                received = str(rows.dtype[name].shape)
                expected = str(self.shapes[name])
                raise DataError(f"the array {name!r} has rows of another shape", expected=expected, received=received)
            found = _named(name, encoder.transform, rows[name])
            out[name] = found.reshape(len(rows), *self.shapes[name]) if array else found
        return arrays.of(out)

    def _arrays(self, rows: Any) -> np.ndarray:
        rows, names = as_rows(rows), ", ".join(self.encoders)
        known = arrays.names(rows)
        if not known:
            raise DataError("the rows are not several arrays", expected=f"arrays of two axes or more, named {names}")
        for name in self.encoders:
            if name not in known:
                raise DataError(f"there is no array {name!r}", expected=f"arrays named {names}", fix=near(name, known))
        return rows

    @property
    def feature_names(self) -> list[str]:
        """The name of the input and of its feature."""
        return [f"{name}: {feature}" for name, encoder in self.encoders.items() for feature in encoder.feature_names]

    def to_dict(self) -> dict[str, Any]:
        """Names, shapes and encoders in their order."""
        each = [{"name": n, "shape": list(self.shapes[n]), "encoder": e.to_dict()} for n, e in self.encoders.items()]
        return {"kind": self.kind, "inputs": each}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Back from `to_dict`."""
        encoder = cls(inputs={i["name"]: KINDS[i["encoder"]["kind"]].from_dict(i["encoder"]) for i in d["inputs"]})
        encoder.shapes = {i["name"]: tuple(i["shape"]) for i in d["inputs"]}
        return encoder


def _named(name: str, encode: Callable[[Any], Any], rows: np.ndarray) -> Any:
    """What an encoder gives; its errors tell of which input."""
    try:
        return encode(rows)
    except DataError as error:
        raise DataError(
            f"the array {name!r}: {error.what}", expected=error.expected, received=error.received, fix=error.fix
        ) from None
