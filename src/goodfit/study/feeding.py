"""What the encoder has to give so that it fits a network: options of the encoder, read off a model's input."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from goodfit.data.dataset import Dataset
from goodfit.errors import ModelError
from goodfit.models.source import Source
from goodfit.models.walk import flat_layers, readers

LARGEST = 64
"""Pixels of the longer side of images for goodfit's own network: on a laptop, larger ones take hours."""

SCALING = (keras.layers.Rescaling, keras.layers.Normalization)
"""Layers by which a model scales its input itself."""


def options(dataset: Dataset, source: Source | None) -> dict[str, Any]:
    """Options of the data set's encoder that a network asks for.

    Without a model of the user's own, images are brought to `LARGEST` pixels a side at most. With one,
    texts become sequences of word numbers for a model that begins with an `Embedding` or reads whole numbers, else
    as many words as its input has columns. Images are brought to the input's size, channels and axes. What a model
    scales itself (`Rescaling`, `Normalization`) it gets as it is.

    Raises:
        ModelError: The model has several inputs, or one that no data fill.
    """
    inputs = [] if source is None else keras.tree.flatten(getattr(source.model, "inputs", None) or [])
    if source is None or not inputs:
        return {"size": size(dataset)} if dataset.kind == "image" and source is None else {}
    if len(inputs) > 1:
        raise ModelError(
            f"the model takes {len(inputs)} inputs",
            expected="one: the encoded row",
            fix="Give the data as one array or table, and begin the model with keras.Input((n,)), cut by x[:, :k].",
        )
    model, (tensor,) = source.model, inputs
    shape = tuple(tensor.shape[1:])
    first = [layer for layer in readers(model) if isinstance(layer, keras.layers.Embedding)]
    numbers = bool(first) or "int" in str(tensor.dtype)
    own = any(isinstance(layer, SCALING) for layer in flat_layers(model))
    if str(tensor.dtype) == "string":
        raise ModelError(
            "the model reads texts itself, which cannot be trained on JAX",
            expected="an input of numbers",
            fix="Leave TextVectorization out: goodfit numbers the words for an Embedding, and counts them for a Dense.",
        )
    if dataset.kind == "text" and numbers:
        most = {"max_features": first[0].input_dim} if first else {}
        return {"output_mode": "int", "output_sequence_length": shape[0] if len(shape) == 1 else None, **most}
    if dataset.kind == "text" and len(shape) == 1 and shape[0]:
        return {"max_features": shape[0], "pad_to_max_tokens": True}
    if isinstance(dataset.rows, np.ndarray) and dataset.kind == "image":
        return {**_image(shape, dataset.rows.shape), "scaled": not own}
    return {"scaled": False} if dataset.kind == "array" and (own or numbers) else {}


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
