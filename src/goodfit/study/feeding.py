"""What the encoder has to give so that it fits a network: options of the encoder, read off a model's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from goodfit.data import inputs as arrays
from goodfit.data.dataset import Dataset
from goodfit.encode import ArrayEncoder, Encoder, ImageEncoder
from goodfit.errors import DataError, ModelError
from goodfit.models.walk import branch, flat_layers, readers

LARGEST = 64
"""Pixels of the longer side of images for goodfit's own network: on a laptop, larger ones take hours."""

SCALING = (keras.layers.Rescaling, keras.layers.Normalization)
"""Layers by which a model scales its input itself."""

RAW = (*SCALING, keras.layers.Embedding, keras.layers.CategoryEncoding)
"""Layers that take numbers as they are."""


def options(dataset: Dataset, model: keras.Model | None) -> dict[str, Any]:
    """Options of the data set's encoder that a network asks for.

    Without a model of the user's own, images are brought to `LARGEST` pixels a side at most. With one,
    texts become sequences of word numbers for a model that begins with an `Embedding` or reads whole numbers, else
    as many words as its input has columns. Images are brought to the input's size, channels and axes. What a model
    scales itself (`Rescaling`, `Normalization`) it gets as it is. A model that was not told its input is read by its
    layers.

    Raises:
        ModelError: The model's inputs are not those of the data, or one that no data fill.
    """
    inputs = [] if model is None else keras.tree.flatten(getattr(model, "inputs", None) or [])
    if dataset.kind == "inputs":
        return {"inputs": _several(dataset, inputs, model)}
    if model is None:
        return {"size": size(dataset)} if dataset.kind == "image" else {}
    if not inputs:
        return _by_layers(dataset, model)
    if len(inputs) > 1:
        raise ModelError(
            f"the model takes {len(inputs)} inputs: {', '.join(t.name for t in inputs)}",
            expected="an array of two axes for each of them, by these names, in a dict or an .npz file",
            received="one array" if isinstance(dataset.rows, np.ndarray) else "one table",
            fix="Or begin the model with keras.Input((n,)), cut by x[:, :k].",
        )
    (tensor,) = inputs
    shape = tuple(tensor.shape[1:])
    first = [layer for layer in readers(model) if isinstance(layer, keras.layers.Embedding)]
    numbers = bool(first) or "int" in str(tensor.dtype)
    own = any(isinstance(layer, SCALING) for layer in flat_layers(model))
    _require_numbers(tensor)
    if dataset.kind == "text" and numbers:
        most = {"max_features": first[0].input_dim} if first else {}
        return {"output_mode": "int", "output_sequence_length": shape[0] if len(shape) == 1 else None, **most}
    if dataset.kind == "text" and len(shape) == 1 and shape[0]:
        return {"max_features": shape[0], "pad_to_max_tokens": True}
    if isinstance(dataset.rows, np.ndarray) and dataset.kind == "image":
        return {**_image(shape, dataset.rows.shape), "scaled": not own}
    return {"scaled": False} if dataset.kind == "array" and (own or numbers) else {}


def _by_layers(dataset: Dataset, model: keras.Model) -> dict[str, Any]:
    """Options for a model that tells no input: by the layer that it begins with, or by all of a class of its own."""
    own = any(isinstance(layer, SCALING) for layer in flat_layers(model))
    first: Any = model
    while isinstance(first, keras.Sequential) and first.layers:
        first = first.layers[0]
    first = flat_layers(first) if isinstance(first, keras.Model) else [first]
    words = next((layer for layer in first if isinstance(layer, keras.layers.Embedding)), None)
    if dataset.kind == "text" and words:
        return {"output_mode": "int", "max_features": words.input_dim}
    if dataset.kind == "image":
        return {"scaled": not own}
    raw = own or any(isinstance(layer, RAW) for layer in first)
    return {"scaled": False} if dataset.kind == "array" and raw else {}


def _several(dataset: Dataset, tensors: Sequence[Any], model: Any) -> dict[str, Encoder]:
    """An encoder for each input of a model, in their order, by the names of the data's arrays.

    Numbers are scaled, but not those that an input of whole numbers, an `Embedding` or the model's own scaling takes.
    """
    rows: Any = dataset.rows
    names = [t.name for t in tensors]
    given = arrays.names(rows)
    if not tensors:
        expected = "one made of keras.Input(shape, name=...) layers, named as the arrays"
        raise ModelError("the model does not tell its inputs", expected=expected, received=f"arrays {', '.join(given)}")
    if given == tuple(map(str, range(len(names)))):
        names = list(given)
    fix = "An input is named where it is made: keras.Input(shape, name='text')."
    told = {"expected": f"arrays named {', '.join(names)}", "received": ", ".join(given)}
    for name in names:
        if name not in given:
            raise DataError(f"there is no array for the model's input {name!r}", **told, fix=fix)
    for name in given:
        if name not in names:
            raise DataError(f"the model has no input {name!r}", **told, fix=f"Leave it out: --drop {name}. {fix}")
    found: dict[str, Encoder] = {}
    for name, tensor in zip(names, tensors, strict=True):
        _require_numbers(tensor)
        shape, own = tuple(tensor.shape[1:]), rows.dtype[name]
        scaled = "float" in str(tensor.dtype) and not any(isinstance(x, RAW) for x in branch(model, tensor))
        image = len(own.shape) in (2, 3) and (len(shape) == 3 or own.base == np.uint8)
        options = _image(shape, (len(rows), *own.shape)) if image else {}
        found[name] = ImageEncoder(**options, scaled=scaled) if options else ArrayEncoder(scaled=scaled)
    return found


def _require_numbers(tensor: Any) -> None:
    if str(tensor.dtype) == "string":
        raise ModelError(
            "the model reads texts itself, which cannot be trained on JAX",
            expected="an input of numbers",
            fix="Leave TextVectorization out: goodfit numbers the words for an Embedding, and counts them for a Dense.",
        )


def size(dataset: Dataset) -> tuple[int, int] | None:
    """Height and width of images for goodfit's own network, the longer one `LARGEST` at most; None for other rows."""
    if dataset.kind != "image" or not isinstance(dataset.rows, np.ndarray):
        return None
    height, width = dataset.rows.shape[1:3]
    scale = min(1.0, LARGEST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _image(shape: tuple[int | None, ...], rows: tuple[int, ...]) -> dict[str, Any]:
    """How an image has to look for an input of this shape; nothing where it cannot."""
    if len(shape) == 1:
        return {"rank": 1}
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (None, 1, 3, *rows[3:])):
        return {}
    height, width = (a or b for a, b in zip(shape[:2], rows[1:3], strict=True))
    channels = shape[2] if len(shape) == 3 else 1
    return {"rank": len(shape), "size": (height, width), "channels": channels}
