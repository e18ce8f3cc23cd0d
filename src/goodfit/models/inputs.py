"""What goes into a Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from goodfit.errors import ModelError


def check(model: keras.Model, shapes: Sequence[Sequence[int]]) -> None:
    """See that encoded rows go into a model.

    Args:
        model: A built model; one with a call of its own takes what it takes.
        shapes: The shape of one row of each array, in the order of the model's inputs.

    Raises:
        ModelError: They do not.
    """
    own = [tuple(t.shape[1:]) for t in keras.tree.flatten(getattr(model, "inputs", None) or [])]
    given = [tuple(int(n) for n in shape) for shape in shapes]
    if not own or (len(own) == len(given) and all(map(_fits, own, given))):
        return
    raise ModelError(
        "the model's input does not fit the data",
        expected=f"rows of shape {_told(given)}, as the data is encoded",
        received=f"an input of shape {_told(own)}",
    )


def packed(model: keras.Model, arrays: Any) -> Any:
    """Several inputs, a tuple in the order of the model's, in the structure that the model was made with."""
    return keras.tree.pack_sequence_as(model.input, list(arrays)) if isinstance(arrays, tuple) else arrays


def _fits(own: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    return len(own) == len(given) and all(a in (None, b) for a, b in zip(own, given, strict=True))


def _told(shapes: list[Any]) -> str:
    return " and ".join(str(tuple("any" if n is None else n for n in s)).replace("'", "") for s in shapes)
