"""Raw rows to arrays: one encoder for each kind of data."""

from __future__ import annotations

from typing import Any

from goodfit.data import Dataset
from goodfit.encode.array import ArrayEncoder
from goodfit.encode.base import Encoded, Encoder
from goodfit.encode.image import ImageEncoder
from goodfit.encode.inputs import InputsEncoder
from goodfit.encode.sequence import SequenceEncoder
from goodfit.encode.table import TableEncoder
from goodfit.encode.text import TextEncoder
from goodfit.errors import UsageError

__all__ = [
    "ArrayEncoder",
    "Encoded",
    "Encoder",
    "ImageEncoder",
    "InputsEncoder",
    "SequenceEncoder",
    "TableEncoder",
    "TextEncoder",
    "from_dict",
    "make",
]

KINDS: dict[str, type[Encoder]] = {
    e.kind: e for e in (TextEncoder, SequenceEncoder, TableEncoder, ArrayEncoder, ImageEncoder, InputsEncoder)
}
"""The encoders by their kind, which is that of the data set, but for sequences."""


def make(dataset: Dataset, **options: Any) -> Encoder:
    """The unfitted encoder for a data set.

    Args:
        dataset: Its kind and columns choose the encoder.
        options: Those of the encoder of that kind; `output_mode="int"` makes sequences of texts.
    """
    try:
        if dataset.kind == "text":
            columns = tuple(dataset.rows.columns)  # type: ignore[union-attr]
            if options.get("output_mode") == "int":
                return SequenceEncoder(columns, **{k: v for k, v in options.items() if k != "output_mode"})
            return TextEncoder(columns, **options)
        return KINDS[dataset.kind](**options)
    except TypeError:
        raise UsageError(
            f"an encoder option that {dataset.kind} data do not have",
            received=", ".join(sorted(options.keys() - {"inputs"})),
            fix="Words and n-grams are for texts: leave them out, or name the text column.",
        ) from None


def from_dict(d: dict[str, Any]) -> Encoder:
    """An encoder back from its `to_dict`."""
    return KINDS[d["kind"]].from_dict(d)
